//! How many messages of a wave were handed over in each of the latest minutes.

use sea_orm::{ConnectionTrait, DbErr};

use crate::ids::WaveId;
use crate::storage::{Sql, Txn};

/// Minutes kept of a wave.
const KEPT: i64 = 15;

const MINUTE_MS: i64 = 60_000;

/// Counts `n` hand-overs, in the transaction that settles them.
pub(super) async fn count(txn: &Txn, wave: WaveId, n: i64, now_ms: i64) -> Result<(), DbErr> {
    if n == 0 {
        return Ok(());
    }
    let minute = now_ms.div_euclid(MINUTE_MS);
    txn.run(
        "INSERT INTO wave_minutes (wave_id, slot, minute, handed_over) VALUES ($1, $2, $3, $4)
         ON CONFLICT (wave_id, slot) DO UPDATE SET minute = excluded.minute,
             handed_over = excluded.handed_over
                 + CASE WHEN wave_minutes.minute = excluded.minute THEN wave_minutes.handed_over ELSE 0 END",
        [
            wave.0.into(),
            minute.rem_euclid(KEPT).into(),
            minute.into(),
            n.into(),
        ],
    )
    .await
    .map(drop)
}

/// Forgets the minutes of a wave that is over.
pub(super) async fn forget(txn: &Txn, wave: WaveId) -> Result<(), DbErr> {
    txn.run(
        "DELETE FROM wave_minutes WHERE wave_id = $1",
        [wave.0.into()],
    )
    .await
    .map(drop)
}

/// The minutes kept of a wave, counted since the epoch, and what was handed over in them.
///
/// # Errors
/// When the database is away.
pub async fn minutes(
    connection: &impl ConnectionTrait,
    wave: WaveId,
) -> Result<Vec<(i64, i64)>, DbErr> {
    connection
        .rows(
            "SELECT minute, handed_over FROM wave_minutes WHERE wave_id = $1",
            [wave.0.into()],
        )
        .await?
        .iter()
        .map(|row| Ok((row.try_get("", "minute")?, row.try_get("", "handed_over")?)))
        .collect()
}
