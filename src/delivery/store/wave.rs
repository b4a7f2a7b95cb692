//! Waves: begun, counted, finished.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};

use super::audience::UNDECIDED;
use super::minutes;
use crate::campaigns::cells::ALL;
use crate::campaigns::definition::Definition;
use crate::campaigns::model::Status;
use crate::campaigns::store::{self as campaign_store, Campaign};
use crate::consent::model::Channel;
use crate::delivery::model::WaveStatus;
use crate::delivery::pace;
use crate::gate::model::Withheld;
use crate::ids::{CampaignId, CustomerId, DeliveryKey, TemplateVersionId, WaveId};
use crate::storage::{Db, Dialect, Kind, Sql, Txn};

/// A wave as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct WaveRow {
    pub id: WaveId,
    pub campaign: CampaignId,
    pub due_key: String,
    pub template_version: TemplateVersionId,
    /// The plan as it was at launch.
    pub definition: Definition,
    pub status: WaveStatus,
    /// The name of the relay it goes through.
    pub relay: String,
    /// The route of the second channel, for who cannot be reached by the first.
    pub next_relay: Option<String>,
    pub is_simulated: bool,
    pub launched_at: i64,
    pub finished_at: Option<i64>,
}

impl WaveRow {
    /// Its routes, in the order of its channels.
    pub fn routes(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.relay.as_str()).chain(self.next_relay.as_deref())
    }

    /// What the limits of a route ask of it.
    pub fn subject<'a>(&'a self, route: &'a str) -> pace::Subject<'a> {
        pace::Subject {
            wave: self.id,
            campaign: self.campaign,
            route,
            sender_address: &self.definition.sender.address,
            rate_per_second: self.definition.rate_per_second,
        }
    }
}

/// The counters of a wave by name; one that was never moved is absent.
pub type Counters = BTreeMap<String, i64>;

const COLUMNS: &str = "id, campaign_id, due_key, template_version_id, definition, status, relay, next_relay, is_simulated, launched_at, finished_at";

fn from_row(row: &QueryResult) -> Result<WaveRow, DbErr> {
    let definition: String = row.try_get("", "definition")?;
    let status: String = row.try_get("", "status")?;
    Ok(WaveRow {
        id: WaveId(row.try_get("", "id")?),
        campaign: CampaignId(row.try_get("", "campaign_id")?),
        due_key: row.try_get("", "due_key")?,
        template_version: TemplateVersionId(row.try_get("", "template_version_id")?),
        definition: serde_json::from_str(&definition)
            .map_err(|error| DbErr::Type(format!("waves.definition: {error}")))?,
        status: match status.as_str() {
            "running" => WaveStatus::Running,
            "finished" => WaveStatus::Finished,
            _ => WaveStatus::Cancelled,
        },
        relay: row.try_get("", "relay")?,
        next_relay: row.try_get("", "next_relay")?,
        is_simulated: row.try_get("", "is_simulated")?,
        launched_at: row.try_get("", "launched_at")?,
        finished_at: row.try_get("", "finished_at")?,
    })
}

/// The wave with this id.
///
/// # Errors
/// When the database is away.
pub async fn wave(connection: &impl ConnectionTrait, id: WaveId) -> Result<Option<WaveRow>, DbErr> {
    connection
        .row(
            format!("SELECT {COLUMNS} FROM waves WHERE id = $1"),
            [id.0.into()],
        )
        .await?
        .as_ref()
        .map(from_row)
        .transpose()
}

/// The wave of an occurrence, if it was launched.
///
/// # Errors
/// When the database is away.
pub async fn wave_of(
    connection: &impl ConnectionTrait,
    campaign: CampaignId,
    due_key: &str,
) -> Result<Option<WaveId>, DbErr> {
    connection
        .row(
            "SELECT id FROM waves WHERE campaign_id = $1 AND due_key = $2",
            [campaign.0.into(), due_key.into()],
        )
        .await?
        .map(|row| row.try_get("", "id").map(WaveId))
        .transpose()
}

/// The message of a wave that went to a customer: its place in the wave, and its channel.
///
/// # Errors
/// When the database is away.
pub async fn contact_of(
    connection: &impl ConnectionTrait,
    wave: WaveId,
    customer: CustomerId,
) -> Result<Option<(i64, Channel)>, DbErr> {
    let row = connection
        .row(
            "SELECT seq, channel FROM contacts WHERE customer_id = $1 AND wave_id = $2 LIMIT 1",
            [customer.0.into(), wave.0.into()],
        )
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let channel: String = row.try_get("", "channel")?;
    Ok(channel
        .parse()
        .ok()
        .zip(Some(row.try_get("", "seq")?))
        .map(|(channel, seq)| (seq, channel)))
}

/// Whom a delivery is for, also when the ledger has let it go.
///
/// # Errors
/// When the database is away.
pub async fn customer_of(
    connection: &impl ConnectionTrait,
    delivery: DeliveryKey,
) -> Result<Option<CustomerId>, DbErr> {
    connection
        .row(
            "SELECT customer_id FROM deliveries WHERE wave_id = $1 AND seq = $2
             UNION ALL SELECT customer_id FROM past_deliveries WHERE wave_id = $1 AND seq = $2",
            [delivery.wave.0.into(), delivery.seq.into()],
        )
        .await?
        .map(|row| row.try_get("", "customer_id").map(CustomerId))
        .transpose()
}

/// The waves of a campaign, the first launched first.
///
/// # Errors
/// When the database is away.
pub async fn waves_of(db: &Db, campaign: CampaignId) -> Result<Vec<WaveRow>, DbErr> {
    db.rows(
        format!("SELECT {COLUMNS} FROM waves WHERE campaign_id = $1 ORDER BY id"),
        [campaign.0.into()],
    )
    .await?
    .iter()
    .map(from_row)
    .collect()
}

/// The wave launched last.
///
/// # Errors
/// When the database is away.
pub async fn latest_wave(db: &Db, campaign: CampaignId) -> Result<Option<WaveRow>, DbErr> {
    db.row(
        format!("SELECT {COLUMNS} FROM waves WHERE campaign_id = $1 ORDER BY id DESC LIMIT 1"),
        [campaign.0.into()],
    )
    .await?
    .as_ref()
    .map(from_row)
    .transpose()
}

/// How a wave stands for those who work on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// Neither it nor its campaign was stopped.
    pub is_running: bool,
    pub is_cancelled: bool,
}

/// How a wave stands; keeps a cancellation waiting until this transaction has ended. A pause waits for
/// nobody on PostgreSQL: whom a gate under way lets pass may go.
pub(super) async fn hold_standing(txn: &Txn, id: WaveId) -> Result<Standing, DbErr> {
    let lock = match txn.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => "FOR SHARE OF w, c",
    };
    let row = txn
        .row(
            format!(
                "SELECT w.status, c.status AS campaign_status FROM waves w JOIN campaigns c ON c.id = w.campaign_id
                 WHERE w.id = $1 {lock}"
            ),
            [id.0.into()],
        )
        .await?
        .ok_or_else(|| DbErr::RecordNotFound(format!("wave {id}")))?;
    let status: String = row.try_get("", "status")?;
    let campaign: String = row.try_get("", "campaign_status")?;
    Ok(Standing {
        is_running: status == WaveStatus::Running.as_str() && campaign == Status::Running.as_str(),
        is_cancelled: status == WaveStatus::Cancelled.as_str(),
    })
}

/// Whether the wave was cancelled; keeps a cancellation waiting until this transaction has ended.
pub(super) async fn is_cancelled(txn: &Txn, id: WaveId) -> Result<bool, DbErr> {
    hold_standing(txn, id)
        .await
        .map(|standing| standing.is_cancelled)
}

/// Why rows of a wave are deferred (class and how many, most first), and when the next is tried again.
///
/// # Errors
/// When the database is away.
pub async fn deferrals(
    connection: &impl ConnectionTrait,
    id: WaveId,
) -> Result<(Vec<(String, i64)>, Option<i64>), DbErr> {
    let mut reasons = Vec::new();
    let mut next_at: Option<i64> = None;
    for row in connection
        .rows(
            "SELECT COALESCE(reason, 'unknown') AS reason, COUNT(*) AS n, MIN(next_at) AS next_at
             FROM deliveries WHERE wave_id = $1 AND state = 3 AND next_at IS NOT NULL
             GROUP BY reason ORDER BY n DESC",
            [id.0.into()],
        )
        .await?
    {
        reasons.push((row.try_get("", "reason")?, row.try_get("", "n")?));
        let next: Option<i64> = row.try_get("", "next_at")?;
        next_at = next_at.into_iter().chain(next).min();
    }
    Ok((reasons, next_at))
}

/// When the next pending rows of a wave are due, if they wait for a time to come.
///
/// # Errors
/// When the database is away.
pub async fn next_lease_due(
    connection: &impl ConnectionTrait,
    id: WaveId,
) -> Result<Option<i64>, DbErr> {
    connection
        .row(
            "SELECT MIN(due_at) AS due_at FROM leases
             WHERE wave_id = $1 AND NOT is_done AND kind = 'first' AND due_at < $2",
            [id.0.into(), UNDECIDED.into()],
        )
        .await?
        .map(|row| row.try_get("", "due_at"))
        .transpose()
        .map(Option::flatten)
}

/// When the last open lease of a wave may be worked on, apart from those that wait for the winner of a test.
///
/// # Errors
/// When the database is away.
pub async fn last_lease_due(
    connection: &impl ConnectionTrait,
    id: WaveId,
) -> Result<Option<i64>, DbErr> {
    connection
        .row(
            "SELECT MAX(due_at) AS due_at FROM leases
             WHERE wave_id = $1 AND NOT is_done AND kind = 'first' AND due_at < $2",
            [id.0.into(), UNDECIDED.into()],
        )
        .await?
        .map(|row| row.try_get("", "due_at"))
        .transpose()
        .map(Option::flatten)
}

/// Pending rows of a wave that wait for a time of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// By quiet hours: how many, and when the last of them may be contacted.
    pub quiet: (i64, Option<i64>),
    /// By the limit of their domain.
    pub limited: (i64, Option<i64>),
    /// When the last of all may be.
    pub last_due_at: Option<i64>,
}

/// Who of a wave waits for a time of his own.
///
/// # Errors
/// When the database is away.
pub async fn held(
    connection: &impl ConnectionTrait,
    id: WaveId,
    now_ms: i64,
) -> Result<Held, DbErr> {
    let mut held = Held::default();
    // They stand in leases that come later; without one the ledger need not be read.
    let is_any = connection
        .row(
            "SELECT id FROM leases WHERE wave_id = $1 AND NOT is_done AND kind = 'first' AND due_at > $2 LIMIT 1",
            [id.0.into(), now_ms.into()],
        )
        .await?
        .is_some();
    if !is_any {
        return Ok(held);
    }
    let rows = connection
        .rows(
            "SELECT reason, COUNT(*) AS n, MAX(due_at) AS until FROM deliveries
             WHERE wave_id = $1 AND state = 0 AND due_at > $2 GROUP BY reason",
            [id.0.into(), now_ms.into()],
        )
        .await?;
    for row in rows {
        let some = (row.try_get("", "n")?, row.try_get("", "until")?);
        let reason: Option<String> = row.try_get("", "reason")?;
        if reason.as_deref() == Some(Withheld::QuietHours.as_str()) {
            held.quiet = some;
        } else if reason.as_deref() == Some(pace::DOMAIN_LIMIT) {
            held.limited = some;
        }
        held.last_due_at = held.last_due_at.max(some.1);
    }
    Ok(held)
}

/// Writes a wave.
///
/// # Errors
/// When the database is away, or the occurrence has a wave already.
pub async fn insert_wave(
    txn: &Txn,
    campaign: &Campaign,
    due_key: &str,
    routes: &[String],
    is_simulated: bool,
    now_ms: i64,
) -> Result<WaveId, DbErr> {
    let definition = serde_json::to_string(&campaign.definition)
        .map_err(|error| DbErr::Type(format!("waves.definition: {error}")))?;
    let row = txn
        .row(
            "INSERT INTO waves (campaign_id, due_key, template_version_id, definition, status, is_simulated, launched_at, priority, relay, next_relay)
             VALUES ($1, $2, $3, $4, 'running', $5, $6, $7, $8, $9) RETURNING id",
            [
                campaign.id.0.into(),
                due_key.into(),
                campaign.template_version.0.into(),
                definition.into(),
                is_simulated.into(),
                now_ms.into(),
                campaign.definition.priority.into(),
                routes.first().map_or("", String::as_str).into(),
                routes.get(1).cloned().into(),
            ],
        )
        .await?
        .ok_or(DbErr::RecordNotInserted)?;
    row.try_get("", "id").map(WaveId)
}

/// What the name of a counter begins with that counts the text messages of a wave only.
pub const SMS_COUNTERS: &str = "sms.";

/// What the name of a counter begins with that counts the rows of a cell only.
pub fn cell_counters(cell: &str) -> String {
    format!("cell.{cell}.")
}

/// Moves counters of a wave for rows of one channel and cell. Those of text messages, and of each cell of a
/// test, are also counted for themselves, so that they are told apart without counting.
pub(super) async fn add_of(
    txn: &Txn,
    wave: WaveId,
    channel: Channel,
    cell: &str,
    deltas: &Counters,
) -> Result<(), DbErr> {
    let mut all = deltas.clone();
    let mut also = |prefix: &str| {
        for (counter, delta) in deltas {
            all.insert(format!("{prefix}{counter}"), *delta);
        }
    };
    if channel == Channel::Sms {
        also(SMS_COUNTERS);
    }
    if !cell.is_empty() && cell != ALL {
        also(&cell_counters(cell));
    }
    add(txn, wave, &all).await
}

/// Moves counters of a wave, in the transaction of what they count.
pub(super) async fn add(txn: &Txn, wave: WaveId, deltas: &Counters) -> Result<(), DbErr> {
    let moved: Vec<_> = deltas.iter().filter(|(_, delta)| **delta != 0).collect();
    if moved.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO wave_counters (wave_id, counter, value) VALUES {}
         ON CONFLICT (wave_id, counter) DO UPDATE SET value = wave_counters.value + excluded.value",
        txn.dialect().values(moved.len(), 3)
    );
    // A BTreeMap gives them in one order everywhere, so that two transactions cannot deadlock on them.
    let values: Vec<Value> = moved
        .into_iter()
        .flat_map(|(counter, delta)| [wave.0.into(), counter.as_str().into(), (*delta).into()])
        .collect();
    txn.run(sql, values).await.map(drop)
}

/// The counters of a wave.
///
/// # Errors
/// When the database is away.
pub async fn counters(connection: &impl ConnectionTrait, wave: WaveId) -> Result<Counters, DbErr> {
    connection
        .rows(
            "SELECT counter, value FROM wave_counters WHERE wave_id = $1",
            [wave.0.into()],
        )
        .await?
        .iter()
        .map(|row| Ok((row.try_get("", "counter")?, row.try_get("", "value")?)))
        .collect()
}

/// Ends a wave whose leases are all done, and its campaign when nothing is left to come.
///
/// # Errors
/// When the database is away.
pub async fn finish_if_done(txn: &Txn, wave: WaveId, now_ms: i64) -> Result<bool, DbErr> {
    let finished = txn
        .row(
            "UPDATE waves SET status = 'finished', finished_at = $2
             WHERE id = $1 AND status = 'running'
               AND NOT EXISTS (SELECT 1 FROM leases WHERE wave_id = $1 AND NOT is_done)
             RETURNING campaign_id",
            [wave.0.into(), now_ms.into()],
        )
        .await?;
    let Some(row) = finished else {
        return Ok(false);
    };
    minutes::forget(txn, wave).await?;
    let campaign = CampaignId(row.try_get("", "campaign_id")?);
    let Some(campaign) = campaign_store::lock(txn, campaign).await? else {
        return Ok(true);
    };
    let has_open_wave = campaign_store::has_open_wave(&**txn, campaign.id).await?;
    if campaign.status == Status::Running && !has_open_wave {
        let next = match campaign_store::next_due(&**txn, campaign.id).await? {
            Some(_) => Status::Scheduled,
            None => Status::Finished,
        };
        campaign_store::set_status(&**txn, campaign.id, next, None, now_ms).await?;
    }
    Ok(true)
}

/// SQL for `deliveries.seq` being the first place of a row of parameter 1. Beside a join with those
/// rows it looks double; without it SQLite, knowing no statistics, walks the whole wave to join it.
pub(super) fn is_named(dialect: Dialect) -> String {
    format!(
        "deliveries.seq IN (SELECT named.seq FROM {} AS named)",
        dialect.recordset(1, &[("seq", Kind::Int)])
    )
}
