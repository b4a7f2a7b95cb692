//! Lets the ledger of old waves go: deliveries, leases and responses, in small transactions with pauses
//! between them, so that dispatch goes on beside it.
//!
//! What stays: counters, from which reports are made; of each delivery that may have left, whom it was for,
//! so that its links work for as long as the message exists; and the contact history, summed up except for
//! each person's newest contact. No rule of the gate reaches back that far. A response to a delivery that
//! was let go is counted nowhere; an opt-out by it counts in full for the person.

use std::time::Duration;

use sea_orm::DbErr;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::store::clean_up as store;
use crate::clock::DAY_MS;
use crate::ids::WaveId;
use crate::responses::model::Terms;
use crate::storage::Db;

/// Deliveries in one transaction.
const BATCH: i64 = 500;
/// Between two transactions, so that others come in between on SQLite, and the disk is not kept busy.
const PAUSE: Duration = Duration::from_millis(20);

/// What the clean-up let go; of a dry run, what it would have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanUpReport {
    /// Waves that have no ledger any more.
    pub waves: u64,
    pub deliveries: u64,
}

/// Lets go what is older than `keep_days` (0: nothing ever), until `stop`. Every batch may be the last:
/// the next run goes on from there.
///
/// # Errors
/// When the database is away; what was let go before stays so.
pub(super) async fn run(
    db: &Db,
    keep_days: u32,
    now_ms: i64,
    stop: &CancellationToken,
) -> Result<CleanUpReport, DbErr> {
    let mut report = CleanUpReport::default();
    for wave in due(db, keep_days, now_ms).await? {
        loop {
            if stop.is_cancelled() {
                return Ok(report);
            }
            let batch = store::let_go(db, wave, BATCH).await?;
            if batch == 0 {
                break;
            }
            report.deliveries += batch;
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = stop.cancelled() => {}
            }
        }
        store::finish(db, wave, now_ms).await?;
        report.waves += 1;
    }
    Ok(report)
}

/// Counts what [`run`] would let go.
///
/// # Errors
/// When the database is away.
pub(super) async fn count(db: &Db, keep_days: u32, now_ms: i64) -> Result<CleanUpReport, DbErr> {
    let waves = due(db, keep_days, now_ms).await?;
    Ok(CleanUpReport {
        waves: u64::try_from(waves.len()).unwrap_or(u64::MAX),
        deliveries: store::count(db, &waves).await?,
    })
}

/// The waves that ended so long ago, and whose window for responses is over as long.
async fn due(db: &Db, keep_days: u32, now_ms: i64) -> Result<Vec<WaveId>, DbErr> {
    if keep_days == 0 {
        return Ok(Vec::new());
    }
    let before = now_ms - i64::from(keep_days) * DAY_MS;
    let ended = store::ended_before(db, before).await?;
    Ok(ended
        .into_iter()
        .filter(|wave| {
            let window = Terms::read(&wave.definition).longest_window_ms();
            wave.ended_at.saturating_add(window) < before
        })
        .map(|wave| wave.id)
        .collect())
}
