//! Some customers from all over the base, at the price of a few.

use sea_orm::DbErr;

use super::with_ids;
use crate::customers::model::Customer;
use crate::storage::{Db, Sql};

/// At most `n` customers whose ids are evenly spread; fewer where ids have gaps. It costs the same however
/// large the base is.
///
/// # Errors
/// When the database is away.
pub async fn spread(db: &Db, n: i64) -> Result<Vec<Customer>, DbErr> {
    let end = |order: &str| format!("SELECT id FROM customers ORDER BY id {order} LIMIT 1");
    let (Some(first), Some(last)) = (
        db.row(end("ASC"), []).await?,
        db.row(end("DESC"), []).await?,
    ) else {
        return Ok(Vec::new());
    };
    let (first, last): (i64, i64) = (first.try_get("", "id")?, last.try_get("", "id")?);
    let step = ((last - first) / n.max(1)).max(1);
    let ids: Vec<i64> = (0..n)
        .map(|place| first + place * step)
        .take_while(|id| *id <= last)
        .collect();
    with_ids(db, &ids).await
}
