//! Queries about endpoints, events, and what became of them.

use std::collections::{BTreeSet, HashMap};

use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use serde::Serialize;
use serde_json::json;

use super::model::{DeliveryState, EventKind};
use crate::ids::{CustomerId, EndpointId};
use crate::storage::{Db, Dialect, Sql, Txn};

/// How long a node has an endpoint for itself, in milliseconds: longer than one request takes.
const LEASE_MS: i64 = 60_000;

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
    /// What its secret is derived from.
    #[serde(skip)]
    pub(super) salt: String,
    #[serde(skip)]
    pub(super) generation: i64,
    #[serde(skip)]
    pub(super) renewed_at: Option<i64>,
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

/// What is to be sent next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Next {
    pub event: i64,
    pub message_id: String,
    pub body: String,
    pub attempts: i64,
    pub next_at: i64,
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
        salt: row.try_get("", "salt")?,
        generation: row.try_get("", "generation")?,
        renewed_at: row.try_get("", "renewed_at")?,
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

pub(super) async fn is_wanted(
    connection: &impl ConnectionTrait,
    kind: EventKind,
) -> Result<bool, DbErr> {
    connection
        .row(
            "SELECT 1 AS one FROM webhook_subscriptions s JOIN webhook_endpoints e ON e.id = s.endpoint_id
             WHERE s.kind = $1 AND e.is_active LIMIT 1",
            [kind.as_str().into()],
        )
        .await
        .map(|row| row.is_some())
}

/// Writes an event, and puts it in line at every endpoint that wants it; where none does, writes nothing.
pub(super) async fn add_event(
    connection: &impl ConnectionTrait,
    message_id: &str,
    kind: EventKind,
    body: &str,
    now_ms: i64,
) -> Result<(), DbErr> {
    let row = connection
        .row(
            "INSERT INTO webhook_events (message_id, kind, body, created_at)
             SELECT $1, $2, $3, $4
             WHERE EXISTS (SELECT 1 FROM webhook_subscriptions s JOIN webhook_endpoints e ON e.id = s.endpoint_id
                WHERE s.kind = $2 AND e.is_active) RETURNING id",
            [message_id.into(), kind.as_str().into(), body.into(), now_ms.into()],
        )
        .await?;
    let Some(row) = row else {
        return Ok(());
    };
    let event: i64 = row.try_get("", "id")?;
    connection
        .run(
            "INSERT INTO webhook_deliveries (endpoint_id, event_id, state, attempts, lets_pass, next_at)
             SELECT e.id, $1, 'waiting', 0, $4, $2
             FROM webhook_subscriptions s JOIN webhook_endpoints e ON e.id = s.endpoint_id
             WHERE s.kind = $3 AND e.is_active",
            [event.into(), now_ms.into(), kind.as_str().into(), false.into()],
        )
        .await
        .map(drop)
}

pub(super) async fn keys_of(
    connection: &impl ConnectionTrait,
    customers: impl IntoIterator<Item = CustomerId>,
) -> Result<HashMap<CustomerId, String>, DbErr> {
    let ids: BTreeSet<i64> = customers.into_iter().map(|customer| customer.0).collect();
    let sql = format!(
        "SELECT id, external_id FROM customers WHERE external_id IS NOT NULL AND id {}",
        Dialect::of(connection).is_one_of(1)
    );
    connection
        .rows(sql, [json!(ids).to_string().into()])
        .await?
        .iter()
        .map(|row| {
            Ok((
                CustomerId(row.try_get("", "id")?),
                row.try_get("", "external_id")?,
            ))
        })
        .collect()
}

/// Takes the endpoints at which something is due, for `owner`.
pub(super) async fn claim(
    db: &Db,
    owner: &str,
    limit: usize,
    now_ms: i64,
) -> Result<Vec<EndpointId>, DbErr> {
    let now = db.dialect().now(now_ms);
    let found = db
        .rows(
            format!(
                "SELECT e.id FROM webhook_endpoints e
                 WHERE e.is_active AND e.resume_at <= $1 AND (e.until_at IS NULL OR e.until_at <= {now})
                   AND EXISTS (SELECT 1 FROM webhook_deliveries d
                       WHERE d.endpoint_id = e.id AND d.state = 'waiting' AND d.next_at <= $1)
                 ORDER BY e.id LIMIT $2"
            ),
            [now_ms.into(), i64::try_from(limit).unwrap_or(i64::MAX).into()],
        )
        .await?;
    let mut claimed = Vec::with_capacity(found.len());
    for row in found {
        let id: i64 = row.try_get("", "id")?;
        let txn = db.begin().await?;
        let taken = txn
            .run(
                format!(
                    "UPDATE webhook_endpoints SET owner = $2, until_at = {now} + {LEASE_MS}
                     WHERE id = $1 AND is_active AND (until_at IS NULL OR until_at <= {now})"
                ),
                [id.into(), owner.into()],
            )
            .await?;
        txn.commit().await?;
        if taken.rows_affected() > 0 {
            claimed.push(EndpointId(id));
        }
    }
    Ok(claimed)
}

/// Holds an endpoint for longer; `false` when it is not ours any more, or disabled.
pub(super) async fn hold(
    connection: &impl ConnectionTrait,
    id: EndpointId,
    owner: &str,
    now_ms: i64,
) -> Result<bool, DbErr> {
    let now = Dialect::of(connection).now(now_ms);
    let held = connection
        .run(
            format!(
                "UPDATE webhook_endpoints SET until_at = {now} + {LEASE_MS}
                 WHERE id = $1 AND owner = $2 AND is_active AND until_at > {now}"
            ),
            [id.0.into(), owner.into()],
        )
        .await?;
    Ok(held.rows_affected() > 0)
}

/// Gives an endpoint back; it is left alone until `resume_at`.
pub(super) async fn release(
    db: &Db,
    id: EndpointId,
    owner: &str,
    resume_at: i64,
) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    txn.run(
        "UPDATE webhook_endpoints SET owner = NULL, until_at = NULL, resume_at = $3 WHERE id = $1 AND owner = $2",
        [id.0.into(), owner.into(), resume_at.into()],
    )
    .await?;
    txn.commit().await
}

/// Gives back what a process of this name had, which is gone.
pub(super) async fn release_of_node(db: &Db, owner: &str) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    txn.run(
        "UPDATE webhook_endpoints SET owner = NULL, until_at = NULL WHERE owner = $1",
        [owner.into()],
    )
    .await?;
    txn.commit().await
}

/// What an endpoint is to be told next, due or not: the first in line that holds the others up, or one that lets
/// them pass and is due.
pub(super) async fn next(
    connection: &impl ConnectionTrait,
    id: EndpointId,
    now_ms: i64,
) -> Result<Option<Next>, DbErr> {
    connection
        .row(
            "SELECT d.event_id, v.message_id, v.body, d.attempts, d.next_at
             FROM webhook_deliveries d JOIN webhook_events v ON v.id = d.event_id
             WHERE d.endpoint_id = $1 AND d.state = 'waiting' AND (NOT d.lets_pass OR d.next_at <= $2)
             ORDER BY d.event_id LIMIT 1",
            [id.0.into(), now_ms.into()],
        )
        .await?
        .map(|row| {
            Ok(Next {
                event: row.try_get("", "event_id")?,
                message_id: row.try_get("", "message_id")?,
                body: row.try_get("", "body")?,
                attempts: row.try_get("", "attempts")?,
                next_at: row.try_get("", "next_at")?,
            })
        })
        .transpose()
}

/// What a try came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tried<'a> {
    pub endpoint: EndpointId,
    pub event: i64,
    pub state: DeliveryState,
    pub attempts: i64,
    pub lets_pass: bool,
    pub next_at: i64,
    pub status: Option<u16>,
    pub fault: Option<&'a str>,
    pub now_ms: i64,
}

/// Writes what a try came to; returns since when the endpoint fails.
pub(super) async fn settle(txn: &Txn, tried: &Tried<'_>) -> Result<Option<i64>, DbErr> {
    txn.run(
        "UPDATE webhook_deliveries SET state = $3, attempts = $4, lets_pass = $5, next_at = $6, tried_at = $7,
            last_status = $8, last_error = $9 WHERE endpoint_id = $1 AND event_id = $2",
        [
            tried.endpoint.0.into(),
            tried.event.into(),
            tried.state.as_str().into(),
            tried.attempts.into(),
            tried.lets_pass.into(),
            tried.next_at.into(),
            tried.now_ms.into(),
            tried.status.map(i64::from).into(),
            tried.fault.map(str::to_owned).into(),
        ],
    )
    .await?;
    let counted = if tried.state == DeliveryState::Delivered {
        "failures = 0, failing_since = NULL, told_at = $2"
    } else {
        "failures = failures + 1, failing_since = COALESCE(failing_since, $2)"
    };
    let row = txn
        .row(
            format!("UPDATE webhook_endpoints SET {counted} WHERE id = $1 RETURNING failing_since"),
            [tried.endpoint.0.into(), tried.now_ms.into()],
        )
        .await?;
    row.map_or(Ok(None), |row| row.try_get("", "failing_since"))
}

/// Lets events go that are older than `before`; returns how many.
pub(super) async fn forget(db: &Db, before: i64) -> Result<u64, DbErr> {
    const CHUNK: i64 = 5_000;
    let mut gone = 0;
    loop {
        let txn = db.begin().await?;
        let oldest =
            "SELECT id FROM webhook_events WHERE created_at < $1 ORDER BY created_at, id LIMIT $2";
        txn.run(
            format!("DELETE FROM webhook_deliveries WHERE event_id IN ({oldest})"),
            [before.into(), CHUNK.into()],
        )
        .await?;
        let deleted = txn
            .run(
                format!("DELETE FROM webhook_events WHERE id IN ({oldest})"),
                [before.into(), CHUNK.into()],
            )
            .await?
            .rows_affected();
        txn.commit().await?;
        gone += deleted;
        if deleted == 0 {
            return Ok(gone);
        }
    }
}
