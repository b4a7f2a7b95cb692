//! The criteria that are tried, one by one, without I/O.

use serde::Serialize;

use super::{rate, share};
use crate::reports::chance;
use crate::reports::figures::{Rate, as_f64};
use crate::reports::grid::cube::{Counts, Cube, Key, UNKNOWN};
use crate::reports::grid::dimension::Dimension;
use crate::statistics::Sentence;
use crate::statistics::sentence::Value;

/// Criteria with fewer people inside or outside are not tried.
const PEOPLE: u64 = 200;

/// Something that is true or not of a person: his value in one dimension is among some.
#[derive(Debug, Clone, PartialEq)]
pub struct Criterion {
    pub dimension: Dimension,
    /// The place of the dimension in keys.
    pub(super) place: usize,
    /// By the value's place in the cube, whether it is among them.
    pub(super) holds: Vec<bool>,
    /// In words: `Orders before: 2 or more`.
    pub words: Sentence,
    /// In the segment language,
    pub rule: String,
    /// and its contrary.
    pub contrary: String,
}

impl Criterion {
    /// Every criterion that the values of the cube allow.
    pub fn all(cube: &Cube) -> Vec<Self> {
        let mut criteria = Vec::new();
        for (place, dimension) in Dimension::OF_PEOPLE.into_iter().enumerate() {
            let named: Vec<(u8, &str)> = cube.named(place).collect();
            let make = |values: &[&str], words: Value, rule: String| {
                let mut holds = vec![false; 256];
                for (at, name) in &named {
                    if let Some(slot) = holds.get_mut(usize::from(*at)) {
                        *slot = values.contains(name);
                    }
                }
                Self {
                    dimension,
                    place,
                    holds,
                    words: Sentence::new("{what}: {value}")
                        .with("what", Value::word(dimension.title()))
                        .with("value", words),
                    contrary: format!("not ({rule})"),
                    rule,
                }
            };
            match dimension {
                // It moves when somebody responds.
                Dimension::Stage => {}
                Dimension::Orders | Dimension::Revenue | Dimension::LastOrder => {
                    let bands = dimension.values();
                    for (values, words, rule, contrary) in thresholds(dimension) {
                        let among: Vec<&str> = bands
                            .iter()
                            .enumerate()
                            .filter(|(band, _)| values.contains(band))
                            .map(|(_, name)| *name)
                            .collect();
                        criteria.push(Self {
                            contrary: (*contrary).to_owned(),
                            ..make(&among, Value::word(words), (*rule).to_owned())
                        });
                    }
                }
                Dimension::Clicked => {
                    criteria.push(Self {
                        contrary: "not clicked".to_owned(),
                        ..make(&["yes"], Value::word("yes"), "clicked".to_owned())
                    });
                }
                _ => {
                    for (_, name) in &named {
                        let field = dimension.as_str();
                        let rule = format!("{field} = {}", quoted(name));
                        criteria.push(Self {
                            contrary: format!("not {field} = {}", quoted(name)),
                            ..make(&[name], dimension.said(name), rule)
                        });
                    }
                    let rule = format!("{} is known", dimension.as_str());
                    let mut known = make(&[], Value::word("known"), rule);
                    for (at, holds) in known.holds.iter_mut().enumerate() {
                        *holds = at != usize::from(UNKNOWN);
                    }
                    known.contrary = format!("{} is unknown", dimension.as_str());
                    criteria.push(known);
                }
            }
        }
        criteria
    }

    /// Whether it is true of people with this key.
    pub fn is_true(&self, key: &Key) -> bool {
        let value = key.get(self.place).copied().unwrap_or(UNKNOWN);
        self.holds.get(usize::from(value)).copied().unwrap_or(false)
    }

    /// What to think of before it is used: age and sex are protected where they decide who gets which goods
    /// (Directive 2004/113/EC, article 3; Charter of Fundamental Rights, article 21).
    pub fn caution(&self) -> Option<&'static str> {
        matches!(self.dimension, Dimension::Generation | Dimension::Gender)
            .then_some("check whether you may select by it")
    }
}

/// The places of the bands a threshold takes in, its words, its rule and the contrary.
type Threshold = (&'static [usize], &'static str, &'static str, &'static str);

/// Where bands follow each other, each end is tried. The people are those of today, so in a rule the time
/// counts from today too.
fn thresholds(dimension: Dimension) -> &'static [Threshold] {
    match dimension {
        Dimension::Orders => &[
            (&[1, 2, 3, 4], "1 or more", "orders >= 1", "orders < 1"),
            (&[2, 3, 4], "2 or more", "orders >= 2", "orders < 2"),
            (&[3, 4], "5 or more", "orders >= 5", "orders < 5"),
            (&[4], "10 or more", "orders >= 10", "orders < 10"),
        ],
        Dimension::Revenue => &[
            (&[2, 3, 4], "50 or more", "revenue >= 50", "revenue < 50"),
            (&[3, 4], "200 or more", "revenue >= 200", "revenue < 200"),
            (&[4], "1,000 or more", "revenue >= 1000", "revenue < 1000"),
        ],
        Dimension::LastOrder => &[
            (
                &[0],
                "within 30 days",
                "last_order within 30 days",
                "not last_order within 30 days",
            ),
            (
                &[0, 1],
                "within 90 days",
                "last_order within 90 days",
                "not last_order within 90 days",
            ),
            (
                &[0, 1, 2],
                "within a year",
                "last_order within 365 days",
                "not last_order within 365 days",
            ),
        ],
        _ => &[],
    }
}

/// A text of the segment language.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// What one criterion does by itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CriterionLine {
    pub words: Sentence,
    pub rule: String,
    pub inside: Rate,
    pub outside: Rate,
    /// The rate inside over that outside; `None` where nobody outside responded.
    pub lift: Option<f64>,
    /// Of the people, from 0 to 1.
    pub coverage: f64,
    /// Of the responders.
    pub share_of_responders: f64,
    /// How much knowing it tells about the response, in thousandths of a bit (Quinlan 1986).
    pub gain_millibits: f64,
    /// Corrected for all criteria tried (Holm).
    pub adjusted_p: f64,
    pub is_beyond_chance: bool,
    pub caution: Option<&'static str>,
}

/// Compares inside and outside for each criterion with enough people; the surest first.
pub(super) fn compare(criteria: &[Criterion], entries: &[(Key, Counts)]) -> Vec<CriterionLine> {
    let mut total = Counts::default();
    for (_, counts) in entries {
        total.add(counts);
    }
    let mut tried: Vec<(&Criterion, Counts, Counts)> = Vec::new();
    for criterion in criteria {
        let mut inside = Counts::default();
        for (key, counts) in entries {
            if criterion.is_true(key) {
                inside.add(counts);
            }
        }
        let outside = total.without(&inside);
        if inside.delivered >= PEOPLE && outside.delivered >= PEOPLE {
            tried.push((criterion, inside, outside));
        }
    }
    let p: Vec<f64> = tried
        .iter()
        .map(|(_, inside, outside)| {
            chance::of_two_proportions(
                (inside.responders, inside.delivered),
                (outside.responders, outside.delivered),
            )
            .unwrap_or(1.0)
        })
        .collect();
    let mut lines: Vec<(f64, CriterionLine)> = tried
        .iter()
        .zip(p.iter().zip(chance::holm(&p)))
        .map(|((criterion, inside, outside), (raw, adjusted_p))| {
            let (high, low) = (
                share(inside.responders, inside.delivered),
                share(outside.responders, outside.delivered),
            );
            let line = CriterionLine {
                words: criterion.words.clone(),
                rule: criterion.rule.clone(),
                inside: rate(inside),
                outside: rate(outside),
                lift: (low > 0.0).then(|| high / low),
                coverage: share(inside.delivered, total.delivered),
                share_of_responders: share(inside.responders, total.responders),
                gain_millibits: gain(inside, outside) * 1_000.0,
                adjusted_p,
                is_beyond_chance: adjusted_p < chance::LEVEL,
                caution: criterion.caution(),
            };
            (*raw, line)
        })
        .collect();
    lines.sort_by(|(a, one), (b, other)| {
        a.total_cmp(b)
            .then_with(|| other.gain_millibits.total_cmp(&one.gain_millibits))
    });
    lines.into_iter().map(|(_, line)| line).collect()
}

/// The information gain in bits: the entropy of the response less what is left of it when one knows the
/// criterion (Quinlan 1986, Machine Learning 1).
pub(super) fn gain(inside: &Counts, outside: &Counts) -> f64 {
    let mut all = *inside;
    all.add(outside);
    let weight = share(inside.delivered, all.delivered);
    entropy(&all) - weight * entropy(inside) - (1.0 - weight) * entropy(outside)
}

fn entropy(counts: &Counts) -> f64 {
    let p = as_f64(counts.responders.min(counts.delivered)) / as_f64(counts.delivered.max(1));
    let term = |p: f64| if p <= 0.0 { 0.0 } else { -p * p.log2() };
    term(p) + term(1.0 - p)
}
