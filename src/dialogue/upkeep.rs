//! The upkeep: seals evidence every few seconds; once a day ends what has expired, deletes what nobody
//! confirmed, keeps the retention period, and lets the ledger of old waves go. Each run tells what it did.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{NaiveTime, Timelike};
use sea_orm::DbErr;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::DialogueError;
use super::clean_up::{self, CleanUpReport};
use super::confirmation;
use super::retention::{self, RetentionReport};
use super::store::retention as store;
use crate::accounts::sessions::{self, Lifetime};
use crate::clock::{DAY_MS, from_ms};
use crate::config::Settings;
use crate::consent::anchor::{self, AnchorFile, SealError};
use crate::consent::expiry;
use crate::consent::overview::{self, OverviewError};
use crate::customers::value;
use crate::events;
use crate::imports;
use crate::keys::Keys;
use crate::responses::{feedback, inbox, texts};
use crate::storage::{Db, Dialect};

/// The hour (UTC) from which on the daily upkeep is due: night where our customers live.
const HOUR: u32 = 2;
/// How long a receipt waits for the message it is about.
const UNMATCHED_DAYS: i64 = 30;

/// What one upkeep did; of a dry run, what it would have done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpkeepReport {
    /// When it began, in milliseconds since the epoch.
    pub at: i64,
    pub is_dry_run: bool,
    /// Pieces of evidence that got their place in the chain.
    pub sealed: u64,
    /// Permissions that ended by themselves.
    pub expired: u64,
    /// Requests for confirmation that nobody answered, deleted.
    pub unconfirmed_deleted: u64,
    pub retention: RetentionReport,
    /// Of the ledger.
    #[serde(default)]
    pub clean_up: CleanUpReport,
    /// Texts of people that were emptied, since there is no reason to keep them.
    #[serde(default)]
    pub texts: u64,
    /// Mails that came back and are remembered no longer.
    #[serde(default)]
    pub mails: u64,
    /// Uploaded files that were removed.
    #[serde(default)]
    pub uploads: u64,
    /// People by rung, strangers first, by topic; of the empty name: the best of each person's topics.
    #[serde(default)]
    pub standings: BTreeMap<String, [u64; 6]>,
}

impl fmt::Display for UpkeepReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = from_ms(self.at).format("%Y-%m-%d %H:%M UTC");
        let title = if self.is_dry_run {
            "Upkeep, dry run"
        } else {
            "Upkeep"
        };
        writeln!(f, "{title} of {at}")?;
        let mut line = |n: u64, what: &str| writeln!(f, "  {n:>9}  {what}");
        line(self.sealed, "pieces of evidence sealed")?;
        line(self.expired, "permissions expired")?;
        line(self.unconfirmed_deleted, "unconfirmed sign-ups deleted")?;
        let kept = &self.retention;
        let [asked, unanswered, unreachable] = if kept.is_acting {
            [
                "people asked whether they want to stay",
                "people erased: no answer",
                "people erased: no way to ask them",
            ]
        } else {
            [
                "people to be asked whether they want to stay",
                "people to be erased: no answer",
                "people to be erased: no way to ask them",
            ]
        };
        line(kept.asked, asked)?;
        line(kept.waiting, "people being asked, with time left to answer")?;
        line(kept.erased_unanswered, unanswered)?;
        line(kept.erased_unreachable, unreachable)?;
        line(self.clean_up.deliveries, "deliveries of old waves let go")?;
        line(self.texts, "old texts of people emptied")?;
        line(self.mails, "old mails forgotten")?;
        line(self.uploads, "old uploads removed")?;
        if !kept.is_acting && !self.is_dry_run {
            writeln!(
                f,
                "  Nobody was asked or erased: set retention.act = true in the settings to act."
            )?;
        }
        Ok(())
    }
}

/// Gives the evidence that waits its place in the chain, and notes the chain's end; looks first, so that
/// an idle server takes no lock.
///
/// # Errors
/// As [`anchor::seal`].
pub async fn seal(
    db: &Db,
    keys: &Keys,
    settings: &Settings,
    now_ms: i64,
) -> Result<u64, SealError> {
    let file = AnchorFile::in_folder(&settings.data_dir);
    if store::has_unsealed(&**db).await? {
        anchor::seal(db, keys, &file, now_ms).await
    } else {
        anchor::follow(db, &file).await.map(|()| 0)
    }
}

/// Whether the daily upkeep is due: none has begun since the last hour of upkeep.
///
/// # Errors
/// When the database is away.
pub async fn is_due(db: &Db, now_ms: i64) -> Result<bool, DbErr> {
    let last = store::last_run(db).await?;
    Ok(last.is_none_or(|last| last < last_hour(now_ms)))
}

/// The last time the hour of upkeep struck.
fn last_hour(now_ms: i64) -> i64 {
    let now = from_ms(now_ms);
    let today = now
        .date_naive()
        .and_time(NaiveTime::MIN)
        .with_hour(HOUR)
        .unwrap_or_default()
        .and_utc()
        .timestamp_millis();
    if today <= now_ms {
        today
    } else {
        today - DAY_MS
    }
}

/// The daily upkeep, when it is due and no other node is at it: `None` then.
///
/// # Errors
/// As [`run`].
pub async fn run_if_due(
    db: &Db,
    keys: &Keys,
    settings: &Settings,
    now_ms: i64,
    stop: &CancellationToken,
) -> Result<Option<UpkeepReport>, DialogueError> {
    if !is_due(db, now_ms).await? {
        return Ok(None);
    }
    match db.dialect() {
        // One node; and each step looks again before it acts.
        Dialect::Sqlite => run(db, keys, settings, now_ms, stop).await.map(Some),
        Dialect::Postgres => {
            // Holds nothing but the lock, which goes with it however this ends.
            let lead = db.begin().await?;
            if !(store::take_upkeep(&lead).await? && is_due(db, now_ms).await?) {
                return Ok(None);
            }
            let report = run(db, keys, settings, now_ms, stop).await?;
            lead.rollback().await?;
            Ok(Some(report))
        }
    }
}

/// Runs the daily upkeep now. Every step may be interrupted anywhere and done again; the report is stored
/// when all are done, so a run that was stopped is due again.
///
/// # Errors
/// When the database is away; what was done before stays.
pub async fn run(
    db: &Db,
    keys: &Keys,
    settings: &Settings,
    now_ms: i64,
    stop: &CancellationToken,
) -> Result<UpkeepReport, DialogueError> {
    let is_acting = settings.retention.act;
    let expired = expiry::expire_due(db, &settings.permission, now_ms).await?;
    let unconfirmed_deleted =
        confirmation::purge(db, unconfirmed_before(settings, now_ms), now_ms).await?;
    let retention = retention::run(db, keys, settings, is_acting, now_ms, stop).await?;
    let clean_up = clean_up::run(db, settings.delivery.keep_days, now_ms, stop).await?;
    // Receipts of an outage longer than the usual look back, then those whose message never came.
    texts::match_kept(db, 0, now_ms).await?;
    texts::let_go_unmatched(db, now_ms - UNMATCHED_DAYS * DAY_MS).await?;
    let texts = texts::let_go_old(db, now_ms).await?;
    let mails = inbox::let_go_old(db, settings.inbound.keep_days, now_ms).await?;
    events::forget_old(db, now_ms).await?;
    let keep_days = settings.imports.keep_days;
    let uploads = imports::upkeep::let_go_old(db, &settings.data_dir, keep_days, now_ms).await?;
    value::find_breaks(db, now_ms).await?;
    feedback::forget_untracked(db).await?;
    sessions::let_go(db, Lifetime::of(&settings.accounts), now_ms).await?;
    db.checkpoint().await;
    let file = AnchorFile::in_folder(&settings.data_dir);
    let report = UpkeepReport {
        at: now_ms,
        is_dry_run: false,
        expired: expired.count(),
        unconfirmed_deleted,
        retention,
        clean_up,
        texts,
        mails,
        uploads,
        standings: if stop.is_cancelled() {
            BTreeMap::new()
        } else {
            overview::standings(db, settings, now_ms)
                .await
                .map_err(uncounted)?
        },
        sealed: anchor::seal_or_log(db, keys, &file, now_ms).await?,
    };
    if !stop.is_cancelled() {
        let stored = serde_json::to_value(&report)
            .map_err(|error| DbErr::Json(format!("upkeep_runs.report: {error}")))?;
        store::add_run(db, now_ms, &stored).await?;
    }
    Ok(report)
}

/// Counts what [`run`] would do, and changes nothing.
///
/// # Errors
/// When the database is away.
pub async fn dry_run(
    db: &Db,
    keys: &Keys,
    settings: &Settings,
    now_ms: i64,
) -> Result<UpkeepReport, DialogueError> {
    let never = CancellationToken::new();
    Ok(UpkeepReport {
        at: now_ms,
        is_dry_run: true,
        sealed: 0,
        expired: expiry::count_due(db, &settings.permission, now_ms)
            .await?
            .count(),
        unconfirmed_deleted: store::unconfirmed(db, unconfirmed_before(settings, now_ms), now_ms)
            .await?,
        retention: retention::run(db, keys, settings, false, now_ms, &never).await?,
        clean_up: clean_up::count(db, settings.delivery.keep_days, now_ms).await?,
        texts: texts::count_old(db, now_ms).await?,
        mails: inbox::count_old(db, settings.inbound.keep_days, now_ms).await?,
        uploads: 0,
        standings: BTreeMap::new(),
    })
}

/// When people were last counted, in milliseconds since the epoch, and how many stood on each rung then,
/// strangers first; `None` before the first upkeep that knew the topic.
///
/// # Errors
/// As [`history`].
pub async fn standings(db: &Db, topic: Option<&str>) -> Result<Option<(i64, [u64; 6])>, DbErr> {
    let last = history(db, 1).await?.into_iter().next();
    Ok(last.and_then(|report| {
        let counts = report.standings.get(topic.unwrap_or_default())?;
        Some((report.at, *counts))
    }))
}

fn uncounted(error: OverviewError) -> DialogueError {
    match error {
        OverviewError::Database(error) => error.into(),
        OverviewError::Settings(error) => error.into(),
    }
}

fn unconfirmed_before(settings: &Settings, now_ms: i64) -> i64 {
    now_ms - i64::from(settings.sign_up.keep_unconfirmed_days) * DAY_MS
}

/// The reports of the last `limit` upkeeps, newest first.
///
/// # Errors
/// When the database is away or a report cannot be read.
pub async fn history(db: &Db, limit: u32) -> Result<Vec<UpkeepReport>, DbErr> {
    store::runs(db, i64::from(limit))
        .await?
        .iter()
        .map(|text| {
            serde_json::from_str(text)
                .map_err(|error| DbErr::Json(format!("upkeep_runs.report: {error}")))
        })
        .collect()
}
