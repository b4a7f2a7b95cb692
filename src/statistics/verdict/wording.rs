//! The sentences of a verdict, for people.

use std::fmt::Write as _;

use super::{Arm, Compared, Outcome, Pair, Readiness, Terms, Word};
use crate::statistics::bayes::Standing;

pub(super) fn sentence(
    better: &Arm,
    other: &Arm,
    compared: &Compared,
    chance: Option<f64>,
    verdict: Word,
    terms: &Terms,
) -> String {
    match &terms.readiness {
        Readiness::Mismatch(why) => return refused(why),
        Readiness::TooEarly(why) => return too_early(why),
        Readiness::Ready => {}
    }
    let unit = Unit::of(better.outcome);
    let (Some(one), Some(two), Some(difference), Some(interval)) = (
        better.outcome.value(),
        other.outcome.value(),
        compared.difference,
        compared.interval,
    ) else {
        return format!(
            "{} and {}: there is nothing to compare yet.",
            better.name, other.name
        );
    };
    let mut figures = format!(
        "{} against {}; difference {}, 95 % interval {} to {}",
        unit.figure(one),
        unit.figure(two),
        unit.difference(difference),
        unit.number(interval.low),
        unit.number(interval.high),
    );
    if let Some(p) = compared.p {
        let _ = write!(figures, ", {}", p_in_words(p));
    } else if let Some(chance) = chance {
        let _ = write!(figures, ", best with a chance of {:.0} %", chance * 100.0);
    }
    let (a, b) = (&better.name, &other.name);
    match verdict {
        Word::Significant => {
            let small = terms
                .matters
                .filter(|matters| interval.high < *matters)
                .map(|matters| {
                    format!(
                        " It is less than the {} that were to matter.",
                        unit.difference(matters)
                    )
                })
                .unwrap_or_default();
            format!("{a} does better than {b}: significant ({figures}).{small}")
        }
        Word::Promising => {
            format!("{a} is ahead of {b}: promising, not proven ({figures}).")
        }
        Word::NotSignificant => format!(
            "{a} and {b} are as good as the same: not significant, and a difference of {} is ruled out ({figures}).",
            terms
                .matters
                .map_or_else(String::new, |matters| unit.difference(matters)),
        ),
        _ if !compared.is_enough => {
            format!("{a} and {b}: inconclusive, too few people did it to tell ({figures}).")
        }
        _ => format!("{a} and {b}: inconclusive, more people would be needed ({figures})."),
    }
}

fn too_early(why: &str) -> String {
    format!("Too early to tell: {why}.")
}

fn refused(why: &str) -> String {
    format!(
        "No verdict: the split is not as planned ({why}); find out why before anything is made of the figures."
    )
}

pub(super) fn headline(
    arms: &[Arm],
    pairs: &[Pair],
    standings: &[Standing],
    terms: &Terms,
) -> (Word, String) {
    match &terms.readiness {
        Readiness::Mismatch(why) => return (Word::Refused, refused(why)),
        Readiness::TooEarly(why) => return (Word::TooEarly, too_early(why)),
        Readiness::Ready => {}
    }
    if let [only] = pairs
        && !terms.adapts
    {
        return (only.verdict, only.sentence.clone());
    }
    let Some(leader) = arms
        .iter()
        .max_by(|a, b| {
            let value = |arm: &Arm| arm.outcome.value().unwrap_or(f64::NEG_INFINITY);
            value(a).total_cmp(&value(b))
        })
        .map(|arm| arm.name.as_str())
    else {
        return (Word::Inconclusive, "There is nothing to compare.".into());
    };
    let has = |word: Word| pairs.iter().any(|pair| pair.verdict == word);
    let chance = arms
        .iter()
        .position(|arm| arm.name == leader)
        .and_then(|place| standings.get(place))
        .map(|standing| {
            let loss = standing.expected_loss * 100.0;
            format!(
                "{leader} is the best with a chance of {:.0} %, and to choose it now costs {loss:.2} points by expectation",
                standing.chance_best * 100.0
            )
        })
        .unwrap_or_default();
    if terms.adapts {
        let word = if has(Word::Promising) {
            Word::Promising
        } else {
            Word::Inconclusive
        };
        return (
            word,
            format!(
                "{chance}. The shares followed the responses from wave to wave, so there is no p."
            ),
        );
    }
    let count = pairs.len();
    let of_leader: Vec<&Pair> = pairs
        .iter()
        .filter(|pair| pair.better == leader || pair.other == leader)
        .collect();
    if has(Word::Significant) {
        if of_leader
            .iter()
            .all(|pair| pair.verdict == Word::Significant)
        {
            return (
                Word::Significant,
                format!(
                    "{leader} does better than each of the others: significant, adjusted for {count} comparisons."
                ),
            );
        }
        let found: Vec<String> = pairs
            .iter()
            .filter(|pair| pair.verdict == Word::Significant)
            .map(|pair| format!("{} better than {}", pair.better, pair.other))
            .collect();
        return (
            Word::Significant,
            format!(
                "Significant, adjusted for {count} comparisons: {}. {leader} leads, but not beyond doubt.",
                found.join(", ")
            ),
        );
    }
    if has(Word::Promising) {
        let because = if chance.is_empty() {
            format!("{leader} leads")
        } else {
            chance
        };
        return (
            Word::Promising,
            format!("Promising, not proven: {because}."),
        );
    }
    if !pairs.is_empty()
        && pairs
            .iter()
            .all(|pair| pair.verdict == Word::NotSignificant)
    {
        return (
            Word::NotSignificant,
            "Not significant: none differs from another by what was to matter.".into(),
        );
    }
    (
        Word::Inconclusive,
        format!("Inconclusive: {leader} leads, but chance alone could have done it."),
    )
}

/// `p = 0.012`, `p < 0.001`.
pub fn p_in_words(p: f64) -> String {
    const LEAST: f64 = 0.001;
    if p < LEAST {
        "p < 0.001".to_owned()
    } else {
        format!("p = {p:.3}")
    }
}

/// How figures are written.
#[derive(Debug, Clone, Copy)]
enum Unit {
    Percent,
    Amount,
}

impl Unit {
    fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Share(_) => Self::Percent,
            Outcome::Amounts { .. } => Self::Amount,
        }
    }

    fn figure(self, value: f64) -> String {
        match self {
            Self::Percent => format!("{:.2} %", value * 100.0),
            Self::Amount => format!("{} a head", self.number(value)),
        }
    }

    fn difference(self, value: f64) -> String {
        match self {
            Self::Percent => format!("{} points", self.number(value)),
            Self::Amount => self.number(value),
        }
    }

    /// With a real minus sign; percentage points of shares.
    fn number(self, value: f64) -> String {
        let value = match self {
            Self::Percent => value * 100.0,
            Self::Amount => value,
        };
        let text = format!("{:.2}", value.abs());
        if value < 0.0 && text.bytes().any(|digit| (b'1'..=b'9').contains(&digit)) {
            format!("−{text}")
        } else {
            text
        }
    }
}
