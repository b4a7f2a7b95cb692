//! The words of mails that came back and of what is held against addresses, without I/O.

use crate::channels::model::Class;
use crate::clock::DAY_MS;
use crate::config::MailProvider;

/// By which way a mail came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Handed over by a mail server (LMTP or SMTP).
    Lmtp,
    /// Collected from a mailbox.
    Imap,
    /// Given to the command line.
    Command,
    /// Not a mail, but what a provider posted of one.
    Hook(MailProvider),
}

impl Way {
    /// As the database keeps it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lmtp => "lmtp",
            Self::Imap => "imap",
            Self::Command => "command",
            Self::Hook(provider) => provider.as_str(),
        }
    }
}

/// What became of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// It was taken in; its kind as metrics know it.
    New(&'static str),
    /// It had been taken in before, and changed nothing now.
    Again,
}

impl Received {
    /// The word of metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New(kind) => kind,
            Self::Again => "again",
        }
    }
}

/// Bounces of a disabled mailbox that make it a dead one, and within what time.
const INACTIVE_TIMES: i64 = 2;
const INACTIVE_WITHIN_MS: i64 = 30 * DAY_MS;
/// Bounces of a full mailbox that make it a dead one, and over what time at least.
const QUOTA_TIMES: i64 = 5;
const QUOTA_OVER_MS: i64 = 14 * DAY_MS;
/// After so long without one, bounces for a full mailbox are counted anew: it was emptied meanwhile.
const QUOTA_REST_MS: i64 = 90 * DAY_MS;

/// What is held against an address: the bounces of one class in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    pub count: i64,
    /// Milliseconds since the epoch.
    pub first_at: i64,
    pub last_at: i64,
}

impl Faults {
    /// After one more bounce at `at`; `has_answered`: whether somebody answered from the address since the first.
    #[must_use]
    pub fn after(former: Option<Self>, class: Class, at: i64, has_answered: bool) -> Self {
        let rest = if class == Class::Inactive {
            INACTIVE_WITHIN_MS
        } else {
            QUOTA_REST_MS
        };
        match former {
            Some(former) if !has_answered && at.saturating_sub(former.last_at) <= rest => Self {
                count: former.count + 1,
                first_at: former.first_at.min(at),
                last_at: former.last_at.max(at),
            },
            _ => Self {
                count: 1,
                first_at: at,
                last_at: at,
            },
        }
    }

    /// Whether the address is not to be written to any more (RULES.md §1.8): one that does not exist at once, a
    /// disabled one at the second bounce within 30 days, a full one after five over 14 days or more.
    pub fn is_dead(self, class: Class) -> bool {
        match class {
            Class::InvalidRecipient => true,
            Class::Inactive => self.count >= INACTIVE_TIMES,
            Class::Quota => {
                self.count >= QUOTA_TIMES && self.last_at - self.first_at >= QUOTA_OVER_MS
            }
            _ => false,
        }
    }
}

/// Whether bounces of this class are held against the address; all others are the sender's, the network's, or pass.
pub fn is_of_address(class: Class) -> bool {
    matches!(
        class,
        Class::InvalidRecipient | Class::Inactive | Class::Quota
    )
}

/// Bounces for blocks and policy that pause a campaign at least, and their share of what was accepted.
const ALARM_AT: i64 = 20;
const ALARM_PART: i64 = 10;

/// How the counters of a wave stand, as far as blocks and policy are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Blocks {
    pub bounces: i64,
    pub accepted: i64,
}

impl Blocks {
    /// Whether so many more came since `former` that the campaign should pause: twenty, and a tenth of what was
    /// accepted meanwhile. A single company's filter does not stop a mailing.
    pub fn is_alarming(self, former: Self) -> bool {
        let bounces = self.bounces - former.bounces;
        bounces >= ALARM_AT && bounces * ALARM_PART >= self.accepted - former.accepted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether an address is dead after bounces of one class on these days.
    fn is_dead(class: Class, days: &[i64]) -> bool {
        let mut faults = None;
        let mut is_dead = false;
        for day in days {
            let after = Faults::after(faults, class, day * DAY_MS, false);
            is_dead |= after.is_dead(class);
            faults = Some(after);
        }
        is_dead
    }

    #[test]
    fn an_address_dies_by_the_rules_of_its_class() {
        assert!(is_dead(Class::InvalidRecipient, &[0]));
        assert!(!is_dead(Class::Inactive, &[0]));
        assert!(is_dead(Class::Inactive, &[0, 30]));
        assert!(!is_dead(Class::Inactive, &[0, 31]));
        assert!(is_dead(Class::Inactive, &[0, 31, 40]), "counted anew");
        assert!(!is_dead(Class::Quota, &[0, 1, 2, 3, 4, 5, 6]), "a week");
        assert!(!is_dead(Class::Quota, &[0, 5, 10, 20]), "four");
        assert!(is_dead(Class::Quota, &[0, 1, 2, 3, 14]));
        assert!(
            !is_dead(Class::Quota, &[0, 5, 10, 15, 106]),
            "it was emptied"
        );
        for class in [
            Class::Content,
            Class::Blocked,
            Class::Policy,
            Class::Greylist,
        ] {
            assert!(!is_dead(class, &[0, 1, 2, 3, 4, 5, 20, 30]));
        }
    }

    #[test]
    fn an_answer_from_the_address_wipes_the_slate() {
        let former = Some(Faults {
            count: 4,
            first_at: 0,
            last_at: 20 * DAY_MS,
        });
        let after = |has_answered| Faults::after(former, Class::Quota, 21 * DAY_MS, has_answered);
        assert!(after(false).is_dead(Class::Quota));
        assert_eq!(after(true).count, 1);
        assert!(!after(true).is_dead(Class::Quota));
    }

    #[test]
    fn blocks_in_numbers_alarm_and_after_a_resumption_only_new_ones_do() {
        let at = |bounces, accepted| Blocks { bounces, accepted };
        let none = Blocks::default();
        assert!(!at(19, 50).is_alarming(none));
        assert!(at(20, 200).is_alarming(none));
        assert!(!at(20, 201).is_alarming(none));
        assert!(!at(30, 300).is_alarming(at(20, 200)));
        assert!(at(40, 300).is_alarming(at(20, 200)));
    }
}
