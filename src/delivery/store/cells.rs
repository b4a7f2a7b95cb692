//! Queries about the cells of a wave: what each gets, where its rows lie, and what came of it.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use serde::Serialize;

use super::audience::Written;
use super::wave::{cell_counters, counters};
use crate::campaigns::cells::{ALL, CONTROL, GLOBAL, REST};
use crate::campaigns::split::Split;
use crate::consent::model::Channel;
use crate::delivery::model::{WaveStatus, channel_of};
use crate::ids::{CampaignId, DeliveryKey, TemplateVersionId, WaveId};
use crate::storage::{Db, Sql, Txn};

/// A cell of a wave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaveCell {
    pub name: String,
    pub kind: CellKind,
    /// Its share beside the others of its kind.
    pub weight: i64,
    /// `None`: nothing is sent, or not before it is decided.
    pub template_version: Option<TemplateVersionId>,
    /// Assigned at launch.
    pub people: i64,
}

/// What a cell of a wave is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CellKind {
    /// Everybody who is contacted.
    All,
    /// An arm of the test.
    Test,
    /// Who waits for the winner.
    Rest,
    /// Held back from this campaign.
    Control,
    /// In the standing control group.
    Global,
}

impl CellKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Test => "test",
            Self::Rest => "rest",
            Self::Control => "control",
            Self::Global => "global",
        }
    }

    /// Reads the database's word.
    pub fn from_column(text: &str) -> Self {
        match text {
            "test" => Self::Test,
            "rest" => Self::Rest,
            "control" => Self::Control,
            "global" => Self::Global,
            _ => Self::All,
        }
    }
}

/// Writes the cells of a fresh wave: those of the plan with their templates, and those who are held back.
///
/// # Errors
/// When the database is away.
pub async fn insert_cells(
    txn: &Txn,
    wave: WaveId,
    split: &Split,
    versions: &BTreeMap<String, TemplateVersionId>,
    own_version: TemplateVersionId,
    written: &Written,
) -> Result<(), DbErr> {
    let people = written.people();
    let version_of = |cell: &str| versions.get(cell).copied().unwrap_or(own_version);
    let mut cells: Vec<(&str, CellKind, i64, Option<TemplateVersionId>)> = Vec::new();
    if split.is_whole() {
        cells.push((ALL, CellKind::All, 1, Some(own_version)));
    }
    for (cell, share) in split.shares() {
        cells.push((cell, CellKind::Test, share, Some(version_of(cell))));
    }
    if split.has_rest() {
        cells.push((REST, CellKind::Rest, 1, None));
    }
    for (cell, kind) in [(CONTROL, CellKind::Control), (GLOBAL, CellKind::Global)] {
        if people.contains_key(cell) {
            cells.push((cell, kind, 1, None));
        }
    }
    let values: Vec<Value> = cells
        .iter()
        .enumerate()
        .flat_map(|(place, (cell, kind, weight, version))| {
            [
                Value::from(wave.0),
                (*cell).into(),
                i16::try_from(place).unwrap_or(i16::MAX).into(),
                kind.as_str().into(),
                (*weight).into(),
                version.map(|version| version.0).into(),
                people.get(*cell).copied().unwrap_or(0).into(),
            ]
        })
        .collect();
    txn.run(
        format!(
            "INSERT INTO wave_cells (wave_id, cell, place, kind, weight, template_version_id, people) VALUES {}",
            txn.dialect().values(cells.len(), 7)
        ),
        values,
    )
    .await?;
    for (cell, first, last) in written.cell_spans() {
        txn.run(
            "INSERT INTO cell_spans (wave_id, first_seq, last_seq, cell) VALUES ($1, $2, $3, $4)",
            [wave.0.into(), first.into(), last.into(), cell.into()],
        )
        .await?;
    }
    Ok(())
}

/// The cells of a wave, in the order of the plan; none of one from before there were cells.
///
/// # Errors
/// When the database is away.
pub async fn cells(
    connection: &impl ConnectionTrait,
    wave: WaveId,
) -> Result<Vec<WaveCell>, DbErr> {
    connection
        .rows(
            "SELECT cell, kind, weight, template_version_id, people FROM wave_cells
             WHERE wave_id = $1 ORDER BY place",
            [wave.0.into()],
        )
        .await?
        .iter()
        .map(from_row)
        .collect()
}

fn from_row(row: &QueryResult) -> Result<WaveCell, DbErr> {
    let kind: String = row.try_get("", "kind")?;
    Ok(WaveCell {
        name: row.try_get("", "cell")?,
        kind: CellKind::from_column(&kind),
        weight: row.try_get("", "weight")?,
        template_version: row
            .try_get::<Option<i64>>("", "template_version_id")?
            .map(TemplateVersionId),
        people: row.try_get("", "people")?,
    })
}

/// The template that a cell of a wave gets; `None` while it waits for the winner.
///
/// # Errors
/// When the database is away or there is no such wave.
pub async fn template_version_of(
    connection: &impl ConnectionTrait,
    wave: WaveId,
    cell: &str,
) -> Result<Option<TemplateVersionId>, DbErr> {
    let row = connection
        .row(
            "SELECT w.template_version_id AS own, c.cell, c.template_version_id AS version
             FROM waves w LEFT JOIN wave_cells c ON c.wave_id = w.id AND c.cell = $2
             WHERE w.id = $1",
            [wave.0.into(), cell.into()],
        )
        .await?
        .ok_or_else(|| DbErr::RecordNotFound(format!("wave {wave}")))?;
    let is_known = row.try_get::<Option<String>>("", "cell")?.is_some();
    let version: Option<i64> = if is_known {
        row.try_get("", "version")?
    } else {
        Some(row.try_get("", "own")?)
    };
    Ok(version.map(TemplateVersionId))
}

/// The template that a delivery got, also when the ledger has let it go.
///
/// # Errors
/// When the database is away.
pub async fn template_version_at(
    connection: &impl ConnectionTrait,
    delivery: DeliveryKey,
) -> Result<Option<TemplateVersionId>, DbErr> {
    let row = connection
        .row(
            "SELECT cell FROM cell_spans WHERE wave_id = $1 AND first_seq <= $2 AND last_seq >= $2",
            [delivery.wave.0.into(), delivery.seq.into()],
        )
        .await?;
    let cell = row
        .map(|row| row.try_get::<String>("", "cell"))
        .transpose()?;
    template_version_of(connection, delivery.wave, cell.as_deref().unwrap_or(ALL)).await
}

/// The channels and cells that rows of a wave may have which are to be contacted.
pub(super) async fn of_rows(txn: &Txn, wave: WaveId) -> Result<BTreeSet<(Channel, String)>, DbErr> {
    txn.rows(
        "SELECT DISTINCT relay, cell FROM leases WHERE wave_id = $1",
        [wave.0.into()],
    )
    .await?
    .iter()
    .map(|row| {
        let route: String = row.try_get("", "relay")?;
        Ok((channel_of(&route), row.try_get("", "cell")?))
    })
    .collect()
}

/// What came of a cell so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CellTotals {
    pub delivered: i64,
    pub responders: i64,
    pub clickers: i64,
    pub revenue_cents: i64,
    /// Not handed over yet.
    pub open: i64,
}

impl std::ops::AddAssign for CellTotals {
    fn add_assign(&mut self, other: Self) {
        self.delivered += other.delivered;
        self.responders += other.responders;
        self.clickers += other.clickers;
        self.revenue_cents += other.revenue_cents;
        self.open += other.open;
    }
}

/// What came of each of these cells of a wave so far.
///
/// # Errors
/// When the database is away.
pub async fn totals(
    connection: &impl ConnectionTrait,
    wave: WaveId,
    cells: &[String],
) -> Result<Vec<CellTotals>, DbErr> {
    let counters = counters(connection, wave).await?;
    Ok(cells
        .iter()
        .map(|cell| {
            let get = |counter: &str| {
                let name = format!("{}{counter}", cell_counters(cell));
                counters.get(&name).copied().unwrap_or(0)
            };
            CellTotals {
                delivered: get("accepted") - get("receipts.undelivered") - get("bounces"),
                responders: get("responders"),
                clickers: get("clicks"),
                revenue_cents: get("revenue_cents"),
                open: get("pending") + get("sending") + get("deferred"),
            }
        })
        .collect())
}

/// The waves of a campaign that had cells, by number.
///
/// # Errors
/// When the database is away.
pub async fn waves_with_cells(
    connection: &impl ConnectionTrait,
    campaign: CampaignId,
) -> Result<Vec<WaveId>, DbErr> {
    connection
        .rows(
            "SELECT DISTINCT w.id FROM waves w JOIN wave_cells c ON c.wave_id = w.id
             WHERE w.campaign_id = $1 AND c.kind = 'test' ORDER BY w.id",
            [campaign.0.into()],
        )
        .await?
        .iter()
        .map(|row| row.try_get("", "id").map(WaveId))
        .collect()
}

/// Says when the winner of a wave's test is to be chosen.
///
/// # Errors
/// When the database is away.
pub async fn decide_at(txn: &Txn, wave: WaveId, at: Option<i64>) -> Result<(), DbErr> {
    txn.run(
        "UPDATE waves SET decide_at = $2 WHERE id = $1",
        [wave.0.into(), at.into()],
    )
    .await
    .map(drop)
}

/// The running waves whose winner is to be chosen by now.
///
/// # Errors
/// When the database is away.
pub async fn to_decide(db: &Db, now_ms: i64) -> Result<Vec<WaveId>, DbErr> {
    db.rows(
        "SELECT w.id FROM waves w JOIN campaigns c ON c.id = w.campaign_id
         WHERE w.decide_at IS NOT NULL AND w.decide_at <= $1 AND w.status = $2 AND c.status = 'running'
         ORDER BY w.decide_at, w.id",
        [now_ms.into(), WaveStatus::Running.as_str().into()],
    )
    .await?
    .iter()
    .map(|row| row.try_get("", "id").map(WaveId))
    .collect()
}

/// The running wave of a campaign that has waited longest for its winner.
///
/// # Errors
/// When the database is away.
pub async fn oldest_undecided(db: &Db, campaign: CampaignId) -> Result<Option<WaveId>, DbErr> {
    let row = db
        .row(
            "SELECT MIN(id) AS id FROM waves WHERE campaign_id = $1 AND status = $2 AND decide_at IS NOT NULL",
            [campaign.0.into(), WaveStatus::Running.as_str().into()],
        )
        .await?;
    let id: Option<i64> = row.map_or(Ok(None), |row| row.try_get("", "id"))?;
    Ok(id.map(WaveId))
}

/// Takes the wave for this transaction; when its winner is to be chosen, `None` when that is done or there is
/// nothing to choose.
///
/// # Errors
/// When the database is away.
pub async fn lock_undecided(txn: &Txn, wave: WaveId) -> Result<Option<i64>, DbErr> {
    let row = txn
        .row(
            "UPDATE waves SET status = status WHERE id = $1 AND status = 'running' RETURNING decide_at",
            [wave.0.into()],
        )
        .await?;
    row.map(|row| row.try_get("", "decide_at"))
        .transpose()
        .map(Option::flatten)
}

/// Gives those who wait the text of the winner, from now on.
///
/// # Errors
/// When the database is away.
pub async fn roll_out(
    txn: &Txn,
    wave: WaveId,
    winner: &str,
    decision: &str,
    now_ms: i64,
) -> Result<(), DbErr> {
    txn.run(
        "UPDATE wave_cells SET template_version_id =
             (SELECT t.template_version_id FROM wave_cells t WHERE t.wave_id = $1 AND t.cell = $2)
         WHERE wave_id = $1 AND kind = 'rest'",
        [wave.0.into(), winner.into()],
    )
    .await?;
    txn.run(
        "UPDATE leases SET due_at = $3 WHERE wave_id = $1 AND cell = $2 AND kind = 'first' AND NOT is_done",
        [wave.0.into(), REST.into(), now_ms.into()],
    )
    .await?;
    txn.run(
        "UPDATE waves SET decide_at = NULL, decision = $2 WHERE id = $1",
        [wave.0.into(), decision.into()],
    )
    .await
    .map(drop)
}

/// When the winner of a wave's test is to be chosen, and what was chosen (JSON).
///
/// # Errors
/// When the database is away.
pub async fn decision(
    connection: &impl ConnectionTrait,
    wave: WaveId,
) -> Result<(Option<i64>, Option<String>), DbErr> {
    let row = connection
        .row(
            "SELECT decide_at, decision FROM waves WHERE id = $1",
            [wave.0.into()],
        )
        .await?;
    match row {
        Some(row) => Ok((row.try_get("", "decide_at")?, row.try_get("", "decision")?)),
        None => Ok((None, None)),
    }
}
