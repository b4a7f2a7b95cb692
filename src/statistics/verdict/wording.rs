//! The sentences of a verdict, for people.

use super::{Arm, Compared, Outcome, Pair, Readiness, Terms, Word};
use crate::statistics::bayes::Standing;
use crate::statistics::sentence::{Sentence, Value};

pub(super) fn sentence(
    better: &Arm,
    other: &Arm,
    compared: &Compared,
    chance: Option<f64>,
    verdict: Word,
    terms: &Terms,
) -> Sentence {
    match &terms.readiness {
        Readiness::Mismatch(why) => return refused(why),
        Readiness::TooEarly(why) => return too_early(why),
        Readiness::Ready => {}
    }
    let unit = Unit::of(better.outcome);
    let (a, b) = (better.name.as_str(), other.name.as_str());
    let (Some(one), Some(two), Some(difference), Some(interval)) = (
        better.outcome.value(),
        other.outcome.value(),
        compared.difference,
        compared.interval,
    ) else {
        return Sentence::new("{a} and {b}: there is nothing to compare yet.")
            .with("a", a)
            .with("b", b);
    };
    let sure = match (compared.p, chance) {
        (Some(p), _) => Some(Sentence::new(", {p}").with("p", p_in_words(p))),
        (None, Some(chance)) => Some(
            Sentence::new(", best with a chance of {chance}")
                .with("chance", Value::Percent(chance, 0)),
        ),
        (None, None) => None,
    };
    let figures = Sentence::new(
        "{one} against {two}; difference {difference}, 95 % interval {low} to {high}{sure}",
    )
    .with("one", unit.figure(one))
    .with("two", unit.figure(two))
    .with("difference", unit.difference(difference))
    .with("low", unit.number(interval.low))
    .with("high", unit.number(interval.high))
    .with("sure", sure);
    let said = |text| {
        Sentence::new(text)
            .with("a", a)
            .with("b", b)
            .with("figures", figures)
    };
    match verdict {
        Word::Significant => {
            let small = terms.matters.filter(|matters| interval.high < *matters);
            said(SIGNIFICANT).with(
                "small",
                small.map(|matters| {
                    Sentence::new(" It is less than the {difference} that were to matter.")
                        .with("difference", unit.difference(matters))
                }),
            )
        }
        Word::Promising => said(PROMISING),
        Word::NotSignificant => said(NOT_SIGNIFICANT).with(
            "difference",
            terms
                .matters
                .map_or(Value::Nothing, |matters| unit.difference(matters)),
        ),
        _ if !compared.is_enough => said(TOO_FEW),
        _ => said(OPEN),
    }
}

const SIGNIFICANT: &str = "{a} does better than {b}: significant ({figures}).{small}";
const PROMISING: &str = "{a} is ahead of {b}: promising, not proven ({figures}).";
const NOT_SIGNIFICANT: &str = "{a} and {b} are as good as the same: not significant, and a difference of {difference} is ruled out ({figures}).";
const TOO_FEW: &str = "{a} and {b}: inconclusive, too few people did it to tell ({figures}).";
const OPEN: &str = "{a} and {b}: inconclusive, more people would be needed ({figures}).";

/// What is said before the time.
pub fn too_early(why: &Sentence) -> Sentence {
    Sentence::new("Too early to tell: {why}.").with("why", why.clone())
}

fn refused(why: &Sentence) -> Sentence {
    Sentence::new("No verdict: the split is not as planned ({why}); find out why before anything is made of the figures.")
        .with("why", why.clone())
}

pub(super) fn headline(
    arms: &[Arm],
    pairs: &[Pair],
    standings: &[Standing],
    terms: &Terms,
) -> (Word, Sentence) {
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
        return (
            Word::Inconclusive,
            Sentence::new("There is nothing to compare."),
        );
    };
    let has = |word: Word| pairs.iter().any(|pair| pair.verdict == word);
    let chance = arms
        .iter()
        .position(|arm| arm.name == leader)
        .and_then(|place| standings.get(place))
        .map(|standing| {
            Sentence::new("{leader} is the best with a chance of {chance}, and to choose it now costs {loss} points by expectation")
                .with("leader", leader)
                .with("chance", Value::Percent(standing.chance_best, 0))
                .with("loss", Value::Decimal(standing.expected_loss * 100.0, 2))
        });
    if terms.adapts {
        let word = if has(Word::Promising) {
            Word::Promising
        } else {
            Word::Inconclusive
        };
        let said = Sentence::new(
            "{chance}. The shares followed the responses from wave to wave, so there is no p.",
        )
        .with("chance", chance);
        return (word, said);
    }
    let count = u64::try_from(pairs.len()).unwrap_or(u64::MAX);
    let of_leader: Vec<&Pair> = pairs
        .iter()
        .filter(|pair| pair.better == leader || pair.other == leader)
        .collect();
    if has(Word::Significant) {
        if of_leader
            .iter()
            .all(|pair| pair.verdict == Word::Significant)
        {
            let said = Sentence::new("{leader} does better than each of the others: significant, adjusted for {count} comparisons.")
                .with("leader", leader)
                .with("count", count);
            return (Word::Significant, said);
        }
        let found: Vec<Sentence> = pairs
            .iter()
            .filter(|pair| pair.verdict == Word::Significant)
            .map(|pair| {
                Sentence::new("{a} better than {b}")
                    .with("a", pair.better.as_str())
                    .with("b", pair.other.as_str())
            })
            .collect();
        let said = Sentence::new("Significant, adjusted for {count} comparisons: {found}. {leader} leads, but not beyond doubt.")
            .with("count", count)
            .with("found", found)
            .with("leader", leader);
        return (Word::Significant, said);
    }
    if has(Word::Promising) {
        let because =
            chance.unwrap_or_else(|| Sentence::new("{leader} leads").with("leader", leader));
        let said = Sentence::new("Promising, not proven: {because}.").with("because", because);
        return (Word::Promising, said);
    }
    if !pairs.is_empty()
        && pairs
            .iter()
            .all(|pair| pair.verdict == Word::NotSignificant)
    {
        let said =
            Sentence::new("Not significant: none differs from another by what was to matter.");
        return (Word::NotSignificant, said);
    }
    let said = Sentence::new("Inconclusive: {leader} leads, but chance alone could have done it.")
        .with("leader", leader);
    (Word::Inconclusive, said)
}

/// `p = 0.012`, `p < 0.001`.
pub fn p_in_words(p: f64) -> Sentence {
    const LEAST: f64 = 0.001;
    if p < LEAST {
        Sentence::new("p < {p}").with("p", Value::Decimal(LEAST, 3))
    } else {
        Sentence::new("p = {p}").with("p", Value::Decimal(p, 3))
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

    fn figure(self, value: f64) -> Value {
        match self {
            Self::Percent => Value::Percent(value, 2),
            Self::Amount => Sentence::new("{n} a head")
                .with("n", self.number(value))
                .into(),
        }
    }

    fn difference(self, value: f64) -> Value {
        match self {
            Self::Percent => Sentence::new("{n} points")
                .with("n", self.number(value))
                .into(),
            Self::Amount => self.number(value),
        }
    }

    /// Percentage points of shares.
    fn number(self, value: f64) -> Value {
        match self {
            Self::Percent => Value::Decimal(value * 100.0, 2),
            Self::Amount => Value::Decimal(value, 2),
        }
    }
}
