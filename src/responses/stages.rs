//! How far a delivery's recipient went (AIDA), and when he responded: reckoned from marks, without I/O.

use super::model::{Goal, Marks};
use super::tally::{Delivery, Judged, RemainingClicks};
use crate::consent::model::{Channel, Tracking};
use crate::responses::model::What;

/// A click so long after the first is a second visit: sessions of web analytics end after half an hour.
pub const SESSION_MS: i64 = 30 * 60_000;

const HOUR_MS: i64 = 3_600_000;
/// Hours after the launch that are counted one by one.
pub const HOURS: i64 = 48;
/// Days after the launch that are counted one by one; what comes later is counted together.
pub const DAYS: i64 = 30;

/// How far someone went; each stage holds those above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Opened, or did more.
    Attention,
    /// Clicked, or did more.
    Interest,
    /// Clicked in Desire, wrote back, came back, or did more.
    Desire,
    /// Reached the goal.
    Action,
}

impl Stage {
    pub const ALL: [Self; 4] = [Self::Attention, Self::Interest, Self::Desire, Self::Action];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attention => "attention",
            Self::Interest => "interest",
            Self::Desire => "desire",
            Self::Action => "action",
        }
    }

    /// The furthest stage these marks show; `None` when he did nothing.
    ///
    /// Where a click is the goal, the click that counts as action is the one in the Action part, or nobody
    /// would be lost after interest; with other goals that click is desire, and reaching the goal is action.
    pub fn of(marks: Marks, goal: Goal) -> Option<Self> {
        let has = |any: &[Marks]| any.iter().any(|mark| marks.has(*mark));
        let is_action = match goal {
            Goal::Click => has(&[Marks::ACTION, Marks::ORDERED]),
            Goal::Order | Goal::Reply | Goal::Coupon | Goal::Answer => has(&[Marks::RESPONDED]),
        };
        if is_action {
            return Some(Self::Action);
        }
        let desire = [
            Marks::DESIRE,
            Marks::ACTION,
            Marks::RETURNED,
            Marks::REPLIED,
            Marks::ORDERED,
            Marks::REDEEMED,
            Marks::ANSWERED,
        ];
        if has(&desire) {
            Some(Self::Desire)
        } else if has(&[Marks::CLICKED]) {
            Some(Self::Interest)
        } else if has(&[Marks::OPENED]) {
            Some(Self::Attention)
        } else {
            None
        }
    }
}

/// The marks with what they themselves show: whether he came back, and whether he is one of those whose
/// opens can be seen. `clicks` are all human clicks the delivery has: the first, the last.
pub(super) fn seen(
    marks: Marks,
    delivery: &Delivery,
    goal: Goal,
    clicks: Option<(i64, i64)>,
) -> Marks {
    let came_back = clicks.is_some_and(|(first, last)| last.saturating_sub(first) >= SESSION_MS);
    let marks = if came_back && marks.has(Marks::CLICKED) {
        marks.with(Marks::RETURNED)
    } else {
        marks
    };
    if Stage::of(marks, goal).is_none() {
        return marks.without(Marks::TRACKED);
    }
    if delivery.channel == Channel::Email && delivery.tracking == Tracking::Full {
        return marks.with(Marks::TRACKED);
    }
    marks
}

/// The first and the last human click of a delivery: of those that remain where some were taken back, of
/// those on `record` where it was read, else of the new ones.
pub(super) fn clicks(
    record: Option<(i64, i64)>,
    judged: &Judged,
    remaining: Option<&[RemainingClicks]>,
) -> Option<(i64, i64)> {
    let ends: Vec<i64> = match (remaining, record) {
        (Some(remaining), _) => remaining
            .iter()
            .flat_map(|clicks| [clicks.first_at, clicks.last_at])
            .collect(),
        (None, Some((first, last))) => vec![first, last],
        (None, None) => human_clicks(judged).collect(),
    };
    ends.iter().min().copied().zip(ends.iter().max().copied())
}

/// Whether the record must be read to tell if he came back: he clicked before, and again now.
pub(super) fn may_have_returned(marks: Marks, judged: &Judged) -> bool {
    marks.has(Marks::CLICKED)
        && !marks.has(Marks::RETURNED)
        && judged.taken_back.is_empty()
        && human_clicks(judged).next().is_some()
}

fn human_clicks(judged: &Judged) -> impl Iterator<Item = i64> {
    judged
        .responses
        .iter()
        .filter(|response| {
            response.made_by.is_person() && matches!(response.what, What::Click { .. })
        })
        .map(|response| response.at)
}

/// The counter of the time at which he became a responder, up; or at which he had, down, where his clicks
/// were taken back.
pub(super) fn time(
    before: Marks,
    after: Marks,
    judged: &Judged,
    goal: Goal,
    launched_at: i64,
) -> Option<(String, i64)> {
    let (at, by) = match (before.has(Marks::RESPONDED), after.has(Marks::RESPONDED)) {
        (false, true) => {
            let own = judged
                .responses
                .iter()
                .filter(|response| response.made_by.is_person() && reaches(response.what, goal));
            (own.map(|response| response.at).min()?, 1)
        }
        (true, false) => {
            let clicks = judged.taken_back.iter().map(|click| click.at);
            let gone = clicks.chain(judged.orders_gone.iter().copied());
            (gone.min()?, -1)
        }
        _ => return None,
    };
    Some((counter_at(launched_at, at), by))
}

fn reaches(what: What, goal: Goal) -> bool {
    matches!(
        (what, goal),
        (What::Click { .. }, Goal::Click)
            | (What::Order { .. }, Goal::Order)
            | (What::Reply, Goal::Reply)
            | (What::Redeem, Goal::Coupon)
            | (What::Answer, Goal::Answer)
    )
}

/// The counters of stages that these marks move: `stage.STAGE`, and `stage.STAGE.tracked` of those whose
/// opens can be seen.
pub(super) fn moves(before: Marks, after: Marks, goal: Goal) -> Vec<(String, i64)> {
    let reached = |marks: Marks, stage| i64::from(Stage::of(marks, goal) >= Some(stage));
    let tracked =
        |marks: Marks, stage| reached(marks, stage) * i64::from(marks.has(Marks::TRACKED));
    Stage::ALL
        .into_iter()
        .flat_map(|stage| {
            let name = stage.as_str();
            let mut moves = vec![(
                format!("stage.{name}"),
                reached(after, stage) - reached(before, stage),
            )];
            // Further up nobody need be seen opening.
            if stage <= Stage::Interest {
                moves.push((
                    format!("stage.{name}.tracked"),
                    tracked(after, stage) - tracked(before, stage),
                ));
            }
            moves
        })
        .filter(|(_, by)| *by != 0)
        .collect()
}

/// When after the launch a response came, as the name of a counter: the hour of the first two days, the day
/// of the first month, or later.
pub fn counter_at(launched_at: i64, at: i64) -> String {
    let hour = at.saturating_sub(launched_at).max(0) / HOUR_MS;
    if hour < HOURS {
        return format!("responders.hour.{hour}");
    }
    match hour / 24 {
        day if day < DAYS => format!("responders.day.{day}"),
        _ => "responders.later".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(of: &[Marks]) -> Marks {
        of.iter().fold(Marks::default(), |all, one| all.with(*one))
    }

    #[test]
    fn who_does_one_thing_reached_all_below_it() {
        for (has, goal, stage) in [
            (vec![], Goal::Click, None),
            (vec![Marks::MACHINE_OPENED], Goal::Click, None),
            (vec![Marks::OPTED_OUT, Marks::BOUNCED], Goal::Click, None),
            (vec![Marks::OPENED], Goal::Click, Some(Stage::Attention)),
            (
                vec![Marks::CLICKED, Marks::ATTENTION],
                Goal::Click,
                Some(Stage::Interest),
            ),
            (
                vec![Marks::CLICKED, Marks::RESPONDED, Marks::INTEREST],
                Goal::Click,
                Some(Stage::Interest),
            ),
            (
                vec![Marks::CLICKED, Marks::DESIRE],
                Goal::Click,
                Some(Stage::Desire),
            ),
            (
                vec![Marks::CLICKED, Marks::RETURNED],
                Goal::Click,
                Some(Stage::Desire),
            ),
            (vec![Marks::REPLIED], Goal::Click, Some(Stage::Desire)),
            (
                vec![Marks::CLICKED, Marks::ACTION],
                Goal::Click,
                Some(Stage::Action),
            ),
            (
                vec![Marks::CLICKED, Marks::ACTION],
                Goal::Order,
                Some(Stage::Desire),
            ),
            (vec![Marks::ORDERED], Goal::Click, Some(Stage::Action)),
            (vec![Marks::ORDERED], Goal::Order, Some(Stage::Desire)),
            (
                vec![Marks::ORDERED, Marks::RESPONDED],
                Goal::Order,
                Some(Stage::Action),
            ),
            (
                vec![Marks::REPLIED, Marks::RESPONDED],
                Goal::Reply,
                Some(Stage::Action),
            ),
        ] {
            assert_eq!(Stage::of(marks(&has), goal), stage, "{has:?} {goal:?}");
        }
    }

    #[test]
    fn stages_go_up_and_down_together() {
        let none = Marks::default();
        let far = marks(&[Marks::CLICKED, Marks::ACTION, Marks::TRACKED]);
        let up = moves(none, far, Goal::Click);
        let names: Vec<_> = up.iter().map(|(name, by)| (name.as_str(), *by)).collect();
        assert_eq!(
            names,
            [
                ("stage.attention", 1),
                ("stage.attention.tracked", 1),
                ("stage.interest", 1),
                ("stage.interest.tracked", 1),
                ("stage.desire", 1),
                ("stage.action", 1),
            ]
        );
        let down: Vec<_> = moves(far, none, Goal::Click)
            .into_iter()
            .map(|(name, by)| (name, -by))
            .collect();
        assert_eq!(down, up);
        assert_eq!(moves(far, far, Goal::Click), []);
    }

    #[test]
    fn the_time_of_a_response_has_one_of_a_few_names() {
        let day = 24 * HOUR_MS;
        for (after, name) in [
            (-5, "responders.hour.0"),
            (0, "responders.hour.0"),
            (HOUR_MS, "responders.hour.1"),
            (2 * day - 1, "responders.hour.47"),
            (2 * day, "responders.day.2"),
            (30 * day - 1, "responders.day.29"),
            (30 * day, "responders.later"),
        ] {
            assert_eq!(counter_at(1_000, 1_000 + after), name);
        }
    }
}
