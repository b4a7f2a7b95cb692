//! What the calendar reads: due times that wait, and waves.

use sea_orm::{DbErr, QueryResult};

use crate::campaigns::definition::Definition;
use crate::campaigns::model::Status;
use crate::ids::CampaignId;
use crate::storage::{Db, Sql, Txn};

/// No response window is longer, in milliseconds.
const LONGEST_WINDOW_MS: i64 = 366 * 86_400_000;
/// Waves that are looked at, the latest first.
const WAVES: i64 = 1_000;

/// A due time that waits.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    pub campaign: CampaignId,
    pub name: String,
    pub status: Status,
    pub definition: Definition,
    pub due_at: i64,
    /// Messages of the campaign's last wave.
    pub people: Option<i64>,
}

/// A wave.
#[derive(Debug, Clone, PartialEq)]
pub struct Went {
    pub campaign: CampaignId,
    pub name: String,
    pub status: Status,
    pub definition: Definition,
    pub launched_at: i64,
    pub finished_at: Option<i64>,
    pub accepted: Option<i64>,
    pub responders: Option<i64>,
}

fn definition(row: &QueryResult) -> Result<Definition, DbErr> {
    let text: String = row.try_get("", "definition")?;
    serde_json::from_str(&text).map_err(|error| DbErr::Type(format!("definition: {error}")))
}

fn status(row: &QueryResult) -> Result<Status, DbErr> {
    let text: String = row.try_get("", "status")?;
    Status::from_column(&text).ok_or_else(|| DbErr::Type(format!("campaigns.status: {text}")))
}

/// The due times before `until` that wait.
///
/// # Errors
/// When the database is away.
pub async fn waiting(db: &Db, until: i64) -> Result<Vec<Waiting>, DbErr> {
    db.rows(
        "SELECT c.id, c.name, c.status, c.definition, d.due_at,
                (SELECT n.value FROM wave_counters n WHERE n.counter = 'accepted' AND n.wave_id =
                    (SELECT MAX(w.id) FROM waves w WHERE w.campaign_id = c.id)) AS people
         FROM due_times d JOIN campaigns c ON c.id = d.campaign_id
         WHERE d.state = 'waiting' AND d.due_at < $1 AND c.status IN ('scheduled', 'running', 'paused')
         ORDER BY d.due_at",
        [until.into()],
    )
    .await?
    .iter()
    .map(|row| {
        Ok(Waiting {
            campaign: CampaignId(row.try_get("", "id")?),
            name: row.try_get("", "name")?,
            status: status(row)?,
            definition: definition(row)?,
            due_at: row.try_get("", "due_at")?,
            people: row.try_get("", "people")?,
        })
    })
    .collect()
}

/// The waves launched before `until` whose window for responses is not over before `from`.
///
/// # Errors
/// When the database is away.
pub async fn went(db: &Db, from: i64, until: i64) -> Result<Vec<Went>, DbErr> {
    let rows = db
        .rows(
            "SELECT c.id, c.name, c.status, w.definition, w.launched_at, w.finished_at,
                    (SELECT n.value FROM wave_counters n WHERE n.wave_id = w.id AND n.counter = 'accepted') AS accepted,
                    (SELECT n.value FROM wave_counters n WHERE n.wave_id = w.id AND n.counter = 'responders') AS responders
             FROM waves w JOIN campaigns c ON c.id = w.campaign_id
             WHERE w.launched_at < $2 AND w.launched_at >= $1 ORDER BY w.id DESC LIMIT $3",
            [(from - LONGEST_WINDOW_MS).into(), until.into(), WAVES.into()],
        )
        .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        let went = Went {
            campaign: CampaignId(row.try_get("", "id")?),
            name: row.try_get("", "name")?,
            status: status(row)?,
            definition: definition(row)?,
            launched_at: row.try_get("", "launched_at")?,
            finished_at: row.try_get("", "finished_at")?,
            accepted: row.try_get("", "accepted")?,
            responders: row.try_get("", "responders")?,
        };
        let end = went.finished_at.unwrap_or(went.launched_at);
        if end + i64::from(went.definition.window_days) * 86_400_000 >= from {
            found.push(went);
        }
    }
    Ok(found)
}

/// Gives a user another key for his feed; of it only the digest is kept.
///
/// # Errors
/// When the database is away.
pub async fn set_key(txn: &Txn, user: i64, digest: &str, now_ms: i64) -> Result<(), DbErr> {
    txn.run(
        "INSERT INTO calendar_keys (user_id, digest, created_at) VALUES ($1, $2, $3)
         ON CONFLICT (user_id) DO UPDATE SET digest = excluded.digest, created_at = excluded.created_at",
        [user.into(), digest.into(), now_ms.into()],
    )
    .await
    .map(drop)
}

/// Takes a user's key away; whether he had one.
///
/// # Errors
/// When the database is away.
pub async fn forget_key(txn: &Txn, user: i64) -> Result<bool, DbErr> {
    let gone = txn
        .run(
            "DELETE FROM calendar_keys WHERE user_id = $1",
            [user.into()],
        )
        .await?;
    Ok(gone.rows_affected() > 0)
}

/// Whose key has this digest.
///
/// # Errors
/// When the database is away.
pub async fn user_of(db: &Db, digest: &str) -> Result<Option<i64>, DbErr> {
    db.row(
        "SELECT user_id FROM calendar_keys WHERE digest = $1",
        [digest.into()],
    )
    .await?
    .map(|row| row.try_get("", "user_id"))
    .transpose()
}

/// When a user was given his key.
///
/// # Errors
/// When the database is away.
pub async fn key_since(db: &Db, user: i64) -> Result<Option<i64>, DbErr> {
    db.row(
        "SELECT created_at FROM calendar_keys WHERE user_id = $1",
        [user.into()],
    )
    .await?
    .map(|row| row.try_get("", "created_at"))
    .transpose()
}
