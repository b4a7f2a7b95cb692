//! Improving the target: which criteria separate the responders of a campaign from the rest, and a rule for
//! the next segment.
//!
//! Promise: no criterion that comes after the contact is asked. Stage, engagement, last contact and last
//! response move when somebody responds and would "foretell" what has happened already (METHODS.md M4);
//! orders, revenue, last order and earlier clicks are taken as they stood at the launch. What is found in one
//! half of the people, parted by chance, is told with the figures of the other half, which had no part in the
//! finding. Where nothing separates more than chance does, that is said.

pub mod criteria;
pub mod tree;

use serde::Serialize;

use super::figures::{Denominator, Rate, as_f64};
use super::grid::cross::Slice;
use super::grid::cube::{Counting, Counts, HALF, Key};
use crate::statistics::Sentence;
use criteria::{Criterion, CriterionLine};
use tree::{Leaf, Tree};

/// The half in which is looked for criteria.
const FOUND_IN: u8 = 0;

/// A row of the gains table: a group of people, the best first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GainsLine {
    /// Who they are, in words.
    pub people: Sentence,
    /// What is true of them in the segment language.
    pub rule: String,
    pub rate: Rate,
    /// Of all people, up to this group, from 0 to 1.
    pub share_of_people: f64,
    /// Of all responders, up to this group (CPH).
    pub share_of_responders: f64,
    /// `share_of_responders / share_of_people`.
    pub lift: Option<f64>,
    /// Whether it is among those that are proposed.
    pub is_proposed: bool,
}

/// A segment that would have responded better.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Proposal {
    /// In the segment language, the campaign's own rule included.
    pub rule: String,
    /// Of those it keeps, in the half that had no part in finding it.
    pub rate: Rate,
    /// Of everyone in that half.
    pub of_all: Rate,
    pub share_of_people: f64,
    pub share_of_responders: f64,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Improvement {
    pub of_all: Rate,
    /// Those that separate most surely first.
    pub criteria: Vec<CriterionLine>,
    /// How many of them separate more than chance does.
    pub separating: usize,
    /// The groups, the best first; empty when nothing separates.
    pub gains: Vec<GainsLine>,
    pub proposal: Option<Proposal>,
}

/// Looks for what separates responders. `segment` is the campaign's own rule.
pub fn improve(slices: &[Slice], segment: &str) -> Improvement {
    let mut counting = Counting::default();
    for slice in slices {
        counting.absorb(&slice.cube);
    }
    let cube = counting.finish();
    let criteria = Criterion::all(&cube);
    let all: Vec<&(Key, Counts)> = cube.entries.iter().collect();
    let lines = criteria::compare(&criteria, &cube.entries);
    let (fit, check): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|(key, _)| key.get(HALF) == Some(&FOUND_IN));
    let tree = Tree::grow(&criteria, &fit);
    let of_fit = sum(&fit);
    let gains = gains(&tree.leaves, &criteria, &check, &of_fit);
    Improvement {
        of_all: rate(&cube.total()),
        separating: lines.iter().filter(|line| line.is_beyond_chance).count(),
        criteria: lines,
        proposal: propose(&gains, &check, segment),
        gains,
    }
}

/// The gains table (METHODS.md M4): the leaves by their rate where they were found, with what the other half
/// makes of them.
fn gains(
    leaves: &[Leaf],
    criteria: &[Criterion],
    check: &[&(Key, Counts)],
    of_fit: &Counts,
) -> Vec<GainsLine> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let mut ranked: Vec<&Leaf> = leaves.iter().collect();
    let fit_rate = |leaf: &Leaf| share(leaf.found.responders, leaf.found.delivered);
    ranked.sort_by(|a, b| fit_rate(b).total_cmp(&fit_rate(a)));
    let all = sum(check);
    let base = share(of_fit.responders, of_fit.delivered);
    let mut seen = Counts::default();
    ranked
        .into_iter()
        .map(|leaf| {
            let mut own = Counts::default();
            for (key, counts) in check {
                if leaf.holds(criteria, key) {
                    own.add(counts);
                }
            }
            seen.add(&own);
            let share_of_people = share(seen.delivered, all.delivered);
            let share_of_responders = share(seen.responders, all.responders);
            GainsLine {
                people: leaf.words(criteria),
                rule: leaf.rule(criteria),
                rate: rate(&own),
                share_of_people,
                share_of_responders,
                lift: (share_of_people > 0.0).then(|| share_of_responders / share_of_people),
                is_proposed: fit_rate(leaf) > base,
            }
        })
        .collect()
}

/// The groups that responded better than all where they were found, as one rule.
fn propose(gains: &[GainsLine], check: &[&(Key, Counts)], segment: &str) -> Option<Proposal> {
    let chosen: Vec<&GainsLine> = gains.iter().filter(|line| line.is_proposed).collect();
    let last = chosen.last()?;
    let (mut count, mut of) = (0, 0);
    for line in &chosen {
        count += line.rate.count;
        of += line.rate.of;
    }
    let groups: Vec<&str> = chosen.iter().map(|line| line.rule.as_str()).collect();
    let group = match groups.as_slice() {
        [only] => (*only).to_owned(),
        many => format!("({})", many.join(") or (")),
    };
    let segment = segment.trim();
    let rule = if segment.is_empty() || segment == "everyone" {
        group
    } else {
        format!("({segment}) and ({group})")
    };
    Some(Proposal {
        // In its canonical form, which also shows that it can be read.
        rule: crate::segments::Rule::parse(&rule).ok()?.to_string(),
        rate: Rate::new(count, of, Denominator::Delivered),
        of_all: rate(&sum(check)),
        share_of_people: last.share_of_people,
        share_of_responders: last.share_of_responders,
    })
}

fn sum(entries: &[&(Key, Counts)]) -> Counts {
    let mut sum = Counts::default();
    for (_, counts) in entries {
        sum.add(counts);
    }
    sum
}

fn share(count: u64, of: u64) -> f64 {
    if of == 0 {
        return 0.0;
    }
    as_f64(count) / as_f64(of)
}

fn rate(counts: &Counts) -> Rate {
    Rate::new(counts.responders, counts.delivered, Denominator::Delivered)
}

#[cfg(test)]
#[path = "improve_tests.rs"]
mod tests;
