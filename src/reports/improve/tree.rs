//! Criteria one behind the other: a small tree, without I/O.
//!
//! At each branch the criterion with the largest information gain is taken, if it separates by more than
//! chance: its χ² counts as many times as criteria were tried there (Bonferroni), so that where nothing
//! separates at most one tree in twenty grows at all.

use super::criteria::{self, Criterion};
use crate::reports::chance;
use crate::reports::grid::cube::{Counts, Key};
use crate::statistics::Sentence;

/// Criteria one behind the other at most.
const DEPTH: usize = 3;
/// People of a leaf at least, in the half in which it is found,
const PEOPLE: u64 = 200;
/// and at least such a part of them.
const PART: u64 = 50;

/// A group of people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The places of criteria, and whether each is true of them.
    path: Vec<(usize, bool)>,
    /// Where it was found.
    pub found: Counts,
}

/// The leaves of a grown tree; one alone when nothing separates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    pub leaves: Vec<Leaf>,
}

impl Tree {
    /// Grows a tree over these people.
    pub fn grow(criteria: &[Criterion], people: &[&(Key, Counts)]) -> Self {
        let total = super::sum(people);
        let least = PEOPLE.max(total.delivered / PART);
        let mut tree = Self::default();
        branch(criteria, people, &mut Vec::new(), least, &mut tree);
        tree
    }
}

fn branch(
    criteria: &[Criterion],
    people: &[&(Key, Counts)],
    path: &mut Vec<(usize, bool)>,
    least: u64,
    tree: &mut Tree,
) {
    let split = if path.len() < DEPTH {
        best_split(criteria, people, least)
    } else {
        None
    };
    let Some(at) = split else {
        tree.leaves.push(Leaf {
            path: path.clone(),
            found: super::sum(people),
        });
        return;
    };
    let is_true = |key: &Key| criteria.get(at).is_some_and(|one| one.is_true(key));
    let (inside, outside): (Vec<_>, Vec<_>) =
        people.iter().copied().partition(|(key, _)| is_true(key));
    for (part, holds) in [(inside, true), (outside, false)] {
        path.push((at, holds));
        branch(criteria, &part, path, least, tree);
        path.pop();
    }
}

/// The criterion that tells most about these people; `None` when none tells more than chance does.
fn best_split(criteria: &[Criterion], people: &[&(Key, Counts)], least: u64) -> Option<usize> {
    let total = super::sum(people);
    let by_value = by_value(people);
    let mut tried = 0_u32;
    let mut best: Option<(f64, f64, usize)> = None;
    for (at, criterion) in criteria.iter().enumerate() {
        let mut inside = Counts::default();
        let values = by_value.get(criterion.place).into_iter().flatten();
        for (counts, holds) in values.zip(&criterion.holds) {
            if *holds {
                inside.add(counts);
            }
        }
        let outside = total.without(&inside);
        if inside.delivered < least || outside.delivered < least {
            continue;
        }
        tried += 1;
        let gain = criteria::gain(&inside, &outside);
        let p = chance::of_two_proportions(
            (inside.responders, inside.delivered),
            (outside.responders, outside.delivered),
        );
        if let Some(p) = p
            && best.is_none_or(|(most, _, _)| gain > most)
        {
            best = Some((gain, p, at));
        }
    }
    let (_, p, at) = best?;
    (p * f64::from(tried) < chance::LEVEL).then_some(at)
}

/// The counts by dimension and value: one pass, whatever the number of criteria.
fn by_value(people: &[&(Key, Counts)]) -> Vec<Vec<Counts>> {
    let mut sums = vec![vec![Counts::default(); 256]; Key::default().len()];
    for (key, counts) in people {
        for (value, sums) in key.iter().zip(sums.iter_mut()) {
            if let Some(sum) = sums.get_mut(usize::from(*value)) {
                sum.add(counts);
            }
        }
    }
    sums
}

impl Leaf {
    /// Whether these people belong to it.
    pub fn holds(&self, criteria: &[Criterion], key: &Key) -> bool {
        self.path
            .iter()
            .all(|(at, holds)| criteria.get(*at).is_some_and(|one| one.is_true(key)) == *holds)
    }

    /// Who they are, in words.
    pub fn words(&self, criteria: &[Criterion]) -> Sentence {
        let each: Vec<Sentence> = self
            .path
            .iter()
            .filter_map(|(at, holds)| {
                let words = criteria.get(*at)?.words.clone();
                let is_contrary = !*holds;
                Some(if is_contrary {
                    Sentence::new("not {what}").with("what", words)
                } else {
                    words
                })
            })
            .collect();
        Sentence::new("{each}").with("each", each)
    }

    /// The same in the segment language.
    pub fn rule(&self, criteria: &[Criterion]) -> String {
        let parts: Vec<&str> = self
            .path
            .iter()
            .filter_map(|(at, holds)| {
                let criterion = criteria.get(*at)?;
                Some(if *holds {
                    criterion.rule.as_str()
                } else {
                    criterion.contrary.as_str()
                })
            })
            .collect();
        parts.join(" and ")
    }
}
