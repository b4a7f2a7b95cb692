//! Which grants have ended.

use sea_orm::DbErr;

use super::CHUNK;
use crate::consent::model::{Basis, Channel, Scope};
use crate::ids::CustomerId;
use crate::storage::{Dialect, Sql, Txn};

/// A grant that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::consent) struct Ended {
    pub customer: CustomerId,
    pub channel: Channel,
    pub scope: Scope,
    pub basis: Option<Basis>,
    /// The address of the grant.
    pub fingerprint: Option<String>,
    pub is_by_date: bool,
    /// Milliseconds since the epoch, not before the grant.
    pub ended_at: i64,
}

/// SQL for the last act of customer `c` that renews his permission `p`, both table aliases: the newest
/// grant, a response (an open is none), an order.
pub fn last_act(dialect: Dialect, p: &str, c: &str) -> String {
    dialect.greatest(&[
        &format!("{p}.since_at"),
        &format!("COALESCE({c}.last_response_at, 0)"),
        &format!("COALESCE({c}.last_order_at, 0)"),
    ])
}

/// SQL for the instant, in milliseconds, after which the basis of permission `p` of customer `c` holds no
/// more unless he acts before (NULL: never); both table aliases. `lengths`: milliseconds a basis holds after
/// the last act; `None` when no basis ends. The one place of this rule.
pub fn basis_ends_at(
    dialect: Dialect,
    lengths: &[(Basis, i64)],
    p: &str,
    c: &str,
) -> Option<String> {
    if lengths.is_empty() {
        return None;
    }
    let cases: String = lengths
        .iter()
        .map(|(basis, ms)| format!(" WHEN '{}' THEN {ms}", basis.as_str()))
        .collect();
    Some(format!(
        "({} + CASE {p}.basis{cases} END)",
        last_act(dialect, p, c)
    ))
}

/// At most [`CHUNK`] of the grants that have ended by `now_ms`, those that follow `after` in the order of
/// customer, channel and topic: at their own date, or because their basis holds no more.
pub(in crate::consent) async fn ended(
    txn: &Txn,
    lengths: &[(Basis, i64)],
    now_ms: i64,
    after: Option<&Ended>,
) -> Result<Vec<Ended>, DbErr> {
    let by_basis = basis_ends_at(txn.dialect(), lengths, "p", "c")
        .unwrap_or_else(|| "CAST(NULL AS BIGINT)".to_owned());
    let (customer, channel, topic) = after.map_or((0, "", ""), |last| {
        (last.customer.0, last.channel.as_str(), last.scope.as_str())
    });
    let sql = format!(
        "SELECT customer_id, channel, topic, basis, fingerprint, since_at, expires_at, basis_ends_at FROM (\
         SELECT p.customer_id, p.channel, p.topic, p.basis, e.fingerprint, p.since_at, p.expires_at, \
         {by_basis} AS basis_ends_at FROM permissions p JOIN customers c ON c.id = p.customer_id \
         LEFT JOIN permission_evidence e ON e.id = p.evidence_id \
         WHERE p.is_granted AND (p.customer_id, p.channel, p.topic) > ($2, $3, $4)) AS granted \
         WHERE expires_at <= $1 OR basis_ends_at < $1 \
         ORDER BY customer_id, channel, topic LIMIT {CHUNK}"
    );
    txn.rows(
        sql,
        [now_ms.into(), customer.into(), channel.into(), topic.into()],
    )
    .await?
    .iter()
    .map(|row| {
        let channel: String = row.try_get("", "channel")?;
        let basis: Option<String> = row.try_get("", "basis")?;
        let since_at: i64 = row.try_get("", "since_at")?;
        let by_date: Option<i64> = row.try_get("", "expires_at")?;
        let by_date = by_date.filter(|at| *at <= now_ms);
        let by_basis: Option<i64> = row.try_get("", "basis_ends_at")?;
        let by_basis = by_basis.filter(|at| *at < now_ms);
        let is_by_date = by_date.is_some_and(|date| by_basis.is_none_or(|basis| date <= basis));
        let ended_at = if is_by_date { by_date } else { by_basis };
        Ok(Ended {
            customer: CustomerId(row.try_get("", "customer_id")?),
            channel: channel.parse().map_err(DbErr::Type)?,
            scope: Scope::from_column(row.try_get("", "topic")?),
            basis: basis
                .and_then(|word| Basis::ALL.into_iter().find(|basis| basis.as_str() == word)),
            fingerprint: row.try_get("", "fingerprint")?,
            is_by_date,
            ended_at: ended_at.unwrap_or(now_ms).max(since_at),
        })
    })
    .collect()
}
