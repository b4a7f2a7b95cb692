//! Queries of the grid: which waves are to be counted, and what was counted.

mod ledger;

pub(in crate::reports) use ledger::{Row, Span, last_seq, rows};

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use sea_orm::DbErr;
use serde::Deserialize;

use crate::clock::DAY_MS;
use crate::ids::WaveId;
use crate::reports::grid::cross::{Common, Crossing, Slice};
use crate::reports::grid::cube::Cube;
use crate::reports::grid::{Dimension, Margins};
use crate::storage::{Db, Kind, Sql};

/// The counters that tell whether a wave must be counted again.
const FIGURES: &str =
    "('accepted', 'responders', 'orders', 'revenue_cents', 'bounces', 'receipts.undelivered')";

/// A wave that may have to be counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::reports) struct Countable {
    pub wave: WaveId,
    pub launched_at: i64,
    /// When nothing of it is counted any more, in milliseconds since the epoch; `None` while it is sent.
    pub closes_at: Option<i64>,
    /// Its counters as they stand now.
    pub figures: String,
    /// Those it was counted at.
    pub counted_figures: Option<String>,
    pub counted_at: Option<i64>,
    pub took_ms: i64,
}

/// What the frozen definition of a wave says about its people.
#[derive(Debug, Default, Deserialize)]
struct Plan {
    #[serde(default)]
    segment: String,
    #[serde(default = "fourteen")]
    window_days: i64,
    #[serde(default)]
    offer: Option<Offered>,
    #[serde(default)]
    cells: Vec<PlanCell>,
}

#[derive(Debug, Clone, Deserialize)]
struct Offered {
    name: String,
}

#[derive(Debug, Deserialize)]
struct PlanCell {
    name: String,
    #[serde(default)]
    offer: Option<Offered>,
}

/// As a definition that names none.
fn fourteen() -> i64 {
    14
}

impl Plan {
    /// One that cannot be read says nothing; its figures are worth more than their labels.
    fn read(definition: &str) -> Self {
        serde_json::from_str(definition).unwrap_or_else(|error| {
            tracing::warn!(%error, "the definition of a wave cannot be read");
            Self::default()
        })
    }

    fn offer(&self, cell: &str) -> Option<String> {
        let own = self.cells.iter().find(|one| one.name == cell);
        let offer = own
            .and_then(|cell| cell.offer.as_ref())
            .or(self.offer.as_ref());
        offer.map(|offer| offer.name.clone())
    }
}

/// Days after the window in which late figures are still taken in.
const LATE_DAYS: i64 = 30;

/// The waves that are not counted for good, the newest first.
pub(in crate::reports) async fn countable(db: &Db) -> Result<Vec<Countable>, DbErr> {
    let rows = db
        .rows(
            format!(
                "SELECT w.id, w.launched_at, w.finished_at, w.definition, g.figures, g.counted_at, g.took_ms,
                        c.counter, c.value
                 FROM waves w
                 LEFT JOIN grid_waves g ON g.wave_id = w.id
                 LEFT JOIN wave_counters c ON c.wave_id = w.id AND c.counter IN {FIGURES}
                 WHERE w.cleaned_at IS NULL AND (g.is_final IS NULL OR NOT g.is_final)
                 ORDER BY w.id DESC, c.counter"
            ),
            [],
        )
        .await?;
    let mut waves: Vec<Countable> = Vec::new();
    for row in &rows {
        let wave = WaveId(row.try_get("", "id")?);
        if waves.last().is_none_or(|last| last.wave != wave) {
            let definition: String = row.try_get("", "definition")?;
            let finished_at: Option<i64> = row.try_get("", "finished_at")?;
            let open_days = Plan::read(&definition)
                .window_days
                .saturating_add(LATE_DAYS);
            waves.push(Countable {
                wave,
                launched_at: row.try_get("", "launched_at")?,
                closes_at: finished_at
                    .map(|at| at.saturating_add(open_days.saturating_mul(DAY_MS))),
                figures: String::new(),
                counted_figures: row.try_get("", "figures")?,
                counted_at: row.try_get("", "counted_at")?,
                took_ms: row.try_get::<Option<i64>>("", "took_ms")?.unwrap_or(0),
            });
        }
        let counter: Option<String> = row.try_get("", "counter")?;
        if let (Some(counter), Some(last)) = (counter, waves.last_mut()) {
            let value: i64 = row.try_get("", "value")?;
            if value != 0 {
                last.figures.push_str(&format!("{counter}={value};"));
            }
        }
    }
    Ok(waves)
}

/// Takes a wave for counting; `false` when another node has it.
pub(in crate::reports) async fn take(
    db: &Db,
    wave: WaveId,
    now_ms: i64,
    until_ms: i64,
) -> Result<bool, DbErr> {
    let txn = db.begin().await?;
    let taken = txn
        .row(
            "INSERT INTO grid_waves (wave_id, figures, counted_at, took_ms, busy_until, is_final)
             VALUES ($1, '', NULL, 0, $3, FALSE)
             ON CONFLICT (wave_id) DO UPDATE SET busy_until = excluded.busy_until
             WHERE grid_waves.busy_until <= $2
             RETURNING wave_id",
            [wave.0.into(), now_ms.into(), until_ms.into()],
        )
        .await?;
    txn.commit().await?;
    Ok(taken.is_some())
}

/// Gives a wave back that was not counted to its end.
pub(in crate::reports) async fn release(db: &Db, wave: WaveId) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    txn.run(
        "UPDATE grid_waves SET busy_until = 0 WHERE wave_id = $1",
        [wave.0.into()],
    )
    .await?;
    txn.commit().await
}

/// A wave as it was counted.
#[derive(Debug)]
pub(in crate::reports) struct Counted {
    pub wave: WaveId,
    pub figures: String,
    pub counted_at: i64,
    pub took_ms: i64,
    pub is_final: bool,
    /// By channel and cell.
    pub cubes: Vec<((String, String), Cube)>,
}

/// Keeps what was counted in place of what was there.
pub(in crate::reports) async fn keep(db: &Db, counted: &Counted) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    for table in ["grid_facts", "grid_sums"] {
        let forget = format!("DELETE FROM {table} WHERE wave_id = $1");
        txn.run(forget, [counted.wave.0.into()]).await?;
    }
    for ((channel, cell), cube) in &counted.cubes {
        let total = cube.total();
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        txn.run(
            "INSERT INTO grid_facts
                (wave_id, channel, cell, delivered, responders, orders, revenue_cents, entries, facts)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            [
                counted.wave.0.into(),
                channel.as_str().into(),
                cell.as_str().into(),
                number(total.delivered).into(),
                number(total.responders).into(),
                number(total.orders).into(),
                total.revenue_cents.into(),
                i64::try_from(cube.entries.len()).unwrap_or(i64::MAX).into(),
                cube.pack().into(),
            ],
        )
        .await?;
        txn.run(
            "INSERT INTO grid_sums (wave_id, channel, cell, counted_at, sums) VALUES ($1, $2, $3, $4, $5)",
            [
                counted.wave.0.into(),
                channel.as_str().into(),
                cell.as_str().into(),
                counted.counted_at.into(),
                Margins::of(cube).pack().into(),
            ],
        )
        .await?;
    }
    txn.run(
        "UPDATE grid_waves SET figures = $2, counted_at = $3, took_ms = $4, busy_until = 0, is_final = $5
         WHERE wave_id = $1",
        [
            counted.wave.0.into(),
            counted.figures.as_str().into(),
            counted.counted_at.into(),
            counted.took_ms.into(),
            counted.is_final.into(),
        ],
    )
    .await?;
    txn.commit().await
}

/// Which waves a grid is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Of one campaign, by its name.
    pub campaign: Option<String>,
    /// Launched at this instant or later, in milliseconds since the epoch.
    pub since: Option<i64>,
    /// Launched before this one.
    pub until: Option<i64>,
}

/// A wave of a grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GridWave {
    pub wave: WaveId,
    pub launched_at: i64,
    pub is_simulated: bool,
    /// In milliseconds since the epoch; `None` when it was not counted yet.
    pub counted_at: Option<i64>,
}

/// What was counted of the waves of a scope.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// The newest wave first.
    pub slices: Vec<Slice>,
    pub waves: Vec<GridWave>,
    /// Whether older waves were left out, since they would be too many.
    pub is_cut: bool,
}

/// Combinations that are summed for one page.
const ENTRIES: i64 = 1_500_000;
/// Channels and cells of waves a page looks at.
const WAVES: i64 = 1_000;

/// How much is read of what was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// Every combination.
    Whole,
    /// As far as one dimension of people tells them apart, or none.
    By(Option<Dimension>),
}

/// What was counted of the newest waves of a scope.
///
/// # Errors
/// When the database is away.
pub async fn load(db: &Db, scope: &Scope) -> Result<Loaded, DbErr> {
    load_to(db, scope, Depth::Whole).await
}

/// As [`load`], as far as these crossings need it: where they have one dimension of people at most, the sums are
/// there already.
///
/// # Errors
/// When the database is away.
pub async fn load_for(db: &Db, scope: &Scope, crossings: &[Crossing]) -> Result<Loaded, DbErr> {
    let needed: BTreeSet<Dimension> = crossings.iter().flat_map(Crossing::of_people).collect();
    let depth = match needed.len() {
        0 | 1 => Depth::By(needed.first().copied()),
        _ => Depth::Whole,
    };
    load_to(db, scope, depth).await
}

async fn load_to(db: &Db, scope: &Scope, depth: Depth) -> Result<Loaded, DbErr> {
    let rows = db
        .rows(
            "SELECT w.id, w.launched_at, w.is_simulated, w.definition, c.name, g.counted_at, f.channel, f.cell,
                    f.entries, s.counted_at AS summed_at
             FROM waves w
             JOIN campaigns c ON c.id = w.campaign_id
             LEFT JOIN grid_waves g ON g.wave_id = w.id
             LEFT JOIN grid_facts f ON f.wave_id = w.id
             LEFT JOIN grid_sums s ON s.wave_id = f.wave_id AND s.channel = f.channel AND s.cell = f.cell
               AND s.counted_at = g.counted_at
             WHERE ($1 = '' OR c.name = $1) AND w.launched_at >= $2 AND w.launched_at < $3
             ORDER BY w.id DESC, f.channel, f.cell LIMIT $4",
            [
                scope.campaign.clone().unwrap_or_default().into(),
                scope.since.unwrap_or(i64::MIN).into(),
                scope.until.unwrap_or(i64::MAX).into(),
                WAVES.into(),
            ],
        )
        .await?;
    let mut loaded = Loaded {
        is_cut: i64::try_from(rows.len()).is_ok_and(|rows| rows == WAVES),
        ..Loaded::default()
    };
    let mut common: HashMap<(i64, String, String), Common> = HashMap::new();
    let mut wanted: Vec<i64> = Vec::new();
    let mut sum = 0_i64;
    for row in &rows {
        let wave: i64 = row.try_get("", "id")?;
        let launched_at: i64 = row.try_get("", "launched_at")?;
        let is_new = loaded.waves.last().is_none_or(|last| last.wave.0 != wave);
        let entries: Option<i64> = row.try_get("", "entries")?;
        if is_new {
            if sum > ENTRIES {
                loaded.is_cut = true;
                break;
            }
            loaded.waves.push(GridWave {
                wave: WaveId(wave),
                launched_at,
                is_simulated: row.try_get("", "is_simulated")?,
                counted_at: row.try_get("", "counted_at")?,
            });
        }
        let Some(entries) = entries else { continue };
        let is_summed = row.try_get::<Option<i64>>("", "summed_at")?.is_some();
        if depth == Depth::Whole || !is_summed {
            sum = sum.saturating_add(entries);
        }
        if wanted.last() != Some(&wave) {
            wanted.push(wave);
        }
        let definition: String = row.try_get("", "definition")?;
        let plan = Plan::read(&definition);
        let campaign: String = row.try_get("", "name")?;
        let channel: String = row.try_get("", "channel")?;
        let cell: String = row.try_get("", "cell")?;
        let launched = crate::clock::from_ms(launched_at).format("%Y-%m-%d %H:%M");
        let of_wave = Common {
            wave: format!("{campaign} {launched}"),
            segment: plan.segment.clone(),
            offer: plan.offer(&cell),
            campaign,
            channel: channel.clone(),
            cell: cell.clone(),
        };
        common.insert((wave, channel, cell), of_wave);
    }
    if wanted.is_empty() {
        return Ok(loaded);
    }
    let list = serde_json::to_string(&wanted).map_err(|error| DbErr::Json(error.to_string()))?;
    let facts = match depth {
        Depth::Whole => "f.facts",
        // Of what an older program counted.
        Depth::By(_) => "CASE WHEN s.sums IS NULL THEN f.facts END",
    };
    let rows = db
        .rows(
            format!(
                "SELECT f.wave_id, f.channel, f.cell, s.sums, {facts} AS facts
                 FROM grid_facts f JOIN grid_waves g ON g.wave_id = f.wave_id
                 LEFT JOIN grid_sums s ON s.wave_id = f.wave_id AND s.channel = f.channel AND s.cell = f.cell
                   AND s.counted_at = g.counted_at
                 WHERE f.wave_id IN {}",
                db.dialect().list(1, Kind::Int)
            ),
            [list.into()],
        )
        .await?;
    for row in &rows {
        let key = (
            row.try_get("", "wave_id")?,
            row.try_get("", "channel")?,
            row.try_get("", "cell")?,
        );
        let Some(common) = common.remove(&key) else {
            continue;
        };
        let facts: Option<Vec<u8>> = row.try_get("", "facts")?;
        let sums: Option<Vec<u8>> = row.try_get("", "sums")?;
        match slice(WaveId(key.0), common, depth, facts, sums) {
            Some(slice) => loaded.slices.push(slice),
            None => {
                tracing::warn!(
                    wave = key.0,
                    "what was counted of wave {} cannot be read",
                    key.0
                );
            }
        }
    }
    // Not by the database, which would carry the facts through its sort.
    loaded.slices.sort_by_cached_key(|slice| {
        let Common { channel, cell, .. } = &slice.common;
        (Reverse(slice.wave.0), channel.clone(), cell.clone())
    });
    Ok(loaded)
}

/// `None` when it cannot be read.
fn slice(
    wave: WaveId,
    common: Common,
    depth: Depth,
    facts: Option<Vec<u8>>,
    sums: Option<Vec<u8>>,
) -> Option<Slice> {
    let cube = match facts {
        Some(facts) => Some(Cube::unpack(&facts)?),
        None => None,
    };
    let margins = match (sums.and_then(|sums| Margins::unpack(&sums)), &cube) {
        (Some(margins), _) => margins,
        (None, Some(cube)) => Margins::of(cube),
        (None, None) => return None,
    };
    let cube = match depth {
        Depth::Whole => cube?,
        Depth::By(dimension) => margins.by(dimension.and_then(Dimension::place)),
    };
    Some(Slice {
        wave,
        common,
        cube,
        margins,
    })
}

/// The campaigns that were launched, the last applied first, as many as a list can show.
///
/// # Errors
/// When the database is away.
pub async fn campaigns(db: &Db) -> Result<Vec<String>, DbErr> {
    let rows = db
        .rows(
            "SELECT c.name FROM campaigns c
             WHERE EXISTS (SELECT 1 FROM waves w WHERE w.campaign_id = c.id)
             ORDER BY c.id DESC LIMIT 200",
            [],
        )
        .await?;
    rows.iter().map(|row| row.try_get("", "name")).collect()
}
