//! One step of a worker, in one transaction: what it learned is settled, and the next may go.

use sea_orm::DbErr;

use super::entry::Entry;
use super::gate::{self, Asked, Candidate};
use super::minutes;
use super::wave::{Counters, add_of, hold_standing};
use super::{lease, settle};
use crate::delivery::model::{Lease, Settlement, Verdict};
use crate::storage::Db;

/// How many rows of a lease are asked about, and from which place on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub from_seq: i64,
    pub limit: usize,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Passed {
    /// These may be contacted now; none when no row is due from there on. It was looked up to this place.
    Candidates(Vec<Candidate>, i64),
    /// Others have all customers who are left in hand: to be asked again.
    Busy,
    /// The limits of the wave leave it no slot for now.
    Resting,
    /// Paused, cancelled or finished: nobody may be contacted.
    Stopped,
    /// Nothing was asked.
    Settled,
    /// The lease is no longer ours, and nothing was written.
    LeaseLost,
}

/// Renews the lease, settles what was handed over, and asks the gate for the next.
///
/// # Errors
/// When the database is away; then nothing of it stands, unless it was lost in the commit.
pub async fn advance(
    db: &Db,
    lease: &Lease,
    entry: &Entry,
    settlements: &[Settlement],
    wanted: Option<Wanted>,
    lease_seconds: u64,
    now_ms: i64,
) -> Result<Passed, DbErr> {
    if wanted.is_some() {
        entry.refresh(db, now_ms).await?;
    }
    let txn = db.begin().await?;
    if !lease::hold(&txn, lease, lease_seconds, now_ms).await? {
        txn.rollback().await?;
        return Ok(Passed::LeaseLost);
    }
    let standing = hold_standing(&txn, lease.wave).await?;
    let mut counters = Counters::new();
    if !settlements.is_empty() {
        let cancelled = standing.is_cancelled;
        settle::settle(&txn, lease, settlements, cancelled, now_ms, &mut counters).await?;
    }
    let passed = match wanted {
        None => Passed::Settled,
        Some(_) if !standing.is_running => Passed::Stopped,
        Some(Wanted { from_seq, limit }) => {
            let asked =
                gate::ask(&txn, lease, entry, from_seq, limit, now_ms, &mut counters).await?;
            match asked {
                Asked { is_busy: true, .. } => Passed::Busy,
                Asked {
                    candidates,
                    is_resting: true,
                    ..
                } if candidates.is_empty() => Passed::Resting,
                Asked {
                    candidates, up_to, ..
                } => Passed::Candidates(candidates, up_to),
            }
        }
    };
    // Once, and last: who moves counters in one order cannot wait for each other.
    add_of(&txn, lease.wave, lease.channel(), &lease.cell, &counters).await?;
    minutes::count(&txn, lease.wave, handed_over(settlements), now_ms).await?;
    txn.commit().await?;
    Ok(passed)
}

/// How many of them the relay answered, or may have.
fn handed_over(settlements: &[Settlement]) -> i64 {
    let n = settlements
        .iter()
        .filter(|settlement| {
            !matches!(
                settlement.verdict,
                Verdict::NotHandedOver | Verdict::Withheld(_)
            )
        })
        .count();
    i64::try_from(n).unwrap_or(i64::MAX)
}
