//! Whether the campaign caused anything: those who were to be contacted against those held back.
//!
//! By assignment and in one window for both, whatever was delivered, opened or attributed (METHODS.md M6).

use serde::Serialize;

use super::cells::{Facts, Row, figure_row, rate_row, signed, spend, unsigned};
use super::figures::{Denominator, Rate, as_f64};
use super::model::Wave;
use super::readiness::not_yet;
use crate::clock::from_ms;
use crate::delivery::store::cells::CellKind;
use crate::responses::effects::OfWave;
use crate::statistics::means::{self, Moments, welch};
use crate::statistics::proportions::{Lift, newcombe, relative_lift};
use crate::statistics::sentence::Value;
use crate::statistics::several::{MISMATCH_P, homogeneity};
use crate::statistics::verdict::{
    Arm, Outcome, Readiness, Terms, Word, judge, p_in_words, too_early,
};
use crate::statistics::{Interval, Sentence, Share, Z_95};

/// The columns of [`Figures`].
pub const HEADS: [&str; 4] = ["Contacted", "Held back", "Caused", "Attributed"];

/// Where there is no figure.
pub const NONE: &str = "–";

/// A row of figures, for readers.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    pub name: &'static str,
    pub contacted: Value,
    pub held_back: Value,
    /// None where there is no figure.
    pub caused: Option<Value>,
    /// The 95 % interval of what was caused.
    pub range: Option<Sentence>,
    /// What was caused, of what would have been without.
    pub lift: Option<Sentence>,
    /// Its 95 % interval.
    pub lift_range: Option<Sentence>,
    /// None where there is no figure.
    pub attributed: Option<Value>,
}

impl Figures {
    fn add(&mut self, caused: Option<Incremental>, show: &dyn Fn(f64) -> Value) {
        let Some(caused) = caused else { return };
        self.caused = Some(show(caused.value));
        self.range = caused.interval_95.map(|i| ends(show(i.low), show(i.high)));
        self.lift = caused.lift.map(|lift| gain(lift.value));
        self.lift_range = caused
            .lift
            .and_then(|lift| lift.interval_95)
            .map(|i| ends(gain(i.low), gain(i.high)));
    }
}

/// An interval.
pub(super) fn ends(low: impl Into<Value>, high: impl Into<Value>) -> Sentence {
    Sentence::new("{low} to {high}")
        .with("low", low)
        .with("high", high)
}

/// `+72.1 %`, `−3.0 %`.
fn gain(value: f64) -> Sentence {
    let text = if value < 0.0 { "{n}" } else { "+{n}" };
    Sentence::new(text).with("n", Value::Percent(value, 1))
}

/// Those who were to be contacted, or those held back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Side {
    /// Customers who ordered by any way within the window, of those assigned.
    pub buyers: Rate,
    pub orders: u64,
    pub revenue_cents: i64,
    pub revenue_cents_per_head: Option<f64>,
}

/// What would not have been without the campaign.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Incremental {
    pub value: f64,
    pub interval_95: Option<Interval>,
    /// Two-sided.
    pub p: Option<f64>,
    /// Of the figure of those held back.
    pub lift: Option<Lift>,
}

/// What the campaign caused.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CausedBy {
    /// `control`: held back for this campaign; `global`: the standing control group.
    pub against: CellKind,
    pub contacted: Side,
    pub held_back: Side,
    /// How many days of each wave are looked at.
    pub window_days: i64,
    /// Whether the window begins when the winner of a test was chosen, since some waited for it; else with the launch.
    pub begins_with_winner: bool,
    /// Waves with another share held back, or nobody: they cannot be added up with the others.
    pub waves_left_out: usize,
    /// When the window of the last wave ends; RFC 3339, UTC.
    pub window_ends_at: String,
    /// When orders were looked at last; RFC 3339, UTC; `None`: not yet.
    pub reckoned_at: Option<String>,
    #[serde(skip)]
    reckoned_at_ms: Option<i64>,
    pub verdict: Word,
    pub sentence: Sentence,
    /// Customers who would not have ordered; `None` before its time.
    pub buyers: Option<Incremental>,
    /// Revenue that would not have been, in cents; `None` before its time.
    pub revenue_cents: Option<Incremental>,
    /// What messages earned by the rules of attribution: customers and cents.
    pub attributed_buyers: u64,
    pub attributed_revenue_cents: i64,
}

/// What those held back tell; none where nobody was held back.
pub(super) fn caused_by(waves: &[Wave], facts: &Facts) -> Option<CausedBy> {
    let against = [CellKind::Control, CellKind::Global]
        .into_iter()
        .find(|kind| people_of(facts, *kind) > 0)?;
    let waves_compared = compared_waves(facts, against);
    let is_compared = |wave: i64| waves_compared.contains(&wave);
    let waves_left_out = facts.effects.len() - waves_compared.len();
    let facts = &Facts {
        effects: facts
            .effects
            .iter()
            .filter(|wave| is_compared(wave.wave.0))
            .cloned()
            .collect(),
        ..facts.clone()
    };
    let last = facts.effects.iter().map(|wave| wave.window_ends_at).max()?;
    let kind_of = |cell: &str| {
        facts
            .assigned
            .iter()
            .find(|one| one.cell == cell)
            .map(|one| one.kind)
    };
    let is_treated = |cell: &str| kind_of(cell).is_some_and(is_contacted);
    let is_held = |cell: &str| kind_of(cell) == Some(against);
    let (contacted, held) = (spend(facts, is_treated), spend(facts, is_held));
    let shares = (
        Share::new(contacted.1, contacted.0.people),
        Share::new(held.1, held.0.people),
    );
    let readiness = not_yet(facts).map_or(Readiness::Ready, Readiness::TooEarly);
    let is_ready = readiness == Readiness::Ready;
    let matters = facts
        .agreed
        .test
        .as_ref()
        .map(|test| test.difference_points / 100.0);
    let (verdict, p) = verdict(shares, readiness, matters);
    let buyers = is_ready.then(|| incremental_buyers(shares, p));
    let revenue_cents = is_ready
        .then(|| incremental_revenue(contacted.0, held.0))
        .flatten();
    let reckoned_at = facts
        .effects
        .iter()
        .map(|wave| wave.reckoned_at)
        .min()
        .flatten();
    let attributed = || waves.iter().filter(|wave| is_compared(wave.id));
    Some(CausedBy {
        against,
        contacted: side(facts, shares.0, is_treated),
        held_back: side(facts, shares.1, is_held),
        window_days: facts.effects.first().map_or(0, |wave| {
            (wave.window_ends_at - wave.window_begins_at) / 86_400_000
        }),
        begins_with_winner: facts
            .effects
            .first()
            .is_some_and(|wave| wave.window_begins_at > wave.launched_at),
        waves_left_out,
        reckoned_at: reckoned_at
            .map(|at| from_ms(at).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)),
        reckoned_at_ms: reckoned_at,
        window_ends_at: from_ms(last).to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        verdict,
        sentence: sentence("The campaign", verdict, shares, p, not_yet(facts)),
        buyers,
        revenue_cents,
        attributed_buyers: attributed()
            .map(|wave| wave.counters.get("orders.customers"))
            .sum(),
        attributed_revenue_cents: attributed()
            .map(|wave| wave.counters.signed("revenue_cents"))
            .sum(),
    })
}

/// Whether the people of such a cell are to be contacted, now or when the winner is known.
fn is_contacted(kind: CellKind) -> bool {
    matches!(kind, CellKind::All | CellKind::Test | CellKind::Rest)
}

/// The waves that can be added up: those in which about the same share was held back as in the newest that
/// held anybody back. Were waves of other shares added, a good season of few held back would look like an
/// effect (Simpson 1951).
fn compared_waves(facts: &Facts, against: CellKind) -> Vec<i64> {
    let held_back = |wave: &OfWave| {
        let people = |is_meant: &dyn Fn(CellKind) -> bool| {
            facts
                .assigned
                .iter()
                .filter(|one| one.wave == wave.wave.0 && is_meant(one.kind))
                .map(|one| one.people)
                .sum::<u64>()
        };
        let held = people(&|kind| kind == against);
        Share::new(held, held + people(&is_contacted))
    };
    let waves = || {
        facts
            .effects
            .iter()
            .map(|wave| (wave.wave.0, held_back(wave)))
            .filter(|(_, share)| share.count > 0)
    };
    let Some((_, newest)) = waves().next() else {
        return Vec::new();
    };
    waves()
        .filter(|(_, share)| homogeneity(&[newest, *share]).is_none_or(|test| test.p >= MISMATCH_P))
        .map(|(wave, _)| wave)
        .collect()
}

fn people_of(facts: &Facts, kind: CellKind) -> u64 {
    facts
        .assigned
        .iter()
        .filter(|one| one.kind == kind)
        .map(|one| one.people)
        .sum()
}

fn side(facts: &Facts, share: Share, is_meant: impl Fn(&str) -> bool) -> Side {
    let effects = || {
        facts
            .effects
            .iter()
            .flat_map(|wave| &wave.cells)
            .filter(|effect| is_meant(&effect.cell))
    };
    let revenue_cents = effects().map(|effect| effect.spend_cents).sum();
    Side {
        buyers: Rate::new(share.count, share.of, Denominator::Assigned),
        orders: effects().map(|effect| unsigned(effect.orders)).sum(),
        revenue_cents,
        revenue_cents_per_head: (share.of > 0).then(|| signed(revenue_cents) / as_f64(share.of)),
    }
}

/// By the rules of the verdict on two arms: the share of buyers.
pub(super) fn verdict(
    (contacted, held): (Share, Share),
    readiness: Readiness,
    matters: Option<f64>,
) -> (Word, Option<f64>) {
    let arm = |name: &str, share: Share| Arm {
        name: name.to_owned(),
        outcome: Outcome::Share(share),
    };
    let judged = judge(
        &[arm("contacted", contacted), arm("held back", held)],
        &Terms {
            readiness,
            matters,
            adapts: false,
        },
    );
    (judged.verdict, judged.pairs.first().and_then(|pair| pair.p))
}

/// n_T·(p_T − p_C) with the ends of Newcombe's interval scaled (METHODS.md M6).
pub(super) fn incremental_buyers((contacted, held): (Share, Share), p: Option<f64>) -> Incremental {
    let people = as_f64(contacted.of);
    let difference = contacted
        .value()
        .zip(held.value())
        .map_or(0.0, |(one, two)| one - two);
    Incremental {
        value: people * difference,
        interval_95: newcombe(contacted, held, Z_95).map(|interval| interval.times(people)),
        p,
        lift: relative_lift(contacted, held, Z_95),
    }
}

/// n_T·(ȳ_T − ȳ_C) in cents, its interval scaled (METHODS.md M6).
pub(super) fn incremental_revenue(contacted: Moments, held: Moments) -> Option<Incremental> {
    const CENTS: f64 = 100.0;
    let scale = as_f64(contacted.people) * CENTS;
    let difference = contacted.mean()? - held.mean()?;
    let tested = welch(contacted, held);
    Some(Incremental {
        value: difference * scale,
        interval_95: tested.map(|tested| tested.interval_95.times(scale)),
        p: tested.map(|tested| tested.p),
        lift: means::relative_lift(contacted, held),
    })
}

/// What a verdict says of what was done to people: `The campaign`, `All campaigns together`; `why` it is too
/// early.
pub(super) fn sentence(
    who: &'static str,
    word: Word,
    (contacted, held): (Share, Share),
    p: Option<f64>,
    why: Option<Sentence>,
) -> Sentence {
    if let (Word::TooEarly, Some(why)) = (word, &why) {
        return too_early(why);
    }
    let (Some(one), Some(two)) = (contacted.value(), held.value()) else {
        return Sentence::new("There is nobody to compare with.");
    };
    let figures = Sentence::new("{one} of those contacted ordered, {two} of those held back{sure}")
        .with("one", Value::Percent(one, 2))
        .with("two", Value::Percent(two, 2))
        .with(
            "sure",
            p.map(|p| Sentence::new(", {p}").with("p", p_in_words(p))),
        );
    let said = match word {
        Word::Significant if one >= two => {
            Sentence::new("{who} made people order: significant ({figures}).")
        }
        Word::Significant => Sentence::new(
            "{who} kept people from ordering: significant ({figures}). Find out why before more is sent.",
        ),
        Word::NotSignificant => {
            Sentence::new("{who} made no difference that matters: not significant ({figures}).")
        }
        Word::Promising if one >= two => {
            Sentence::new("Those contacted ordered more often: promising, not proven ({figures}).")
        }
        Word::Promising => {
            Sentence::new("Those contacted ordered fewer often: promising, not proven ({figures}).")
        }
        _ => Sentence::new(
            "Whether people order because of what was sent is open: inconclusive ({figures}). More people held back would tell.",
        ),
    };
    said.with("who", Value::word(who)).with("figures", figures)
}

impl CausedBy {
    /// Who was held back, for readers.
    fn held_back_are(&self) -> Value {
        Value::word(match self.against {
            CellKind::Global => "the standing control group",
            _ => "the control group of this campaign",
        })
    }

    /// The figures side by side, for readers.
    pub fn rows(&self) -> Vec<Figures> {
        let row = |name, contacted: Value, held_back: Value| Figures {
            name,
            contacted,
            held_back,
            caused: None,
            range: None,
            lift: None,
            lift_range: None,
            attributed: None,
        };
        let (one, two) = (&self.contacted, &self.held_back);
        let mut buyers = row(
            "customers who ordered",
            one.buyers.count.into(),
            two.buyers.count.into(),
        );
        buyers.add(self.buyers, &|people| Value::Decimal(people, 0));
        buyers.attributed = Some(self.attributed_buyers.into());
        let mut revenue = row(
            "revenue",
            units(signed(one.revenue_cents)),
            units(signed(two.revenue_cents)),
        );
        revenue.add(self.revenue_cents, &units);
        revenue.attributed = Some(units(signed(self.attributed_revenue_cents)));
        vec![
            row("people", one.buyers.of.into(), two.buyers.of.into()),
            buyers,
            row(
                "of all who were assigned",
                share(&one.buyers),
                share(&two.buyers),
            ),
            revenue,
            row("revenue a head", one.per_head(), two.per_head()),
        ]
    }

    /// As rows of the CSV.
    pub(super) fn figures(&self) -> Vec<Row> {
        let exact = |value: f64| format!("{value:.0}");
        let mut rows = Vec::new();
        for (section, side) in [
            ("effect_contacted", &self.contacted),
            ("effect_held_back", &self.held_back),
        ] {
            rows.push(rate_row(section, "buyers", &side.buyers));
            for (figure, count) in [
                ("orders", side.orders.to_string()),
                ("revenue_cents", side.revenue_cents.to_string()),
            ] {
                rows.push(figure_row(section, figure, count, None));
            }
        }
        for (figure, incremental) in [
            ("buyers", self.buyers),
            ("revenue_cents", self.revenue_cents),
        ] {
            let Some(incremental) = incremental else {
                continue;
            };
            let ends = incremental
                .interval_95
                .map(|i| [exact(i.low), exact(i.high)]);
            rows.push(figure_row(
                "effect_incremental",
                figure,
                exact(incremental.value),
                ends,
            ));
        }
        for (figure, count) in [
            ("buyers", self.attributed_buyers.to_string()),
            ("revenue_cents", self.attributed_revenue_cents.to_string()),
        ] {
            rows.push(figure_row("effect_attributed", figure, count, None));
        }
        rows
    }

    /// What the figures rest on, for readers.
    pub fn basis(&self) -> Sentence {
        let since = if self.begins_with_winner {
            "the winner was chosen"
        } else {
            "the launch"
        };
        let left_out = u64::try_from(self.waves_left_out).unwrap_or(u64::MAX);
        Sentence::new("By assignment: everybody the cells were given to, against {whom}, delivered or not; orders of any way in the {days} after {since}, the same for both{as_of}.{left_out}")
            .with("whom", self.held_back_are())
            .with("days", days(self.window_days))
            .with("since", Value::word(since))
            .with(
                "as_of",
                match self.reckoned_at_ms {
                    Some(at) => {
                        Sentence::new(", as known at {at}").with("at", Value::Moment(at))
                    }
                    None => Sentence::new(", which nobody has looked at yet"),
                },
            )
            .with(
                "left_out",
                match left_out {
                    0 => None,
                    1 => Some(Sentence::new(
                        " One wave is left out, in which another share was held back.",
                    )),
                    n => Some(
                        Sentence::new(" {n} waves are left out, in which other shares were held back.")
                            .with("n", n),
                    ),
                },
            )
    }
}

impl Side {
    fn per_head(&self) -> Value {
        self.revenue_cents_per_head.map_or(none(), units)
    }
}

/// So many days, with the noun.
pub(super) fn days(days: i64) -> Value {
    Value::counted(days.unsigned_abs(), "{n} day", "{n} days")
}

/// An amount in units of the currency, of one in cents.
pub(super) fn units(cents: f64) -> Value {
    const CENTS: f64 = 100.0;
    Value::Decimal(cents / CENTS, 2)
}

fn share(rate: &Rate) -> Value {
    rate.value.map_or(none(), |share| Value::Percent(share, 2))
}

fn none() -> Value {
    Value::Name(NONE.to_owned())
}

#[cfg(test)]
#[path = "lift_tests.rs"]
mod tests;
