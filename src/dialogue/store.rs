//! Queries about confirmations.

pub(super) mod erasure;
pub(super) mod everything;

use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use super::model::{Ask, Confirmation, Purpose};
use crate::ids::{ConfirmationId, CustomerId};
use crate::storage::{Dialect, Sql, Txn};

/// The first half of the key of the advisory locks that let one request about an address run at a time.
const TURN: i32 = 0x7669_7304;

/// One request without an answer yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unanswered {
    pub id: ConfirmationId,
    pub purpose: Purpose,
    pub requested_at: i64,
}

/// Waits until no other transaction works on this address. SQLite has one writer, who waited already.
pub(super) async fn wait_for_turn(txn: &Txn, fingerprint: &str) -> Result<(), DbErr> {
    if txn.dialect() == Dialect::Postgres {
        txn.run(
            "SELECT pg_advisory_xact_lock($1, hashtext($2))",
            [TURN.into(), fingerprint.into()],
        )
        .await?;
    }
    Ok(())
}

/// What this address was asked after `since` and did not confirm, newest first.
pub(super) async fn unanswered(
    txn: &Txn,
    fingerprint: &str,
    since: i64,
) -> Result<Vec<Unanswered>, DbErr> {
    txn.rows(
        "SELECT id, purpose, requested_at FROM confirmations \
         WHERE fingerprint = $1 AND requested_at > $2 AND used_at IS NULL ORDER BY id DESC",
        [fingerprint.into(), since.into()],
    )
    .await?
    .iter()
    .map(|row| {
        Ok(Unanswered {
            id: ConfirmationId(row.try_get("", "id")?),
            purpose: purpose(row)?,
            requested_at: row.try_get("", "requested_at")?,
        })
    })
    .collect()
}

/// Writes a row as it is.
pub(super) async fn touch(txn: &Txn, id: ConfirmationId) -> Result<(), DbErr> {
    txn.run(
        "UPDATE confirmations SET attempt = attempt WHERE id = $1",
        [id.0.into()],
    )
    .await?;
    Ok(())
}

pub(super) async fn insert(
    txn: &Txn,
    ask: &Ask,
    nonce: &str,
    now_ms: i64,
) -> Result<ConfirmationId, DbErr> {
    let sql = format!(
        "INSERT INTO confirmations (purpose, nonce, channel, address, fingerprint, customer_id, language, \
         payload, requested_at, expires_at, send_state, attempt, next_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, {}, $9, $10, 'waiting', 0, $9) RETURNING id",
        txn.dialect().json(8)
    );
    // An address of somebody the base knows stands there already.
    let address = ask.address.as_deref().filter(|_| ask.customer.is_none());
    let row = txn
        .row(
            sql,
            [
                ask.purpose.as_str().into(),
                nonce.into(),
                ask.channel.as_str().into(),
                address.into(),
                ask.fingerprint.as_str().into(),
                ask.customer.map(|customer| customer.0).into(),
                ask.language.as_str().into(),
                ask.payload.to_string().into(),
                now_ms.into(),
                ask.expires_at.into(),
            ],
        )
        .await?
        .ok_or(DbErr::RecordNotInserted)?;
    row.try_get("", "id").map(ConfirmationId)
}

/// A confirmation and its nonce.
pub(super) async fn get(
    connection: &impl ConnectionTrait,
    id: ConfirmationId,
) -> Result<Option<(Confirmation, String)>, DbErr> {
    let sql = format!(
        "SELECT id, purpose, nonce, channel, address, fingerprint, customer_id, language, {} AS payload, \
         requested_at, expires_at, sent_at, used_at FROM confirmations WHERE id = $1",
        Dialect::of(connection).json_text("payload")
    );
    match connection.row(sql, [id.0.into()]).await? {
        Some(row) => Ok(Some((confirmation(&row)?, row.try_get("", "nonce")?))),
        None => Ok(None),
    }
}

fn confirmation(row: &QueryResult) -> Result<Confirmation, DbErr> {
    let channel: String = row.try_get("", "channel")?;
    let payload: String = row.try_get("", "payload")?;
    let customer: Option<i64> = row.try_get("", "customer_id")?;
    Ok(Confirmation {
        id: ConfirmationId(row.try_get("", "id")?),
        purpose: purpose(row)?,
        channel: channel.parse().map_err(DbErr::Type)?,
        customer: customer.map(CustomerId),
        address: row.try_get("", "address")?,
        fingerprint: row.try_get("", "fingerprint")?,
        language: row.try_get("", "language")?,
        payload: serde_json::from_str(&payload)
            .map_err(|error| DbErr::Type(format!("confirmations.payload: {error}")))?,
        requested_at: row.try_get("", "requested_at")?,
        expires_at: row.try_get("", "expires_at")?,
        sent_at: row.try_get("", "sent_at")?,
        used_at: row.try_get("", "used_at")?,
    })
}

fn purpose(row: &QueryResult) -> Result<Purpose, DbErr> {
    let word: String = row.try_get("", "purpose")?;
    Purpose::from_column(&word)
        .ok_or_else(|| DbErr::Type(format!("confirmations.purpose: {word:?}")))
}

/// Marks a confirmation used, and not to be sent any more; whether we were the first.
pub(super) async fn mark_used(txn: &Txn, id: ConfirmationId, now_ms: i64) -> Result<bool, DbErr> {
    let row = txn
        .row(
            "UPDATE confirmations SET used_at = $2, next_at = NULL \
             WHERE id = $1 AND used_at IS NULL AND expires_at > $2 RETURNING id",
            [id.0.into(), now_ms.into()],
        )
        .await?;
    Ok(row.is_some())
}

pub(super) async fn purge(txn: &Txn, older_than_ms: i64, now_ms: i64) -> Result<u64, DbErr> {
    let result = txn
        .run(
            "DELETE FROM confirmations \
             WHERE used_at IS NULL AND requested_at < $1 AND expires_at <= $2",
            [older_than_ms.into(), now_ms.into()],
        )
        .await?;
    Ok(result.rows_affected())
}
