//! The ledger's words and rules, without I/O.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::channels::model::{Class, Outcome};
use crate::config::provider_of;
use crate::consent::model::Channel;
use crate::gate::model::Withheld;
use crate::ids::{CustomerId, WaveId};

/// Where a row of the ledger stands. The numbers are the database's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Pending = 0,
    /// The intent is recorded, the outcome is not. A word for a row that is pending or deferred and has a
    /// contact of its wave; no row bears this number.
    Sending = 1,
    Accepted = 2,
    Deferred = 3,
    Failed = 4,
    Unknown = 5,
    Withheld = 6,
}

impl State {
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Sending,
        Self::Accepted,
        Self::Deferred,
        Self::Failed,
        Self::Unknown,
        Self::Withheld,
    ];

    /// The database's number.
    pub fn code(self) -> i16 {
        match self {
            Self::Pending => 0,
            Self::Sending => 1,
            Self::Accepted => 2,
            Self::Deferred => 3,
            Self::Failed => 4,
            Self::Unknown => 5,
            Self::Withheld => 6,
        }
    }

    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// The name of the wave counter that holds how many rows are in this state.
    pub fn counter(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Accepted => "accepted",
            Self::Deferred => "deferred",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Withheld => "withheld",
        }
    }
}

/// A run of a campaign: waits for nobody, is being delivered, or is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaveStatus {
    Running,
    Finished,
    Cancelled,
}

impl WaveStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A piece of a wave that is ours for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub id: i64,
    pub wave: WaveId,
    /// The way its messages go: a relay, or `sms/` and a provider.
    pub route: String,
    /// The cell of its rows: they all get one text.
    pub cell: String,
    pub kind: LeaseKind,
    pub from_seq: i64,
    pub to_seq: i64,
    pub fence: i64,
}

impl Lease {
    /// The channel of its rows.
    pub fn channel(&self) -> Channel {
        channel_of(&self.route)
    }
}

/// The channel of a route.
pub fn channel_of(route: &str) -> Channel {
    match provider_of(route) {
        Some(_) => Channel::Sms,
        None => Channel::Email,
    }
}

/// A node that gives a relay no work for a while, since the relay failed again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rest {
    /// The route.
    pub relay: String,
    pub node: String,
    /// What failed, in words.
    pub reason: String,
    /// How often in a row.
    pub failures: i64,
    pub since_at: i64,
    /// When a connection is tried again, in milliseconds since the epoch by the database's clock.
    pub until_at: i64,
}

/// What a lease covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseKind {
    /// The pending rows of a span.
    First,
    /// The wave's deferred rows whose time has come.
    Retry,
}

/// What becomes of one row when a batch is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    pub seq: i64,
    pub customer: CustomerId,
    pub verdict: Verdict,
    /// Whether the message can show that it was opened.
    pub has_pixel: bool,
    /// What is known of a text message that was taken, or may have been.
    pub text: Option<TextFacts>,
}

impl Settlement {
    /// Of a row of which nothing else is known.
    pub fn new(seq: i64, customer: CustomerId, verdict: Verdict) -> Self {
        Self {
            seq,
            customer,
            verdict,
            has_pixel: false,
            text: None,
        }
    }
}

/// What is known of a text message beyond its row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TextFacts {
    /// The provider's own name for it.
    pub message_id: Option<String>,
    /// Of the number: ISO 3166-1 alpha-2.
    pub country: Option<String>,
    pub bill: Option<Bill>,
}

/// What a text message costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bill {
    pub parts: u16,
    /// Millionths of the configured currency; `None`: there is no price for its country.
    pub cost_micros: Option<i64>,
}

/// The new state of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Accepted,
    Failed {
        class: Class,
        /// The address itself is to blame: the customer's is marked.
        is_address_dead: bool,
    },
    /// To be tried again at this instant (milliseconds since the epoch).
    Deferred {
        class: Class,
        next_at: i64,
    },
    Unknown,
    /// Never handed over: back to where it was.
    NotHandedOver,
    Withheld(Withheld),
}

/// Waits between attempts (RULES §1.6), less or more 20 %.
const BACK_OFF_MINUTES: [u64; 7] = [5, 15, 30, 60, 120, 240, 480];

/// The wait after attempt `attempt`, counted from 1, before chance.
fn nominal_wait(attempt: i16) -> Duration {
    let index = usize::try_from(attempt.max(1) - 1).unwrap_or(0);
    let minutes = BACK_OFF_MINUTES
        .get(index)
        .or(BACK_OFF_MINUTES.last())
        .copied()
        .unwrap_or(480);
    Duration::from_secs(minutes * 60)
}

/// How long to wait after attempt `attempt` (counted from 1); `chance` in 0..1 spreads the waits, so
/// that what was deferred together does not come back together.
///
/// A server that names a time is heeded when it asks for longer.
pub fn back_off(attempt: i16, retry_after: Option<Duration>, chance: f64) -> Duration {
    let wait = nominal_wait(attempt).mul_f64(0.8 + 0.4 * chance.clamp(0.0, 1.0));
    wait.max(retry_after.unwrap_or_default())
}

/// What an outcome means for a row, at `now_ms`, on attempt `attempt`.
///
/// It is given up when the waits since the first attempt add up to more than `give_up`: a first attempt
/// that comes late, because the wave is slow or was paused, has all its retries before it.
pub fn judge(
    outcome: &Outcome,
    attempt: i16,
    now_ms: i64,
    give_up: Duration,
    chance: f64,
) -> Verdict {
    let later = |class: Class, retry_after| {
        let waited: Duration = (1..attempt).map(nominal_wait).sum();
        let wait = back_off(attempt, retry_after, chance);
        if waited + wait > give_up {
            Verdict::Failed {
                class: Class::Expired,
                is_address_dead: false,
            }
        } else {
            let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
            Verdict::Deferred {
                class,
                next_at: now_ms.saturating_add(wait_ms),
            }
        }
    };
    match outcome {
        Outcome::Accepted => Verdict::Accepted,
        Outcome::Deferred {
            class, retry_after, ..
        } => later(*class, *retry_after),
        // The sender is to blame: the recipient gets it once that is mended.
        Outcome::Rejected { class, .. } if class.is_sender_fault() => later(*class, None),
        Outcome::Rejected { class, .. } => Verdict::Failed {
            class: *class,
            is_address_dead: *class == Class::InvalidRecipient,
        },
        Outcome::Unknown { .. } => Verdict::Unknown,
    }
}

/// The sender's faults among the latest hand-overs of a wave.
#[derive(Debug, Default)]
pub struct FaultTally {
    latest: VecDeque<Option<Class>>,
}

impl FaultTally {
    /// Hand-overs looked back upon.
    const REACH: usize = 200;

    /// Adds a hand-over with the sender's fault behind its outcome, if there is one.
    pub fn add(&mut self, fault: Option<Class>) {
        if self.latest.len() == Self::REACH {
            self.latest.pop_front();
        }
        self.latest.push_back(fault);
    }

    /// The fault for which the campaign should pause: our sender refused by the relay, or blocks and policy
    /// refusals of at least five recipients who are a tenth of the latest. (A refused log-in lets the relay
    /// rest, whatever the campaign.) A single company's filter does not
    /// stop a mailing. The tally then begins anew.
    pub fn take_pause_reason(&mut self) -> Option<Class> {
        let faults = self.latest.iter().flatten();
        let reason = faults
            .clone()
            .find(|class| **class == Class::Relay)
            .or_else(|| {
                let count = faults.clone().count();
                let is_many = count >= 5 && count * 10 >= self.latest.len();
                faults.clone().next().filter(|_| is_many)
            })
            .copied();
        if reason.is_some() {
            self.latest.clear();
        }
        reason
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::channels::model::Reply;

    proptest! {
        #[test]
        fn waits_grow_and_stay_bounded(attempt in 1_i16..40, chance in 0.0_f64..1.0) {
            let wait = back_off(attempt, None, chance);
            prop_assert!(wait >= Duration::from_secs(4 * 60), "greylisting wants minutes: {wait:?}");
            prop_assert!(wait <= Duration::from_secs(10 * 3600));
            prop_assert!(back_off(attempt + 1, None, chance) >= wait);
        }

        #[test]
        fn a_deferred_message_ends_by_itself(chance in 0.0_f64..1.0) {
            let deferred = Outcome::Deferred { class: Class::Greylist, reply: Reply::default(), retry_after: None };
            let give_up = Duration::from_secs(24 * 3_600);
            // The first attempt comes two days after the launch: that changes nothing.
            let first = 48 * 3_600_000;
            let mut now = first;
            let mut attempts = 0_i16;
            loop {
                attempts += 1;
                prop_assert!(attempts < 20);
                match judge(&deferred, attempts, now, give_up, chance) {
                    Verdict::Deferred { next_at, .. } => {
                        prop_assert!(next_at > now);
                        now = next_at;
                    }
                    Verdict::Failed { class, is_address_dead } => {
                        prop_assert_eq!(class, Class::Expired);
                        prop_assert!(!is_address_dead);
                        let hours = (now - first) / 3_600_000;
                        prop_assert!((12..=29).contains(&hours), "{} h", hours);
                        break;
                    }
                    other => prop_assert!(false, "{:?}", other),
                }
            }
        }
    }

    #[test]
    fn a_servers_longer_wait_is_heeded() {
        let asked = Duration::from_secs(3600);
        assert_eq!(back_off(1, Some(asked), 0.5), asked);
    }

    #[test]
    fn a_senders_fault_never_fails_the_recipient() {
        for class in [Class::Policy, Class::Blocked, Class::Relay] {
            let outcome = Outcome::Rejected {
                class,
                reply: Reply::default(),
            };
            assert!(matches!(
                judge(&outcome, 1, 0, Duration::MAX, 0.5),
                Verdict::Deferred { .. }
            ));
        }
    }

    fn tally(faults: usize, fine: usize, class: Class) -> Option<Class> {
        let mut tally = FaultTally::default();
        (0..fine).for_each(|_| tally.add(None));
        (0..faults).for_each(|_| tally.add(Some(class)));
        tally.take_pause_reason()
    }

    #[test]
    fn one_filter_does_not_pause_a_mailing_but_a_refused_log_in_does() {
        assert_eq!(tally(4, 6, Class::Blocked), None);
        assert_eq!(tally(5, 95, Class::Blocked), None);
        assert_eq!(tally(20, 80, Class::Blocked), Some(Class::Blocked));
        assert_eq!(tally(1, 99, Class::Relay), Some(Class::Relay));
        assert_eq!(
            tally(5, 1_000, Class::Blocked),
            None,
            "a tenth of the latest 200"
        );
    }
}
