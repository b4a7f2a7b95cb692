//! Sends summaries when they are due, beside the campaigns and over the same connections.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use sea_orm::DbErr;
use tokio_util::sync::CancellationToken;

use super::{letter, of_period, period};
use crate::channels::email::{EmailChannel, EmailSummaries};
use crate::channels::model::{Outcome, Sender, SummaryMessage};
use crate::clock::{DAY_MS, SharedClock};
use crate::config::{DEFAULT_RELAY, Settings};
use crate::delivery::model::back_off;
use crate::ids::SummaryId;
use crate::keys::Keys;
use crate::reports::ReportError;
use crate::reports::store::summary::{self as store, Due, Sent};
use crate::storage::Db;

/// Attempts at most.
const ATTEMPTS: i16 = 6;
/// How often is looked for something to send.
const IDLE: Duration = Duration::from_secs(15);
/// After this a summary that was taken is taken for lost, in milliseconds: longer than any hand-over.
const LOST_MS: i64 = 20 * 60_000;
/// The first summary of all goes out only this long after its time, in milliseconds: who switches it on on a
/// Thursday does not want that of Monday.
const FIRST_MS: i64 = 3_600_000;

/// What sends summaries.
#[derive(Debug)]
pub struct Summaries {
    db: Db,
    clock: SharedClock,
    keys: Keys,
    settings: Arc<Settings>,
    channel: EmailSummaries,
}

impl Summaries {
    pub fn new(
        db: Db,
        clock: SharedClock,
        keys: Keys,
        settings: Arc<Settings>,
        channel: &EmailChannel,
    ) -> Self {
        let sender = Sender {
            name: settings.notices.sender_name.clone(),
            address: settings.notices.sender_address.clone(),
            reply_to: None,
        };
        // Asking for no relay by name cannot fail.
        let relay = settings.email.route(None, &sender.address);
        let channel = channel.open_summaries(relay.unwrap_or(DEFAULT_RELAY), &sender);
        Self {
            db,
            clock,
            keys,
            settings,
            channel,
        }
    }

    /// Sends what is due until `stop`.
    pub async fn run(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            if let Err(error) = self.run_until_idle(stop).await {
                tracing::error!(%error, "a summary could not be sent; it is tried again");
            }
            tokio::select! {
                () = tokio::time::sleep(IDLE) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Sends until nothing is due or `stop`; returns how many were handed over.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn run_until_idle(&self, stop: &CancellationToken) -> Result<u64, ReportError> {
        if !self.settings.summary.to.is_empty() {
            self.plan_due().await?;
        }
        let mut sent = 0;
        while !stop.is_cancelled() {
            let now_ms = self.clock.now_ms();
            let Some(due) = store::take(&self.db, now_ms, now_ms + LOST_MS).await? else {
                break;
            };
            let address = self.address(&due.reader);
            sent += u64::from(self.send(&due, address).await? == Sent::Yes);
        }
        Ok(sent)
    }

    /// Sends what ran in the last `days` to one address, now.
    ///
    /// # Errors
    /// When the database is away, or with what became of the message when it was not taken.
    pub async fn send_now(&self, to: &str, days: u32) -> Result<Result<(), String>, ReportError> {
        let now_ms = self.clock.now_ms();
        let since = now_ms.saturating_sub(i64::from(days).saturating_mul(DAY_MS));
        let summary = SummaryId(now_ms);
        let message = self.compose(summary, to, (since, now_ms)).await?;
        let message = match message {
            Ok(message) => message,
            Err(problem) => return Ok(Err(problem)),
        };
        Ok(match self.channel.send(&message).await {
            Outcome::Accepted => Ok(()),
            Outcome::Deferred { reply, .. } => {
                Err(format!("the relay put it off ({reply}); try again later"))
            }
            Outcome::Rejected { reply, .. } => Err(format!("the relay refused it ({reply})")),
            Outcome::Unknown { why } => Err(format!("it may or may not have arrived: {why}")),
        })
    }

    /// Plans the last period for every reader, once.
    async fn plan_due(&self) -> Result<(), DbErr> {
        let now = self.clock.now();
        let Some(period) = period::last(&self.settings.summary, now) else {
            return Ok(());
        };
        if store::is_planned(&self.db, &period.key).await? {
            return Ok(());
        }
        let until = period.until.timestamp_millis();
        let last = store::last_until(&self.db, until).await?;
        let now_ms = now.timestamp_millis();
        if last.is_none() && now_ms - until > FIRST_MS {
            return Ok(());
        }
        let since = last.unwrap_or(period.since.timestamp_millis());
        let readers: Vec<String> = self
            .settings
            .summary
            .to
            .iter()
            .map(|address| self.reader(address))
            .collect();
        store::plan(&self.db, &period.key, &readers, (since, until), now_ms).await
    }

    /// How a reader stands in the database.
    fn reader(&self, address: &str) -> String {
        self.keys.fingerprint(&address.trim().to_lowercase())
    }

    /// The address of a reader; `None` when he is not in the settings any more.
    fn address(&self, reader: &str) -> Option<String> {
        let mut readers = self.settings.summary.to.iter();
        readers
            .find(|address| self.reader(address) == reader)
            .cloned()
    }

    async fn send(&self, due: &Due, address: Option<String>) -> Result<Sent, ReportError> {
        let sent = match address {
            Some(address) => match self
                .compose(due.id, &address, (due.since, due.until))
                .await?
            {
                Ok(message) => self.hand_over(due, &message).await,
                Err(problem) => {
                    tracing::error!(summary = %due.id, problem, "a summary cannot be written");
                    Sent::Never
                }
            },
            None => Sent::Never,
        };
        store::settle(&self.db, due, sent).await?;
        Ok(sent)
    }

    async fn compose(
        &self,
        summary: SummaryId,
        to: &str,
        (since, until): (i64, i64),
    ) -> Result<Result<SummaryMessage, String>, ReportError> {
        let now_ms = self.clock.now_ms();
        let figures = of_period(&self.db, since, until, now_ms).await?;
        let settings = &self.settings;
        let written = letter::write(&figures, settings.summary.zone, &settings.orders.currency);
        Ok(written.map(|letter| SummaryMessage {
            summary,
            to_address: to.to_owned(),
            subject: letter.subject,
            html: letter.html,
            text: letter.text,
            pictures: letter.pictures,
            at: now_ms,
        }))
    }

    async fn hand_over(&self, due: &Due, message: &SummaryMessage) -> Sent {
        let retry_after = match self.channel.send(message).await {
            Outcome::Accepted => return Sent::Yes,
            Outcome::Rejected { class, reply } if !class.is_sender_fault() => {
                tracing::error!(summary = %due.id, %reply, "a reader of summaries was refused; look at summary.to");
                return Sent::Never;
            }
            Outcome::Deferred { retry_after, .. } => retry_after,
            // What may have arrived is sent once more: the Message-ID tells that it is the same.
            Outcome::Rejected { .. } | Outcome::Unknown { .. } => None,
        };
        if due.attempt >= ATTEMPTS {
            tracing::error!(summary = %due.id, "a summary was given up; look at [email.relay] and [notices]");
            return Sent::Never;
        }
        let wait = back_off(due.attempt, retry_after, rand::rng().random());
        let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        Sent::Later(self.clock.now_ms().saturating_add(wait))
    }
}
