//! What STOP disabled, and START may restore.

use sea_orm::{ConnectionTrait, DbErr};
use serde_json::json;

use crate::consent::ladder::Level;
use crate::ids::CustomerId;
use crate::storage::{Kind, Sql, Txn};

/// A topic that somebody could be written about until he said STOP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::responses::texts) struct Stopped {
    pub customer: CustomerId,
    pub topic: String,
    pub level: Level,
    /// When the permission would have ended by itself.
    pub expires_at: Option<i64>,
}

/// Since when everything by SMS to this number is suppressed.
pub(in crate::responses::texts) async fn suppressed_at(
    txn: &Txn,
    fingerprint: &str,
) -> Result<Option<i64>, DbErr> {
    let row = txn
        .row(
            "SELECT suppressed_at FROM suppressions WHERE fingerprint = $1 AND channel = 'sms' AND scope = '*'",
            [fingerprint.into()],
        )
        .await?;
    row.map(|row| row.try_get("", "suppressed_at")).transpose()
}

/// Forgets what an earlier STOP disabled and START would not restore any more: somebody or something else said
/// no since, to all of it or to one topic.
pub(in crate::responses::texts) async fn forget_others(
    txn: &Txn,
    fingerprint: &str,
    now_ms: i64,
) -> Result<(), DbErr> {
    txn.run(
        format!("DELETE FROM text_stops AS t WHERE t.fingerprint = $1 AND NOT ({STANDS})"),
        [fingerprint.into(), now_ms.into()],
    )
    .await
    .map(drop)
}

/// Notes what the STOP of `stopped_at` disabled, besides what an earlier one did.
pub(in crate::responses::texts) async fn remember(
    txn: &Txn,
    fingerprint: &str,
    stopped: &[Stopped],
    stopped_at: i64,
) -> Result<(), DbErr> {
    txn.run(
        "UPDATE text_stops SET stopped_at = $2 WHERE fingerprint = $1",
        [fingerprint.into(), stopped_at.into()],
    )
    .await?;
    if stopped.is_empty() {
        return Ok(());
    }
    let columns = [
        ("customer_id", Kind::Int),
        ("topic", Kind::Text),
        ("level", Kind::Int),
        ("expires_at", Kind::Int),
    ];
    let sql = format!(
        "INSERT INTO text_stops (fingerprint, customer_id, topic, level, expires_at, stopped_at)
         SELECT CAST($2 AS TEXT), customer_id, topic, level, expires_at, CAST($3 AS BIGINT) FROM {} AS new WHERE TRUE ORDER BY place
         ON CONFLICT (fingerprint, customer_id, topic) DO UPDATE SET level = excluded.level,
             expires_at = excluded.expires_at, stopped_at = excluded.stopped_at",
        txn.dialect().recordset(1, &columns)
    );
    let rows: Vec<_> = stopped
        .iter()
        .map(|one| json!([one.customer, one.topic, one.level.code(), one.expires_at]))
        .collect();
    txn.run(
        sql,
        [
            json!(rows).to_string().into(),
            fingerprint.into(),
            stopped_at.into(),
        ],
    )
    .await
    .map(drop)
}

/// SQL for whether STOP `t` still is what forbids its topic: the suppression of the number is its own, nobody
/// said no to the topic or the channel after it, and the number is still his.
const STANDS: &str = "EXISTS (SELECT 1 FROM customers c WHERE c.id = t.customer_id AND c.phone_fingerprint = t.fingerprint)
     AND EXISTS (SELECT 1 FROM suppressions s WHERE s.fingerprint = t.fingerprint AND s.channel = 'sms'
         AND s.scope = '*' AND s.suppressed_at = t.stopped_at AND s.reason = 'opt_out')
     AND NOT EXISTS (SELECT 1 FROM suppressions s WHERE s.fingerprint = t.fingerprint AND s.channel = 'sms'
         AND s.scope = t.topic AND s.suppressed_at > t.stopped_at)
     AND EXISTS (SELECT 1 FROM permissions p WHERE p.customer_id = t.customer_id AND p.channel = 'sms'
         AND p.topic = t.topic AND NOT p.is_granted AND p.since_at <= t.stopped_at)
     AND (t.expires_at IS NULL OR t.expires_at > $2)";

/// Whether START would restore something for this number.
pub(in crate::responses::texts) async fn stands(
    connection: &impl ConnectionTrait,
    fingerprint: &str,
    now_ms: i64,
) -> Result<bool, DbErr> {
    let row = connection
        .row(
            format!(
                "SELECT 1 AS one FROM text_stops t WHERE t.fingerprint = $1 AND {STANDS} LIMIT 1"
            ),
            [fingerprint.into(), now_ms.into()],
        )
        .await?;
    Ok(row.is_some())
}

/// Takes out what the last STOP from this number disabled, as far as nothing else forbids it; and the newest
/// of the STOPs.
pub(in crate::responses::texts) async fn take(
    txn: &Txn,
    fingerprint: &str,
    now_ms: i64,
) -> Result<(Vec<Stopped>, i64), DbErr> {
    let rows = txn
        .rows(
            format!(
                "SELECT t.customer_id, t.topic, t.level, t.expires_at, t.stopped_at FROM text_stops t
                 WHERE t.fingerprint = $1 AND {STANDS} ORDER BY t.customer_id, t.topic"
            ),
            [fingerprint.into(), now_ms.into()],
        )
        .await?;
    let mut stopped = Vec::with_capacity(rows.len());
    let mut newest = 0;
    for row in rows {
        newest = newest.max(row.try_get("", "stopped_at")?);
        stopped.push(Stopped {
            customer: CustomerId(row.try_get("", "customer_id")?),
            topic: row.try_get("", "topic")?,
            level: Level::from_code(row.try_get("", "level")?),
            expires_at: row.try_get("", "expires_at")?,
        });
    }
    txn.run(
        "DELETE FROM text_stops WHERE fingerprint = $1",
        [fingerprint.into()],
    )
    .await?;
    Ok((stopped, newest))
}
