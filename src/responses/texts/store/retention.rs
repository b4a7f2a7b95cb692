//! What of inbound texts is not kept.

use sea_orm::DbErr;

use crate::clock::DAY_MS;
use crate::storage::{Db, Sql, Txn};

/// How long the number and the words stay of a text that was a keyword: what follows from it is on record
/// elsewhere. Of a reply by nobody we know they stay [`REPLY_DAYS`], of a customer's until he goes.
const KEYWORD_DAYS: i64 = 30;
const REPLY_DAYS: i64 = 90;

const OLD: &str = "number IS NOT NULL AND ((kind <> 'reply' AND received_at < $1)
     OR (kind = 'reply' AND customer_id IS NULL AND received_at < $2))";

/// How many texts [`let_go_old`] would empty.
///
/// # Errors
/// When the database is away.
pub async fn count_old(db: &Db, now_ms: i64) -> Result<u64, DbErr> {
    let row = db
        .row(
            format!("SELECT COUNT(*) AS n FROM inbound_texts WHERE {OLD}"),
            limits(now_ms),
        )
        .await?;
    let n: i64 = row.map_or(Ok(0), |row| row.try_get("", "n"))?;
    Ok(n.unsigned_abs())
}

/// Takes number and words from texts for which there is no reason to keep them any more. Returns from how many.
///
/// # Errors
/// When the database is away.
pub async fn let_go_old(db: &Db, now_ms: i64) -> Result<u64, DbErr> {
    let txn: Txn = db.begin().await?;
    let gone = txn
        .run(
            format!("UPDATE inbound_texts SET number = NULL, body = NULL WHERE {OLD}"),
            limits(now_ms),
        )
        .await?
        .rows_affected();
    txn.commit().await?;
    Ok(gone)
}

fn limits(now_ms: i64) -> [sea_orm::Value; 2] {
    [
        (now_ms - KEYWORD_DAYS * DAY_MS).into(),
        (now_ms - REPLY_DAYS * DAY_MS).into(),
    ]
}
