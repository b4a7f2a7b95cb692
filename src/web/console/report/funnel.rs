//! The funnel as the page shows it.

use serde::Serialize;

use super::super::RateView;
use super::FULL;
use super::reach::bar_width;
use crate::reports::figures::{Denominator, as_f64};
use crate::reports::funnel::{Funnel, Step};
use crate::web::words::Words;

/// The stages.
#[derive(Debug, Serialize)]
pub(super) struct FunnelView {
    steps: Vec<StepView>,
    verdict: Option<String>,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct StepView {
    letter: String,
    name: String,
    means: String,
    is_first: bool,
    is_extrapolated: bool,
    people: String,
    /// `281 – 372`, of those who are extrapolated.
    people_range: Option<String>,
    share: String,
    range: String,
    before: Option<BeforeView>,
    x: String,
    width: String,
    /// The interval of what is extrapolated, drawn.
    band_x: String,
    band_width: String,
}

#[derive(Debug, Serialize)]
struct BeforeView {
    value: String,
    range: String,
    of: String,
}

impl FunnelView {
    pub(super) fn new(funnel: &Funnel, words: &Words) -> Self {
        let delivered = funnel.steps.first().map_or(0, |step| step.people);
        Self {
            steps: funnel
                .steps
                .iter()
                .map(|step| step_view(step, delivered, words))
                .collect(),
            verdict: funnel.verdict.as_ref().map(|said| words.say(said)),
            notes: funnel.notes.iter().map(|note| words.say(note)).collect(),
        }
    }
}

fn step_view(step: &Step, delivered: u64, words: &Words) -> StepView {
    let length = |people: u64| {
        if delivered == 0 {
            0.0
        } else {
            (as_f64(people) / as_f64(delivered)).min(1.0) * FULL
        }
    };
    let width = length(step.people);
    let band = step
        .people_95
        .map(|(low, high)| (length(low), length(high)))
        // Each stage hangs in the middle, as in a funnel: of its interval the outer edge is drawn.
        .map_or((0.0, 0.0), |(_, high)| ((FULL - high) / 2.0, high));
    let rate = RateView::in_words(&step.of_delivered, words);
    let is_first = step.of_before.is_none() && step.stage == "delivered";
    StepView {
        letter: if is_first {
            "→".to_owned()
        } else {
            step.stage
                .chars()
                .take(1)
                .map(|letter| letter.to_ascii_uppercase())
                .collect()
        },
        name: words.t(step.stage).to_owned(),
        means: words.say(&step.means),
        is_first,
        is_extrapolated: step.is_extrapolated,
        people: words.number(step.people),
        people_range: step
            .people_95
            .map(|(low, high)| format!("{} – {}", words.number(low), words.number(high))),
        share: rate.value,
        range: if is_first { String::new() } else { rate.range },
        before: step
            .of_before
            .as_ref()
            .filter(|_| !is_first)
            .map(|rate| BeforeView {
                value: words.percent(rate.value),
                range: RateView::in_words(rate, words).range,
                of: words.fill(
                    match rate.denominator {
                        Denominator::Tracked => "of {n} who agreed to tracking",
                        Denominator::Openers => "of {n} seen opening",
                        _ => "of {n}",
                    },
                    &[("n", words.number(rate.of))],
                ),
            }),
        x: format!("{:.1}", (FULL - width) / 2.0),
        width: bar_width(width, step.people),
        band_x: format!("{:.1}", band.0),
        band_width: format!("{:.1}", band.1),
    }
}
