//! By which rules a response counts for a campaign, in plain words with its own windows.

use serde::Serialize;

use super::lift::days;
use super::model::{Counters, Reason};
use crate::campaigns::model::Goal;
use crate::responses::attribution::MatchedBy;
use crate::responses::model::Terms;
use crate::statistics::Sentence;
use crate::statistics::sentence::Value;

/// How an order finds its message, in words.
fn words(way: MatchedBy) -> &'static str {
    match way {
        MatchedBy::Token => "the link it came from",
        MatchedBy::Coupon => "the coupon",
        MatchedBy::Campaign => "the campaign it names",
        MatchedBy::Code => "the offer’s code",
        MatchedBy::Click => "the last click before it",
    }
}

/// The rules of a campaign, and what they led to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attribution {
    /// Days after the hand-over within which each kind counts.
    pub windows: Vec<Window>,
    pub rules: Vec<Sentence>,
    /// Orders by the way in which they were matched.
    pub orders_by: Vec<Reason>,
}

/// How long one kind of response counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Window {
    pub kind: &'static str,
    pub days: i64,
}

impl Attribution {
    pub(super) fn new(sum: &Counters, terms: &Terms) -> Self {
        let goal = terms.goal;
        let windows: Vec<Window> = [
            Goal::Click,
            Goal::Order,
            Goal::Reply,
            Goal::Coupon,
            Goal::Answer,
        ]
        .into_iter()
        .map(|kind| Window {
            kind: kind.as_str(),
            days: terms.windows.of(kind).map_or(terms.window_days, i64::from),
        })
        .collect();
        let within = |kind: Goal| {
            let window = windows.iter().find(|window| window.kind == kind.as_str());
            days(window.map_or(terms.window_days, |window| window.days))
        };
        let ways = MatchedBy::ALL.map(|way| Sentence::new(words(way)));
        let rules = vec![
            Sentence::new("A responder is who {does} within {days} of the hand-over; who does it twice counts once.")
                .with("does", Value::word(reached(goal)))
                .with("days", within(goal)),
            Sentence::new("An order counts once, for one message, found by {ways}: the surest there is. By link, code and click it counts within {days} of the hand-over.")
                .with("ways", ways.to_vec())
                .with("days", within(Goal::Order)),
            Sentence::new("Opens earn nothing: programs open messages that nobody reads."),
            Sentence::new("Attributed is what followed the message. Incremental is what would not have come without it: the difference to people held back at random, all who were assigned counted, in one window for both."),
        ];
        Self {
            orders_by: orders_by(sum),
            windows,
            rules,
        }
    }

    /// Whether all kinds count equally long.
    pub fn has_one_window(&self) -> bool {
        self.windows
            .windows(2)
            .all(|pair| matches!(pair, [one, other] if one.days == other.days))
    }
}

fn reached(goal: Goal) -> &'static str {
    match goal {
        Goal::Click => "clicks",
        Goal::Order => "places an order",
        Goal::Reply => "writes back",
        Goal::Coupon => "redeems a coupon",
        Goal::Answer => "names the campaign’s code in a shop or by telephone",
    }
}

/// The ways that led to orders, the surest first.
fn orders_by(sum: &Counters) -> Vec<Reason> {
    let mut by = sum.group("orders.by");
    let place = |name: &str| MatchedBy::ALL.iter().position(|way| way.as_str() == name);
    by.sort_by_key(|reason| place(&reason.reason).unwrap_or(MatchedBy::ALL.len()));
    by
}

/// A way in which an order was matched, in words.
pub fn way_in_words(name: &str) -> Value {
    MatchedBy::from_column(name).map_or_else(
        || Value::Name(name.replace('_', " ")),
        |way| Value::word(words(way)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_name_the_windows_of_this_campaign() {
        let own = Terms::read(r#"{"name":"x","windows":{"order":30}}"#);
        let attribution = Attribution::new(&Counters::default(), &own);
        assert!(
            attribution.rules[0]
                .to_string()
                .contains("who clicks within 14 days")
        );
        let orders = attribution.rules[1].to_string();
        assert!(orders.contains("within 30 days of the hand-over"));
        assert!(!attribution.has_one_window());
        let plain = Terms::read(r#"{"goal":"order","window_days":1}"#);
        let plain = Attribution::new(&Counters::default(), &plain);
        assert!(
            plain.rules[0]
                .to_string()
                .contains("who places an order within 1 day of")
        );
        assert!(plain.has_one_window());
    }

    #[test]
    fn orders_are_shown_by_the_surest_way_first() {
        let mut sum = Counters::default();
        for (counter, value) in [
            ("orders.by.click", 9),
            ("orders.by.token", 2),
            ("orders.by.coupon", 0),
        ] {
            sum.add(counter, value);
        }
        let by = Attribution::new(&sum, &Terms::default()).orders_by;
        let names: Vec<_> = by
            .iter()
            .map(|one| (one.reason.as_str(), one.count))
            .collect();
        assert_eq!(names, [("token", 2), ("click", 9)]);
        assert_eq!(way_in_words("token").to_string(), "the link it came from");
    }
}
