//! The cells of a test, and what the campaign caused, as the report page shows them.

use serde::Serialize;

use super::{RateView, told};
use crate::reports::cells::Cells;
use crate::reports::lift::{CausedBy, HEADS, NONE};
use crate::statistics::sentence::Value;
use crate::web::words::Words;

#[derive(Debug, Serialize)]
pub(super) struct CellsView {
    headline: String,
    chosen: Option<String>,
    lines: Vec<Line>,
    pairs: Vec<String>,
    basis: String,
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
    heads: [String; 4],
    rows: Vec<Row>,
    basis: String,
    ends: String,
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
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
    pub(super) fn new(cells: &Cells, words: &Words) -> Self {
        Self {
            headline: words.say(&cells.judgement.headline),
            chosen: cells.chosen.as_ref().map(|chosen| words.say(chosen)),
            lines: cells
                .lines
                .iter()
                .map(|line| Line {
                    name: line.name().said_by(words),
                    people: words.number(line.people),
                    delivered: words.number(line.delivered),
                    rate: RateView::in_words(&line.response_of_assigned, words),
                    clicked: RateView::in_words(&line.click_rate, words),
                    orders: words.number(line.orders),
                    per_head: line.per_head().said_by(words),
                    chance: line.chance().said_by(words),
                })
                .collect(),
            pairs: cells
                .others()
                .map(|pair| words.say(&pair.sentence))
                .collect(),
            basis: words.t(cells.basis()).to_owned(),
        }
    }
}

impl EffectView {
    pub(super) fn new(effect: &CausedBy, words: &Words) -> Self {
        let figure = |value: &Option<Value>| {
            let value = value.as_ref();
            value.map_or_else(|| NONE.to_owned(), |value| value.said_by(words))
        };
        Self {
            sentence: words.say(&effect.sentence),
            heads: HEADS.map(|head| words.t(head).to_owned()),
            rows: effect
                .rows()
                .into_iter()
                .map(|row| Row {
                    is_main: row.caused.is_some() || row.attributed.is_some(),
                    contacted: row.contacted.said_by(words),
                    held_back: row.held_back.said_by(words),
                    lift: row.lift.as_ref().map(|lift| words.say(lift)),
                    lift_range: row.lift_range.as_ref().map(|range| words.say(range)),
                    name: words.t(row.name).to_owned(),
                    caused: figure(&row.caused),
                    range: row.range.as_ref().map(|range| words.say(range)),
                    attributed: figure(&row.attributed),
                })
                .collect(),
            basis: words.say(&effect.basis()),
            ends: told(&effect.window_ends_at, words),
        }
    }
}
