//! What providers tell of messages that went through them: the same as what comes back by mail, without a mail.

use std::collections::BTreeSet;

use super::faults;
use super::model::Way;
use super::proof;
use super::receive::{News, ReceiveError, Taken, take_within};
use crate::clock::DAY_MS;
use crate::config::MailProvider;
use crate::delivery::in_flight;
use crate::ids::{CustomerId, WaveId};
use crate::keys::Keys;
use crate::responses::mail::model::{MailKind, ReadMail};
use crate::storage::{Db, is_deadlock};

/// Events in one transaction: few enough that who waits for the same people does not wait long.
const BATCH: usize = 50;
/// How often a single event is tried that waits for another transaction that waits for it.
const TRIES: u32 = 3;
/// How far back a provider's time is believed.
const REACH_MS: i64 = 7 * DAY_MS;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub kind: MailKind,
    /// What may name the message; proved here.
    pub refs: Vec<String>,
    /// The address that the provider names; it can only spare the address of one who has another since.
    pub recipient: Option<String>,
    /// What tells the event from all others, whenever it is told.
    pub digest: String,
    /// Milliseconds since the epoch.
    pub at: Option<i64>,
}

/// What became of events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    pub new: u64,
    /// Taken before; they changed nothing now.
    pub again: u64,
    /// About no message of ours, or one that nothing is known of any more: on record, and nothing follows.
    pub unmatched: u64,
}

/// What a transaction leaves to be done after it.
#[derive(Debug, Default)]
struct After {
    count: Count,
    silenced: Vec<CustomerId>,
    blocked: BTreeSet<WaveId>,
    /// Whether an event overtook the settlement of its message.
    is_early: bool,
}

impl After {
    fn add(&mut self, taken: Option<Taken>) {
        match taken {
            None => self.count.again += 1,
            Some(taken) => {
                if taken.is_matched {
                    self.count.new += 1;
                } else {
                    self.count.unmatched += 1;
                }
                self.silenced.extend(taken.silenced);
                self.blocked.extend(taken.blocked);
            }
        }
    }

    fn join(&mut self, other: Self) {
        self.count.new += other.count.new;
        self.count.again += other.count.again;
        self.count.unmatched += other.count.unmatched;
        self.silenced.extend(other.silenced);
        self.blocked.extend(other.blocked);
        self.is_early |= other.is_early;
    }
}

/// Takes what a provider tells. When this returns, all that it changes is committed, or was when it was told
/// before; and where it says no, nothing is on its way any more to whoever said so.
///
/// # Errors
/// When the database is away, or an event overtook the settlement of its message: then the provider must tell
/// all of it again; what was taken stays, and does no harm when it comes again.
pub async fn take_told(
    db: &Db,
    keys: &Keys,
    provider: MailProvider,
    events: &[Told],
    now_ms: i64,
) -> Result<Count, ReceiveError> {
    let reads: Vec<ReadMail> = events.iter().map(read).collect();
    let mut all: Vec<News<'_>> = events
        .iter()
        .zip(&reads)
        .map(|(told, read)| News {
            raw: told.recipient.as_deref().unwrap_or_default().as_bytes(),
            way: Way::Hook(provider),
            digest: &told.digest,
            proved: proof::first(&told.refs, keys),
            read,
            at: told
                .at
                .unwrap_or(now_ms)
                .clamp(now_ms.saturating_sub(REACH_MS), now_ms),
        })
        .collect();
    // In the order in which all take deliveries.
    all.sort_by_key(|news| match news.proved {
        Some(proof::Proved::Delivery(key)) => Some(key),
        _ => None,
    });
    let mut after = After::default();
    for some in all.chunks(BATCH) {
        match take_together(db, keys, some, now_ms).await {
            Ok(done) => after.join(done),
            // One after the other holds less at once.
            Err(ReceiveError::Database(error)) if is_deadlock(&error) => {
                for one in some.chunks(1) {
                    after.join(take_again_and_again(db, keys, one, now_ms).await?);
                }
            }
            Err(error) => return Err(error),
        }
    }
    if !after.silenced.is_empty() {
        after.silenced.sort_unstable();
        after.silenced.dedup();
        in_flight::settled(db, &after.silenced, now_ms, in_flight::AT_MOST).await?;
    }
    for wave in after.blocked {
        faults::raise_alarm(db, wave, now_ms).await?;
    }
    if after.is_early {
        return Err(ReceiveError::TooEarly);
    }
    Ok(after.count)
}

async fn take_again_and_again(
    db: &Db,
    keys: &Keys,
    news: &[News<'_>],
    now_ms: i64,
) -> Result<After, ReceiveError> {
    let mut tries = 1;
    loop {
        match take_together(db, keys, news, now_ms).await {
            Err(ReceiveError::Database(error)) if tries < TRIES && is_deadlock(&error) => {
                tries += 1;
            }
            taken => return taken,
        }
    }
}

/// In one transaction.
async fn take_together(
    db: &Db,
    keys: &Keys,
    news: &[News<'_>],
    now_ms: i64,
) -> Result<After, ReceiveError> {
    let mut after = After::default();
    let txn = db.begin().await?;
    for one in news {
        match take_within(&txn, keys, one, now_ms).await {
            Ok(taken) => after.add(taken),
            Err(ReceiveError::TooEarly) => after.is_early = true,
            Err(error) => return Err(error),
        }
    }
    txn.commit().await?;
    Ok(after)
}

/// As a mail would say it.
fn read(told: &Told) -> ReadMail {
    ReadMail {
        kind: told.kind.clone(),
        refs: told.refs.clone(),
        message_id: None,
        subject: None,
        from: None,
        at: told.at,
        text: String::new(),
        size: 0,
    }
}
