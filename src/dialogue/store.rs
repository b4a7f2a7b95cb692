//! Queries about confirmations.

pub(super) mod clean_up;
pub(super) mod erasure;
pub(super) mod everything;
pub(super) mod lookup;
pub(super) mod mails;
pub(super) mod preferences;
pub(super) mod rectification;
pub(super) mod replies;
pub(super) mod retention;

use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use super::model::{Ask, Confirmation, Purpose};
use crate::consent::audit;
use crate::ids::{ConfirmationId, CustomerId};
use crate::storage::{Db, Dialect, Sql, Txn};

/// The first half of the key of the advisory locks that let one request about an address run at a time.
const TURN: i32 = 0x7669_7304;

/// One request without an answer yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unanswered {
    pub id: ConfirmationId,
    pub purpose: Purpose,
    pub fingerprint: String,
    pub requested_at: i64,
}

/// Waits until no other transaction works on this address or mailbox. SQLite has one writer, who waited
/// already.
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

/// What this mailbox was asked after `since` and did not confirm, newest first.
pub(super) async fn unanswered(
    txn: &Txn,
    limit_key: &str,
    since: i64,
) -> Result<Vec<Unanswered>, DbErr> {
    txn.rows(
        "SELECT id, purpose, fingerprint, requested_at FROM confirmations \
         WHERE limit_key = $1 AND requested_at > $2 AND used_at IS NULL ORDER BY id DESC",
        [limit_key.into(), since.into()],
    )
    .await?
    .iter()
    .map(|row| {
        Ok(Unanswered {
            id: ConfirmationId(row.try_get("", "id")?),
            purpose: purpose(row)?,
            fingerprint: row.try_get("", "fingerprint")?,
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
         payload, requested_at, expires_at, send_state, attempt, next_at, limit_key) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, {}, $9, $10, 'waiting', 0, $9, $11) RETURNING id",
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
                ask.limit_key.as_str().into(),
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
        "SELECT {} FROM confirmations WHERE id = $1",
        columns(Dialect::of(connection))
    );
    match connection.row(sql, [id.0.into()]).await? {
        Some(row) => Ok(Some((confirmation(&row)?, row.try_get("", "nonce")?))),
        None => Ok(None),
    }
}

fn columns(dialect: Dialect) -> String {
    format!(
        "id, purpose, nonce, channel, address, fingerprint, customer_id, language, {} AS payload, \
         requested_at, expires_at, sent_at, used_at, attempt",
        dialect.json_text("payload")
    )
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

/// Notes who confirmed; his address stands with him from now on.
pub(super) async fn set_customer(
    txn: &Txn,
    id: ConfirmationId,
    customer: CustomerId,
) -> Result<(), DbErr> {
    txn.run(
        "UPDATE confirmations SET customer_id = $2, address = NULL WHERE id = $1",
        [id.0.into(), customer.0.into()],
    )
    .await?;
    Ok(())
}

/// The oldest customer of an address.
pub(super) async fn oldest_of(txn: &Txn, email_key: &str) -> Result<Option<CustomerId>, DbErr> {
    txn.row(
        "SELECT id FROM customers WHERE email_key = $1 ORDER BY id LIMIT 1",
        [email_key.into()],
    )
    .await?
    .map(|row| row.try_get("", "id").map(CustomerId))
    .transpose()
}

pub(super) async fn purge(txn: &Txn, older_than_ms: i64, now_ms: i64) -> Result<u64, DbErr> {
    let result = txn
        .run(
            "DELETE FROM confirmations \
             WHERE (used_at IS NULL OR purpose = 'erasure') AND requested_at < $1 AND expires_at <= $2",
            [older_than_ms.into(), now_ms.into()],
        )
        .await?;
    Ok(result.rows_affected())
}

/// A confirmation whose message is ours to send.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Claimed {
    pub confirmation: Confirmation,
    pub nonce: String,
    /// Counted from 1; a settlement that names another changes nothing.
    pub attempt: i16,
}

/// Takes what is due, `n` at most, until `until_ms`: whoever dies with it gives it back by that. A question
/// whether somebody wants to stay leaves him `answer_ms` from when it goes out, however long it waited.
pub(super) async fn claim(
    db: &Db,
    n: u32,
    now_ms: i64,
    until_ms: i64,
    answer_ms: i64,
) -> Result<Vec<Claimed>, DbErr> {
    // Most of the time nothing is due: then no writer need wait for this look.
    let is_due = db
        .row(
            "SELECT 1 AS one FROM confirmations WHERE next_at <= $1 LIMIT 1",
            [now_ms.into()],
        )
        .await?
        .is_some();
    if !is_due {
        return Ok(Vec::new());
    }
    let lock = match db.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => "FOR UPDATE SKIP LOCKED",
    };
    let sql = format!(
        "UPDATE confirmations SET attempt = attempt + 1, next_at = $2, \
         expires_at = CASE WHEN purpose = 're_permission' AND expires_at > $1 THEN $3 ELSE expires_at END \
         WHERE id IN (\
         SELECT id FROM confirmations WHERE next_at <= $1 ORDER BY next_at, id LIMIT {n} {lock}) \
         RETURNING {}",
        columns(db.dialect())
    );
    let txn = db.begin().await?;
    let claimed = txn
        .rows(
            sql,
            [
                now_ms.into(),
                until_ms.into(),
                until_ms.saturating_add(answer_ms).into(),
            ],
        )
        .await?
        .iter()
        .map(|row| {
            Ok(Claimed {
                confirmation: confirmation(row)?,
                nonce: row.try_get("", "nonce")?,
                attempt: row.try_get("", "attempt")?,
            })
        })
        .collect::<Result<_, DbErr>>()?;
    txn.commit().await?;
    Ok(claimed)
}

/// Where somebody the base knows is written to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reach {
    pub address: Option<String>,
    pub fingerprint: Option<String>,
}

pub(super) async fn reach(
    connection: &impl ConnectionTrait,
    customer: CustomerId,
) -> Result<Reach, DbErr> {
    let row = connection
        .row(
            "SELECT email, email_fingerprint FROM customers WHERE id = $1",
            [customer.0.into()],
        )
        .await?;
    match row {
        Some(row) => Ok(Reach {
            address: row.try_get("", "email")?,
            fingerprint: row.try_get("", "email_fingerprint")?,
        }),
        None => Ok(Reach::default()),
    }
}

/// How a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    Yes,
    Never,
    /// Never: there is no such address.
    Refused,
    /// Not before this instant.
    Later(i64),
}

/// Notes how a message ended; who was asked whether he wants to stay has that on record from then on.
pub(super) async fn settle(
    db: &Db,
    id: ConfirmationId,
    attempt: i16,
    sent: Sent,
    now_ms: i64,
) -> Result<(), DbErr> {
    let (state, next_at, sent_at) = match sent {
        Sent::Yes => ("sent", None, Some(now_ms)),
        Sent::Never => ("failed", None, None),
        Sent::Refused => ("refused", None, None),
        Sent::Later(at) => ("waiting", Some(at), None),
    };
    let txn = db.begin().await?;
    // What was confirmed meanwhile (a message may arrive before we know that it was taken) is not sent
    // again.
    let settled = txn
        .row(
            "UPDATE confirmations SET send_state = $3, sent_at = $5, \
             next_at = CASE WHEN used_at IS NULL THEN $4 END WHERE id = $1 AND attempt = $2 \
             RETURNING purpose, customer_id",
            [
                id.0.into(),
                attempt.into(),
                state.into(),
                next_at.into(),
                sent_at.into(),
            ],
        )
        .await?;
    if let (Sent::Yes, Some(row)) = (sent, settled)
        && purpose(&row)? == Purpose::RePermission
    {
        let customer: Option<i64> = row.try_get("", "customer_id")?;
        let details = serde_json::json!({ "confirmation": id });
        let customer = customer.map(CustomerId);
        audit::record(&*txn, now_ms, "system", retention::ASKED, customer, details).await?;
    }
    txn.commit().await
}
