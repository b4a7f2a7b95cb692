//! Relays that rest: what a node's circuit breakers say, for everybody to see.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr};

use super::lease::database_now;
use crate::delivery::model::Rest;
use crate::storage::{Db, Dialect, Sql};

/// A rest that ended so long ago and was not renewed is of a node that is gone, in milliseconds.
const STALE_MS: i64 = 120_000;

/// A rest that begins now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewRest<'a> {
    pub relay: &'a str,
    pub node: &'a str,
    pub reason: &'a str,
    /// How often it failed in a row.
    pub failures: u32,
    pub wait: Duration,
}

/// Writes that a relay rests on a node.
///
/// # Errors
/// When the database is away.
pub async fn begin_rest(db: &Db, rest: NewRest<'_>, now_ms: i64) -> Result<(), DbErr> {
    let wait_ms = i64::try_from(rest.wait.as_millis()).unwrap_or(i64::MAX / 2);
    let now = database_now(db.dialect(), now_ms);
    let txn = db.begin().await?;
    txn.run(
        format!(
            "INSERT INTO relay_rests (relay, node, reason, failures, since_at, until_at)
             VALUES ($1, $2, $3, $4, {now}, {now} + $5)
             ON CONFLICT (relay, node) DO UPDATE SET reason = excluded.reason, failures = excluded.failures,
                 until_at = excluded.until_at"
        ),
        [
            rest.relay.into(),
            rest.node.into(),
            rest.reason.into(),
            i64::from(rest.failures).into(),
            wait_ms.into(),
        ],
    )
    .await?;
    txn.run(
        format!("DELETE FROM relay_rests WHERE until_at < {now} - $1"),
        [STALE_MS.into()],
    )
    .await?;
    txn.commit().await
}

/// Takes back that a relay rests on this node; with `None`, of any relay: when the node begins or stops.
///
/// # Errors
/// When the database is away.
pub async fn end_rest(db: &Db, relay: Option<&str>, node: &str) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    txn.run(
        "DELETE FROM relay_rests WHERE node = $1 AND relay = COALESCE($2, relay)",
        [node.into(), relay.map(str::to_owned).into()],
    )
    .await?;
    txn.commit().await
}

/// Who gives a relay no work now, those who come back first before the others.
///
/// # Errors
/// When the database is away.
pub async fn rests_of(
    connection: &impl ConnectionTrait,
    relay: &str,
    now_ms: i64,
) -> Result<Vec<Rest>, DbErr> {
    let now = database_now(Dialect::of(connection), now_ms);
    connection
        .rows(
            format!(
                "SELECT node, reason, failures, since_at, until_at FROM relay_rests
                 WHERE relay = $1 AND until_at > {now} - $2 ORDER BY until_at, node"
            ),
            [relay.into(), STALE_MS.into()],
        )
        .await?
        .iter()
        .map(|row| {
            Ok(Rest {
                relay: relay.to_owned(),
                node: row.try_get("", "node")?,
                reason: row.try_get("", "reason")?,
                failures: row.try_get("", "failures")?,
                since_at: row.try_get("", "since_at")?,
                until_at: row.try_get("", "until_at")?,
            })
        })
        .collect()
}
