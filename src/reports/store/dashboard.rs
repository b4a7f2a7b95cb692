//! What the first page reads: the last waves with the counters it shows.

use sea_orm::DbErr;

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
