//! What the first page reads: the last waves with the counters it shows.

use sea_orm::DbErr;
use serde_json::Value;

use crate::responses::model::Terms;
use crate::storage::{Db, Sql};

/// A wave.
#[derive(Debug, Clone, PartialEq)]
pub struct Lately {
    pub campaign: String,
    pub launched_at: i64,
    pub is_simulated: bool,
    pub window_days: u32,
    pub accepted: u64,
    pub responders: u64,
    pub complaints: u64,
}

/// The last waves of which messages were accepted, the newest first.
///
/// # Errors
/// When the database is away.
pub async fn lately(db: &Db, limit: i64) -> Result<Vec<Lately>, DbErr> {
    let counter = |name: &str| {
        format!(
            "COALESCE((SELECT n.value FROM wave_counters n WHERE n.wave_id = w.id AND n.counter = '{name}'), 0)"
        )
    };
    let sql = format!(
        "SELECT c.name, w.launched_at, w.is_simulated, w.definition, a.value AS accepted, {responders} AS responders,
                {complaints} AS complaints
         FROM waves w JOIN campaigns c ON c.id = w.campaign_id
         JOIN wave_counters a ON a.wave_id = w.id AND a.counter = 'accepted' AND a.value > 0
         ORDER BY w.id DESC LIMIT $1",
        responders = counter("responders"),
        complaints = counter("complaints"),
    );
    db.rows(sql, [limit.into()])
        .await?
        .iter()
        .map(|row| {
            let definition: String = row.try_get("", "definition")?;
            // One that cannot be read any more has the usual window.
            let terms = serde_json::from_str::<Terms>(&definition).unwrap_or_default();
            let count = |name: &str| row.try_get::<i64>("", name).map(i64::unsigned_abs);
            Ok(Lately {
                campaign: row.try_get("", "name")?,
                launched_at: row.try_get("", "launched_at")?,
                is_simulated: row.try_get("", "is_simulated")?,
                window_days: u32::try_from(terms.window_days).unwrap_or(0),
                accepted: count("accepted")?,
                responders: count("responders")?,
                complaints: count("complaints")?,
            })
        })
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
    let sql = format!(
        "SELECT id, name, {} AS report FROM imports
         WHERE uploaded_at >= $1 AND is_imported AND report IS NOT NULL ORDER BY id DESC LIMIT $2",
        db.dialect().json_text("report")
    );
    let mut found = Vec::new();
    for row in db.rows(sql, [since.into(), limit.into()]).await? {
        let report: String = row.try_get("", "report")?;
        let report: Value = serde_json::from_str(&report).unwrap_or_default();
        let rejected = report.get("rejected").and_then(Value::as_u64).unwrap_or(0);
        if rejected > 0 {
            found.push(Rejects {
                id: row.try_get("", "id")?,
                file: row.try_get("", "name")?,
                rejected,
            });
        }
    }
    Ok(found)
}
