//! Queries about endpoints and what they were told; of what is still to be told, see [`line`].

pub(super) mod line;

use std::collections::{BTreeSet, HashMap};

use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use serde::Serialize;

use super::model::{DeliveryState, EventKind};
use crate::ids::EndpointId;
use crate::storage::{Sql, Txn};

/// Where a program wants to be told of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    pub id: EndpointId,
    pub url: String,
    pub description: String,
    pub kinds: Vec<EventKind>,
    pub is_active: bool,
    pub created_by: String,
    /// Milliseconds since the epoch, as all instants here.
    pub created_at: i64,
    /// Tries that failed since the last that did not.
    pub failures: i64,
    pub failing_since: Option<i64>,
    /// When it was last told of something.
    pub told_at: Option<i64>,
    pub disabled_at: Option<i64>,
    /// Why it was disabled.
    pub reason: Option<String>,
    /// Events that it has not been told of yet.
    pub waiting: i64,
    /// Events that it was not told of in any try, or that were due when it was disabled.
    pub lost: i64,
    #[serde(skip)]
    pub(super) signed: Signed,
}

/// What the secret of an endpoint is derived from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signed {
    pub salt: String,
    pub generation: i64,
    /// When the generation before it was replaced.
    pub renewed_at: Option<i64>,
}

impl Signed {
    fn read(row: &QueryResult) -> Result<Self, DbErr> {
        Ok(Self {
            salt: row.try_get("", "salt")?,
            generation: row.try_get("", "generation")?,
            renewed_at: row.try_get("", "renewed_at")?,
        })
    }
}

/// An event on its way to an endpoint, or there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Its place among all events.
    #[serde(skip)]
    pub event: i64,
    /// What the receiver knows it by.
    pub message_id: String,
    pub kind: String,
    pub created_at: i64,
    pub state: DeliveryState,
    pub attempts: i64,
    /// When it is tried next, while it waits.
    pub next_at: i64,
    pub tried_at: Option<i64>,
    pub last_status: Option<i64>,
    pub last_error: Option<String>,
}

const ENDPOINT: &str = "e.id, e.url, e.description, e.salt, e.generation, e.renewed_at, e.is_active, e.created_by, \
     e.created_at, e.failures, e.failing_since, e.told_at, e.disabled_at, e.reason, \
     (SELECT COUNT(*) FROM webhook_deliveries d WHERE d.endpoint_id = e.id AND d.state = 'waiting') AS waiting, \
     (SELECT COUNT(*) FROM webhook_deliveries d WHERE d.endpoint_id = e.id AND d.state IN ('failed', 'stopped')) AS lost";

fn endpoint(
    row: &QueryResult,
    kinds: &HashMap<EndpointId, Vec<EventKind>>,
) -> Result<Endpoint, DbErr> {
    let id = EndpointId(row.try_get("", "id")?);
    Ok(Endpoint {
        id,
        url: row.try_get("", "url")?,
        description: row.try_get("", "description")?,
        kinds: kinds.get(&id).cloned().unwrap_or_default(),
        is_active: row.try_get("", "is_active")?,
        created_by: row.try_get("", "created_by")?,
        created_at: row.try_get("", "created_at")?,
        failures: row.try_get("", "failures")?,
        failing_since: row.try_get("", "failing_since")?,
        told_at: row.try_get("", "told_at")?,
        disabled_at: row.try_get("", "disabled_at")?,
        reason: row.try_get("", "reason")?,
        waiting: row.try_get("", "waiting")?,
        lost: row.try_get("", "lost")?,
        signed: Signed::read(row)?,
    })
}

async fn kinds(
    connection: &impl ConnectionTrait,
) -> Result<HashMap<EndpointId, Vec<EventKind>>, DbErr> {
    let mut kinds: HashMap<EndpointId, Vec<EventKind>> = HashMap::new();
    let rows = connection
        .rows(
            "SELECT endpoint_id, kind FROM webhook_subscriptions ORDER BY endpoint_id, kind",
            [],
        )
        .await?;
    for row in rows {
        let kind: String = row.try_get("", "kind")?;
        // One that a newer program knows is not ours to show.
        if let Ok(kind) = kind.parse() {
            let of_endpoint = kinds.entry(EndpointId(row.try_get("", "endpoint_id")?));
            of_endpoint.or_default().push(kind);
        }
    }
    Ok(kinds)
}

/// All endpoints, in the order of their numbers.
///
/// # Errors
/// When the database is away.
pub async fn endpoints(connection: &impl ConnectionTrait) -> Result<Vec<Endpoint>, DbErr> {
    let kinds = kinds(connection).await?;
    connection
        .rows(
            format!("SELECT {ENDPOINT} FROM webhook_endpoints e ORDER BY e.id"),
            [],
        )
        .await?
        .iter()
        .map(|row| endpoint(row, &kinds))
        .collect()
}

/// One endpoint.
///
/// # Errors
/// When the database is away.
pub async fn by_id(
    connection: &impl ConnectionTrait,
    id: EndpointId,
) -> Result<Option<Endpoint>, DbErr> {
    let sql = format!("SELECT {ENDPOINT} FROM webhook_endpoints e WHERE e.id = $1");
    let Some(row) = connection.row(sql, [id.0.into()]).await? else {
        return Ok(None);
    };
    endpoint(&row, &kinds(connection).await?).map(Some)
}

/// How many endpoints fail now, or were disabled because they did.
///
/// # Errors
/// When the database is away.
pub async fn failing(connection: &impl ConnectionTrait) -> Result<u64, DbErr> {
    let row = connection
        .row(
            "SELECT COUNT(*) AS n FROM webhook_endpoints
             WHERE (is_active AND failing_since IS NOT NULL) OR (NOT is_active AND failing_since IS NOT NULL)",
            [],
        )
        .await?;
    let n: i64 = row.map_or(Ok(0), |row| row.try_get("", "n"))?;
    Ok(n.unsigned_abs())
}

/// What an endpoint was told lately, the newest first.
///
/// # Errors
/// When the database is away.
pub async fn told(
    connection: &impl ConnectionTrait,
    id: EndpointId,
    limit: i64,
) -> Result<Vec<Told>, DbErr> {
    told_before(connection, id, i64::MAX, limit).await
}

/// As [`told`], of what came before the event `before`.
///
/// # Errors
/// When the database is away.
pub async fn told_before(
    connection: &impl ConnectionTrait,
    id: EndpointId,
    before: i64,
    limit: i64,
) -> Result<Vec<Told>, DbErr> {
    connection
        .rows(
            "SELECT d.event_id, v.message_id, v.kind, v.created_at, d.state, d.attempts, d.next_at, d.tried_at, d.last_status,
                    d.last_error
             FROM webhook_deliveries d JOIN webhook_events v ON v.id = d.event_id
             WHERE d.endpoint_id = $1 AND d.event_id < $2 ORDER BY d.event_id DESC LIMIT $3",
            [id.0.into(), before.into(), limit.into()],
        )
        .await?
        .iter()
        .map(|row| {
            let state: String = row.try_get("", "state")?;
            Ok(Told {
                event: row.try_get("", "event_id")?,
                message_id: row.try_get("", "message_id")?,
                kind: row.try_get("", "kind")?,
                created_at: row.try_get("", "created_at")?,
                state: DeliveryState::from_column(&state)
                    .ok_or_else(|| DbErr::Type(format!("webhook_deliveries.state: {state}")))?,
                attempts: row.try_get("", "attempts")?,
                next_at: row.try_get("", "next_at")?,
                tried_at: row.try_get("", "tried_at")?,
                last_status: row.try_get("", "last_status")?,
                last_error: row.try_get("", "last_error")?,
            })
        })
        .collect()
}

pub(super) async fn add_endpoint(
    txn: &Txn,
    url: &str,
    description: &str,
    salt: &str,
    actor: &str,
    now_ms: i64,
) -> Result<EndpointId, DbErr> {
    let row = txn
        .row(
            "INSERT INTO webhook_endpoints (url, description, salt, generation, is_active, created_by, created_at,
                failures, resume_at)
             VALUES ($1, $2, $3, 1, $4, $5, $6, 0, 0) RETURNING id",
            [
                url.into(),
                description.into(),
                salt.into(),
                true.into(),
                actor.into(),
                now_ms.into(),
            ],
        )
        .await?
        .ok_or(DbErr::RecordNotInserted)?;
    row.try_get("", "id").map(EndpointId)
}

/// Sets what an endpoint is told of.
pub(super) async fn set_kinds(
    txn: &Txn,
    id: EndpointId,
    kinds: &BTreeSet<EventKind>,
) -> Result<(), DbErr> {
    txn.run(
        "DELETE FROM webhook_subscriptions WHERE endpoint_id = $1",
        [id.0.into()],
    )
    .await?;
    for kind in kinds {
        txn.run(
            "INSERT INTO webhook_subscriptions (kind, endpoint_id) VALUES ($1, $2)",
            [kind.as_str().into(), id.0.into()],
        )
        .await?;
    }
    Ok(())
}

pub(super) async fn renew_secret(txn: &Txn, id: EndpointId, now_ms: i64) -> Result<(), DbErr> {
    txn.run(
        "UPDATE webhook_endpoints SET generation = generation + 1, renewed_at = $2 WHERE id = $1",
        [id.0.into(), now_ms.into()],
    )
    .await
    .map(drop)
}

/// Begins anew with an endpoint: nothing of its failures counts any more.
pub(super) async fn enable(txn: &Txn, id: EndpointId) -> Result<(), DbErr> {
    txn.run(
        "UPDATE webhook_endpoints SET is_active = $2, failures = 0, failing_since = NULL, disabled_at = NULL,
            reason = NULL, resume_at = 0 WHERE id = $1",
        [id.0.into(), true.into()],
    )
    .await
    .map(drop)
}

/// Tells an endpoint nothing any more; what waits for it is stopped. `has_failed`: it is shown among those that
/// fail.
pub(super) async fn disable(
    txn: &Txn,
    id: EndpointId,
    reason: &str,
    has_failed: bool,
    now_ms: i64,
) -> Result<(), DbErr> {
    let since = if has_failed {
        "COALESCE(failing_since, $3)"
    } else {
        "NULL"
    };
    txn.run(
        format!(
            "UPDATE webhook_endpoints SET is_active = $2, disabled_at = $3, reason = $4, failing_since = {since}
             WHERE id = $1"
        ),
        [id.0.into(), false.into(), now_ms.into(), reason.into()],
    )
    .await?;
    txn.run(
        "UPDATE webhook_deliveries SET state = 'stopped' WHERE endpoint_id = $1 AND state = 'waiting'",
        [id.0.into()],
    )
    .await
    .map(drop)
}

pub(super) async fn remove(txn: &Txn, id: EndpointId) -> Result<bool, DbErr> {
    // SQLite looks at foreign keys only where it was told to.
    for table in ["webhook_deliveries", "webhook_subscriptions"] {
        txn.run(
            format!("DELETE FROM {table} WHERE endpoint_id = $1"),
            [id.0.into()],
        )
        .await?;
    }
    let removed = txn
        .run("DELETE FROM webhook_endpoints WHERE id = $1", [id.0.into()])
        .await?;
    Ok(removed.rows_affected() > 0)
}

/// Lets an endpoint be told again: of one event, or of all that failed or were stopped. Returns of how many.
pub(super) async fn resend(
    txn: &Txn,
    id: EndpointId,
    message: Option<&str>,
    now_ms: i64,
) -> Result<u64, DbErr> {
    let which = match message {
        Some(_) => {
            "state <> 'waiting' AND event_id IN (SELECT v.id FROM webhook_events v WHERE v.message_id = $3)"
        }
        None => "state IN ('failed', 'stopped') AND $3 = ''",
    };
    let again = txn
        .run(
            format!(
                "UPDATE webhook_deliveries SET state = 'waiting', attempts = 0, lets_pass = $4, next_at = $2
                 WHERE endpoint_id = $1 AND {which}"
            ),
            [
                id.0.into(),
                now_ms.into(),
                message.unwrap_or_default().into(),
                false.into(),
            ],
        )
        .await?;
    txn.run(
        "UPDATE webhook_endpoints SET resume_at = 0 WHERE id = $1",
        [id.0.into()],
    )
    .await?;
    Ok(again.rows_affected())
}
