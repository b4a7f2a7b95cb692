//! The arms of a test within a campaign: cells, and how it is decided between them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::offer::Offer;
use crate::statistics::Sentence;

/// The cell of whoever gets the campaign where there is no test.
pub const ALL: &str = "all";
/// The cell of those held back to measure what this campaign causes.
pub const CONTROL: &str = "control";
/// The cell of those in the standing control group, whom no campaign contacts.
pub const GLOBAL: &str = "global";
/// The cell of those who wait for the winner of a test.
pub const REST: &str = "rest";

/// Cells a campaign may have.
pub const MOST: usize = 12;

/// One arm of a test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// Lower-case letters, digits and hyphens.
    pub name: String,
    /// Its share of the people, beside the weights of the other cells.
    #[serde(default = "one")]
    pub weight: u32,
    /// The name of a template folder; none: the campaign's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// None: the campaign's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<Offer>,
}

/// By what the winner of a test is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Responders of those delivered, by the campaign's goal.
    #[default]
    Response,
    /// Clickers of those delivered.
    Click,
    /// Revenue by head of those delivered.
    Revenue,
}

/// How it is decided between the cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Test {
    #[serde(default)]
    pub by: Metric,
    /// Percent of the people who get the test; the rest waits and gets the winner. None: all are in the test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_percent: Option<u8>,
    /// How long after the last message of the test was due the winner is chosen.
    #[serde(default = "day")]
    pub wait_hours: u32,
    /// The smallest difference that would matter, in percentage points of the response rate.
    #[serde(default = "one_point")]
    pub difference_points: f64,
    /// Each wave of a recurring campaign gives its cells shares by their chance to be the best.
    #[serde(default)]
    pub thompson: bool,
}

impl Default for Test {
    fn default() -> Self {
        Self {
            by: Metric::default(),
            share_percent: None,
            wait_hours: day(),
            difference_points: one_point(),
            thompson: false,
        }
    }
}

impl Metric {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Response => "response",
            Self::Click => "click",
            Self::Revenue => "revenue",
        }
    }
}

impl Cell {
    /// What is wrong with it: the key and the problem.
    pub(super) fn validate(&self) -> Result<(), (&'static str, Sentence)> {
        let is_slug = !self.name.is_empty()
            && self.name.len() <= 30
            && self
                .name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
        if !is_slug {
            return Err((
                "cells.name",
                Sentence::new("{name} must be 1 to 30 lower-case letters, digits, - or _")
                    .with("name", format!("{:?}", self.name)),
            ));
        }
        if [ALL, CONTROL, GLOBAL, REST].contains(&self.name.as_str()) {
            return Err((
                "cells.name",
                Sentence::new("{name} has a meaning of its own; take another")
                    .with("name", format!("{:?}", self.name)),
            ));
        }
        if !(1..=10_000).contains(&self.weight) {
            return Err(("cells.weight", Sentence::new("must be between 1 and 10000")));
        }
        self.offer.as_ref().map_or(Ok(()), Offer::validate)
    }
}

/// What is wrong with the cells and the test of a campaign, which comes again or not: the key and the
/// problem.
pub(super) fn validate(
    cells: &[Cell],
    test: Option<&Test>,
    is_recurring: bool,
) -> Result<(), (&'static str, Sentence)> {
    for (place, cell) in cells.iter().enumerate() {
        cell.validate()?;
        if cells
            .iter()
            .take(place)
            .any(|other| other.name == cell.name)
        {
            return Err((
                "cells.name",
                Sentence::new("{name} stands there twice; each cell has its own")
                    .with("name", format!("{:?}", cell.name)),
            ));
        }
    }
    if cells.len() == 1 {
        return Err((
            "cells",
            Sentence::new(
                "one cell is no test; add another, or hold some back with control_percent",
            ),
        ));
    }
    if cells.len() > MOST {
        return Err(("cells", Sentence::new("at most {n}").named("n", MOST)));
    }
    let Some(test) = test else { return Ok(()) };
    if cells.is_empty() {
        return Err(("test", Sentence::new("needs [[cells]] to decide between")));
    }
    if test
        .share_percent
        .is_some_and(|share| !(1..=90).contains(&share))
    {
        return Err((
            "test.share_percent",
            Sentence::new("must be between 1 and 90; leave it out to test with everyone"),
        ));
    }
    if !(1..=24 * 60).contains(&test.wait_hours) {
        return Err((
            "test.wait_hours",
            Sentence::new("must be between 1 and 1440"),
        ));
    }
    if !(0.001..=100.0).contains(&test.difference_points) {
        return Err((
            "test.difference_points",
            Sentence::new("must be between 0.001 and 100 percentage points"),
        ));
    }
    if test.thompson && test.share_percent.is_some() {
        return Err((
            "test.thompson",
            Sentence::new(
                "goes with waves that follow each other, share_percent within one; keep one of them",
            ),
        ));
    }
    if test.thompson && test.by == Metric::Revenue {
        return Err((
            "test.thompson",
            Sentence::new(
                "learns from responses or clicks, since a few great orders say little; set by to one of them",
            ),
        ));
    }
    if test.thompson && !is_recurring {
        return Err((
            "test.thompson",
            Sentence::new("learns from wave to wave; give the campaign a schedule with every"),
        ));
    }
    Ok(())
}

fn one() -> u32 {
    1
}

fn day() -> u32 {
    24
}

fn one_point() -> f64 {
    1.0
}
