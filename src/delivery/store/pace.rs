//! Limits that nodes share: the lines of slots, taken in the transaction that hands them out.

use sea_orm::{ConnectionTrait, DbErr};
use serde_json::{Value, json};

use crate::delivery::pace::{Limit, Limits, Lines, QUEUE, REST, Turns, rest_end};
use crate::storage::{Db, Dialect, Kind, Sql, Txn};

/// Lines are forgotten after so long without use, in microseconds: there may be one for each domain.
const FORGET_AFTER: i64 = 3_600 * 1_000_000;

/// SQL for now in microseconds, by the database's clock: slots are real time that all nodes share.
pub(super) fn now_us(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "CAST(unixepoch('subsec') * 1000000 AS BIGINT)",
        Dialect::Postgres => "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
    }
}

/// How many messages of a wave may leave now at most; `None`: without limit. Takes nothing.
///
/// # Errors
/// When the database is away.
pub async fn free_slots(
    connection: &impl ConnectionTrait,
    limits: &Limits,
) -> Result<Option<usize>, DbErr> {
    if limits.shared.is_empty() {
        return Ok(None);
    }
    let dialect = Dialect::of(connection);
    let names: Vec<&str> = limits.shared.iter().map(|limit| &*limit.name).collect();
    let rows = connection
        .rows(
            format!(
                "SELECT x.name, p.next_us, {} AS now_us FROM {} AS x LEFT JOIN paces p ON p.name = x.name",
                now_us(dialect),
                named(dialect)
            ),
            [recordset(&names).into()],
        )
        .await?;
    let mut lines = Lines::new();
    let mut now = 0;
    for row in &rows {
        now = row.try_get("", "now_us")?;
        if let Some(next) = row.try_get::<Option<i64>>("", "next_us")? {
            lines.insert(row.try_get("", "name")?, next);
        }
    }
    let free = limits.free(&lines, now);
    Ok(free.map(|free| usize::try_from(free).unwrap_or(0)))
}

/// Gives slots to as many of a batch as there are. `recipients` are the limits of their domains, in order.
///
/// Holds the lines until the transaction ends: to be called near its end, before counters move.
///
/// # Errors
/// When the database is away.
pub async fn take_slots(
    txn: &Txn,
    limits: &Limits,
    recipients: &[Option<Limit>],
) -> Result<Turns, DbErr> {
    let mut names: Vec<String> = limits.shared.iter().map(|l| l.name.clone()).collect();
    for limit in recipients.iter().flatten() {
        names.push(limit.name.clone());
        names.push(limits.queue_line(limit));
    }
    let (mut lines, now) = hold(txn, names).await?;
    let before = lines.clone();
    let turns = limits.allot(recipients, &mut lines, now);
    if let Some(rest) = turns.rest {
        lines.insert(limits.rest_line(), now + rest);
    }
    lines.retain(|name, next| before.get(name) != Some(next));
    write(txn, &lines).await?;
    Ok(turns)
}

/// Lets a wave rest until it has a slot, when it has none now.
///
/// # Errors
/// When the database is away.
pub(super) async fn rest(txn: &Txn, limits: &Limits) -> Result<(), DbErr> {
    let names = limits.shared.iter().map(|l| l.name.clone()).collect();
    let (lines, now) = hold(txn, names).await?;
    if let Some(rest) = limits.rest(&lines, now) {
        write(txn, &[(limits.rest_line(), now + rest)].into()).await?;
    }
    Ok(())
}

/// Whether a running wave of a relay has people who wait for their turn under a limit.
///
/// # Errors
/// When the database is away.
pub async fn is_waiting(connection: &impl ConnectionTrait, route: &str) -> Result<bool, DbErr> {
    let sql = format!(
        "SELECT w.id FROM waves w
         JOIN paces p ON p.name = '{REST}' || w.id || $2 OR p.name LIKE '{QUEUE}' || w.id || '/%'
         JOIN campaigns c ON c.id = w.campaign_id
         WHERE w.status = 'running' AND c.status = 'running' AND (w.relay = $1 OR w.next_relay = $1) AND p.next_us > {} LIMIT 1",
        now_us(Dialect::of(connection))
    );
    let waiting = connection
        .row(sql, [route.into(), rest_end(route).into()])
        .await?;
    Ok(waiting.is_some())
}

/// Forgets lines that nobody used for an hour; returns how many.
///
/// # Errors
/// When the database is away.
pub async fn forget_idle(db: &Db) -> Result<u64, DbErr> {
    let txn = db.begin().await?;
    let lock = match txn.dialect() {
        Dialect::Sqlite => "",
        // What a gate holds is in use; to wait for it in another order than its own would be a deadlock.
        Dialect::Postgres => "FOR UPDATE SKIP LOCKED",
    };
    let sql = format!(
        "DELETE FROM paces WHERE name IN (SELECT name FROM paces WHERE next_us < {} - $1 {lock})",
        now_us(txn.dialect())
    );
    let forgotten = txn.run(sql, [FORGET_AFTER.into()]).await?.rows_affected();
    txn.commit().await?;
    Ok(forgotten)
}

/// The lines of these names, kept from others until the transaction ends, and what time it is.
async fn hold(txn: &Txn, mut names: Vec<String>) -> Result<(Lines, i64), DbErr> {
    // In one order everywhere, so that two transactions cannot wait for each other.
    names.sort_unstable();
    names.dedup();
    let rows = txn
        .rows(
            format!(
                "INSERT INTO paces (name, next_us) SELECT x.name, 0 FROM {} AS x WHERE TRUE ORDER BY x.place
                 ON CONFLICT (name) DO UPDATE SET next_us = paces.next_us
                 RETURNING name, next_us, {} AS now_us",
                named(txn.dialect()),
                now_us(txn.dialect())
            ),
            [recordset(&names).into()],
        )
        .await?;
    let mut lines = Lines::new();
    let mut now = 0;
    for row in &rows {
        lines.insert(row.try_get("", "name")?, row.try_get("", "next_us")?);
        // Each is read when its line was held, so the last is the time by which all are.
        now = now.max(row.try_get("", "now_us")?);
    }
    Ok((lines, now))
}

async fn write(txn: &Txn, lines: &Lines) -> Result<(), DbErr> {
    if lines.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = lines
        .iter()
        .map(|(name, next)| json!([name, next]))
        .collect();
    txn.run(
        format!(
            "INSERT INTO paces (name, next_us) SELECT x.name, x.next_us FROM {} AS x WHERE TRUE ORDER BY x.place
             ON CONFLICT (name) DO UPDATE SET next_us = excluded.next_us",
            txn.dialect()
                .recordset(1, &[("name", Kind::Text), ("next_us", Kind::Int)])
        ),
        [Value::from(rows).to_string().into()],
    )
    .await
    .map(drop)
}

fn named(dialect: Dialect) -> String {
    dialect.recordset(1, &[("name", Kind::Text)])
}

fn recordset(names: &[impl AsRef<str>]) -> String {
    let rows: Vec<_> = names.iter().map(|name| json!([name.as_ref()])).collect();
    Value::from(rows).to_string()
}
