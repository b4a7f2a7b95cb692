//! The winner of a test: chosen when its time has come, or by a person; then the rest gets it.

use chrono::{DateTime, Utc};
use sea_orm::DbErr;
use serde::{Deserialize, Serialize};

use super::store;
use super::store::cells::{CellKind, CellTotals};
use crate::accounts::audit;
use crate::campaigns::definition::Metric;
use crate::campaigns::plan::{self, PlanError};
use crate::ids::WaveId;
use crate::statistics::bayes::{standings as standings_of, thompson_shares};
use crate::statistics::proportions::Share;
use crate::storage::{Db, Txn};

/// How long a test is waited for whose messages are not all out, in milliseconds: a relay that rests, a cap, a
/// pause. After that the winner is chosen from what is out.
const PATIENCE_MS: i64 = 24 * 3_600_000;

/// What was chosen, and from what; kept with the wave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub winner: String,
    pub by: Metric,
    /// Whether a person chose, whatever the figures say.
    pub by_hand: bool,
    /// Milliseconds since the epoch.
    pub at: i64,
    /// The winner's chance to be the best of them, as it stood; `None` by revenue.
    #[serde(default)]
    pub chance: Option<f64>,
    /// What was known when it was chosen.
    pub cells: Vec<Standing>,
}

/// How a cell stood.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    pub cell: String,
    pub delivered: i64,
    /// Responders, clickers or cents, as the test asks.
    pub count: i64,
}

impl Decision {
    /// Reads what the database keeps.
    pub fn read(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }
}

/// Why no winner could be chosen.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(
        "campaign {name:?} has no test that waits for a winner; `visavis campaign status {name}` shows where it stands"
    )]
    NothingToDecide { name: String },
    #[error("there is no cell {cell:?} in the test; it has {cells}")]
    NoSuchCell { cell: String, cells: String },
    #[error("the database failed: {0}")]
    Database(#[from] DbErr),
}

/// Chooses the winners that are due; returns how many.
///
/// # Errors
/// When the database is away; those chosen until then stand.
pub async fn decide_due(db: &Db, now: DateTime<Utc>) -> Result<usize, DbErr> {
    let now_ms = now.timestamp_millis();
    let mut decided = 0;
    for wave in store::cells::to_decide(db, now_ms).await? {
        let txn = db.begin().await?;
        let Some(decide_at) = store::cells::lock_undecided(&txn, wave).await? else {
            continue;
        };
        let Some((name, by, cells)) = standings(&txn, wave).await? else {
            continue;
        };
        let open: i64 = cells.iter().map(|(_, totals)| totals.open).sum();
        if open > 0 && now_ms < decide_at.saturating_add(PATIENCE_MS) {
            // Asked again with the next tick; who would be compared too early would win by being fast.
            continue;
        }
        let Some(winner) = best(by, &cells) else {
            continue;
        };
        let decision = decision(winner, by, false, &cells, now_ms);
        conclude(&txn, wave, &name, &decision, audit::PROGRAM).await?;
        txn.commit().await?;
        decided += 1;
    }
    Ok(decided)
}

/// Chooses now, for the campaign's running wave that waits longest for its winner: `cell`, or whichever stands best.
///
/// # Errors
/// When there is nothing to choose or no such cell.
pub async fn decide_now(
    db: &Db,
    name: &str,
    cell: Option<&str>,
    actor: &str,
    now_ms: i64,
) -> Result<Decision, DecideError> {
    let nothing = || DecideError::NothingToDecide {
        name: name.to_owned(),
    };
    let campaign = plan::find(db, name).await?;
    let wave = store::cells::oldest_undecided(db, campaign.id)
        .await?
        .ok_or_else(nothing)?;
    let txn = db.begin().await?;
    store::cells::lock_undecided(&txn, wave)
        .await?
        .ok_or_else(nothing)?;
    let (_, by, cells) = standings(&txn, wave).await?.ok_or_else(nothing)?;
    let winner = match cell {
        Some(cell) => cells
            .iter()
            .find(|(name, _)| name == cell)
            .map(|(name, _)| name.clone())
            .ok_or_else(|| DecideError::NoSuchCell {
                cell: cell.to_owned(),
                cells: cells
                    .iter()
                    .map(|(name, _)| name.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
            })?,
        None => best(by, &cells).ok_or_else(nothing)?,
    };
    let decision = decision(winner, by, cell.is_some(), &cells, now_ms);
    conclude(&txn, wave, name, &decision, actor).await?;
    txn.commit().await?;
    Ok(decision)
}

type Cells = Vec<(String, CellTotals)>;

/// The campaign of a wave, by what its cells are compared, and how they stand.
async fn standings(txn: &Txn, wave: WaveId) -> Result<Option<(String, Metric, Cells)>, DbErr> {
    let Some(row) = store::wave(&**txn, wave).await? else {
        return Ok(None);
    };
    let by = row.definition.test.as_ref().map(|test| test.by);
    let names: Vec<String> = store::cells::cells(&**txn, wave)
        .await?
        .into_iter()
        .filter(|cell| cell.kind == CellKind::Test)
        .map(|cell| cell.name)
        .collect();
    let totals = store::cells::totals(&**txn, wave, &names).await?;
    Ok(Some((
        row.definition.name,
        by.unwrap_or_default(),
        names.into_iter().zip(totals).collect(),
    )))
}

/// What counts of a cell.
pub fn count_of(by: Metric, totals: &CellTotals) -> i64 {
    match by {
        Metric::Response => totals.responders,
        Metric::Click => totals.clickers,
        Metric::Revenue => totals.revenue_cents,
    }
}

/// The cell with the most by head of those delivered; of equals the first of the plan.
fn best(by: Metric, cells: &[(String, CellTotals)]) -> Option<String> {
    let mut best: Option<&(String, CellTotals)> = None;
    for cell in cells {
        // Cross-multiplied, so that nothing is divided by nobody.
        let is_better = best.is_none_or(|(_, leader)| {
            let one = i128::from(count_of(by, &cell.1)) * i128::from(leader.delivered);
            let other = i128::from(count_of(by, leader)) * i128::from(cell.1.delivered);
            one > other || (leader.delivered == 0 && cell.1.delivered > 0)
        });
        if is_better {
            best = Some(cell);
        }
    }
    best.map(|(name, _)| name.clone())
}

/// The least share of a wave that a cell gets which stands badly: it may only have had bad luck.
const FLOOR: f64 = 0.05;

/// The shares of the next wave: each cell's chance to be the best by what the waves before have shown (Thompson
/// sampling, METHODS M5).
pub fn shares(by: Metric, totals: &[CellTotals]) -> Vec<f64> {
    thompson_shares(&of_delivered(by, totals.iter()), FLOOR)
}

/// What counts of each cell, of those delivered. A message that came back later may have been clicked before.
fn of_delivered<'a>(by: Metric, totals: impl Iterator<Item = &'a CellTotals>) -> Vec<Share> {
    totals
        .map(|totals| {
            let delivered = u64::try_from(totals.delivered).unwrap_or(0);
            let count = u64::try_from(count_of(by, totals)).unwrap_or(0);
            Share::new(count.min(delivered), delivered)
        })
        .collect()
}

/// The chance of a cell to be the best; `None` by revenue, of which a few great orders say little.
fn chance_of(winner: &str, by: Metric, cells: &[(String, CellTotals)]) -> Option<f64> {
    if by == Metric::Revenue {
        return None;
    }
    let place = cells.iter().position(|(name, _)| name == winner)?;
    let shares = of_delivered(by, cells.iter().map(|(_, totals)| totals));
    standings_of(&shares).get(place).map(|one| one.chance_best)
}

fn decision(
    winner: String,
    by: Metric,
    by_hand: bool,
    cells: &[(String, CellTotals)],
    now_ms: i64,
) -> Decision {
    Decision {
        chance: chance_of(&winner, by, cells),
        winner,
        by,
        by_hand,
        at: now_ms,
        cells: cells
            .iter()
            .map(|(cell, totals)| Standing {
                cell: cell.clone(),
                delivered: totals.delivered,
                count: count_of(by, totals),
            })
            .collect(),
    }
}

async fn conclude(
    txn: &Txn,
    wave: WaveId,
    name: &str,
    decision: &Decision,
    actor: &str,
) -> Result<(), DbErr> {
    let json = serde_json::to_string(decision).map_err(|error| DbErr::Json(error.to_string()))?;
    store::cells::roll_out(txn, wave, &decision.winner, &json, decision.at).await?;
    let (action, winner) = ("campaign.decide", &decision.winner);
    audit::note(&**txn, actor, action, name, winner, decision.at).await?;
    tracing::info!(%wave, winner = decision.winner, by_hand = decision.by_hand, "the winner of the test is chosen");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(name: &str, delivered: i64, responders: i64, clickers: i64) -> (String, CellTotals) {
        let totals = CellTotals {
            delivered,
            responders,
            clickers,
            revenue_cents: 0,
            open: 0,
        };
        (name.to_owned(), totals)
    }

    #[test]
    fn the_best_by_head_wins_and_of_equals_the_first() {
        let cells = [
            cell("a", 100, 5, 30),
            cell("b", 50, 4, 10),
            cell("c", 50, 4, 20),
        ];
        assert_eq!(best(Metric::Response, &cells).as_deref(), Some("b"));
        assert_eq!(best(Metric::Click, &cells).as_deref(), Some("c"));
        assert_eq!(best(Metric::Revenue, &cells).as_deref(), Some("a"));
        assert_eq!(best(Metric::Revenue, &[]), None);
    }

    #[test]
    fn a_cell_that_reached_nobody_wins_over_nobody() {
        let cells = [cell("a", 0, 0, 0), cell("b", 10, 0, 0)];
        assert_eq!(best(Metric::Response, &cells).as_deref(), Some("b"));
        let cells = [cell("a", 10, 0, 0), cell("b", 0, 0, 0)];
        assert_eq!(best(Metric::Response, &cells).as_deref(), Some("a"));
    }
}
