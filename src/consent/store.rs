//! Queries about permission.

use sea_orm::{ConnectionTrait, DbErr};

use super::model::{Action, Channel, Scope};
use crate::ids::CustomerId;
use crate::storage::Sql;

/// Writes that a customer no longer wants `channel` for `scope`: evidence, withdrawn permission and,
/// where the address is known by its `fingerprint`, suppression. Twice is as good as once, save that
/// each time leaves its evidence.
///
/// # Errors
/// When the database is away.
pub async fn opt_out(
    conn: &impl ConnectionTrait,
    customer: CustomerId,
    fingerprint: Option<&str>,
    channel: Channel,
    scope: &Scope,
    source: &str,
    at: i64,
) -> Result<(), DbErr> {
    let evidence: i64 = conn
        .row(
            "INSERT INTO permission_evidence
                (customer_id, channel, topic, action, basis, source, wording, fingerprint, occurred_at, recorded_at)
             VALUES ($1, $2, $3, $4, NULL, $5, NULL, $6, $7, $7) RETURNING id",
            [
                customer.0.into(),
                channel.as_str().into(),
                scope.as_str().into(),
                Action::Withdraw.as_str().into(),
                source.into(),
                fingerprint.map(str::to_owned).into(),
                at.into(),
            ],
        )
        .await?
        .ok_or_else(|| DbErr::RecordNotInserted)?
        .try_get("", "id")?;
    if let Scope::Topic(topic) = scope {
        conn.run(
            "INSERT INTO permissions (customer_id, channel, topic, is_granted, basis, since_at, evidence_id)
             VALUES ($1, $2, $3, $4, NULL, $5, $6)
             ON CONFLICT (customer_id, channel, topic) DO UPDATE
             SET is_granted = excluded.is_granted, since_at = excluded.since_at, evidence_id = excluded.evidence_id",
            [
                customer.0.into(),
                channel.as_str().into(),
                topic.as_str().into(),
                false.into(),
                at.into(),
                evidence.into(),
            ],
        )
        .await?;
    } else {
        conn.run(
            "UPDATE permissions SET is_granted = $3, since_at = $4, evidence_id = $5
             WHERE customer_id = $1 AND channel = $2",
            [
                customer.0.into(),
                channel.as_str().into(),
                false.into(),
                at.into(),
                evidence.into(),
            ],
        )
        .await?;
    }
    if let Some(fingerprint) = fingerprint {
        conn.run(
            "INSERT INTO suppressions (fingerprint, channel, scope, reason, suppressed_at)
             VALUES ($1, $2, $3, 'opt_out', $4) ON CONFLICT DO NOTHING",
            [
                fingerprint.into(),
                channel.as_str().into(),
                scope.as_str().into(),
                at.into(),
            ],
        )
        .await?;
    }
    Ok(())
}
