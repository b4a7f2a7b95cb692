//! A verdict in words on the arms of a test, with the figures behind it.

mod wording;

use serde::Serialize;

use super::bayes;
use super::means::{self, Moments};
use super::proportions::{Lift, is_enough, newcombe, relative_lift, z_test};
use super::{ALPHA, Interval, Sentence, Share, Z_95, several};
use wording::{headline, sentence};

pub use wording::{p_in_words, too_early};

/// What a comparison of two arms comes to. Asked in this order:
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// People were not assigned as planned (χ², p < 0.001): no figure can be trusted.
    Refused,
    /// Before its time: who looks again and again finds something sooner or later (METHODS.md M5: peeking
    /// invalidates the p of a fixed number of people).
    TooEarly,
    /// p < 0.05, adjusted by Holm for all pairs.
    Significant,
    /// The whole 95 % interval is closer to 0 than the difference that matters: the arms are as good as
    /// the same.
    NotSignificant,
    /// p < 0.2, adjusted, or the better one is the best of all with a chance above 90 %.
    Promising,
    /// None of these: the figures allow nothing as well as a difference that matters, or are too few for
    /// the methods used (fewer than five expected in a field, Cochran 1954).
    Inconclusive,
}

impl Word {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::TooEarly => "too early",
            Self::Significant => "significant",
            Self::NotSignificant => "not significant",
            Self::Promising => "promising",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// What became of the people of an arm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// So many of them did it.
    Share(Share),
    /// What they spent, and how many of them spent anything.
    Amounts { amounts: Moments, buyers: u64 },
}

impl Outcome {
    /// The rate, or the mean.
    pub fn value(self) -> Option<f64> {
        match self {
            Self::Share(share) => share.value(),
            Self::Amounts { amounts, .. } => amounts.mean(),
        }
    }

    /// How many of them did anything.
    fn share(self) -> Share {
        match self {
            Self::Share(share) => share,
            Self::Amounts { amounts, buyers } => Share::new(buyers, amounts.people),
        }
    }
}

/// An arm of a test.
#[derive(Debug, Clone, PartialEq)]
pub struct Arm {
    pub name: String,
    pub outcome: Outcome,
}

/// Whether a verdict may be given now.
#[derive(Debug, Clone, PartialEq)]
pub enum Readiness {
    /// Everyone had his time.
    Ready,
    /// Not yet, because: `responses count until 2026-12-05`.
    TooEarly(Sentence),
    /// Never, because: `a has 6,100 people where 5,800 were planned`.
    Mismatch(Sentence),
}

/// What was settled before the first look.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    pub readiness: Readiness,
    /// The smallest difference that would matter, as a share or an amount; none: not said.
    pub matters: Option<f64>,
    /// Whether the shares of the arms followed the responses from wave to wave; then no test holds, and
    /// only chances are given.
    pub adapts: bool,
}

/// Two arms side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pair {
    /// The one with the higher figure.
    pub better: String,
    pub other: String,
    /// Better less other, as a share or an amount.
    pub difference: Option<f64>,
    pub interval_95: Option<Interval>,
    pub lift: Option<Lift>,
    /// Two-sided, adjusted for all pairs; `None` where no verdict may be given.
    pub p: Option<f64>,
    pub verdict: Word,
    /// For people, with the figures.
    pub sentence: Sentence,
}

/// All arms judged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judgement {
    pub verdict: Word,
    pub headline: Sentence,
    /// Every pair, in the order of the arms.
    pub pairs: Vec<Pair>,
    /// The chance of each arm to be the best, in their order; empty where no verdict may be given, and of
    /// amounts.
    pub chances: Vec<f64>,
}

/// Promising from here on, where it is not significant.
const PROMISING_P: f64 = 0.2;
const PROMISING_CHANCE: f64 = 0.9;

/// Judges the arms of a test: every pair by the rules of [`Word`], the p of all pairs together adjusted by
/// Holm, so that among any number of arms a false alarm stays as rare as 5 %.
pub fn judge(arms: &[Arm], terms: &Terms) -> Judgement {
    let standings = match (&terms.readiness, shares(arms)) {
        (Readiness::Ready, Some(shares)) => bayes::standings(&shares),
        _ => Vec::new(),
    };
    let mut raw = Vec::new();
    for (place, first) in arms.iter().enumerate() {
        for second in arms.iter().skip(place + 1) {
            let is_first = first.outcome.value() >= second.outcome.value();
            let (better, other) = if is_first {
                (first, second)
            } else {
                (second, first)
            };
            raw.push((better, other, Compared::new(better, other)));
        }
    }
    let may_test = terms.readiness == Readiness::Ready && !terms.adapts;
    let p: Vec<f64> = raw
        .iter()
        .map(|(_, _, compared)| compared.p.unwrap_or(1.0))
        .collect();
    let adjusted = several::holm(&p);
    let pairs: Vec<Pair> = raw
        .into_iter()
        .zip(adjusted)
        .map(|((better, other, mut compared), p)| {
            compared.p = compared.p.filter(|_| may_test).map(|_| p);
            let chance = arms
                .iter()
                .position(|arm| arm.name == better.name)
                .and_then(|place| standings.get(place))
                .map(|standing| standing.chance_best);
            pair(better, other, &compared, chance, terms)
        })
        .collect();
    let (verdict, headline) = headline(arms, &pairs, &standings, terms);
    Judgement {
        verdict,
        headline,
        pairs,
        chances: standings.iter().map(|one| one.chance_best).collect(),
    }
}

/// The shares of all arms; `None` when one of them has amounts.
fn shares(arms: &[Arm]) -> Option<Vec<Share>> {
    arms.iter()
        .map(|arm| match arm.outcome {
            Outcome::Share(share) => Some(share),
            Outcome::Amounts { .. } => None,
        })
        .collect()
}

/// The figures of two arms.
#[derive(Debug, Clone, Copy)]
struct Compared {
    difference: Option<f64>,
    interval: Option<Interval>,
    lift: Option<Lift>,
    p: Option<f64>,
    is_enough: bool,
}

impl Compared {
    fn new(better: &Arm, other: &Arm) -> Self {
        let is_enough = is_enough(better.outcome.share(), other.outcome.share());
        let difference = better
            .outcome
            .value()
            .zip(other.outcome.value())
            .map(|(one, two)| one - two);
        match (better.outcome, other.outcome) {
            (Outcome::Share(one), Outcome::Share(two)) => Self {
                difference,
                interval: newcombe(one, two, Z_95),
                lift: relative_lift(one, two, Z_95),
                p: z_test(one, two).map(|test| test.p),
                is_enough,
            },
            (Outcome::Amounts { amounts: one, .. }, Outcome::Amounts { amounts: two, .. }) => {
                let welch = means::welch(one, two);
                Self {
                    difference,
                    interval: welch.map(|welch| welch.interval_95),
                    lift: means::relative_lift(one, two),
                    p: welch.map(|welch| welch.p),
                    is_enough,
                }
            }
            _ => Self {
                difference: None,
                interval: None,
                lift: None,
                p: None,
                is_enough: false,
            },
        }
    }

    fn word(&self, chance: Option<f64>, terms: &Terms) -> Word {
        match terms.readiness {
            Readiness::Mismatch(_) => return Word::Refused,
            Readiness::TooEarly(_) => return Word::TooEarly,
            Readiness::Ready => {}
        }
        let Some(interval) = self.interval.filter(|_| self.is_enough) else {
            return Word::Inconclusive;
        };
        if self.p.is_some_and(|p| p < ALPHA) {
            return Word::Significant;
        }
        let is_nothing = |matters: f64| -matters < interval.low && interval.high < matters;
        if !terms.adapts && terms.matters.is_some_and(is_nothing) {
            return Word::NotSignificant;
        }
        if self.p.is_some_and(|p| p < PROMISING_P)
            || chance.is_some_and(|chance| chance > PROMISING_CHANCE)
        {
            return Word::Promising;
        }
        Word::Inconclusive
    }
}

fn pair(
    better: &Arm,
    other: &Arm,
    compared: &Compared,
    chance: Option<f64>,
    terms: &Terms,
) -> Pair {
    let verdict = compared.word(chance, terms);
    Pair {
        better: better.name.clone(),
        other: other.name.clone(),
        difference: compared.difference,
        interval_95: compared.interval,
        lift: compared.lift,
        p: compared.p,
        verdict,
        sentence: sentence(better, other, compared, chance, verdict, terms),
    }
}
