//! The cells of a test side by side, judged in words.
//!
//! Compared is by assignment: of everybody a cell was given to at launch, delivered or not, so that nothing
//! that happens afterwards makes the arms unlike (METHODS.md M6).

use serde::{Deserialize, Serialize};

use super::figures::{Denominator, Rate, as_f64};
use super::lift::{NONE, units};
use super::model::Counters;
use super::readiness::{readiness, split};
use crate::campaigns::cells::{Metric, Test};
use crate::delivery::decide::Decision;
use crate::delivery::store::cells::CellKind;
use crate::responses::effects::{Effect, OfWave};
use crate::statistics::means::Moments;
use crate::statistics::sentence::Value;
use crate::statistics::verdict::{Arm, Judgement, Outcome, Pair, Terms, Word, judge};
use crate::statistics::{Sentence, Share};

/// A cell of a wave as it was planned and filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    pub wave: i64,
    pub cell: String,
    pub kind: CellKind,
    /// Its share beside the others of its kind.
    pub weight: u64,
    pub people: u64,
}

/// What a wave's definition says about its test; a definition of before there were any says nothing.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Agreed {
    #[serde(default)]
    pub test: Option<Test>,
}

/// What a campaign's tests are judged by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// Of all waves.
    pub assigned: Vec<Assigned>,
    /// What people bought; the newest wave first.
    pub effects: Vec<OfWave>,
    /// As the newest wave has it.
    pub agreed: Agreed,
    /// The waves that are still being sent.
    pub running: Vec<i64>,
    /// The latest winner that was chosen for those who waited.
    pub decision: Option<Decision>,
}

/// What one cell did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellLine {
    pub cell: String,
    pub kind: CellKind,
    /// Assigned at launch.
    pub people: u64,
    pub delivered: u64,
    /// Unique responders ÷ delivered.
    pub response_rate: Rate,
    /// Unique responders ÷ assigned: by this the cells are compared.
    pub response_of_assigned: Rate,
    /// Unique clickers ÷ delivered.
    pub click_rate: Rate,
    /// Orders that messages of the cell earned, and their revenue.
    pub orders: u64,
    pub revenue_cents: i64,
    /// Revenue ÷ assigned.
    pub revenue_cents_per_head: Option<f64>,
    /// The chance that it is the best of the test.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chance_best: Option<f64>,
}

/// The cells of a campaign, and what the test comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cells {
    /// By what they are compared.
    pub by: Metric,
    pub lines: Vec<CellLine>,
    /// How likely the split is by chance, were it as planned.
    pub split_p: Option<f64>,
    /// Which cell those who waited were given, and how it was chosen; in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Sentence>,
    #[serde(flatten)]
    pub judgement: Judgement,
}

/// The cells of a campaign from the sum of its counters; none where there was no test.
pub(super) fn cells(sum: &Counters, facts: &Facts) -> Option<Cells> {
    let test = facts.agreed.test.clone().unwrap_or_default();
    let people = people_by_cell(facts);
    let arms: Vec<&(String, CellKind, u64)> = people
        .iter()
        .filter(|(_, kind, _)| *kind == CellKind::Test)
        .collect();
    if arms.len() < 2 {
        return None;
    }
    let outcomes: Vec<Arm> = arms
        .iter()
        .map(|(cell, _, people)| Arm {
            name: cell.clone(),
            outcome: outcome(test.by, cell, *people, sum, facts),
        })
        .collect();
    let split = split(facts);
    let judgement = judge(
        &outcomes,
        &Terms {
            readiness: readiness(&test, &outcomes, split.as_ref(), facts),
            matters: match test.by {
                Metric::Response | Metric::Click => Some(test.difference_points / 100.0),
                Metric::Revenue => None,
            },
            adapts: test.thompson,
        },
    );
    let lines = people
        .iter()
        .filter(|(_, kind, _)| matches!(kind, CellKind::Test | CellKind::Rest))
        .map(|(cell, kind, people)| {
            let chance = arms
                .iter()
                .position(|(arm, ..)| arm == cell)
                .and_then(|place| judgement.chances.get(place))
                .copied();
            line(cell, *kind, *people, chance, sum)
        })
        .collect();
    Some(Cells {
        by: test.by,
        lines,
        split_p: split.map(|split| split.p),
        chosen: facts.decision.as_ref().map(chosen),
        judgement,
    })
}

/// What was done with those who waited; not a verdict, which waits for the whole window.
fn chosen(decision: &Decision) -> Sentence {
    let how = if decision.by_hand {
        "by hand"
    } else {
        match decision.by {
            Metric::Response => "as it had the most responders by head delivered",
            Metric::Click => "as it had the most clickers by head delivered",
            Metric::Revenue => "as it had the most revenue by head delivered",
        }
    };
    Sentence::new("{cell} was chosen for the rest on {at}, {how}.")
        .with("cell", decision.winner.as_str())
        .with("at", Value::Moment(decision.at))
        .with("how", Value::word(how))
}

/// Every cell with the people of all waves, in the order of the newest plan.
fn people_by_cell(facts: &Facts) -> Vec<(String, CellKind, u64)> {
    let mut cells: Vec<(String, CellKind, u64)> = Vec::new();
    for assigned in &facts.assigned {
        match cells.iter_mut().find(|(cell, ..)| *cell == assigned.cell) {
            Some((_, _, people)) => *people += assigned.people,
            None => cells.push((assigned.cell.clone(), assigned.kind, assigned.people)),
        }
    }
    cells
}

fn outcome(by: Metric, cell: &str, people: u64, sum: &Counters, facts: &Facts) -> Outcome {
    let counter = |counter: &str| sum.get(&format!("cell.{cell}.{counter}"));
    match by {
        Metric::Response => Outcome::Share(Share::new(counter("responders"), people)),
        Metric::Click => Outcome::Share(Share::new(counter("clicks"), people)),
        Metric::Revenue => {
            let (amounts, buyers) = spend(facts, |effect| effect == cell);
            Outcome::Amounts { amounts, buyers }
        }
    }
}

/// What the people of some cells spent, in units of the currency, and how many of them bought.
pub(super) fn spend(facts: &Facts, is_meant: impl Fn(&str) -> bool) -> (Moments, u64) {
    let mut amounts = Moments::default();
    let mut buyers = 0;
    let effects = facts.effects.iter().flat_map(|wave| &wave.cells);
    for effect in effects.filter(|effect| is_meant(&effect.cell)) {
        let one = spent(effect);
        amounts.people += one.people;
        amounts.sum += one.sum;
        amounts.squares += one.squares;
        buyers += unsigned(effect.buyers);
    }
    (amounts, buyers)
}

/// What the people of a cell spent, in units of the currency.
pub(super) fn spent(effect: &Effect) -> Moments {
    const CENTS: f64 = 100.0;
    Moments {
        people: unsigned(effect.people),
        sum: signed(effect.spend_cents) / CENTS,
        squares: effect.spend_squares / (CENTS * CENTS),
    }
}

pub(super) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// Cents as a real number; exact below 2⁵³.
pub fn signed(cents: i64) -> f64 {
    let size = as_f64(cents.unsigned_abs());
    if cents < 0 { -size } else { size }
}

fn line(cell: &str, kind: CellKind, people: u64, chance: Option<f64>, sum: &Counters) -> CellLine {
    let own = |counter: &str| format!("cell.{cell}.{counter}");
    let count = |counter: &str| sum.get(&own(counter));
    let delivered = count("accepted")
        .saturating_sub(count("receipts.undelivered"))
        .saturating_sub(count("bounces"));
    let rate = |counter: &str| Rate::new(count(counter), delivered, Denominator::Delivered);
    let revenue_cents = sum.signed(&own("revenue_cents"));
    CellLine {
        cell: cell.to_owned(),
        kind,
        people,
        delivered,
        response_rate: rate("responders"),
        response_of_assigned: Rate::new(count("responders"), people, Denominator::Assigned),
        click_rate: rate("clicks"),
        orders: count("orders"),
        revenue_cents,
        revenue_cents_per_head: (people > 0).then(|| signed(revenue_cents) / as_f64(people)),
        chance_best: chance,
    }
}

impl CellLine {
    /// As people call it.
    pub fn name(&self) -> Value {
        match self.kind {
            CellKind::Rest => Value::word("rest (gets the winner)"),
            _ => Value::Name(self.cell.clone()),
        }
    }

    /// Revenue ÷ assigned, in the currency of the orders.
    pub fn per_head(&self) -> Value {
        self.revenue_cents_per_head
            .map_or_else(|| Value::from(NONE), units)
    }

    /// The chance to be the best, for readers.
    pub fn chance(&self) -> Value {
        self.chance_best
            .map_or_else(|| Value::from(NONE), |chance| Value::Percent(chance, 0))
    }
}

/// A row of the CSV after campaign and label: section, figure, count, of, rate and the ends of its interval.
pub(super) type Row = [String; 7];

/// A row of a rate.
pub(super) fn rate_row(section: &str, figure: &str, rate: &Rate) -> Row {
    let share = |value: Option<f64>| value.map(|v| format!("{v:.6}")).unwrap_or_default();
    [
        section.to_owned(),
        figure.to_owned(),
        rate.count.to_string(),
        rate.of.to_string(),
        share(rate.value),
        share(rate.interval_95.map(|i| i.low)),
        share(rate.interval_95.map(|i| i.high)),
    ]
}

/// A row of a figure that is no rate, with its interval if it has one.
pub(super) fn figure_row(
    section: &str,
    figure: &str,
    count: String,
    interval: Option<[String; 2]>,
) -> Row {
    let [low, high] = interval.unwrap_or_default();
    let empty = String::new;
    [
        section.to_owned(),
        figure.to_owned(),
        count,
        empty(),
        empty(),
        low,
        high,
    ]
}

impl Cells {
    /// The pairs whose sentence the headline is not.
    pub fn others(&self) -> impl Iterator<Item = &Pair> {
        let has_verdicts = !matches!(self.judgement.verdict, Word::Refused | Word::TooEarly);
        self.judgement
            .pairs
            .iter()
            .filter(move |pair| has_verdicts && pair.sentence != self.judgement.headline)
    }

    /// As rows of the CSV.
    pub(super) fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for line in &self.lines {
            let section = format!("cell_{}", line.cell);
            for (figure, count) in [
                ("people", line.people.to_string()),
                ("delivered", line.delivered.to_string()),
                ("orders", line.orders.to_string()),
                ("revenue_cents", line.revenue_cents.to_string()),
            ] {
                rows.push(figure_row(&section, figure, count, None));
            }
            for (figure, rate) in [
                ("response_rate", &line.response_rate),
                ("response_of_assigned", &line.response_of_assigned),
                ("click_rate", &line.click_rate),
            ] {
                rows.push(rate_row(&section, figure, rate));
            }
        }
        let exact = |value: f64| format!("{value:.6}");
        for pair in &self.judgement.pairs {
            let figure = format!(
                "{} less {}: {}",
                pair.better,
                pair.other,
                pair.verdict.as_str()
            );
            let ends = pair.interval_95.map(|i| [exact(i.low), exact(i.high)]);
            let mut row = figure_row("cell_pairs", &figure, String::new(), ends);
            if let Some(rate) = row.get_mut(4) {
                *rate = pair.difference.map(exact).unwrap_or_default();
            }
            rows.push(row);
        }
        rows
    }

    /// What the comparison rests on, for readers.
    pub fn basis(&self) -> &'static str {
        match self.by {
            Metric::Response => {
                "Compared are responders of those assigned at launch, delivered or not."
            }
            Metric::Click => "Compared are clickers of those assigned at launch, delivered or not.",
            Metric::Revenue => {
                "Compared is what those assigned at launch spent within the window, by any way."
            }
        }
    }
}

#[cfg(test)]
#[path = "cells_tests.rs"]
pub(super) mod tests;
