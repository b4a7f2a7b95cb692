//! Sends what waits to be confirmed, beside the campaigns and over the same connections.
//!
//! A row is claimed with an attempt number before its message goes out, so no two nodes send one at once;
//! what a dead process had claimed comes back by itself, with the same Message-ID. Whether an address
//! exists is told to nobody.

mod letter;
mod words;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt as _;
use sea_orm::DbErr;
use tokio_util::sync::CancellationToken;

use super::model::{Agreement, Confirmation, Purpose};
use super::store::{self, Claimed, Sent, retention};
use crate::channels::email::{EmailChannel, EmailNotices};
use crate::channels::model::{Class, Moment, NoticeMessage, Outcome, Sender};
use crate::clock::{DAY_MS, SharedClock};
use crate::config::{DEFAULT_RELAY, Settings};
use crate::consent::model::Channel;
use crate::delivery::model::back_off;
use crate::keys::Keys;
use crate::storage::Db;

/// Messages taken at once.
const BATCH: u32 = 20;
/// Attempts at most, as far as the link lives so long.
const ATTEMPTS: i16 = 5;
/// How long a claimed message may wait for a connection.
const WAIT_AT_MOST: Duration = Duration::from_secs(60);
/// The same where a "no" may come between: as a campaign's message.
const FRESH_FOR: Duration = Duration::from_secs(1);
/// How long a relay may take over the envelope besides: one that always takes long gets them all the same,
/// since who is never asked to stay is erased.
const SLOW_ENVELOPE: Duration = Duration::from_secs(3);
/// How often is looked for something to send.
const IDLE: Duration = Duration::from_millis(500);
/// The longest wait while the database is away.
const IDLE_AT_MOST: Duration = Duration::from_secs(15);

/// What sends notices.
#[derive(Debug)]
pub struct Notices {
    db: Db,
    clock: SharedClock,
    keys: Keys,
    settings: Arc<Settings>,
    channel: EmailNotices,
}

impl Notices {
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
        let channel = channel.open_notices(relay.unwrap_or(DEFAULT_RELAY), &sender);
        if let Some(fault) = channel.fault() {
            tracing::error!(%fault, "no confirmation can be sent; mend [notices]");
        }
        Self {
            db,
            clock,
            keys,
            settings,
            channel,
        }
    }

    /// Sends what is due until `stop`; what is in flight is settled first.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut wait = IDLE;
        while !stop.is_cancelled() {
            match self.send_due().await {
                Ok(0) => wait = IDLE,
                Ok(_) => {
                    wait = IDLE;
                    continue;
                }
                Err(error) => {
                    tracing::error!(%error, "the database failed; notices are tried again");
                    wait = (wait * 2).min(IDLE_AT_MOST);
                }
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Sends until nothing is due or `stop`; returns how many attempts were made.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn run_until_idle(&self, stop: &CancellationToken) -> Result<u64, DbErr> {
        let mut attempts = 0;
        while !stop.is_cancelled() {
            match self.send_due().await? {
                0 => break,
                n => attempts += n,
            }
        }
        Ok(attempts)
    }

    async fn send_due(&self) -> Result<u64, DbErr> {
        let now_ms = self.clock.now_ms();
        // Past the wait for a connection and every step of the dialogue (eight, RFC 5321 section 4.5.3.2).
        let claim = WAIT_AT_MOST + 8 * Duration::from_secs(self.settings.email.timeout_seconds);
        let until_ms = now_ms.saturating_add(milliseconds(claim));
        let answer_ms = i64::from(self.settings.retention.answer_days) * DAY_MS;
        let claimed = store::claim(&self.db, BATCH, now_ms, until_ms, answer_ms).await?;
        let sends = claimed.iter().map(|one| self.send(one));
        let results = futures_util::future::join_all(sends).await;
        results.into_iter().collect::<Result<Vec<()>, DbErr>>()?;
        Ok(claimed.len() as u64)
    }

    async fn send(&self, claimed: &Claimed) -> Result<(), DbErr> {
        let now_ms = self.clock.now_ms();
        let Claimed {
            confirmation,
            attempt,
            ..
        } = claimed;
        let asked = Instant::now();
        let sent = match self.address(confirmation).await? {
            Some(address) if confirmation.expires_at > now_ms && *attempt <= ATTEMPTS => {
                let message = self.compose(claimed, address, now_ms);
                self.hand_over(confirmation, *attempt, message, asked, now_ms)
                    .await
            }
            _ => Sent::Never,
        };
        store::settle(
            &self.db,
            confirmation.id,
            *attempt,
            sent,
            self.clock.now_ms(),
        )
        .await
    }

    /// Where the message goes; `None` when it must not go any more, or by a way we do not have.
    async fn address(&self, confirmation: &Confirmation) -> Result<Option<String>, DbErr> {
        if confirmation.channel != Channel::Email {
            return Ok(None);
        }
        if confirmation.purpose == Purpose::RePermission && !self.may_ask(confirmation).await? {
            return Ok(None);
        }
        let Some(customer) = confirmation.customer else {
            return Ok(confirmation.address.clone());
        };
        let reach = store::reach(&*self.db, customer).await?;
        // What was asked about one address is not told to another.
        let is_same = reach.fingerprint.as_deref() == Some(confirmation.fingerprint.as_str());
        Ok(reach.address.filter(|_| is_same))
    }

    /// Whether what we ask of our own accord may still be asked: nothing stands against any of its topics,
    /// whenever that is said to have come.
    async fn may_ask(&self, confirmation: &Confirmation) -> Result<bool, DbErr> {
        let (Some(customer), Ok(agreement)) = (
            confirmation.customer,
            Agreement::read(&confirmation.payload),
        ) else {
            return Ok(false);
        };
        let renewable = retention::renewable_topics(&*self.db, customer).await?;
        Ok(agreement
            .topics
            .iter()
            .all(|topic| renewable.contains(&topic.name)))
    }

    fn compose(
        &self,
        claimed: &Claimed,
        to_address: String,
        now_ms: i64,
    ) -> Result<NoticeMessage, String> {
        let rendered = letter::render(&self.settings, &self.keys, claimed)?;
        Ok(NoticeMessage {
            notice: claimed.confirmation.id,
            to_address,
            subject: rendered.subject,
            html: rendered.html,
            text: rendered.text,
            at: now_ms,
        })
    }

    async fn hand_over(
        &self,
        confirmation: &Confirmation,
        attempt: i16,
        message: Result<NoticeMessage, String>,
        asked: Instant,
        now_ms: i64,
    ) -> Sent {
        let message = match message {
            Ok(message) => message,
            Err(error) => {
                tracing::error!(confirmation = %confirmation.id, error, "a notice cannot be written");
                return Sent::Never;
            }
        };
        let patience = match confirmation.purpose {
            Purpose::RePermission => FRESH_FOR,
            Purpose::OptIn | Purpose::Download | Purpose::Erasure => WAIT_AT_MOST,
        };
        let may_go = move |moment| match moment {
            Moment::Begin => asked.elapsed() < patience,
            Moment::Message => asked.elapsed() < patience + SLOW_ENVELOPE,
        };
        let outcome = self.channel.send_if(&message, may_go).await;
        let retry_after = match &outcome {
            Some(Outcome::Accepted) => return Sent::Yes,
            Some(Outcome::Rejected {
                class: Class::InvalidRecipient | Class::Inactive,
                ..
            }) => return Sent::Refused,
            Some(Outcome::Rejected { class, .. }) if !class.is_sender_fault() => {
                return Sent::Never;
            }
            Some(Outcome::Deferred { retry_after, .. }) => *retry_after,
            // What may have arrived is sent once more: the Message-ID tells that it is the same.
            Some(Outcome::Rejected { .. } | Outcome::Unknown { .. }) | None => None,
        };
        let wait = back_off(attempt, retry_after, rand::rng().random());
        let next_at = now_ms.saturating_add(milliseconds(wait));
        if attempt >= ATTEMPTS || next_at >= confirmation.expires_at {
            Sent::Never
        } else {
            Sent::Later(next_at)
        }
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
