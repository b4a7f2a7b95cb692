//! The cells of a test, and what the campaign caused, as the report page shows them.

use serde::Serialize;

use super::{RateView, spoken, unparted};
use crate::reports::cells::Cells;
use crate::reports::lift::{CausedBy, HEADS, NONE};
use crate::reports::table::thousands;

#[derive(Debug, Serialize)]
pub(super) struct CellsView {
    headline: String,
    chosen: Option<String>,
    lines: Vec<Line>,
    pairs: Vec<String>,
    basis: &'static str,
}

#[derive(Debug, Serialize)]
struct Line {
    name: String,
    people: String,
    delivered: String,
    rate: RateView,
    clicked: RateView,
    orders: String,
    per_head: String,
    chance: String,
}

#[derive(Debug, Serialize)]
pub(super) struct EffectView {
    sentence: String,
    heads: [&'static str; 4],
    rows: Vec<Row>,
    basis: String,
    ends: String,
}

#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    is_main: bool,
    contacted: String,
    held_back: String,
    caused: String,
    range: Option<String>,
    lift: Option<String>,
    lift_range: Option<String>,
    attributed: String,
}

impl CellsView {
    pub(super) fn new(cells: &Cells) -> Self {
        Self {
            headline: unparted(&cells.judgement.headline),
            chosen: cells.chosen.clone(),
            lines: cells
                .lines
                .iter()
                .map(|line| Line {
                    name: line.name().to_owned(),
                    people: thousands(line.people),
                    delivered: thousands(line.delivered),
                    rate: RateView::new(&line.response_of_assigned),
                    clicked: RateView::new(&line.click_rate),
                    orders: thousands(line.orders),
                    per_head: line.per_head(),
                    chance: unparted(&line.chance()),
                })
                .collect(),
            pairs: cells
                .others()
                .map(|pair| unparted(&pair.sentence))
                .collect(),
            basis: cells.basis(),
        }
    }
}

impl EffectView {
    pub(super) fn new(effect: &CausedBy) -> Self {
        Self {
            sentence: unparted(&effect.sentence),
            heads: HEADS,
            rows: effect
                .rows()
                .into_iter()
                .map(|row| Row {
                    is_main: row.caused != NONE || row.attributed != NONE,
                    contacted: unparted(&row.contacted),
                    held_back: unparted(&row.held_back),
                    lift: row.lift.as_deref().map(unparted),
                    lift_range: row.lift_range.as_deref().map(unparted),
                    name: row.name,
                    caused: row.caused,
                    range: row.range,
                    attributed: row.attributed,
                })
                .collect(),
            basis: effect.basis(),
            ends: spoken(&effect.window_ends_at),
        }
    }
}
