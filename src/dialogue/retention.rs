//! Retention (CNIL): three years after the last act that came from the person he is asked once whether he
//! wants to stay; who does not answer, or cannot be asked, is erased. The time to answer runs from when the
//! next server took the question; what did not go out is asked again.
//!
//! A click is an act, an open is none. Each person is looked at again under the lock of his row and dealt
//! with in a transaction of his own, so that an interruption leaves nobody asked twice or half erased.

use sea_orm::DbErr;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::DialogueError;
use super::confirmation;
use super::erase;
use super::model::{AgreedTopic, Agreement, Ask, Limits, Purpose};
use super::store::retention::{self as store, Silent};
use crate::clock::DAY_MS;
use crate::config::Settings;
use crate::consent::model::Channel;
use crate::customers::store as customers;
use crate::ids::CustomerId;
use crate::keys::Keys;
use crate::storage::{Db, Txn};

/// People read at once.
const PAGE: i64 = 500;
/// Where the yes came from, in the evidence.
const SOURCE: &str = "re_permission";
/// Who did it, in audit records.
const SYSTEM: &str = "system";

/// What became of the people from whom nothing came for so long; without `is_acting`, what would have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionReport {
    pub is_acting: bool,
    /// Asked whether they want to stay.
    pub asked: u64,
    /// To be asked as soon as a message goes out, or asked with time left to answer.
    pub waiting: u64,
    /// Erased because they did not answer in time.
    pub erased_unanswered: u64,
    /// Erased because there was no way to ask them: opted out, or without an address that works.
    pub erased_unreachable: u64,
}

/// What is to be done about one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Ask,
    Wait,
    EraseUnanswered,
    EraseUnreachable,
}

impl Step {
    fn of(silent: &Silent, answer_ms: i64, now_ms: i64) -> Self {
        match silent.asked_at {
            Some(asked_at) if now_ms - asked_at < answer_ms => Self::Wait,
            Some(_) => Self::EraseUnanswered,
            None if !silent.is_reachable => Self::EraseUnreachable,
            None if silent.is_queued => Self::Wait,
            None => Self::Ask,
        }
    }
}

/// Deals with everyone whose time has come, until `stop`; counts only, unless `is_acting`.
///
/// # Errors
/// When the database is away; who was dealt with before stays so.
pub(super) async fn run(
    db: &Db,
    keys: &Keys,
    settings: &Settings,
    is_acting: bool,
    now_ms: i64,
    stop: &CancellationToken,
) -> Result<RetentionReport, DialogueError> {
    let mut report = RetentionReport {
        is_acting,
        ..RetentionReport::default()
    };
    // 0 stands for "without end", as in [permission].
    if settings.retention.days == 0 {
        return Ok(report);
    }
    let cutoff_ms = now_ms - i64::from(settings.retention.days) * DAY_MS;
    let answer_ms = i64::from(settings.retention.answer_days) * DAY_MS;
    let mut after = 0;
    loop {
        let page = store::silent_after(db, cutoff_ms, now_ms, after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(report);
        };
        after = last.customer.0;
        for silent in &page {
            if stop.is_cancelled() {
                return Ok(report);
            }
            let mut step = Some(Step::of(silent, answer_ms, now_ms));
            if is_acting && step != Some(Step::Wait) {
                step = act(db, keys, settings, silent.customer, cutoff_ms, now_ms).await?;
            }
            match step {
                Some(Step::Ask) => report.asked += 1,
                Some(Step::Wait) => report.waiting += 1,
                Some(Step::EraseUnanswered) => report.erased_unanswered += 1,
                Some(Step::EraseUnreachable) => report.erased_unreachable += 1,
                None => {}
            }
        }
    }
}

/// Does what is to be done about one person, if that is still so under the lock of his row.
async fn act(
    db: &Db,
    keys: &Keys,
    settings: &Settings,
    customer: CustomerId,
    cutoff_ms: i64,
    now_ms: i64,
) -> Result<Option<Step>, DialogueError> {
    let txn = db.begin().await?;
    let fingerprint = store::hold_fingerprint(&txn, customer).await?;
    let Some(silent) = store::still_silent(&txn, cutoff_ms, now_ms, customer).await? else {
        txn.rollback().await?;
        return Ok(None);
    };
    let answer_ms = i64::from(settings.retention.answer_days) * DAY_MS;
    let step = Step::of(&silent, answer_ms, now_ms);
    match (step, fingerprint) {
        (Step::Ask, Some(fingerprint)) => {
            ask(&txn, settings, customer, fingerprint, answer_ms, now_ms).await?;
        }
        (Step::Ask | Step::Wait, _) => {}
        (Step::EraseUnanswered, _) => {
            let reason = "no answer to the re-permission request";
            erase::erase_within(&txn, keys, customer, SYSTEM, reason, now_ms).await?;
        }
        (Step::EraseUnreachable, _) => {
            let reason = "retention period over, and no way to ask";
            erase::erase_within(&txn, keys, customer, SYSTEM, reason, now_ms).await?;
        }
    }
    txn.commit().await?;
    Ok(Some(step))
}

/// Asks whether the permissions he had still hold.
async fn ask(
    txn: &Txn,
    settings: &Settings,
    customer: CustomerId,
    fingerprint: String,
    answer_ms: i64,
    now_ms: i64,
) -> Result<(), DialogueError> {
    let Some(known) = customers::get(&**txn, txn.dialect(), customer).await? else {
        return Err(DialogueError::NoSuchCustomer(customer));
    };
    store::forget_unsent(txn, customer).await?;
    let topics = store::renewable_topics(&**txn, customer).await?;
    let agreement = Agreement {
        topics: topics
            .into_iter()
            .map(|name| AgreedTopic {
                wording: wording(settings, &name, &known.language),
                name,
            })
            .collect(),
        source: SOURCE.to_owned(),
        ..Agreement::default()
    };
    let payload = serde_json::to_value(&agreement)
        .map_err(|error| DbErr::Json(format!("confirmations.payload: {error}")))?;
    let request = Ask {
        purpose: Purpose::RePermission,
        channel: Channel::Email,
        customer: Some(customer),
        address: None,
        limit_key: fingerprint.clone(),
        fingerprint,
        language: known.language,
        payload,
        expires_at: now_ms.saturating_add(answer_ms),
    };
    // When something else was asked a moment ago, the next upkeep asks this.
    confirmation::ask(txn, &request, Limits::NONE, now_ms).await?;
    Ok(())
}

/// What he agrees to, in his language; the topic's name where the settings have no words for it.
fn wording(settings: &Settings, topic: &str, language: &str) -> String {
    let known = settings.permission.topics.iter().find(|t| t.name == topic);
    known
        .and_then(|known| {
            known
                .wording
                .get(language)
                .or_else(|| known.wording.get("en"))
        })
        .map_or_else(|| topic.to_owned(), Clone::clone)
}
