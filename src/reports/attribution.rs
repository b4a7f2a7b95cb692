//! By which rules a response counts for a campaign, in plain words with its own windows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::model::{Counters, Reason};
use super::table::days;
use crate::campaigns::model::Goal;

/// How orders find their campaign, the surest way first: counter, and in words.
const WAYS: [(&str, &str); 4] = [
    ("token", "the link they came from"),
    ("coupon", "a coupon"),
    ("code", "the campaign’s code"),
    ("click", "the last click before"),
];

/// The rules of a campaign, and what they led to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attribution {
    /// Days after the hand-over within which each kind counts.
    pub windows: Vec<Window>,
    pub rules: Vec<String>,
    /// Orders by the way in which they were matched.
    pub orders_by: Vec<Reason>,
}

/// How long one kind of response counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Window {
    pub kind: &'static str,
    pub days: i64,
}

/// What a definition says of windows by kind; none: `window_days` for all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Windows {
    windows: BTreeMap<String, i64>,
}

impl Windows {
    /// Reads the definition of a wave (JSON).
    pub fn read(definition: &str) -> Self {
        serde_json::from_str(definition).unwrap_or_default()
    }
}

impl Attribution {
    pub(super) fn new(sum: &Counters, goal: Goal, window_days: i64, own: &Windows) -> Self {
        let windows: Vec<Window> = ["click", "order", "reply", "coupon", "answer"]
            .into_iter()
            .map(|kind| Window {
                kind,
                days: own.windows.get(kind).copied().unwrap_or(window_days),
            })
            .collect();
        let within = |kind: &str| {
            let window = windows.iter().find(|window| window.kind == kind);
            days(window.map_or(window_days, |window| window.days))
        };
        let ways: Vec<&str> = WAYS.iter().map(|(_, words)| *words).collect();
        let rules = vec![
            format!(
                "A responder is who {} within {} of the hand-over; who does it twice counts once.",
                reached(goal),
                within(goal.as_str())
            ),
            format!(
                "An order counts for the last campaign that led to it, within {} of its hand-over. It is matched by {}, whichever is found first.",
                within("order"),
                ways.join(", ")
            ),
            "Opens earn nothing: programs open messages that nobody reads.".to_owned(),
            "Attributed is what followed the message. Incremental is what would not have come without it: the \
             difference to people held back at random, all who were assigned counted, in one window for both."
                .to_owned(),
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
        Goal::Order => "orders",
        Goal::Reply => "writes back",
        Goal::Coupon => "redeems a coupon",
        Goal::Answer => "names the campaign’s code in a shop or by telephone",
    }
}

/// The ways in words where they are known, in the order of the rules.
fn orders_by(sum: &Counters) -> Vec<Reason> {
    let counted = sum.group("orders.by");
    let place = |name: &str| WAYS.iter().position(|(way, _)| *way == name);
    let mut by: Vec<Reason> = counted;
    by.sort_by_key(|reason| place(&reason.reason).unwrap_or(WAYS.len()));
    by
}

/// A way in which an order was matched, in words.
pub fn way_in_words(name: &str) -> String {
    WAYS.iter()
        .find(|(way, _)| *way == name)
        .map_or_else(|| name.replace('_', " "), |(_, words)| (*words).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_name_the_windows_of_this_campaign() {
        let own = Windows::read(r#"{"name":"x","windows":{"order":30}}"#);
        let attribution = Attribution::new(&Counters::default(), Goal::Click, 14, &own);
        assert!(attribution.rules[0].contains("who clicks within 14 days"));
        assert!(attribution.rules[1].contains("within 30 days of its hand-over"));
        assert!(!attribution.has_one_window());
        let plain = Attribution::new(&Counters::default(), Goal::Order, 1, &Windows::read("{}"));
        assert!(plain.rules[0].contains("who orders within 1 day of"));
        assert!(plain.has_one_window());
    }

    #[test]
    fn orders_are_shown_by_the_surest_way_first() {
        let mut sum = Counters::default();
        for (counter, value) in [
            ("orders.by.click", 9),
            ("orders.by.token", 2),
            ("orders.by.coupon", 0),
            ("orders.by.telepathy", 1),
        ] {
            sum.add(counter, value);
        }
        let by = Attribution::new(&sum, Goal::Order, 14, &Windows::default()).orders_by;
        let names: Vec<_> = by
            .iter()
            .map(|one| (one.reason.as_str(), one.count))
            .collect();
        assert_eq!(names, [("token", 2), ("click", 9), ("telepathy", 1)]);
        assert_eq!(way_in_words("token"), "the link they came from");
    }
}
