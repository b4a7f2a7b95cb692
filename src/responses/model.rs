//! The words of responses, without I/O.

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use crate::campaigns::model::Goal;
use crate::campaigns::model::Windows;
use crate::channels::model::Class;
use crate::consent::model::Scope;
use crate::ids::DeliveryKey;
use crate::templates::model::Part;

/// What a customer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The open pixel was fetched.
    Open,
    /// A tracked link was followed.
    Click { link: u16, part: Part },
    /// He wants no more of it.
    OptOut,
    /// He bought: an amount in our own currency, 0 for one in another; below 0 it is a credit note, which is
    /// no order.
    Order { amount_cents: i64 },
    /// He wrote back.
    Reply,
    /// His server took the message and sent it back later.
    Bounce { class: Class },
    /// He called it spam.
    Complaint,
    /// He redeemed his coupon.
    Redeem,
    /// He named the campaign's code in a shop or by telephone.
    Answer,
    /// A scanner gave itself away: the clicks on this delivery around this instant are its own (see
    /// [`super::judge::is_beside_scan`]). No act of the customer.
    Scan,
}

impl What {
    /// As the database keeps it in `responses.kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Click { .. } => "click",
            Self::OptOut => "opt_out",
            Self::Order { .. } => "order",
            Self::Reply => "reply",
            Self::Bounce { .. } => "bounce",
            Self::Complaint => "complaint",
            Self::Redeem => "redeem",
            Self::Answer => "answer",
            Self::Scan => "scan",
        }
    }

    /// Whether it is something the person did himself and meant, so that the base learns that he is there:
    /// an open may be a program's, a bounce is a server's, a scan a scanner's.
    pub fn is_own_act(self) -> bool {
        !matches!(self, Self::Open | Self::Bounce { .. } | Self::Scan)
    }
}

/// Who made a request (RULES.md §1.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MadeBy {
    #[default]
    Person,
    /// A program that fetches ahead of a reader or for him: a prefetcher, an image proxy, a preview.
    Machine,
    /// Security software that follows links to see where they lead.
    Scanner,
}

impl MadeBy {
    pub fn is_person(self) -> bool {
        self == Self::Person
    }

    /// As the database keeps it: `is_machine` is whatever is no person, `is_scanner` the scanners of them.
    pub fn from_columns(is_machine: bool, is_scanner: bool) -> Self {
        match (is_machine, is_scanner) {
            (_, true) => Self::Scanner,
            (true, false) => Self::Machine,
            (false, false) => Self::Person,
        }
    }
}

/// One event that came back from a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Response {
    pub delivery: DeliveryKey,
    pub what: What,
    /// What the request itself shows (see [`super::judge::by_request`]); the timing of clicks is judged when
    /// the response is written.
    pub made_by: MadeBy,
    /// Milliseconds since the epoch.
    pub at: i64,
}

/// What the frozen definition of a wave says about its responses.
///
/// A definition that lacks a word is not refused, since losing a response or an opt-out would be worse:
/// without goal a click is the goal, without window it is 14 days, without topic an opt-out takes the
/// whole channel.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Terms {
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub topic: Option<String>,
    #[serde(default)]
    pub goal: Goal,
    #[serde(default = "default_window_days")]
    pub window_days: i64,
    #[serde(default)]
    pub windows: Windows,
    #[serde(default)]
    pub sender: Option<TermsSender>,
    #[serde(default)]
    pub cells: Vec<TermsCell>,
    #[serde(default)]
    pub schedule: Option<TermsSchedule>,
}

/// An arm of the test.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TermsCell {
    pub name: String,
    #[serde(default)]
    pub template: Option<String>,
}

/// When it was to arrive.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TermsSchedule {
    #[serde(default)]
    pub zone: Option<String>,
    #[serde(default)]
    pub fallback_zone: Option<String>,
}

/// Who wrote, as customers know him.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TermsSender {
    pub name: String,
}

/// As a definition that names none.
fn default_window_days() -> i64 {
    14
}

const DAY_MS: i64 = 86_400_000;

impl Default for Terms {
    fn default() -> Self {
        Self {
            name: String::new(),
            topic: None,
            goal: Goal::default(),
            window_days: default_window_days(),
            windows: Windows::default(),
            sender: None,
            cells: Vec::new(),
            schedule: None,
        }
    }
}

impl Terms {
    /// Reads the definition of a wave (JSON).
    pub fn read(definition: &str) -> Self {
        serde_json::from_str(definition).unwrap_or_else(|error| {
            tracing::error!(%error, "the definition of a wave cannot be read; taking the defaults");
            Self::default()
        })
    }

    /// Whether all of its people got one template, so that the numbers of links mean the same.
    pub fn has_one_template(&self) -> bool {
        self.cells.iter().all(|cell| cell.template.is_none())
    }

    /// The zone of those who have none, as at launch.
    pub fn zone(&self) -> Tz {
        self.schedule
            .iter()
            .flat_map(|schedule| [&schedule.zone, &schedule.fallback_zone])
            .flatten()
            .find_map(|name| name.parse().ok())
            .unwrap_or(Tz::Europe__Paris)
    }

    /// The window of the campaign in milliseconds.
    pub fn window_ms(&self) -> i64 {
        self.window_days.max(0).saturating_mul(DAY_MS)
    }

    /// The longest of its windows in milliseconds.
    pub fn longest_window_ms(&self) -> i64 {
        let longest = self.windows.days().max().map_or(0, i64::from);
        self.window_days.max(longest).saturating_mul(DAY_MS)
    }

    /// The window of a kind of response in milliseconds.
    pub fn window_ms_of(&self, kind: Goal) -> i64 {
        let own = self.windows.of(kind).map(i64::from);
        own.map_or_else(|| self.window_ms(), |days| days.saturating_mul(DAY_MS))
    }

    /// Whether `at` lies within the window for a kind of response to a message handed over at `settled_at`; one
    /// not settled yet is just being handed over, so its window is open.
    pub fn is_within_window(&self, kind: Goal, settled_at: Option<i64>, at: i64) -> bool {
        settled_at.is_none_or(|settled| at <= settled.saturating_add(self.window_ms_of(kind)))
    }

    /// What an opt-out by one click is about: the campaign's topic.
    pub fn scope(&self) -> Scope {
        match &self.topic {
            Some(topic) => Scope::Topic(topic.clone()),
            None => Scope::All,
        }
    }
}

/// What came back from one delivery, as a set of bits, so that each counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks(pub i64);

impl Marks {
    pub const OPENED: Self = Self(1);
    pub const MACHINE_OPENED: Self = Self(2);
    pub const CLICKED: Self = Self(4);
    pub const OPTED_OUT: Self = Self(8);
    pub const ORDERED: Self = Self(16);
    pub const RESPONDED: Self = Self(32);
    pub const REPLIED: Self = Self(64);
    pub const BOUNCED: Self = Self(128);
    pub const ATTENTION: Self = Self(256);
    pub const INTEREST: Self = Self(512);
    pub const DESIRE: Self = Self(1024);
    pub const ACTION: Self = Self(2048);
    pub const COMPLAINED: Self = Self(4096);
    pub const REDEEMED: Self = Self(8192);
    pub const ANSWERED: Self = Self(16384);

    /// Clicked again on a later visit.
    pub const RETURNED: Self = Self(1 << 16);
    /// Opened, or did more, and agreed to tracking: one of those whose opens can be seen.
    pub const TRACKED: Self = Self(1 << 17);

    /// The marks that clicks set, less [`Marks::RESPONDED`], which orders may set too.
    pub const OF_CLICKS: Self = Self(
        Self::CLICKED.0
            | Self::ATTENTION.0
            | Self::INTEREST.0
            | Self::DESIRE.0
            | Self::ACTION.0
            | Self::RETURNED.0,
    );

    /// Each mark that has a counter of its own, and that counter.
    pub const COUNTERS: [(Self, &'static str); 15] = [
        (Self::OPENED, "opens"),
        (Self::MACHINE_OPENED, "opens.machine"),
        (Self::CLICKED, "clicks"),
        (Self::OPTED_OUT, "opt_outs"),
        (Self::ORDERED, "orders.customers"),
        (Self::RESPONDED, "responders"),
        (Self::REPLIED, "replies"),
        (Self::BOUNCED, "bounces"),
        (Self::COMPLAINED, "complaints"),
        (Self::REDEEMED, "redemptions"),
        (Self::ANSWERED, "answers"),
        (Self::ATTENTION, "clicks.part.attention"),
        (Self::INTEREST, "clicks.part.interest"),
        (Self::DESIRE, "clicks.part.desire"),
        (Self::ACTION, "clicks.part.action"),
    ];

    /// What each mark is worth, once a delivery, in points of engagement. Machines earn nothing.
    pub const POINTS: [(Self, i64); 6] = [
        (Self::OPENED, 1),
        (Self::CLICKED, 3),
        (Self::REPLIED, 5),
        (Self::ANSWERED, 5),
        (Self::ORDERED, 10),
        (Self::REDEEMED, 10),
    ];

    /// The mark of a click in a part.
    pub fn of_part(part: Part) -> Self {
        match part {
            Part::Attention => Self::ATTENTION,
            Part::Interest => Self::INTEREST,
            Part::Desire => Self::DESIRE,
            Part::Action => Self::ACTION,
        }
    }

    pub fn has(self, mark: Self) -> bool {
        self.0 & mark.0 == mark.0
    }

    #[must_use]
    pub fn with(self, mark: Self) -> Self {
        Self(self.0 | mark.0)
    }

    #[must_use]
    pub fn without(self, mark: Self) -> Self {
        Self(self.0 & !mark.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_gives_its_terms_and_a_poor_one_the_careful_defaults() {
        let terms = Terms::read(
            r#"{"name":"pans","topic":"offers","goal":"order","window_days":7,"more":1}"#,
        );
        assert_eq!(terms.goal, Goal::Order);
        assert_eq!(terms.scope(), Scope::Topic("offers".to_owned()));
        assert_eq!(terms.window_ms(), 7 * DAY_MS);
        assert_eq!(Terms::read("not json").scope(), Scope::All);
        assert_eq!(Terms::read("{}").goal, Goal::Click);
    }

    #[test]
    fn the_window_ends_days_after_the_hand_over() {
        let terms = Terms::read(r#"{"window_days":1}"#);
        let is_within = |kind, at| terms.is_within_window(kind, Some(1000), at);
        assert!(is_within(Goal::Click, 1000 + DAY_MS));
        assert!(!is_within(Goal::Click, 1001 + DAY_MS));
        assert!(terms.is_within_window(Goal::Click, None, i64::MAX));
        let longer = Terms::read(r#"{"window_days":1,"windows":{"order":3}}"#);
        assert!(longer.is_within_window(Goal::Order, Some(0), 3 * DAY_MS));
        assert!(!longer.is_within_window(Goal::Click, Some(0), 3 * DAY_MS));
        assert_eq!(longer.longest_window_ms(), 3 * DAY_MS);
        let endless = Terms {
            window_days: i64::MAX,
            ..Terms::default()
        };
        assert!(endless.is_within_window(Goal::Order, Some(i64::MAX), i64::MAX));
    }
}
