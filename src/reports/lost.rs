//! What was lost on the way: messages that came back, complaints, contacts that are gone.

use serde::Serialize;

use super::figures::{Denominator, Rate};
use super::model::{Counters, Reason};
use crate::channels::model::Class;

/// Bounces, complaints and contacts lost, each with its denominator.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lost {
    /// Refused at the hand-over or returned later, of sent.
    pub bounce_rate: Rate,
    /// Of them those whose address is no good, of sent: nobody of this name, or no such domain.
    pub hard_bounce_rate: Rate,
    /// The others, of sent: full, refused for its content, our own fault.
    pub soft_bounce_rate: Rate,
    /// All of them by class, the most first.
    pub bounces_by_class: Vec<Reason>,
    /// Who called it spam, of delivered.
    pub complaint_rate: Rate,
    /// Opt-outs, complaints and hard bounces together, of sent; who did two of these counts twice.
    pub contacts_lost: Rate,
}

impl Lost {
    pub(super) fn new(sum: &Counters, sent: u64, delivered: u64) -> Self {
        // Refused at once or returned later: the class says what is wrong, not when one was told.
        let mut by_class: Vec<Reason> = sum.group("failed");
        for returned in sum.group("bounces") {
            match by_class
                .iter_mut()
                .find(|reason| reason.reason == returned.reason)
            {
                Some(reason) => reason.count += returned.count,
                None => by_class.push(returned),
            }
        }
        by_class.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.reason.cmp(&b.reason)));
        let all: u64 = by_class.iter().map(|reason| reason.count).sum();
        let hard = by_class
            .iter()
            .filter(|reason| is_hard(&reason.reason))
            .map(|reason| reason.count)
            .sum();
        let of_sent = |count: u64| Rate::new(count, sent, Denominator::Sent);
        let complaints = sum.get("complaints");
        Self {
            bounce_rate: of_sent(all),
            hard_bounce_rate: of_sent(hard),
            soft_bounce_rate: of_sent(all - hard),
            bounces_by_class: by_class,
            complaint_rate: Rate::new(complaints, delivered, Denominator::Delivered),
            contacts_lost: of_sent(sum.get("opt_outs") + complaints + hard),
        }
    }
}

/// Whether a bounce of this class says that the address is no good (RULES.md §1.8).
pub fn is_hard(class: &str) -> bool {
    class == Class::InvalidRecipient.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_and_what_is_returned_are_one_bounce_by_class() {
        let mut sum = Counters::default();
        for (counter, value) in [
            ("failed", 5),
            ("failed.invalid_recipient", 3),
            ("failed.quota", 2),
            ("bounces", 6),
            ("bounces.invalid_recipient", 1),
            ("bounces.content", 5),
            ("complaints", 2),
            ("opt_outs", 4),
        ] {
            sum.add(counter, value);
        }
        let lost = Lost::new(&sum, 100, 89);
        let classes: Vec<_> = lost
            .bounces_by_class
            .iter()
            .map(|reason| (reason.reason.as_str(), reason.count))
            .collect();
        assert_eq!(
            classes,
            [("content", 5), ("invalid_recipient", 4), ("quota", 2)]
        );
        assert_eq!((lost.bounce_rate.count, lost.bounce_rate.of), (11, 100));
        assert_eq!(
            (lost.hard_bounce_rate.count, lost.soft_bounce_rate.count),
            (4, 7)
        );
        assert_eq!((lost.complaint_rate.count, lost.complaint_rate.of), (2, 89));
        assert_eq!(lost.contacts_lost.count, 4 + 2 + 4);
    }
}
