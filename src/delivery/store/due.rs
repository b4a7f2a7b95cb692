//! Which lease comes next: fair between the waves that go one way.
//!
//! Among the running waves of a relay the one with the fewest leases in hand goes first; among equals the
//! one of the higher priority, then the one that was served the longest ago, then the one due first. So a
//! wave of a million does not keep out one of ten, and no wave holds all hands while another waits. Done
//! leases are not looked at, however many there are.

use sea_orm::{DbErr, QueryResult};

use super::lease::database_now;
use crate::delivery::pace::{REST, rest_end};
use crate::storage::{Dialect, Sql, Txn};

const COLUMNS: &str =
    "l.id, l.wave_id, l.relay, l.cell, l.kind, l.from_seq, l.to_seq, l.fence, l.until_at";

/// The lease to take next, locked; `None` when nothing is due. One whose holder is gone comes first, and
/// where its wave was stopped it is everybody's: only to be settled.
///
/// # Errors
/// When the database is away.
pub(super) async fn next(
    txn: &Txn,
    route: &str,
    now_ms: i64,
) -> Result<Option<QueryResult>, DbErr> {
    if let Some(abandoned) = abandoned(txn, route, now_ms).await? {
        return Ok(Some(abandoned));
    }
    for wave in in_turn(txn, route, now_ms).await? {
        let lease = txn
            .row(
                format!(
                    "SELECT {COLUMNS} FROM leases l
                     WHERE l.wave_id = $1 AND l.relay = $3 AND NOT l.is_done AND l.until_at IS NULL
                       AND l.due_at <= $2
                     ORDER BY l.due_at, l.id LIMIT 1 {}",
                    lock(txn.dialect())
                ),
                [wave.into(), now_ms.into(), route.into()],
            )
            .await?;
        if lease.is_some() {
            return Ok(lease);
        }
    }
    Ok(None)
}

async fn abandoned(txn: &Txn, route: &str, now_ms: i64) -> Result<Option<QueryResult>, DbErr> {
    let now = database_now(txn.dialect(), now_ms);
    txn.row(
        format!(
            // CROSS JOIN keeps SQLite from beginning with the waves.
            "SELECT {COLUMNS} FROM leases l
             CROSS JOIN waves w CROSS JOIN campaigns c
             WHERE l.until_at IS NOT NULL AND l.until_at < {now}
               AND w.id = l.wave_id AND c.id = w.campaign_id
               AND (l.relay = $1 OR w.status <> 'running' OR c.status <> 'running')
             ORDER BY l.until_at LIMIT 1 {}",
            lock(txn.dialect())
        ),
        [route.into()],
    )
    .await
}

/// The waves that have a lease to give, the fairest choice first. A comparison of `until_at`, which is never
/// less than 0, lets SQLite take the index of those in hand.
async fn in_turn(txn: &Txn, route: &str, now_ms: i64) -> Result<Vec<i64>, DbErr> {
    txn.rows(
        format!(
            "SELECT x.id FROM (
                 SELECT w.id, w.priority,
                     (SELECT COUNT(*) FROM leases h WHERE h.wave_id = w.id AND h.relay = $2 AND h.until_at >= 0) AS in_hand,
                     (SELECT MAX(s.fence) FROM leases s WHERE s.wave_id = w.id AND s.relay = $2) AS served,
                     (SELECT MIN(n.due_at) FROM leases n
                      WHERE n.wave_id = w.id AND n.relay = $2 AND NOT n.is_done AND n.until_at IS NULL) AS due_at
                 FROM waves w JOIN campaigns c ON c.id = w.campaign_id
                 WHERE w.status = 'running' AND c.status = 'running' AND (w.relay = $2 OR w.next_relay = $2)
                   AND NOT EXISTS (SELECT 1 FROM paces p
                                   WHERE p.name = '{rest}' || w.id || $3 AND p.next_us > {now_us})
             ) AS x
             WHERE x.due_at <= $1
             ORDER BY x.in_hand, x.priority DESC, x.served, x.due_at, x.id",
            rest = REST,
            now_us = super::pace::now_us(txn.dialect()),
        ),
        [now_ms.into(), route.into(), rest_end(route).into()],
    )
    .await?
    .iter()
    .map(|row| row.try_get("", "id"))
    .collect()
}

fn lock(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "",
        Dialect::Postgres => "FOR UPDATE OF l SKIP LOCKED",
    }
}
