//! The cells of a test, and what the campaign caused, as the report page shows them.

use serde::Serialize;

use super::{RateView, spoken, unparted};
use crate::reports::cells::Cells;
use crate::reports::lift::{CausedBy, HEADS};
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
    rows: Vec<Figures>,
    basis: String,
    ends: String,
}

#[derive(Debug, Serialize)]
struct Figures {
    name: &'static str,
    is_main: bool,
    cells: Vec<String>,
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
                .map(|(name, cells)| Figures {
                    name,
                    is_main: ["customers who ordered", "revenue"].contains(&name),
                    cells: cells.iter().map(|cell| unparted(cell)).collect(),
                })
                .collect(),
            basis: effect.basis(),
            ends: spoken(&effect.window_ends_at),
        }
    }
}
