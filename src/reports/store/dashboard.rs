//! What the first page reads: the last waves with the counters it shows.

use sea_orm::{DbErr, QueryResult};

use crate::responses::model::Terms;
use crate::storage::{Db, Dialect, Sql};

/// A wave.
#[derive(Debug, Clone, PartialEq)]
pub struct Lately {
    pub campaign: String,
    pub launched_at: i64,
    pub is_simulated: bool,
    pub window_days: u32,
    /// Accepted less undelivered and bounces.
    pub delivered: u64,
    pub responders: u64,
}

/// SQL for a counter of wave `w`.
fn counter(name: &str) -> String {
    format!(
        "COALESCE((SELECT n.value FROM wave_counters n WHERE n.wave_id = w.id AND n.counter = '{name}'), 0)"
    )
}

/// SQL for what was delivered of wave `w`, whose accepted are `a.value`.
fn delivered(dialect: Dialect) -> String {
    let undelivered = counter("receipts.undelivered");
    let bounces = counter("bounces");
    let arrived = format!("a.value - {undelivered} - {bounces}");
    dialect.greatest(&["0", &arrived])
}

/// The last waves of which messages were accepted, the newest first.
///
/// # Errors
/// When the database is away.
pub async fn lately(db: &Db, limit: i64) -> Result<Vec<Lately>, DbErr> {
    let sql = format!(
        "SELECT c.name, w.launched_at, w.is_simulated, w.definition, {delivered} AS delivered,
                {responders} AS responders
         FROM waves w JOIN campaigns c ON c.id = w.campaign_id
         JOIN wave_counters a ON a.wave_id = w.id AND a.counter = 'accepted' AND a.value > 0
         ORDER BY w.id DESC LIMIT $1",
        delivered = delivered(db.dialect()),
        responders = counter("responders"),
    );
    db.rows(sql, [limit.into()])
        .await?
        .iter()
        .map(|row| {
            let definition: String = row.try_get("", "definition")?;
            // One that cannot be read any more has the usual window.
            let terms = serde_json::from_str::<Terms>(&definition).unwrap_or_default();
            Ok(Lately {
                campaign: row.try_get("", "name")?,
                launched_at: row.try_get("", "launched_at")?,
                is_simulated: row.try_get("", "is_simulated")?,
                window_days: u32::try_from(terms.window_days).unwrap_or(0),
                delivered: count(row, "delivered")?,
                responders: count(row, "responders")?,
            })
        })
        .collect()
}

fn count(row: &QueryResult, name: &str) -> Result<u64, DbErr> {
    let count: i64 = row.try_get("", name)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// A wave that people complained about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complained {
    pub campaign: String,
    pub complaints: u64,
    pub delivered: u64,
}

/// The waves launched since then that delivered `least` messages or more and of which at least one in `one_in`
/// was called spam, the newest first; played-back responses are nobody's complaints.
///
/// # Errors
/// When the database is away.
pub async fn complained(
    db: &Db,
    since: i64,
    least: i64,
    one_in: i64,
) -> Result<Vec<Complained>, DbErr> {
    let sql = format!(
        "SELECT t.name, t.complaints, t.delivered FROM (
             SELECT w.id, c.name, k.value AS complaints, {delivered} AS delivered
             FROM waves w CROSS JOIN wave_counters k CROSS JOIN wave_counters a CROSS JOIN campaigns c
             WHERE k.wave_id = w.id AND k.counter = 'complaints' AND k.value > 0
               AND a.wave_id = w.id AND a.counter = 'accepted' AND c.id = w.campaign_id
               AND w.launched_at > $1 AND NOT w.is_simulated) t
         WHERE t.delivered >= $2 AND t.complaints * $3 >= t.delivered ORDER BY t.id DESC",
        delivered = delivered(db.dialect()),
    );
    db.rows(sql, [since.into(), least.into(), one_in.into()])
        .await?
        .iter()
        .map(|row| {
            Ok(Complained {
                campaign: row.try_get("", "name")?,
                complaints: count(row, "complaints")?,
                delivered: count(row, "delivered")?,
            })
        })
        .collect()
}

/// The campaigns that stand still, the latest changed first, each with the reason.
///
/// # Errors
/// When the database is away.
pub async fn paused(db: &Db) -> Result<Vec<(String, String)>, DbErr> {
    db.rows(
        "SELECT name, COALESCE(status_reason, '') AS reason FROM campaigns WHERE status = 'paused'
         ORDER BY updated_at DESC, id DESC",
        [],
    )
    .await?
    .iter()
    .map(|row| Ok((row.try_get("", "name")?, row.try_get("", "reason")?)))
    .collect()
}

/// How many drafts wait for a second person's word.
///
/// # Errors
/// When the database is away.
pub async fn asked_approvals(db: &Db) -> Result<u64, DbErr> {
    let row = db
        .row(
            "SELECT COUNT(*) AS n FROM campaign_drafts WHERE standing = 'asked'",
            [],
        )
        .await?;
    let n: i64 = row.map_or(Ok(0), |row| row.try_get("", "n"))?;
    Ok(n.unsigned_abs())
}

/// An import whose file had rows that could not be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejects {
    pub id: i64,
    pub file: String,
    pub rejected: u64,
}

/// The imports that ended since then and rejected rows, the newest first.
///
/// # Errors
/// When the database is away.
pub async fn rejects(db: &Db, since: i64, limit: i64) -> Result<Vec<Rejects>, DbErr> {
    let rejected = db.dialect().json_number("report", "rejected");
    let sql = format!(
        "SELECT id, name, {rejected} AS rejected FROM imports
         WHERE uploaded_at >= $1 AND is_imported AND report IS NOT NULL AND {rejected} > 0
         ORDER BY id DESC LIMIT $2"
    );
    db.rows(sql, [since.into(), limit.into()])
        .await?
        .iter()
        .map(|row| {
            Ok(Rejects {
                id: row.try_get("", "id")?,
                file: row.try_get("", "name")?,
                rejected: count(row, "rejected")?,
            })
        })
        .collect()
}
