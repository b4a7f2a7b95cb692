//! The ledger's words and rules, without I/O.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::campaigns::model::Withheld;
use crate::channels::model::{Class, Outcome};

/// Where a row of the ledger stands. The numbers are the database's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Pending = 0,
    /// The intent is recorded, the outcome is not.
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

/// What becomes of one row when a batch is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    pub seq: i64,
    pub verdict: Verdict,
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

/// How long to wait after attempt `attempt` (counted from 1); `chance` in 0..1 spreads the waits, so
/// that what was deferred together does not come back together.
///
/// A server that names a time is heeded when it asks for longer.
pub fn back_off(attempt: i16, retry_after: Option<Duration>, chance: f64) -> Duration {
    let index = usize::try_from(attempt.max(1) - 1).unwrap_or(0);
    let minutes = BACK_OFF_MINUTES
        .get(index)
        .or(BACK_OFF_MINUTES.last())
        .copied()
        .unwrap_or(480);
    let wait = Duration::from_secs(minutes * 60).mul_f64(0.8 + 0.4 * chance.clamp(0.0, 1.0));
    wait.max(retry_after.unwrap_or_default())
}

/// What an outcome means for a row, at `now_ms`, on attempt `attempt`, given up after `give_up_at`.
pub fn judge(
    outcome: &Outcome,
    attempt: i16,
    now_ms: i64,
    give_up_at: i64,
    chance: f64,
) -> Verdict {
    let later = |class: Class, retry_after| {
        let wait = back_off(attempt, retry_after, chance);
        let next_at = now_ms.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
        if next_at > give_up_at {
            Verdict::Failed {
                class: Class::Expired,
                is_address_dead: false,
            }
        } else {
            Verdict::Deferred { class, next_at }
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

/// Whether the sender's faults in a batch are reason to pause the campaign: any fault of our log-in,
/// or blocks and policy refusals from at least five recipients who are a tenth of the batch. A single
/// company's filter does not stop a mailing.
pub fn is_pause_due(faults: &[Class], batch: usize) -> bool {
    faults.contains(&Class::Relay) || (faults.len() >= 5 && faults.len() * 10 >= batch)
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
            let give_up_at = 24 * 3_600_000;
            let mut now = 0;
            let mut attempts = 0_i16;
            loop {
                attempts += 1;
                prop_assert!(attempts < 20);
                match judge(&deferred, attempts, now, give_up_at, chance) {
                    Verdict::Deferred { next_at, .. } => {
                        prop_assert!(next_at > now && next_at <= give_up_at);
                        now = next_at;
                    }
                    Verdict::Failed { class, is_address_dead } => {
                        prop_assert_eq!(class, Class::Expired);
                        prop_assert!(!is_address_dead);
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
                judge(&outcome, 1, 0, i64::MAX, 0.5),
                Verdict::Deferred { .. }
            ));
        }
    }

    #[test]
    fn one_filter_does_not_pause_a_mailing_but_a_refused_log_in_does() {
        assert!(!is_pause_due(&[Class::Blocked; 4], 10));
        assert!(!is_pause_due(&[Class::Blocked; 5], 100));
        assert!(is_pause_due(&[Class::Blocked; 10], 100));
        assert!(is_pause_due(&[Class::Relay], 100));
    }
}
