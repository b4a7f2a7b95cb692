//! Sends our answers to STOP, START and HELP, beside the campaigns: once each, never with advertising.
//!
//! A row is claimed with an attempt number before its message goes out, so no two nodes send one at once. What
//! may have been taken is never sent again; a process that dies while it sends leaves exactly such a message.

mod words;

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use sea_orm::DbErr;
use tokio_util::sync::CancellationToken;

use super::store::replies::{self as store, Claimed, Sent};
use crate::channels::model::Outcome;
use crate::channels::sms::SmsChannel;
use crate::channels::sms::model::SmsMessage;
use crate::clock::{DAY_MS, SharedClock};
use crate::config::Settings;
use crate::delivery::model::back_off;
use crate::responses::texts;
use crate::storage::Db;
use crate::templates::sms;

/// Answers taken at once.
const BATCH: u32 = 20;
/// Attempts at most.
const ATTEMPTS: i16 = 5;
/// After this an answer answers nothing any more.
const ANSWER_WITHIN_MS: i64 = DAY_MS;
/// How often is looked for something to send.
const IDLE: Duration = Duration::from_millis(500);
/// The longest wait while the database is away.
const IDLE_AT_MOST: Duration = Duration::from_secs(15);
/// How often receipts that came too early are looked for, in turns of [`IDLE`].
const MATCH_EVERY: u32 = 4;

/// What hands a text message over.
pub trait TextLine: Send + Sync {
    /// Hands one message to the provider of this name and says what became of it.
    fn send(&self, provider: &str, message: &SmsMessage) -> impl Future<Output = Outcome> + Send;
}

impl TextLine for SmsChannel {
    async fn send(&self, provider: &str, message: &SmsMessage) -> Outcome {
        Self::send(self, provider, message).await
    }
}

/// What answers texts.
#[derive(Debug)]
pub struct TextReplies<L> {
    db: Db,
    clock: SharedClock,
    settings: Arc<Settings>,
    line: L,
}

impl<L: TextLine> TextReplies<L> {
    pub fn new(db: Db, clock: SharedClock, settings: Arc<Settings>, line: L) -> Self {
        Self {
            db,
            clock,
            settings,
            line,
        }
    }

    /// Sends what is due, and gives receipts that came too early to their messages, until `stop`; what is in
    /// flight is settled first.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut wait = IDLE;
        let mut turn = 0_u32;
        while !stop.is_cancelled() {
            let is_matching = turn.is_multiple_of(MATCH_EVERY);
            turn = turn.wrapping_add(1);
            match self.step(is_matching).await {
                Ok(0) => wait = IDLE,
                Ok(_) => {
                    wait = IDLE;
                    continue;
                }
                Err(error) => {
                    tracing::error!(%error, "the database failed; answers to texts are tried again");
                    wait = (wait * 2).min(IDLE_AT_MOST);
                }
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Sends until nothing is due or `stop`, and gives receipts that came too early to their messages; returns
    /// how many attempts were made.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn run_until_idle(&self, stop: &CancellationToken) -> Result<u64, DbErr> {
        self.match_receipts().await?;
        let mut attempts = 0;
        while !stop.is_cancelled() {
            match self.send_due().await? {
                0 => break,
                n => attempts += n,
            }
        }
        Ok(attempts)
    }

    async fn step(&self, is_matching: bool) -> Result<u64, DbErr> {
        if is_matching {
            self.match_receipts().await?;
        }
        self.send_due().await
    }

    async fn match_receipts(&self) -> Result<u64, DbErr> {
        let now_ms = self.clock.now_ms();
        texts::match_kept(&self.db, now_ms - texts::MATCH_WITHIN_MS, now_ms).await
    }

    async fn send_due(&self) -> Result<u64, DbErr> {
        let now_ms = self.clock.now_ms();
        // Longer than a line, whatever waits in it, holds a message: one that comes back was in a process that
        // is dead.
        let claim =
            Duration::from_secs(self.settings.sms.timeout_seconds) + Duration::from_secs(600);
        let claimed = store::claim(&self.db, BATCH, now_ms, later(now_ms, claim)).await?;
        let sends = claimed.iter().map(|one| self.answer(one));
        let results = futures_util::future::join_all(sends).await;
        results.into_iter().collect::<Result<Vec<()>, DbErr>>()?;
        Ok(claimed.len() as u64)
    }

    async fn answer(&self, claimed: &Claimed) -> Result<(), DbErr> {
        let now_ms = self.clock.now_ms();
        let is_late = now_ms - claimed.queued_at > ANSWER_WITHIN_MS;
        let sent = match &claimed.number {
            // The attempt before was not settled: its process died, perhaps with the message gone.
            _ if claimed.was_in_hand => Sent::Unknown,
            Some(number) if !is_late => {
                let message = self.compose(claimed, number);
                let outcome = self.line.send(&claimed.provider, &message).await;
                verdict(&outcome, claimed.attempt, now_ms)
            }
            _ => Sent::Never,
        };
        store::settle(&self.db, claimed, sent, self.clock.now_ms()).await
    }

    fn compose(&self, claimed: &Claimed, number: &str) -> SmsMessage {
        let firm = claimed.firm.as_deref();
        let firm = firm.unwrap_or(&self.settings.notices.sender_name);
        let text = words::answer(
            claimed.kind,
            &claimed.language,
            firm,
            self.settings.sms.contact.trim(),
        );
        let account = self.settings.sms.provider_named(&claimed.provider);
        let own = account.and_then(|account| account.sender.clone());
        SmsMessage {
            reference: format!("{}{}", texts::ANSWER, claimed.id),
            to: number.to_owned(),
            // From where he wrote to, so that it stands in the same conversation.
            sender: claimed.sender.clone().or(own).unwrap_or_default(),
            size: sms::size(&text),
            text,
            is_marketing: false,
        }
    }
}

/// What an outcome means for an answer.
fn verdict(outcome: &Outcome, attempt: i16, now_ms: i64) -> Sent {
    match outcome {
        Outcome::Accepted => Sent::Yes,
        Outcome::Unknown { .. } => Sent::Unknown,
        Outcome::Rejected { class, .. } if !class.is_sender_fault() => Sent::Never,
        Outcome::Rejected { .. } | Outcome::Deferred { .. } if attempt >= ATTEMPTS => Sent::Never,
        Outcome::Rejected { .. } => {
            Sent::Later(later(now_ms, back_off(attempt, None, rand::rng().random())))
        }
        Outcome::Deferred { retry_after, .. } => Sent::Later(later(
            now_ms,
            back_off(attempt, *retry_after, rand::rng().random()),
        )),
    }
}

fn later(now_ms: i64, wait: Duration) -> i64 {
    now_ms.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
}
