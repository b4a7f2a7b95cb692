//! What of mails is not kept.

use sea_orm::DbErr;

use crate::clock::DAY_MS;
use crate::storage::{Db, Sql};

/// How long is remembered what was held against an address: longer than any rule looks back.
const FAULTS_DAYS: i64 = 180;

/// How many mails [`let_go_old`] would let go.
///
/// # Errors
/// When the database is away.
pub async fn count_old(db: &Db, keep_days: u32, now_ms: i64) -> Result<u64, DbErr> {
    let row = db
        .row(
            "SELECT COUNT(*) AS n FROM received_mails WHERE received_at < $1",
            [limit(keep_days, now_ms)],
        )
        .await?;
    let n: i64 = row.map_or(Ok(0), |row| row.try_get("", "n"))?;
    Ok(n.unsigned_abs())
}

/// Lets mails go that were received longer ago than `keep_days`; returns how many. What they changed stays.
///
/// # Errors
/// When the database is away.
pub async fn let_go_old(db: &Db, keep_days: u32, now_ms: i64) -> Result<u64, DbErr> {
    let txn = db.begin().await?;
    let gone = txn
        .run(
            "DELETE FROM received_mails WHERE received_at < $1",
            [limit(keep_days, now_ms)],
        )
        .await?
        .rows_affected();
    txn.run(
        "DELETE FROM address_faults WHERE last_at < $1",
        [(now_ms - FAULTS_DAYS * DAY_MS).into()],
    )
    .await?;
    txn.commit().await?;
    Ok(gone)
}

fn limit(keep_days: u32, now_ms: i64) -> sea_orm::Value {
    (now_ms - i64::from(keep_days) * DAY_MS).into()
}
