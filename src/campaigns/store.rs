//! Queries about campaigns, template versions and due times.

pub mod calendar;
pub mod coupons;
mod told;
pub mod uses;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{PostgresQueryBuilder, SelectStatement, SqliteQueryBuilder};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};

use super::audience::Audience;
use super::definition::Definition;
use super::model::Status;
use super::schedule::Due;
use super::split::salt_of;
use crate::consent::model::Channel;
use crate::gate::control::Share;
use crate::gate::model::{Rival, Withheld};
use crate::gate::rules::Rules;
use crate::ids::{CampaignId, TemplateVersionId, WaveId};
use crate::storage::text::fold;
use crate::storage::{Db, Dialect, Sql, Txn, Unanswered, rows_within};

/// A campaign as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Campaign {
    pub id: CampaignId,
    pub definition: Definition,
    pub template_version: TemplateVersionId,
    /// What makes its lots others than those of other campaigns.
    pub salt: i64,
    pub status: Status,
    /// Why it is paused, in words.
    pub status_reason: Option<String>,
    pub revision: i64,
    pub updated_at: i64,
}

// The number of a campaign was its salt before it had one of its own.
const COLUMNS: &str = "id, definition, template_version_id, COALESCE(salt, id) AS salt, status, status_reason, \
     revision, updated_at";

fn from_row(row: &QueryResult) -> Result<Campaign, DbErr> {
    let definition: String = row.try_get("", "definition")?;
    let status: String = row.try_get("", "status")?;
    Ok(Campaign {
        id: CampaignId(row.try_get("", "id")?),
        definition: serde_json::from_str(&definition)
            .map_err(|error| DbErr::Type(format!("campaigns.definition: {error}")))?,
        template_version: TemplateVersionId(row.try_get("", "template_version_id")?),
        salt: row.try_get("", "salt")?,
        status: Status::from_column(&status)
            .ok_or_else(|| DbErr::Type(format!("campaigns.status: {status}")))?,
        status_reason: row.try_get("", "status_reason")?,
        revision: row.try_get("", "revision")?,
        updated_at: row.try_get("", "updated_at")?,
    })
}

/// The campaign of this name.
///
/// # Errors
/// When the database is away.
pub async fn by_name(
    connection: &impl ConnectionTrait,
    name: &str,
) -> Result<Option<Campaign>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM campaigns WHERE name = $1");
    connection
        .row(sql, [name.into()])
        .await?
        .as_ref()
        .map(from_row)
        .transpose()
}

/// The campaign with this id.
///
/// # Errors
/// When the database is away.
pub async fn by_id(
    connection: &impl ConnectionTrait,
    id: CampaignId,
) -> Result<Option<Campaign>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM campaigns WHERE id = $1");
    connection
        .row(sql, [id.0.into()])
        .await?
        .as_ref()
        .map(from_row)
        .transpose()
}

/// Takes the campaign's row for this transaction: who else wants it waits.
///
/// # Errors
/// When the database is away.
pub async fn lock(txn: &Txn, id: CampaignId) -> Result<Option<Campaign>, DbErr> {
    // An update that changes nothing is the lock both databases understand.
    txn.run(
        "UPDATE campaigns SET revision = revision WHERE id = $1",
        [id.0.into()],
    )
    .await?;
    by_id(&**txn, id).await
}

/// All campaigns, the latest changed first.
///
/// # Errors
/// When the database is away.
pub async fn list(db: &Db) -> Result<Vec<Campaign>, DbErr> {
    db.rows(
        format!("SELECT {COLUMNS} FROM campaigns ORDER BY updated_at DESC, id DESC"),
        [],
    )
    .await?
    .iter()
    .map(from_row)
    .collect()
}

/// The campaigns that run or are paused, the latest changed first.
///
/// # Errors
/// When the database is away.
pub async fn under_way(db: &Db, limit: usize) -> Result<Vec<Campaign>, DbErr> {
    db.rows(
        format!(
            "SELECT {COLUMNS} FROM campaigns WHERE status IN ('running', 'paused')
             ORDER BY updated_at DESC, id DESC LIMIT $1"
        ),
        [i64::try_from(limit).unwrap_or(i64::MAX).into()],
    )
    .await?
    .iter()
    .map(from_row)
    .collect()
}

/// What campaigns are about, each topic once.
///
/// # Errors
/// When the database is away.
pub async fn topics(db: &Db) -> Result<Vec<String>, DbErr> {
    let topic = db.dialect().json_member("definition", "topic");
    let topics =
        format!("SELECT DISTINCT {topic} AS topic FROM campaigns WHERE {topic} IS NOT NULL");
    db.rows(topics, [])
        .await?
        .iter()
        .map(|row| row.try_get("", "topic"))
        .collect()
}

/// The campaigns below `before`, the last made first.
///
/// # Errors
/// When the database is away.
pub async fn before(db: &Db, before: i64, limit: i64) -> Result<Vec<Campaign>, DbErr> {
    db.rows(
        format!("SELECT {COLUMNS} FROM campaigns WHERE id < $1 ORDER BY id DESC LIMIT $2"),
        [before.into(), limit.into()],
    )
    .await?
    .iter()
    .map(from_row)
    .collect()
}

/// The pattern of names that hold this text, for `LIKE … ESCAPE '\\'`: names have no capitals, and SQLite alone
/// would not mind those of the text.
pub(super) fn holding(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in fold(text).chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// Which campaigns are looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search<'a> {
    /// Part of the name; empty: any.
    pub text: &'a str,
    /// Any, where none is given.
    pub status: Option<Status>,
    /// Those applied before this one; none: from the newest on.
    pub before: Option<CampaignId>,
    pub limit: u32,
}

/// Campaigns that are looked for, the last applied first.
///
/// # Errors
/// When the database is away.
pub async fn search(
    connection: &impl ConnectionTrait,
    search: &Search<'_>,
) -> Result<Vec<Campaign>, DbErr> {
    let sql = format!(
        "SELECT {COLUMNS} FROM campaigns
         WHERE id < $1 AND name LIKE $2 ESCAPE '\\' AND ($3 = '' OR status = $3) ORDER BY id DESC LIMIT $4"
    );
    connection
        .rows(
            sql,
            [
                search.before.map_or(i64::MAX, |id| id.0).into(),
                holding(search.text).into(),
                search.status.map_or("", Status::as_str).into(),
                i64::from(search.limit).into(),
            ],
        )
        .await?
        .iter()
        .map(from_row)
        .collect()
}

/// The names of the campaigns that were changed last, the latest first: as many as a list to choose from can show.
///
/// # Errors
/// When the database is away.
pub async fn names(db: &Db) -> Result<Vec<String>, DbErr> {
    db.rows(
        "SELECT name FROM campaigns ORDER BY updated_at DESC, id DESC LIMIT 200",
        [],
    )
    .await?
    .iter()
    .map(|row| row.try_get("", "name"))
    .collect()
}

/// Writes a new campaign or the next revision of one.
///
/// # Errors
/// When the database is away.
pub async fn save(
    txn: &Txn,
    definition: &Definition,
    template_version: TemplateVersionId,
    status: Status,
    now_ms: i64,
) -> Result<CampaignId, DbErr> {
    let json = serde_json::to_string(definition)
        .map_err(|error| DbErr::Type(format!("campaigns.definition: {error}")))?;
    let row = txn
        .row(
            "INSERT INTO campaigns (name, definition, template_version_id, status, revision, created_at, updated_at,
                salt)
             VALUES ($1, $2, $3, $4, 1, $5, $5, $6)
             ON CONFLICT (name) DO UPDATE SET definition = excluded.definition,
                template_version_id = excluded.template_version_id, status = excluded.status,
                status_reason = NULL, revision = campaigns.revision + 1, updated_at = excluded.updated_at
             RETURNING id",
            [
                definition.name.as_str().into(),
                json.into(),
                template_version.0.into(),
                status.as_str().into(),
                now_ms.into(),
                salt_of(&definition.name).into(),
            ],
        )
        .await?;
    id_of(row).map(CampaignId)
}

/// Moves a campaign to another status, with the reason where there is one, and tells those who want to know.
///
/// # Errors
/// When the database is away.
pub async fn set_status(
    connection: &impl ConnectionTrait,
    id: CampaignId,
    status: Status,
    reason: Option<&str>,
    now_ms: i64,
) -> Result<(), DbErr> {
    told::tell(connection, id, status, reason, now_ms).await?;
    connection
        .run(
            "UPDATE campaigns SET status = $2, status_reason = $3, updated_at = $4 WHERE id = $1",
            [
                id.0.into(),
                status.as_str().into(),
                reason.map(ToOwned::to_owned).into(),
                now_ms.into(),
            ],
        )
        .await
        .map(drop)
}

/// The standing control group of the period in which an instant lies; `None`: there is none. What the group of
/// a period is stays as its first launch found it.
///
/// # Errors
/// When the database is away.
pub async fn standing_control(
    connection: &impl ConnectionTrait,
    rules: &Rules,
    at: DateTime<Utc>,
) -> Result<Option<Share>, DbErr> {
    let period = rules.standing_control.period(at);
    let row = connection
        .row(
            "SELECT percent FROM standing_controls WHERE period = $1",
            [period.name.as_str().into()],
        )
        .await?;
    let percent = match row {
        Some(row) => u8::try_from(row.try_get::<i16>("", "percent")?).unwrap_or(0),
        None => rules.standing_control.percent,
    };
    Ok((percent > 0).then_some(Share { period, percent }))
}

/// As [`standing_control`], and from now on it stays so until the period ends.
///
/// # Errors
/// When the database is away.
pub async fn begin_standing_control(
    txn: &Txn,
    rules: &Rules,
    at: DateTime<Utc>,
) -> Result<Option<Share>, DbErr> {
    let standing = rules.standing_control;
    if standing.percent > 0 {
        let period = standing.period(at);
        txn.run(
            "INSERT INTO standing_controls (period, percent, salt, begun_at, until_at)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (period) DO NOTHING",
            [
                period.name.as_str().into(),
                i16::from(standing.percent).into(),
                period.salt.into(),
                at.timestamp_millis().into(),
                period.until.into(),
            ],
        )
        .await?;
    }
    standing_control(&**txn, rules, at).await
}

/// Keeps the templates of a campaign's cells, in place of those it had.
///
/// # Errors
/// When the database is away.
pub async fn set_cell_versions(
    txn: &Txn,
    id: CampaignId,
    versions: &BTreeMap<String, TemplateVersionId>,
) -> Result<(), DbErr> {
    txn.run(
        "DELETE FROM campaign_cells WHERE campaign_id = $1",
        [id.0.into()],
    )
    .await?;
    for (cell, version) in versions {
        txn.run(
            "INSERT INTO campaign_cells (campaign_id, cell, template_version_id) VALUES ($1, $2, $3)",
            [id.0.into(), cell.as_str().into(), version.0.into()],
        )
        .await?;
    }
    Ok(())
}

/// The frozen templates of a campaign's cells.
///
/// # Errors
/// When the database is away.
pub async fn cell_versions(
    connection: &impl ConnectionTrait,
    id: CampaignId,
) -> Result<BTreeMap<String, TemplateVersionId>, DbErr> {
    connection
        .rows(
            "SELECT cell, template_version_id FROM campaign_cells WHERE campaign_id = $1",
            [id.0.into()],
        )
        .await?
        .iter()
        .map(|row| {
            let version = TemplateVersionId(row.try_get("", "template_version_id")?);
            Ok((row.try_get("", "cell")?, version))
        })
        .collect()
}

/// Keeps a template as it is now; the same content is kept once.
///
/// # Errors
/// When the database is away.
pub async fn freeze_template(
    txn: &Txn,
    name: &str,
    digest: &str,
    source: &str,
    now_ms: i64,
) -> Result<TemplateVersionId, DbErr> {
    let row = txn
        .row(
            "INSERT INTO template_versions (name, digest, source, frozen_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (digest) DO UPDATE SET name = excluded.name RETURNING id",
            [name.into(), digest.into(), source.into(), now_ms.into()],
        )
        .await?;
    id_of(row).map(TemplateVersionId)
}

/// The frozen source of a template version.
///
/// # Errors
/// When the database is away or the version does not exist.
pub async fn template_source(
    connection: &impl ConnectionTrait,
    id: TemplateVersionId,
) -> Result<String, DbErr> {
    let row = connection
        .row(
            "SELECT source FROM template_versions WHERE id = $1",
            [id.0.into()],
        )
        .await?
        .ok_or_else(|| DbErr::RecordNotFound(format!("template version {id}")))?;
    row.try_get("", "source")
}

/// Replaces the waiting due times of a campaign; `false` when it was launched for this one already, so that none
/// waits now.
///
/// # Errors
/// When the database is away.
pub async fn schedule(txn: &Txn, id: CampaignId, due: Option<&Due>) -> Result<bool, DbErr> {
    txn.run(
        "DELETE FROM due_times WHERE campaign_id = $1 AND state = 'waiting'",
        [id.0.into()],
    )
    .await?;
    let Some(due) = due else {
        return Ok(true);
    };
    // An occurrence that was launched already stays launched.
    let written = txn
        .run(
            "INSERT INTO due_times (campaign_id, due_key, due_at, state) VALUES ($1, $2, $3, 'waiting')
             ON CONFLICT (campaign_id, due_key) DO NOTHING",
            [
                id.0.into(),
                due.key.as_str().into(),
                due.at.timestamp_millis().into(),
            ],
        )
        .await?;
    Ok(written.rows_affected() > 0)
}

/// The next waiting due time of a campaign: key and instant.
///
/// # Errors
/// When the database is away.
pub async fn next_due(
    connection: &impl ConnectionTrait,
    id: CampaignId,
) -> Result<Option<(String, i64)>, DbErr> {
    connection
        .row(
            "SELECT due_key, due_at FROM due_times WHERE campaign_id = $1 AND state = 'waiting'
             ORDER BY due_at LIMIT 1",
            [id.0.into()],
        )
        .await?
        .map(|row| Ok((row.try_get("", "due_key")?, row.try_get("", "due_at")?)))
        .transpose()
}

/// Campaigns with a due time that has come, with its key: those of the highest priority first, then the
/// earliest.
///
/// # Errors
/// When the database is away.
pub async fn due(db: &Db, now_ms: i64) -> Result<Vec<(CampaignId, String, i64)>, DbErr> {
    let rows = db
        .rows(
            "SELECT d.campaign_id, d.due_key, d.due_at, c.definition FROM due_times d
             JOIN campaigns c ON c.id = d.campaign_id
             WHERE d.state = 'waiting' AND d.due_at <= $1 AND c.status IN ('scheduled', 'running')
             ORDER BY d.due_at LIMIT 100",
            [now_ms.into()],
        )
        .await?;
    let mut due = Vec::with_capacity(rows.len());
    for row in &rows {
        let definition: String = row.try_get("", "definition")?;
        // One that cannot be read any more fails at its own launch, not here.
        let priority =
            serde_json::from_str::<Definition>(&definition).map_or(0, |plan| plan.priority);
        let occurrence = (
            CampaignId(row.try_get("", "campaign_id")?),
            row.try_get("", "due_key")?,
            row.try_get("", "due_at")?,
        );
        due.push((priority, occurrence));
    }
    due.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
    Ok(due.into_iter().map(|(_, occurrence)| occurrence).collect())
}

/// Marks an occurrence as launched or missed.
///
/// # Errors
/// When the database is away.
pub async fn close_due(txn: &Txn, id: CampaignId, due_key: &str, state: &str) -> Result<(), DbErr> {
    txn.run(
        "UPDATE due_times SET state = $3 WHERE campaign_id = $1 AND due_key = $2",
        [id.0.into(), due_key.into(), state.into()],
    )
    .await
    .map(drop)
}

/// Whether this occurrence was launched or passed over.
///
/// # Errors
/// When the database is away.
pub async fn is_closed(
    connection: &impl ConnectionTrait,
    id: CampaignId,
    due_key: &str,
) -> Result<bool, DbErr> {
    connection
        .row(
            "SELECT 1 AS one FROM due_times WHERE campaign_id = $1 AND due_key = $2 AND state <> 'waiting'",
            [id.0.into(), due_key.into()],
        )
        .await
        .map(|row| row.is_some())
}

/// When an occurrence is due, if it still waits for that.
///
/// # Errors
/// When the database is away.
pub async fn waiting_due(
    connection: &impl ConnectionTrait,
    id: CampaignId,
    due_key: &str,
) -> Result<Option<i64>, DbErr> {
    connection
        .row(
            "SELECT due_at FROM due_times WHERE campaign_id = $1 AND due_key = $2 AND state = 'waiting'",
            [id.0.into(), due_key.into()],
        )
        .await?
        .map(|row| row.try_get("", "due_at"))
        .transpose()
}

/// Whether this campaign was ever launched.
///
/// # Errors
/// When the database is away.
pub async fn has_wave(connection: &impl ConnectionTrait, id: CampaignId) -> Result<bool, DbErr> {
    connection
        .row(
            "SELECT 1 AS one FROM waves WHERE campaign_id = $1 LIMIT 1",
            [id.0.into()],
        )
        .await
        .map(|row| row.is_some())
}

/// The latest wave of this campaign: its number and when it was launched, in milliseconds since the epoch.
///
/// # Errors
/// When the database is away.
pub async fn last_wave(
    connection: &impl ConnectionTrait,
    id: CampaignId,
) -> Result<Option<(WaveId, i64)>, DbErr> {
    connection
        .row(
            "SELECT id, launched_at FROM waves WHERE campaign_id = $1 ORDER BY id DESC LIMIT 1",
            [id.0.into()],
        )
        .await?
        .map(|row| {
            Ok((
                WaveId(row.try_get("", "id")?),
                row.try_get("", "launched_at")?,
            ))
        })
        .transpose()
}

/// Whether a wave of this campaign is under way.
///
/// # Errors
/// When the database is away.
pub async fn has_open_wave(
    connection: &impl ConnectionTrait,
    id: CampaignId,
) -> Result<bool, DbErr> {
    connection
        .row(
            "SELECT 1 AS one FROM waves WHERE campaign_id = $1 AND status = 'running' LIMIT 1",
            [id.0.into()],
        )
        .await
        .map(|row| row.is_some())
}

/// The running waves of a higher priority, apart from `own`.
///
/// # Errors
/// When the database is away.
pub async fn rivals(
    connection: &impl ConnectionTrait,
    priority: i64,
    own: Option<WaveId>,
) -> Result<Vec<Rival>, DbErr> {
    connection
        .rows(
            "SELECT w.id, w.definition FROM waves w JOIN campaigns c ON c.id = w.campaign_id
             WHERE w.status = 'running' AND c.status = 'running' AND w.priority > $1 AND w.id <> $2
             ORDER BY w.id",
            [priority.into(), own.map_or(-1, |wave| wave.0).into()],
        )
        .await?
        .iter()
        .map(|row| {
            let definition: String = row.try_get("", "definition")?;
            let definition: Definition = serde_json::from_str(&definition)
                .map_err(|error| DbErr::Type(format!("waves.definition: {error}")))?;
            Ok(Rival {
                wave: row.try_get("", "id")?,
                channel: definition.channel,
                topic: definition.topic,
            })
        })
        .collect()
}

/// Hand-overs a second of the last wave that ran to its end, the waits for retries left out.
///
/// # Errors
/// When the database is away.
pub async fn last_rate(connection: &impl ConnectionTrait) -> Result<Option<f64>, DbErr> {
    let row = connection
        .row(
            "SELECT w.id, c.value AS n, w.launched_at, w.finished_at
             FROM waves w JOIN wave_counters c ON c.wave_id = w.id AND c.counter = 'accepted'
             WHERE w.status = 'finished' AND c.value >= 100 AND w.finished_at > w.launched_at
               AND w.finished_at - w.launched_at < 14400000
             ORDER BY w.id DESC LIMIT 1",
            [],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let (wave, n): (i64, i64) = (row.try_get("", "id")?, row.try_get("", "n")?);
    let launched_at: i64 = row.try_get("", "launched_at")?;
    let finished_at: i64 = row.try_get("", "finished_at")?;
    let last_at = last_first_attempt(connection, wave)
        .await?
        .filter(|at| (launched_at + 1..finished_at).contains(at));
    let took = last_at.unwrap_or(finished_at) - launched_at;
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let rate = n as f64 * 1000.0 / took as f64;
    Ok(Some(rate))
}

/// When the last of those whom a wave reached at the first attempt got it, as its last chunks tell.
async fn last_first_attempt(
    connection: &impl ConnectionTrait,
    wave: i64,
) -> Result<Option<i64>, DbErr> {
    // All of the last one may have been asked to wait; each is a span of the primary key.
    const LOOKED_AT: i64 = 8;
    let chunks = connection
        .rows(
            "SELECT from_seq, to_seq FROM leases WHERE wave_id = $1 AND kind = 'first'
             ORDER BY due_at DESC, id DESC LIMIT $2",
            [wave.into(), LOOKED_AT.into()],
        )
        .await?;
    let mut last_at: Option<i64> = None;
    for chunk in &chunks {
        let (from, to): (i64, i64) = (chunk.try_get("", "from_seq")?, chunk.try_get("", "to_seq")?);
        let row = connection
            .row(
                "SELECT MAX(settled_at) AS last_at FROM deliveries
                 WHERE wave_id = $1 AND seq BETWEEN $2 AND $3 AND state = 2 AND attempt = 1",
                [wave.into(), from.into(), to.into()],
            )
            .await?;
        if let Some(row) = row {
            last_at = last_at.max(row.try_get("", "last_at")?);
        }
    }
    Ok(last_at)
}

/// The response rate of past waves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PastRate {
    /// Responders ÷ accepted.
    pub rate: f64,
    pub waves: u64,
}

/// The response rate of the last waves with this goal and first channel whose window is over at `now_ms`, those
/// with responses played back left out; `None` while they have fewer than 100 messages or no response.
///
/// # Errors
/// When the database is away.
pub async fn past_rate(
    connection: &impl ConnectionTrait,
    definition: &Definition,
    now_ms: i64,
) -> Result<Option<PastRate>, DbErr> {
    const LOOKED_AT: i64 = 30;
    const POOLED: u64 = 5;
    const LEAST: i64 = 100;
    let rows = connection
        .rows(
            "SELECT w.definition, w.launched_at, c.value AS accepted, COALESCE(r.value, 0) AS responders
             FROM waves w JOIN wave_counters c ON c.wave_id = w.id AND c.counter = 'accepted'
             LEFT JOIN wave_counters r ON r.wave_id = w.id AND r.counter = 'responders'
             WHERE w.status = 'finished' AND NOT w.is_simulated AND c.value > 0
             ORDER BY w.id DESC LIMIT $1",
            [LOOKED_AT.into()],
        )
        .await?;
    let (mut waves, mut accepted, mut responders) = (0, 0_i64, 0_i64);
    for row in &rows {
        let past: String = row.try_get("", "definition")?;
        // One that cannot be read any more tells nothing.
        let launched_at: i64 = row.try_get("", "launched_at")?;
        let is_alike = serde_json::from_str::<Definition>(&past).is_ok_and(|past| {
            past.goal == definition.goal
                && past.channel == definition.channel
                && launched_at + i64::from(past.window_days) * 86_400_000 <= now_ms
        });
        if is_alike && waves < POOLED {
            waves += 1;
            accepted += row.try_get::<i64>("", "accepted")?;
            responders += row.try_get::<i64>("", "responders")?;
        }
    }
    if accepted < LEAST || responders <= 0 {
        return Ok(None);
    }
    let real = |count: i64| crate::statistics::as_f64(count.unsigned_abs());
    Ok(Some(PastRate {
        rate: (real(responders) / real(accepted)).min(1.0),
        waves,
    }))
}

/// Asks a question made of an audience query.
///
/// # Errors
/// When the database is away.
pub async fn ask_audience(db: &Db, query: &SelectStatement) -> Result<Vec<QueryResult>, DbErr> {
    match db.dialect() {
        Dialect::Sqlite => db.query_all(query).await,
        Dialect::Postgres => {
            let txn = db.begin().await?;
            prepare_audience(&txn).await?;
            let rows = txn.query_all(query).await?;
            txn.commit().await?;
            Ok(rows)
        }
    }
}

/// Readies PostgreSQL for an audience query in this transaction. It would compile its many cases to machine
/// code, which takes seconds, far longer than the query itself; and its sets of suppressions and shared
/// addresses belong in memory.
///
/// # Errors
/// When the database is away.
pub async fn prepare_audience(txn: &Txn) -> Result<(), DbErr> {
    if txn.dialect() == Dialect::Postgres {
        txn.run("SET LOCAL jit = off", []).await?;
        txn.run("SET LOCAL work_mem = '64MB'", []).await?;
    }
    Ok(())
}

/// What an audience would be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AudienceCount {
    /// How many would be contacted.
    pub eligible: u64,
    /// Of those, how many by each channel.
    pub by_channel: BTreeMap<Channel, u64>,
    /// How many are withheld for each reason.
    pub withheld: BTreeMap<Withheld, u64>,
    /// Of the eligible, how many wait for the end of quiet hours, by when that is (milliseconds since the
    /// epoch).
    pub held: BTreeMap<i64, u64>,
}

/// Counts an audience, and gives it up after `patience`.
///
/// # Errors
/// When it took too long or the database is away.
pub async fn count_audience(
    db: &Db,
    audience: &Audience<'_>,
    patience: Duration,
) -> Result<AudienceCount, Unanswered> {
    let mut count = AudienceCount::default();
    let (sql, values) = built(&audience.count(db.dialect()), db.dialect());
    for row in rows_within(db, sql, values, patience).await? {
        let n = row.try_get::<i64>("", "n")?.unsigned_abs();
        let reason: Option<String> = row.try_get("", "reason")?;
        match reason.as_deref().and_then(Withheld::from_column) {
            Some(reason) => *count.withheld.entry(reason).or_default() += n,
            None => {
                count.eligible += n;
                let channel: String = row.try_get("", "channel")?;
                let channel: Channel = channel.parse().map_err(DbErr::Type)?;
                *count.by_channel.entry(channel).or_default() += n;
                if let Some(until) = row.try_get::<Option<i64>>("", "held_until")? {
                    *count.held.entry(until).or_default() += n;
                }
            }
        }
    }
    Ok(count)
}

/// Some of those who will be contacted by a channel; given up after `patience`.
///
/// # Errors
/// When it took too long or the database is away.
pub async fn sample_audience(
    db: &Db,
    audience: &Audience<'_>,
    channel: Channel,
    n: u32,
    patience: Duration,
) -> Result<Vec<i64>, Unanswered> {
    let (sql, values) = built(&audience.sample(db.dialect(), channel, n), db.dialect());
    let rows = rows_within(db, sql, values, patience).await?;
    let ids: Result<Vec<i64>, DbErr> = rows.iter().map(|row| row.try_get("", "id")).collect();
    Ok(ids?)
}

fn built(query: &SelectStatement, dialect: Dialect) -> (String, Vec<Value>) {
    let (sql, values) = match dialect {
        Dialect::Sqlite => query.build(SqliteQueryBuilder),
        Dialect::Postgres => query.build(PostgresQueryBuilder),
    };
    (sql, values.0)
}

fn id_of(row: Option<QueryResult>) -> Result<i64, DbErr> {
    row.ok_or_else(|| DbErr::RecordNotInserted)?
        .try_get("", "id")
}
