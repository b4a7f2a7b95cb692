//! How far people went: delivered, attention, interest, desire, action (AIDA). People, not events, and
//! each counts in every stage below the furthest he reached.

use serde::Serialize;

use super::figures::{Denominator, Interval, Rate, as_f64};
use super::model::Counters;
use crate::campaigns::model::Goal;
use crate::delivery::store::SMS_COUNTERS;
use crate::statistics::Sentence;
use crate::statistics::sentence::Value;

/// People of the stage before from which on a step is judged.
const ENOUGH: u64 = 30;

/// One stage of the funnel.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// `delivered`, `attention`, `interest`, `desire` or `action`.
    pub stage: &'static str,
    /// Who got as far, in words.
    pub means: Sentence,
    /// People who got at least as far; rounded where they are extrapolated.
    pub people: u64,
    /// Of those people, where they are extrapolated: from, to (95 %).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub people_95: Option<(u64, u64)>,
    /// Found from those who agreed to tracking, for all who were delivered to by email.
    pub is_extrapolated: bool,
    /// Of delivered; of a stage that is extrapolated, the share found among those who can be seen.
    pub of_delivered: Rate,
    /// Of the stage before; none where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_before: Option<Rate>,
    /// What makes people take this step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work_of: Option<&'static str>,
}

/// The stages of a campaign.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Funnel {
    pub steps: Vec<Step>,
    /// Which part loses people, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Sentence>,
    /// What the figures leave out.
    pub notes: Vec<Sentence>,
}

impl Funnel {
    /// From the counters of a campaign with this goal; `delivered` as the report has it, `undelivered` the
    /// text messages among the accepted that did not arrive.
    pub(super) fn new(sum: &Counters, goal: Goal, delivered: u64, undelivered: u64) -> Self {
        let texts = sum
            .get(&format!("{SMS_COUNTERS}accepted"))
            .saturating_sub(undelivered);
        let mails = delivered.saturating_sub(texts);
        let mut notes = Vec::new();
        let mut steps = vec![Step {
            stage: "delivered",
            means: Sentence::new("as far as one knows, it arrived"),
            people: delivered,
            people_95: None,
            is_extrapolated: false,
            of_delivered: Rate::new(delivered, delivered, Denominator::Delivered),
            of_before: None,
            work_of: None,
        }];
        let attention = attention(sum, mails, &mut notes);
        let seen = attention.as_ref().map(|(_, seen)| *seen);
        steps.extend(attention.map(|(step, _)| step));
        let mut before = None;
        for (stage, means, work_of) in later(goal) {
            let people = sum.get(&format!("stage.{stage}"));
            let of_before = match (before, seen) {
                (Some(before), _) => Some(Rate::new(people, before, Denominator::StageBefore)),
                // Both counted among those who can be seen opening.
                (None, Some(seen)) => Some(Rate::new(
                    sum.get("stage.interest.tracked"),
                    seen,
                    Denominator::Openers,
                )),
                // Nobody can be seen opening: the stage before is that it arrived.
                (None, None) => Some(Rate::new(people, delivered, Denominator::Delivered)),
            };
            steps.push(Step {
                stage,
                means,
                people,
                people_95: None,
                is_extrapolated: false,
                of_delivered: Rate::new(people, delivered, Denominator::Delivered),
                of_before,
                work_of: Some(work_of),
            });
            before = Some(people);
        }
        if sum.get("stage.interest") < sum.get("clicks") {
            notes.push(Sentence::new(
                "Some responses came before stages were counted; the funnel is without them.",
            ));
        }
        Self {
            verdict: verdict(&steps),
            steps,
            notes,
        }
    }
}

/// Who opened, as far as one may know, and how many of those who can be seen did; none where nobody can be.
fn attention(sum: &Counters, mails: u64, notes: &mut Vec<Sentence>) -> Option<(Step, u64)> {
    if mails == 0 {
        if sum.get("accepted") > 0 {
            notes.push(Sentence::new("Nobody can be seen opening a text message."));
        }
        return None;
    }
    // Of the messages with a pixel as many arrived as of all mails.
    let accepted = sum
        .get("accepted")
        .saturating_sub(sum.get(&format!("{SMS_COUNTERS}accepted")));
    let possible = scaled(sum.get("opens.possible"), mails, accepted).min(mails);
    let seen = sum.get("stage.attention.tracked").min(possible);
    if possible == 0 {
        notes.push(Sentence::new(
            "Attention is not known: none of those delivered to agreed to be seen opening.",
        ));
        return None;
    }
    let rate = Rate::new(seen, possible, Denominator::Tracked);
    let is_extrapolated = possible < mails;
    let of_all = |share: f64| rounded(share * as_f64(mails));
    if is_extrapolated {
        notes.push(
            Sentence::new("Attention is extrapolated: {seen} of {possible} who agreed to tracking opened, and all {mails} by email are taken to be like them. Programs that hide the reader count as not opened.")
                .with("seen", seen)
                .with("possible", possible)
                .with("mails", mails),
        );
    }
    let step = Step {
        stage: "attention",
        means: Sentence::new("opened, or did more"),
        people: rate.value.map_or(seen, of_all),
        people_95: rate
            .interval_95
            .filter(|_| is_extrapolated)
            .map(|Interval { low, high }| (of_all(low), of_all(high))),
        is_extrapolated,
        of_delivered: rate,
        of_before: Some(rate),
        work_of: Some("the sender’s name and the subject"),
    };
    Some((step, seen))
}

/// The stages after attention: what they mean for a goal, and what makes people reach them.
fn later(goal: Goal) -> [(&'static str, Sentence, &'static str); 3] {
    let (desire, action) = match goal {
        // Every click would be the goal, and nobody would be lost after interest.
        Goal::Click => (
            Sentence::new("clicked in Desire, wrote back, or came back later"),
            Sentence::new("clicked in Action, or ordered"),
        ),
        _ => (
            Sentence::new("clicked in Desire or Action, wrote back, or came back later"),
            Sentence::new("reached the goal"),
        ),
    };
    [
        (
            "interest",
            Sentence::new("clicked, in whatever part, or did more"),
            "the Attention and Interest parts",
        ),
        ("desire", desire, "the Desire part"),
        ("action", action, "the Action part and the page behind it"),
    ]
}

/// The step on which the fewest go on, in a sentence; none while too few got that far.
fn verdict(steps: &[Step]) -> Option<Sentence> {
    let judged = |step: &&Step| step.of_before.is_some_and(|rate| rate.of >= ENOUGH);
    let value = |step: &Step| step.of_before.and_then(|rate| rate.value).unwrap_or(1.0);
    let worst = steps
        .iter()
        .filter(judged)
        .min_by(|one, other| value(one).total_cmp(&value(other)))?;
    let place = steps.iter().position(|step| step.stage == worst.stage)?;
    let before = steps.get(place.checked_sub(1)?)?.stage;
    let interval = worst.of_before?.interval_95?;
    let value = worst.of_before?.value?;
    Some(
        Sentence::new("Fewest go on from {before} to {stage}: {share} of them ({low} to {high}). That step is the work of {work}.")
            .with("before", Value::word(before))
            .with("stage", Value::word(worst.stage))
            .with("share", Value::Percent(value, 2))
            .with("low", Value::Percent(interval.low, 2))
            .with("high", Value::Percent(interval.high, 2))
            .with("work", Value::word(worst.work_of?)),
    )
}

/// `part · of ÷ whole`, rounded.
fn scaled(part: u64, of: u64, whole: u64) -> u64 {
    if whole == 0 || of >= whole {
        return part;
    }
    rounded(as_f64(part) * as_f64(of) / as_f64(whole))
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of people, not below 0"
)]
fn rounded(people: f64) -> u64 {
    people.max(0.0).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(figures: &[(&str, i64)]) -> Counters {
        let mut sum = Counters::default();
        for (counter, value) in figures {
            sum.add(counter, *value);
        }
        sum
    }

    const SENT: [(&str, i64); 9] = [
        ("accepted", 1_000),
        ("opens.possible", 400),
        ("opens", 120),
        ("stage.attention.tracked", 130),
        ("stage.interest.tracked", 26),
        ("clicks", 60),
        ("stage.interest", 60),
        ("stage.desire", 40),
        ("stage.action", 30),
    ];

    #[test]
    fn attention_is_extrapolated_from_those_who_can_be_seen() {
        let funnel = Funnel::new(&counters(&SENT), Goal::Click, 1_000, 0);
        let people: Vec<_> = funnel
            .steps
            .iter()
            .map(|step| (step.stage, step.people, step.is_extrapolated))
            .collect();
        assert_eq!(
            people,
            [
                ("delivered", 1_000, false),
                ("attention", 325, true),
                ("interest", 60, false),
                ("desire", 40, false),
                ("action", 30, false),
            ]
        );
        let (low, high) = funnel.steps[1].people_95.unwrap();
        assert!(low < 325 && 325 < high, "{low} {high}");
        // Wilson, 130 of 400: 0.2808 to 0.3725.
        assert_eq!((low, high), (281, 372));
        let interest = funnel.steps[2].of_before.unwrap();
        assert_eq!((interest.count, interest.of), (26, 130));
    }

    #[test]
    fn the_part_that_keeps_fewest_is_named() {
        let verdict = Funnel::new(&counters(&SENT), Goal::Click, 1_000, 0)
            .verdict
            .unwrap();
        let verdict = verdict.to_string();
        assert!(
            verdict.starts_with("Fewest go on from attention to interest: 20.00 % of them"),
            "{verdict}"
        );
        assert!(verdict.ends_with("the Attention and Interest parts."));
        let few = Funnel::new(
            &counters(&[("accepted", 20), ("stage.interest", 10)]),
            Goal::Click,
            20,
            0,
        );
        assert_eq!(few.verdict, None, "of 20 people nothing is said");
    }

    #[test]
    fn who_bounced_had_pixels_too() {
        let mut sum = counters(&SENT);
        sum.add("bounces", 500);
        let funnel = Funnel::new(&sum, Goal::Order, 500, 0);
        assert_eq!(funnel.steps[1].of_delivered.of, 200);
    }

    #[test]
    fn text_messages_have_no_attention() {
        let sum = counters(&[
            ("accepted", 50),
            ("sms.accepted", 50),
            ("clicks", 9),
            ("stage.interest", 9),
            ("stage.desire", 9),
            ("stage.action", 9),
        ]);
        let funnel = Funnel::new(&sum, Goal::Click, 45, 5);
        let stages: Vec<_> = funnel.steps.iter().map(|step| step.stage).collect();
        assert_eq!(stages, ["delivered", "interest", "desire", "action"]);
        let interest = funnel.steps[1].of_before.unwrap();
        assert_eq!(
            (interest.count, interest.of),
            (9, 45),
            "of those it reached"
        );
        assert_eq!(funnel.notes, ["Nobody can be seen opening a text message."]);
    }

    #[test]
    fn where_all_agreed_nothing_is_extrapolated() {
        let sum = counters(&[
            ("accepted", 100),
            ("opens.possible", 100),
            ("stage.attention.tracked", 40),
        ]);
        let funnel = Funnel::new(&sum, Goal::Click, 100, 0);
        assert_eq!(funnel.steps[1].people, 40);
        assert!(!funnel.steps[1].is_extrapolated && funnel.notes.is_empty());
    }
}
