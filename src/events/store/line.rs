//! Events in line: written where something happened, taken by the node that sends, settled by what came of it.

use std::collections::{BTreeSet, HashMap};

use sea_orm::{ConnectionTrait, DbErr};
use serde_json::json;

use super::Signed;
use crate::events::model::{DeliveryState, EventKind};
use crate::ids::{CustomerId, EndpointId};
use crate::storage::{Db, Dialect, Sql, Txn};

/// How long a node has an endpoint for itself, in milliseconds: longer than one request takes.
const LEASE_MS: i64 = 60_000;

/// What is to be sent next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::events) struct Next {
    pub event: i64,
    pub message_id: String,
    pub body: String,
    pub attempts: i64,
    pub next_at: i64,
}

pub(in crate::events) async fn is_wanted(
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
pub(in crate::events) async fn add_event(
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

pub(in crate::events) async fn keys_of(
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
pub(in crate::events) async fn claim(
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

/// An endpoint as one sends to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::events) struct Receiver {
    pub url: String,
    pub signed: Signed,
}

/// Holds an endpoint for longer; `None` when it is not ours any more, or disabled.
pub(in crate::events) async fn hold(
    connection: &impl ConnectionTrait,
    id: EndpointId,
    owner: &str,
    now_ms: i64,
) -> Result<Option<Receiver>, DbErr> {
    let now = Dialect::of(connection).now(now_ms);
    // Nothing of what it was told: this is asked for each event, and holds the writers up.
    connection
        .row(
            format!(
                "UPDATE webhook_endpoints SET until_at = {now} + {LEASE_MS}
                 WHERE id = $1 AND owner = $2 AND is_active AND until_at > {now}
                 RETURNING url, salt, generation, renewed_at"
            ),
            [id.0.into(), owner.into()],
        )
        .await?
        .map(|row| {
            Ok(Receiver {
                url: row.try_get("", "url")?,
                signed: Signed::read(&row)?,
            })
        })
        .transpose()
}

/// Gives an endpoint back; it is left alone until `resume_at`.
pub(in crate::events) async fn release(
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
pub(in crate::events) async fn release_of_node(db: &Db, owner: &str) -> Result<(), DbErr> {
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
pub(in crate::events) async fn next(
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
pub(in crate::events) struct Tried<'a> {
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
pub(in crate::events) async fn settle(txn: &Txn, tried: &Tried<'_>) -> Result<Option<i64>, DbErr> {
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
pub(in crate::events) async fn forget(db: &Db, before: i64) -> Result<u64, DbErr> {
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
