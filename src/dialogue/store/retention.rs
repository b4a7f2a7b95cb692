//! From whom nothing came for so long, and what the daily upkeep did about it.

use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use crate::consent::store as consent;
use crate::dialogue::model::Purpose;
use crate::ids::CustomerId;
use crate::storage::{Db, Dialect, Sql, Txn};

/// The action of the audit record of a person who was asked whether he wants to stay: the next server took
/// the message. It outlives the confirmation, which is deleted when its link has expired.
pub(in crate::dialogue) const ASKED: &str = "re_permission_asked";

/// The key of the advisory lock that lets one node do the upkeep.
const UPKEEP_LOCK: i64 = 0x7669_7361_7669_7305;

/// Someone whose last act lies too far back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialogue) struct Silent {
    pub customer: CustomerId,
    /// When the message that asks him was handed over, since then.
    pub asked_at: Option<i64>,
    /// Whether a message that asks him waits to be handed over.
    pub is_queued: bool,
    /// Whether he may be asked: an address that can arrive and did not refuse to be asked, and a permission
    /// that he did not withdraw.
    pub is_reachable: bool,
}

/// SQL for whether permission `p` of customer `c` can be renewed by asking: it stands, or ended by itself,
/// and nothing suppresses the address.
fn can_renew() -> String {
    format!(
        "p.customer_id = c.id AND p.channel = 'email' AND p.topic <> '*'
         AND (p.is_granted OR EXISTS (SELECT 1 FROM permission_evidence e
             WHERE e.id = p.evidence_id AND e.action = 'expire'))
         AND NOT EXISTS (SELECT 1 FROM suppressions s WHERE s.fingerprint = c.email_fingerprint
             AND s.channel = p.channel AND s.scope IN (p.topic, '*') AND {})",
        consent::stands_against("s", "p")
    )
}

/// SQL for whether customer `c` has a request to stay, at his address of today, of which `holds`.
fn has_request(holds: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM confirmations q WHERE q.customer_id = c.id AND q.purpose = '{}'
             AND q.fingerprint = c.email_fingerprint AND q.used_at IS NULL AND {holds})",
        Purpose::RePermission.as_str()
    )
}

/// People whose last act came before `$1`, as it stands at `$2`.
///
/// An act is what came from the person: a click or whatever else came back from a message, an order, a
/// yes, or that he was added; an open is none. Who has a contract is kept as long as it holds.
fn silent(where_else: &str) -> String {
    format!(
        "SELECT c.id, (SELECT MAX(a.at) FROM audit_records a WHERE a.customer_id = c.id
                 AND a.action = '{ASKED}' AND a.at >= $1) AS asked_at,
             {is_queued} AS is_queued,
             (c.email IS NOT NULL AND c.email_state = 'ok' AND c.email_fingerprint IS NOT NULL
                 AND NOT {is_refused}
                 AND EXISTS (SELECT 1 FROM permissions p WHERE {can_renew})) AS is_reachable
         FROM customers c
         WHERE c.created_at < $1 AND COALESCE(c.last_response_at, 0) < $1
           AND COALESCE(c.last_order_at, 0) < $1
           AND NOT EXISTS (SELECT 1 FROM permission_evidence e WHERE e.customer_id = c.id
               AND e.action = 'grant' AND e.occurred_at >= $1)
           AND NOT EXISTS (SELECT 1 FROM permissions p WHERE p.customer_id = c.id AND p.is_granted
               AND p.basis = 'contract')
           AND {where_else}",
        is_queued = has_request("q.send_state = 'waiting' AND q.expires_at > $2"),
        is_refused = has_request("q.send_state = 'refused'"),
        can_renew = can_renew(),
    )
}

fn read(row: &QueryResult) -> Result<Silent, DbErr> {
    Ok(Silent {
        customer: CustomerId(row.try_get("", "id")?),
        asked_at: row.try_get("", "asked_at")?,
        is_queued: row.try_get("", "is_queued")?,
        is_reachable: row.try_get("", "is_reachable")?,
    })
}

/// At most `limit` of them whose numbers follow `after`.
pub(in crate::dialogue) async fn silent_after(
    db: &Db,
    cutoff_ms: i64,
    now_ms: i64,
    after: i64,
    limit: i64,
) -> Result<Vec<Silent>, DbErr> {
    let sql = silent("c.id > $3 ORDER BY c.id LIMIT $4");
    let values = [cutoff_ms.into(), now_ms.into(), after.into(), limit.into()];
    db.rows(sql, values).await?.iter().map(read).collect()
}

/// Whether one of them still is, asked under the lock of his row.
pub(in crate::dialogue) async fn still_silent(
    txn: &Txn,
    cutoff_ms: i64,
    now_ms: i64,
    customer: CustomerId,
) -> Result<Option<Silent>, DbErr> {
    let values = [cutoff_ms.into(), now_ms.into(), customer.0.into()];
    txn.row(silent("c.id = $3"), values)
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

/// The topics on which he may be asked whether his permission still holds.
pub(in crate::dialogue) async fn renewable_topics(
    connection: &impl ConnectionTrait,
    customer: CustomerId,
) -> Result<Vec<String>, DbErr> {
    let sql = format!(
        "SELECT p.topic FROM customers c JOIN permissions p ON {} WHERE c.id = $1 ORDER BY p.topic",
        can_renew()
    );
    connection
        .rows(sql, [customer.0.into()])
        .await?
        .iter()
        .map(|row| row.try_get("", "topic"))
        .collect()
}

/// Deletes the requests to stay of a customer that never went out.
pub(in crate::dialogue) async fn forget_unsent(
    txn: &Txn,
    customer: CustomerId,
) -> Result<(), DbErr> {
    txn.run(
        "DELETE FROM confirmations WHERE customer_id = $1 AND purpose = $2 AND send_state = 'failed' \
         AND used_at IS NULL",
        [
            customer.0.into(),
            Purpose::RePermission.as_str().into(),
        ],
    )
    .await?;
    Ok(())
}

/// The fingerprint of a customer's e-mail address now; locks his row. `None` when he or it is gone.
pub(in crate::dialogue) async fn hold_fingerprint(
    txn: &Txn,
    customer: CustomerId,
) -> Result<Option<String>, DbErr> {
    let lock = match txn.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => "FOR UPDATE",
    };
    let sql = format!("SELECT email_fingerprint FROM customers WHERE id = $1 {lock}");
    match txn.row(sql, [customer.0.into()]).await? {
        Some(row) => row.try_get("", "email_fingerprint"),
        None => Ok(None),
    }
}

/// Takes the upkeep for the one who holds the transaction; `false` when another node has it. On PostgreSQL
/// only, where nodes share a database.
pub(in crate::dialogue) async fn take_upkeep(txn: &Txn) -> Result<bool, DbErr> {
    // It is idle for as long as the upkeep takes.
    txn.run("SET LOCAL idle_in_transaction_session_timeout = 0", [])
        .await?;
    let row = txn
        .row(
            "SELECT pg_try_advisory_xact_lock($1) AS is_ours",
            [UPKEEP_LOCK.into()],
        )
        .await?;
    row.map_or(Ok(false), |row| row.try_get("", "is_ours"))
}

/// When the last upkeep began, in milliseconds since the epoch.
pub(in crate::dialogue) async fn last_run(db: &Db) -> Result<Option<i64>, DbErr> {
    let row = db.row("SELECT MAX(at) AS at FROM upkeep_runs", []).await?;
    row.map_or(Ok(None), |row| row.try_get("", "at"))
}

pub(in crate::dialogue) async fn add_run(
    db: &Db,
    at: i64,
    report: &serde_json::Value,
) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    let sql = format!(
        "INSERT INTO upkeep_runs (at, report) VALUES ($1, {})",
        txn.dialect().json(2)
    );
    txn.run(sql, [at.into(), report.to_string().into()]).await?;
    txn.commit().await
}

/// The reports of the last `limit` upkeeps as they were written, newest first.
pub(in crate::dialogue) async fn runs(db: &Db, limit: i64) -> Result<Vec<String>, DbErr> {
    let sql = format!(
        "SELECT {} AS report FROM upkeep_runs ORDER BY at DESC, id DESC LIMIT $1",
        db.dialect().json_text("report")
    );
    db.rows(sql, [limit.into()])
        .await?
        .iter()
        .map(|row| row.try_get("", "report"))
        .collect()
}

/// Whether evidence waits to be sealed.
pub(in crate::dialogue) async fn has_unsealed(
    connection: &impl ConnectionTrait,
) -> Result<bool, DbErr> {
    connection
        .row("SELECT 1 AS one FROM unsealed_evidence LIMIT 1", [])
        .await
        .map(|row| row.is_some())
}

/// How many sign-ups wait since before `older_than_ms` with a link that has expired.
pub(in crate::dialogue) async fn unconfirmed(
    db: &Db,
    older_than_ms: i64,
    now_ms: i64,
) -> Result<u64, DbErr> {
    let row = db
        .row(
            "SELECT COUNT(*) AS n FROM confirmations
             WHERE (used_at IS NULL OR purpose = 'erasure') AND requested_at < $1 AND expires_at <= $2",
            [older_than_ms.into(), now_ms.into()],
        )
        .await?;
    let n: i64 = row.map_or(Ok(0), |row| row.try_get("", "n"))?;
    Ok(n.unsigned_abs())
}
