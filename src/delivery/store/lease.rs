//! Leases: any number of workers on any number of nodes, and no row in two hands.
//!
//! A claim gives out a fence that only grows, and whatever a worker writes it writes in a transaction that
//! first takes the row of its lease with its fence ([`hold`]). So a worker that slept through its lease
//! cannot write over what came after it.

use sea_orm::{DbErr, QueryResult};

use super::due;
use super::settle::{self, Remains};
use super::wave::{finish_if_done, is_cancelled};
use crate::delivery::model::{Lease, LeaseKind};
use crate::ids::WaveId;
use crate::storage::{Db, Dialect, Sql, Txn};

/// SQL for now in milliseconds: the database's clock where nodes share one, ours where there is one node.
pub(super) fn database_now(dialect: Dialect, now_ms: i64) -> String {
    dialect.now(now_ms)
}

/// Takes the next due lease of a route for `owner`, for `seconds`; `None` when nothing is due.
///
/// A lease whose holder is gone is taken over, also of a paused or cancelled campaign: what he had in hand
/// becomes `unknown`.
///
/// # Errors
/// When the database is away.
pub async fn claim(
    db: &Db,
    owner: &str,
    route: &str,
    seconds: u64,
    now_ms: i64,
) -> Result<Option<Lease>, DbErr> {
    let now = database_now(db.dialect(), now_ms);
    let txn = db.begin().await?;
    let candidate = due::next(&txn, route, now_ms).await?;
    let Some(row) = candidate else {
        txn.rollback().await?;
        return Ok(None);
    };
    let id: i64 = row.try_get("", "id")?;
    let wave = WaveId(row.try_get("", "wave_id")?);
    let mut lease = Lease {
        id,
        wave,
        route: row.try_get("", "relay")?,
        cell: row.try_get("", "cell")?,
        kind: kind(&row)?,
        from_seq: row.try_get("", "from_seq")?,
        to_seq: row.try_get("", "to_seq")?,
        fence: row.try_get("", "fence")?,
    };
    if row.try_get::<Option<i64>>("", "until_at")?.is_some() {
        let is_cancelled = is_cancelled(&txn, wave).await?;
        let lost = settle::end_in_hand(&txn, &lease, None, is_cancelled, now_ms).await?;
        if lost > 0 {
            tracing::warn!(%wave, lost, "a worker is gone: what it was handing over is unknown");
        }
    }
    lease.fence = txn
        .row(
            "UPDATE fences SET last = last + 1 WHERE id = 1 RETURNING last",
            [],
        )
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("fences".to_owned()))?
        .try_get("", "last")?;
    txn.run(
        format!("UPDATE leases SET owner = $2, fence = $3, until_at = {now} + $4 WHERE id = $1"),
        [
            id.into(),
            owner.into(),
            lease.fence.into(),
            milliseconds(seconds).into(),
        ],
    )
    .await?;
    txn.commit().await?;
    Ok(Some(lease))
}

/// Holds a lease for `seconds` more, in the transaction that uses it; `false` when it is no longer ours.
pub(super) async fn hold(
    txn: &Txn,
    lease: &Lease,
    seconds: u64,
    now_ms: i64,
) -> Result<bool, DbErr> {
    let now = database_now(txn.dialect(), now_ms);
    txn.run(
        format!(
            "UPDATE leases SET until_at = {now} + $3 WHERE id = $1 AND fence = $2 AND until_at IS NOT NULL"
        ),
        [
            lease.id.into(),
            lease.fence.into(),
            milliseconds(seconds).into(),
        ],
    )
    .await
    .map(|result| result.rows_affected() == 1)
}

/// Gives a lease back, plans the retry of what was deferred, and ends the wave when it is done. What is
/// left of it is due at `not_before` at the earliest.
///
/// # Errors
/// When the database is away.
pub async fn release(
    db: &Db,
    lease: &Lease,
    not_before: Option<i64>,
    now_ms: i64,
) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    // The lease first, as everyone takes it: who takes over an expired one and who wakes and gives it back
    // would wait for each other.
    txn.run(
        "UPDATE leases SET fence = fence WHERE id = $1",
        [lease.id.into()],
    )
    .await?;
    // One at a time per wave from here, so that the last one sees what all others did.
    txn.run(
        "UPDATE waves SET status = status WHERE id = $1",
        [lease.wave.0.into()],
    )
    .await?;
    // What quiet hours put off is due later: the lease comes back for the first of it.
    let pending_at: Option<i64> = match lease.kind {
        LeaseKind::First => txn
            .row(
                "SELECT MIN(due_at) AS due_at FROM deliveries WHERE wave_id = $1 AND seq BETWEEN $2 AND $3 AND state = 0",
                [lease.wave.0.into(), lease.from_seq.into(), lease.to_seq.into()],
            )
            .await?
            .map(|row| row.try_get("", "due_at"))
            .transpose()?
            .flatten(),
        LeaseKind::Retry => None,
    };
    let pending_at = pending_at.map(|at| not_before.map_or(at, |earliest| at.max(earliest)));
    txn.run(
        "UPDATE leases SET owner = NULL, until_at = NULL, is_done = $3, due_at = COALESCE($4, due_at)
         WHERE id = $1 AND fence = $2",
        [
            lease.id.into(),
            lease.fence.into(),
            (lease.kind == LeaseKind::First && pending_at.is_none()).into(),
            pending_at.into(),
        ],
    )
    .await?;
    plan_retry(&txn, lease.wave).await?;
    finish_if_done(&txn, lease.wave, now_ms).await?;
    txn.commit().await
}

/// Sets each retry lease of a wave to the earliest deferred row of its span, or to done when there is none.
async fn plan_retry(txn: &Txn, wave: WaveId) -> Result<(), DbErr> {
    // While someone holds it, it stays as it is: he plans anew when he gives it back.
    let retries = txn
        .rows(
            "SELECT id, from_seq, to_seq FROM leases WHERE wave_id = $1 AND kind = 'retry' AND until_at IS NULL",
            [wave.0.into()],
        )
        .await?;
    for retry in &retries {
        let earliest: Option<i64> = txn
            .row(
                // The last condition is in the one before, and in the index: without it SQLite walks the whole
                // wave.
                "SELECT MIN(next_at) AS next_at FROM deliveries
                 WHERE wave_id = $1 AND seq BETWEEN $2 AND $3 AND state = 3 AND next_at IS NOT NULL",
                [
                    wave.0.into(),
                    retry.try_get::<i64>("", "from_seq")?.into(),
                    retry.try_get::<i64>("", "to_seq")?.into(),
                ],
            )
            .await?
            .map(|row| row.try_get("", "next_at"))
            .transpose()?
            .flatten();
        txn.run(
            "UPDATE leases SET due_at = $2, is_done = $3 WHERE id = $1 AND until_at IS NULL",
            [
                retry.try_get::<i64>("", "id")?.into(),
                earliest.unwrap_or(i64::MAX).into(),
                earliest.is_none().into(),
            ],
        )
        .await?;
    }
    Ok(())
}

/// Gives a lease back after a gate whose commit was lost, so that nobody knows whether it stands: what it
/// recorded was not handed over.
///
/// # Errors
/// When the database is away.
pub async fn take_back(db: &Db, lease: &Lease, now_ms: i64) -> Result<(), DbErr> {
    end(db, lease, &Remains::default(), now_ms).await.map(drop)
}

/// Ends a lease of this node whose worker is dead, by what its journal says it had in hand; returns how
/// many rows became `unknown`, `None` when the lease is another's by now.
///
/// # Errors
/// When the database is away.
pub async fn recover(
    db: &Db,
    id: i64,
    fence: i64,
    remains: &Remains,
    now_ms: i64,
) -> Result<Option<i64>, DbErr> {
    let row = db
        .row(
            "SELECT wave_id, relay, cell, kind, from_seq, to_seq FROM leases
             WHERE id = $1 AND fence = $2 AND until_at IS NOT NULL",
            [id.into(), fence.into()],
        )
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let lease = Lease {
        id,
        wave: WaveId(row.try_get("", "wave_id")?),
        route: row.try_get("", "relay")?,
        cell: row.try_get("", "cell")?,
        kind: kind(&row)?,
        from_seq: row.try_get("", "from_seq")?,
        to_seq: row.try_get("", "to_seq")?,
        fence,
    };
    end(db, &lease, remains, now_ms).await
}

async fn end(db: &Db, lease: &Lease, remains: &Remains, now_ms: i64) -> Result<Option<i64>, DbErr> {
    let txn = db.begin().await?;
    // The lease first: the gate holds it, so a commit still under way ends before, and the next
    // statement sees what it recorded.
    let is_ours = txn
        .run(
            "UPDATE leases SET owner = NULL, until_at = NULL WHERE id = $1 AND fence = $2 AND until_at IS NOT NULL",
            [lease.id.into(), lease.fence.into()],
        )
        .await?
        .rows_affected()
        == 1;
    if !is_ours {
        txn.rollback().await?;
        return Ok(None);
    }
    let is_cancelled = is_cancelled(&txn, lease.wave).await?;
    let lost = settle::end_in_hand(&txn, lease, Some(remains), is_cancelled, now_ms).await?;
    txn.commit().await?;
    Ok(Some(lost))
}

/// Ends the leases an earlier run of this node left behind; the caller has proved that it is dead.
///
/// # Errors
/// When the database is away.
pub async fn revoke_of_node(db: &Db, node: &str) -> Result<u64, DbErr> {
    let txn = db.begin().await?;
    // In the past by any clock, but not NULL: the next claim sees that there was a holder.
    let revoked = txn
        .run(
            "UPDATE leases SET until_at = 0 WHERE owner = $1 AND until_at IS NOT NULL",
            [node.into()],
        )
        .await?
        .rows_affected();
    txn.commit().await?;
    Ok(revoked)
}

/// Gives open leases without a route that of their wave: a node with an older program launched it.
///
/// # Errors
/// When the database is away.
pub async fn give_routes(db: &Db) -> Result<u64, DbErr> {
    let txn = db.begin().await?;
    let given = txn
        .run(
            "UPDATE leases SET relay = (SELECT w.relay FROM waves w WHERE w.id = leases.wave_id)
             WHERE relay = '' AND wave_id IN (SELECT id FROM waves WHERE status = 'running')",
            [],
        )
        .await?
        .rows_affected();
    txn.commit().await?;
    Ok(given)
}

fn kind(row: &QueryResult) -> Result<LeaseKind, DbErr> {
    Ok(match row.try_get::<String>("", "kind")?.as_str() {
        "retry" => LeaseKind::Retry,
        _ => LeaseKind::First,
    })
}

fn milliseconds(seconds: u64) -> i64 {
    i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX)
}
