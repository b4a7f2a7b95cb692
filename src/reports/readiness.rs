//! Whether the cells of a test may be judged now: split as planned, and everyone had his time.

use std::collections::BTreeMap;

use super::cells::Facts;
use super::figures::as_f64;
use crate::campaigns::cells::Test;
use crate::delivery::store::cells::CellKind;
use crate::statistics::power::{POWER, Plan};
use crate::statistics::sentence::Value;
use crate::statistics::several::{MISMATCH_P, sample_ratio};
use crate::statistics::verdict::{Arm, Outcome, Readiness};
use crate::statistics::{ALPHA, Sentence, Share};

/// How the arms were filled, and how likely that is.
pub(super) struct Split {
    pub p: f64,
    /// `a has 6,100 people where 5,800 were planned`.
    worst: Sentence,
}

/// The split of all waves against their plans.
pub(super) fn split(facts: &Facts) -> Option<Split> {
    let mut waves: BTreeMap<i64, (u64, u64)> = BTreeMap::new();
    let arms = || {
        facts
            .assigned
            .iter()
            .filter(|one| one.kind == CellKind::Test)
    };
    for arm in arms() {
        let (people, weight) = waves.entry(arm.wave).or_default();
        *people += arm.people;
        *weight += arm.weight;
    }
    let mut cells: BTreeMap<&str, (u64, f64)> = BTreeMap::new();
    for arm in arms() {
        let (people, weight) = waves.get(&arm.wave).copied()?;
        let (observed, planned) = cells.entry(&arm.cell).or_default();
        *observed += arm.people;
        *planned += as_f64(people) * as_f64(arm.weight) / as_f64(weight.max(1));
    }
    let observed: Vec<u64> = cells.values().map(|(observed, _)| *observed).collect();
    let planned: Vec<f64> = cells.values().map(|(_, planned)| *planned).collect();
    let p = sample_ratio(&observed, &planned)?.p;
    let off = |(observed, planned): &(u64, f64)| (as_f64(*observed) - planned).abs();
    let (cell, (observed, planned)) = cells
        .iter()
        .max_by(|(_, a), (_, b)| off(a).total_cmp(&off(b)))?;
    Some(Split {
        p,
        worst: Sentence::new("{cell} has {people} where {planned} were planned")
            .with("cell", *cell)
            .with("people", persons(*observed))
            .with("planned", Value::Decimal(*planned, 0)),
    })
}

pub(super) fn readiness(
    test: &Test,
    arms: &[Arm],
    split: Option<&Split>,
    facts: &Facts,
) -> Readiness {
    if let Some(split) = split.filter(|split| split.p < MISMATCH_P) {
        return Readiness::Mismatch(split.worst.clone());
    }
    if let Some(why) = not_yet(facts) {
        return Readiness::TooEarly(why);
    }
    // Each wave of a campaign that comes again is another look.
    if facts.effects.len() > 1
        && !test.thompson
        && let Some(needed) = needed(test, arms)
        && let Some((name, people)) = arms
            .iter()
            .map(|arm| (&arm.name, people_of(arm.outcome)))
            .min_by_key(|(_, people)| *people)
        && people < needed
    {
        return Readiness::TooEarly(
            Sentence::new(
                "each wave is another look, and {cell} has {people} of the {needed} that each cell needs",
            )
            .with("cell", name.as_str())
            .with("people", persons(people))
            .with("needed", needed),
        );
    }
    Readiness::Ready
}

fn persons(count: u64) -> Value {
    Value::counted(count, "{n} person", "{n} people")
}

fn people_of(outcome: Outcome) -> u64 {
    match outcome {
        Outcome::Share(share) => share.of,
        Outcome::Amounts { amounts, .. } => amounts.people,
    }
}

/// How many people each arm needs for the difference that matters, from the rate of all arms together.
fn needed(test: &Test, arms: &[Arm]) -> Option<u64> {
    let all = arms.iter().try_fold(Share::new(0, 0), |sum, arm| {
        let Outcome::Share(share) = arm.outcome else {
            return None;
        };
        Some(Share::new(sum.count + share.count, sum.of + share.of))
    })?;
    let base = all.value()?;
    let difference = (test.difference_points / 100.0).min(1.0 - base);
    Plan {
        base,
        difference,
        alpha: ALPHA,
    }
    .people_per_arm(POWER)
}

/// Why no verdict can be given yet; `None` when every wave had its time.
pub(super) fn not_yet(facts: &Facts) -> Option<Sentence> {
    if let Some(wave) = facts.running.first() {
        let number = wave.to_string();
        return Some(Sentence::new("wave {n} is still being sent").with("n", number.as_str()));
    }
    let open = facts
        .effects
        .iter()
        .filter(|wave| wave.reckoned_at.is_none_or(|at| at < wave.window_ends_at))
        .map(|wave| wave.window_ends_at)
        .max()?;
    Some(Sentence::new("responses count until {at}").with("at", Value::Moment(open)))
}
