//! Permissions: what follows from the evidence.

use sea_orm::{ConnectionTrait, DbErr};
use serde_json::json;

use super::{CHUNK, as_text};
use crate::consent::ladder::Level;
use crate::consent::model::{Basis, Permission, Scope};
use crate::ids::CustomerId;
use crate::storage::{Dialect, Kind, Sql};

/// Locks the customers until the transaction ends, always in the same order. Every writer of evidence
/// does so first: what it then derives sees all evidence that is committed.
pub(super) async fn lock(
    connection: &impl ConnectionTrait,
    customers: &[CustomerId],
) -> Result<(), DbErr> {
    if Dialect::of(connection) == Dialect::Sqlite {
        return Ok(());
    }
    let sql = format!(
        "SELECT id FROM customers WHERE id IN {} ORDER BY id FOR NO KEY UPDATE",
        Dialect::Postgres.list(1, Kind::Int)
    );
    for chunk in customers.chunks(CHUNK) {
        let ids = chunk.iter().map(|id| json!(id)).collect();
        connection.rows(sql.as_str(), [as_text(ids).into()]).await?;
    }
    Ok(())
}

/// SQL for the permissions that follow from the evidence of customers in `list` (a sub-select of ids):
/// customer_id, channel, topic, is_granted, basis, since_at, evidence_id, level, level_since_at,
/// expires_at. The one place of these rules.
///
/// Of equally new grants the one that ends first counts, then the one recorded last: the same yes may
/// name a newer address. A rung counts where its grant is newer than the newest no to the topic or
/// channel; with `is_suppressing` also newer than every suppression of the address where it was said,
/// and where the address the customer has now is another, only while nothing suppresses that one.
pub(super) fn derivation(list: &str, is_suppressing: bool) -> String {
    let suppressed = if is_suppressing {
        "OR EXISTS (SELECT 1 FROM suppressions s WHERE s.fingerprint IN (e.fingerprint, \
         CASE t.channel WHEN 'sms' THEN c.phone_fingerprint ELSE c.email_fingerprint END) \
         AND s.channel = t.channel AND s.scope IN (t.topic, '*') \
         AND (s.suppressed_at >= e.occurred_at OR s.fingerprint <> e.fingerprint))"
    } else {
        ""
    };
    format!(
        "SELECT customer_id, channel, topic, action = 'grant' AS is_granted, \
         CASE action WHEN 'grant' THEN basis END AS basis, occurred_at AS since_at, id AS evidence_id, \
         top_rung AS level, CASE WHEN top_rung > 0 THEN top_at ELSE occurred_at END AS level_since_at, \
         CASE action WHEN 'grant' THEN expires_at END AS expires_at \
         FROM (SELECT said.*, \
           FIRST_VALUE(CASE WHEN occurred_at > COALESCE(no_at, occurred_at - 1) THEN rung ELSE 0 END) OVER highest AS top_rung, \
           FIRST_VALUE(occurred_at) OVER highest AS top_at \
           FROM (SELECT t.customer_id, t.channel, t.topic, e.action, e.basis, e.occurred_at, e.id, e.expires_at, \
             CASE WHEN e.action <> 'grant' {suppressed} THEN 0 WHEN e.level IS NOT NULL THEN e.level \
             WHEN e.basis = 'contract' THEN 1 ELSE 2 END AS rung, \
             MAX(CASE WHEN e.action <> 'grant' THEN e.occurred_at END) OVER \
             (PARTITION BY t.customer_id, t.channel, t.topic) AS no_at, \
             ROW_NUMBER() OVER (PARTITION BY t.customer_id, t.channel, t.topic ORDER BY e.occurred_at DESC, \
             CASE e.action WHEN 'withdraw' THEN 0 WHEN 'expire' THEN 1 ELSE 2 END, \
             CASE e.basis WHEN 'consent' THEN 0 WHEN 'soft_opt_in' THEN 1 \
             WHEN 'b2b_legitimate_interest' THEN 2 ELSE 3 END, \
             COALESCE(e.expires_at, 9223372036854775807), e.id DESC) AS place \
             FROM (SELECT DISTINCT customer_id, channel, topic FROM permission_evidence \
             WHERE customer_id IN {list}) AS t \
             JOIN customers c ON c.id = t.customer_id \
             JOIN permission_evidence e ON e.customer_id = t.customer_id AND e.channel = t.channel \
             AND (e.topic = t.topic OR e.topic = '*') \
           ) AS said \
           WINDOW highest AS (PARTITION BY customer_id, channel, topic ORDER BY \
           CASE WHEN occurred_at > COALESCE(no_at, occurred_at - 1) THEN rung ELSE 0 END DESC, occurred_at DESC) \
         ) AS ranked WHERE place = 1"
    )
}

/// Sets the permissions of these customers, who are locked, to what their evidence says.
///
/// Evidence is only ever added, so what decides can only become newer; the condition of the update holds
/// it to that.
pub(super) async fn derive(
    connection: &impl ConnectionTrait,
    customers: &[CustomerId],
) -> Result<(), DbErr> {
    let list = Dialect::of(connection).list(1, Kind::Int);
    let sql = format!(
        "INSERT INTO permissions (customer_id, channel, topic, is_granted, basis, since_at, evidence_id, \
         level, level_since_at, expires_at) {derivation} ORDER BY customer_id, channel, topic \
         ON CONFLICT (customer_id, channel, topic) DO UPDATE SET is_granted = excluded.is_granted, \
         basis = excluded.basis, since_at = excluded.since_at, evidence_id = excluded.evidence_id, \
         level = excluded.level, level_since_at = excluded.level_since_at, expires_at = excluded.expires_at \
         WHERE excluded.since_at > permissions.since_at \
         OR (excluded.since_at = permissions.since_at AND (permissions.is_granted OR NOT excluded.is_granted))",
        derivation = derivation(&list, true)
    );
    for chunk in customers.chunks(CHUNK) {
        let ids = chunk.iter().map(|id| json!(id)).collect();
        connection.run(sql.as_str(), [as_text(ids).into()]).await?;
    }
    Ok(())
}

/// The permissions of a customer, by channel and topic; `*` stands for a withdrawal of the whole channel.
///
/// # Errors
/// When the database is away.
pub async fn permissions_of(
    connection: &impl ConnectionTrait,
    customer: CustomerId,
) -> Result<Vec<Permission>, DbErr> {
    let all = permissions_of_all(connection, &[customer]).await?;
    Ok(all.into_iter().map(|(_, permission)| permission).collect())
}

/// The permissions of many customers, ordered by customer, channel and topic.
///
/// # Errors
/// When the database is away.
pub async fn permissions_of_all(
    connection: &impl ConnectionTrait,
    customers: &[CustomerId],
) -> Result<Vec<(CustomerId, Permission)>, DbErr> {
    let list = Dialect::of(connection).list(1, Kind::Int);
    let sql = format!(
        "SELECT customer_id, channel, topic, is_granted, basis, since_at, evidence_id, level, \
         level_since_at, expires_at FROM permissions \
         WHERE customer_id IN {list} ORDER BY customer_id, channel, topic"
    );
    let mut found = Vec::new();
    for chunk in customers.chunks(CHUNK) {
        let ids = chunk.iter().map(|id| json!(id)).collect();
        for row in connection.rows(sql.as_str(), [as_text(ids).into()]).await? {
            let channel: String = row.try_get("", "channel")?;
            let topic: String = row.try_get("", "topic")?;
            let basis: Option<String> = row.try_get("", "basis")?;
            let permission = Permission {
                channel: channel.parse().map_err(DbErr::Type)?,
                scope: Scope::from_column(topic),
                is_granted: row.try_get("", "is_granted")?,
                basis: basis
                    .and_then(|word| Basis::ALL.into_iter().find(|basis| basis.as_str() == word)),
                since_at: row.try_get("", "since_at")?,
                evidence_id: row.try_get("", "evidence_id")?,
                level: Level::from_code(row.try_get("", "level")?),
                level_since_at: row.try_get("", "level_since_at")?,
                expires_at: row.try_get("", "expires_at")?,
            };
            found.push((CustomerId(row.try_get("", "customer_id")?), permission));
        }
    }
    Ok(found)
}
