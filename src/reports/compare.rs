//! Several campaigns side by side: their response rates judged pair by pair. Without I/O.
//!
//! Their people were not parted by chance, so that a difference is one of campaigns with all that came with them:
//! other people, other days. The sentence says so; what a message does by itself, the cells of a test tell.

use serde::Serialize;

use super::Report;
use crate::statistics::Share;
use crate::statistics::sentence::Sentence;
use crate::statistics::verdict::{Arm, Judgement, Outcome, Readiness, Terms, judge};

/// How many campaigns can be compared at once.
pub const AT_ONCE: std::ops::RangeInclusive<usize> = 2..=5;

/// Campaigns side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    pub reports: Vec<Report>,
    #[serde(flatten)]
    pub judgement: Judgement,
    /// What makes them less alike than one may think.
    pub cautions: Vec<Sentence>,
}

impl Comparison {
    /// Compares responders of delivered, as it stands at an instant (milliseconds since the epoch).
    pub fn new(reports: Vec<Report>, now_ms: i64) -> Self {
        let arms: Vec<Arm> = reports
            .iter()
            .map(|report| Arm {
                name: report.campaign.clone(),
                outcome: Outcome::Share(Share::new(
                    report.response_rate.count,
                    report.response_rate.of,
                )),
            })
            .collect();
        let judgement = judge(
            &arms,
            &Terms {
                readiness: Readiness::Ready,
                matters: None,
                adapts: false,
            },
        );
        Self {
            cautions: cautions(&reports, now_ms),
            judgement,
            reports,
        }
    }
}

fn cautions(reports: &[Report], now_ms: i64) -> Vec<Sentence> {
    let differs = |is_unlike: &dyn Fn(&Report, &Report) -> bool| {
        reports
            .windows(2)
            .any(|pair| matches!(pair, [one, other] if is_unlike(one, other)))
    };
    let mut cautions = vec![Sentence::new(
        "The people of these campaigns were not parted by chance: the rates differ or not, but the message need not be why.",
    )];
    if reports.iter().any(|report| report.is_open(now_ms)) {
        cautions.push(Sentence::new(
            "Responses to some of them still come in: what differs now may not when all of them are in.",
        ));
    }
    if differs(&|one, other| one.goal != other.goal) {
        cautions.push(Sentence::new(
            "Their goals differ: what counts as a response in one does not in another.",
        ));
    }
    if differs(&|one, other| one.window_days != other.window_days) {
        cautions.push(Sentence::new(
            "Responses count for longer in some of them than in others.",
        ));
    }
    if reports.iter().any(|report| report.is_simulated) {
        cautions.push(Sentence::new("With simulated responses."));
    }
    cautions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::figures::{Denominator, Rate};
    use crate::reports::model::tests::{sample, sample_of_text_messages};

    #[test]
    fn campaigns_are_judged_by_their_response_rates() {
        let mut better = sample();
        better.campaign = "better".to_owned();
        better.response_rate = Rate::new(900, 4_587, Denominator::Delivered);
        let later = i64::MAX;
        let found = Comparison::new(vec![sample(), better.clone()], later);
        let said = found.judgement.headline.to_string();
        assert!(
            said.starts_with("better does better than super-chef: significant (19.62 %"),
            "{said}"
        );
        assert_eq!(found.cautions.len(), 2, "by chance, and simulated");
        let open = Comparison::new(vec![sample(), better], sample().closes_at().unwrap() - 1);
        let told: Vec<String> = open.cautions.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(
            told.iter().any(|one| one.contains("still come in")),
            "{told:?}"
        );
        let few = Comparison::new(vec![sample(), sample_of_text_messages()], later);
        assert!(
            few.judgement
                .headline
                .to_string()
                .contains("too few people")
        );
    }
}
