//! The rows of trials: how many addresses a sender tried lately; and who is known at an address.

use sea_orm::DbErr;

use crate::consent::model::Channel;
use crate::ids::CustomerId;
use crate::storage::{Db, Sql};

/// Notes a trial, and forgets those from before `since`; its number.
pub async fn note(
    db: &Db,
    sender: &str,
    addresses: i64,
    since: i64,
    now_ms: i64,
) -> Result<i64, DbErr> {
    let txn = db.begin().await?;
    txn.run("DELETE FROM trials WHERE sent_at < $1", [since.into()])
        .await?;
    let row = txn
        .row(
            "INSERT INTO trials (sender, addresses, sent_at) VALUES ($1, $2, $3) RETURNING id",
            [sender.into(), addresses.into(), now_ms.into()],
        )
        .await?
        .ok_or(DbErr::RecordNotInserted)?;
    txn.commit().await?;
    row.try_get("", "id")
}

/// Takes a trial back that was noted and not sent.
pub async fn forget(db: &Db, id: i64) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    txn.run("DELETE FROM trials WHERE id = $1", [id.into()])
        .await?;
    txn.commit().await
}

/// How many addresses a sender tried since an instant.
pub async fn addresses(db: &Db, sender: &str, since: i64) -> Result<i64, DbErr> {
    let row = db
        .row(
            "SELECT CAST(COALESCE(SUM(addresses), 0) AS BIGINT) AS n FROM trials
             WHERE sender = $1 AND sent_at >= $2",
            [sender.into(), since.into()],
        )
        .await?;
    row.map_or(Ok(0), |row| row.try_get("", "n"))
}

/// The customers whose address on a channel this is, as the base keeps it.
pub async fn customers_at(
    db: &Db,
    channel: Channel,
    address_key: &str,
) -> Result<Vec<CustomerId>, DbErr> {
    let column = match channel {
        Channel::Email => "email_key",
        Channel::Sms => "phone",
    };
    let sql = format!("SELECT id FROM customers WHERE {column} = $1 ORDER BY id LIMIT 100");
    db.rows(sql, [address_key.into()])
        .await?
        .iter()
        .map(|row| row.try_get("", "id").map(CustomerId))
        .collect()
}
