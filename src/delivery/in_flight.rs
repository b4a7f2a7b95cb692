//! What is being handed over to one mailbox: an opt-out waits for it before it is answered.
//!
//! An opt-out takes the rows of all customers who share the mailbox, and the gate takes those it asks
//! about, so once the opt-out is committed no gate lets any of them pass. Whom a gate let pass before may
//! still be sent to for less than [`AT_MOST`] after it; when none of them is in hand any more, nothing is on
//! its way that the peer does not have already.

use std::time::{Duration, Instant};

use sea_orm::DbErr;

use super::store;
use crate::ids::CustomerId;
use crate::storage::Db;

/// How long an opt-out waits. No message begins to leave so long after its gate, however slow the relay is
/// over the envelope; what is then still in hand is on the wire, will be held back, or its worker is dead.
pub const AT_MOST: Duration = Duration::from_secs(5);

/// An entry of the contact history as old as this is of a worker that is dead or of a message on the wire
/// since long: nothing will begin under it. Far more than the gate's answer holds, since it was entered by
/// the clock of another node, which may be minutes late.
const STALE: Duration = Duration::from_secs(1_800);

/// The first pause between two looks; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(160);

/// Waits until nothing is being handed over to any of the customers, `at_most` so long; whether that was reached.
/// To be called after the commit of what must hold from then on.
///
/// # Errors
/// When the database is away.
pub async fn settled(
    db: &Db,
    customers: &[CustomerId],
    now_ms: i64,
    at_most: Duration,
) -> Result<bool, DbErr> {
    let begin = Instant::now();
    let stale = i64::try_from(STALE.as_millis()).unwrap_or(i64::MAX);
    let mut pause = FIRST_PAUSE;
    while store::is_in_flight(db, customers, now_ms.saturating_sub(stale)).await? {
        let left = at_most.saturating_sub(begin.elapsed());
        if left.is_zero() {
            tracing::warn!(
                ?customers,
                "a message was still on the wire when an opt-out was answered"
            );
            return Ok(false);
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Ok(true)
}
