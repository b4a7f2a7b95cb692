//! The class of a bounce as a provider tells it: what the receiving server said comes first, by the rules for
//! mails that come back, and the provider's own type only where that says nothing (RULES.md §1.8).

use super::model::Verdict;
use crate::channels::model::Class;
use crate::responses::mail::{Status, class_of};

/// What a provider passes on of the receiving server's refusal.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Refusal<'a> {
    /// The text of the server, of any length.
    pub diagnostic: &'a str,
    /// Such as `5.1.1`, where the provider gives it a field of its own.
    pub status: &'a str,
    /// The reply code of SMTP.
    pub code: Option<u16>,
}

/// The rule of what no rule knows.
const UNDETERMINED: &str = "undetermined";

/// What the refusal tells, or `by_type` where it tells nothing.
pub(super) fn judge(refusal: Refusal<'_>, by_type: Class) -> Verdict {
    let status = enhanced(refusal.status);
    // A code alone says less than the provider knows.
    if refusal.diagnostic.trim().is_empty() && status.is_none() {
        return Verdict::by_type(by_type);
    }
    match class_of(refusal.diagnostic, status, refusal.code) {
        (_, UNDETERMINED) => Verdict::by_type(by_type),
        (class, rule) => Verdict { class, rule },
    }
}

/// An enhanced status of RFC 3463 that says more than "no".
fn enhanced(word: &str) -> Option<Status> {
    let mut numbers = word.trim().split('.');
    let class = numbers
        .next()?
        .parse()
        .ok()
        .filter(|n| [4, 5].contains(n))?;
    let subject = numbers.next()?.parse().ok()?;
    let detail = numbers.next()?.parse().ok()?;
    let is_whole = numbers.next().is_none() && (subject, detail) != (0, 0);
    is_whole.then_some((class, subject, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_the_server_comes_first_and_a_bare_code_last() {
        let of = |diagnostic, status, code| {
            let refusal = Refusal {
                diagnostic,
                status,
                code,
            };
            judge(refusal, Class::Blocked)
        };
        assert_eq!(
            of("550 5.1.1 user unknown", "5.0.0", None).class,
            Class::InvalidRecipient
        );
        assert_eq!(of("552 mailbox full", "5.1.1", None).class, Class::Quota);
        assert_eq!(of("", "5.1.1", None).class, Class::InvalidRecipient);
        for nothing in [
            of("", "", Some(550)),
            of(" ", "5.0.0", Some(550)),
            of("", "2.0.0", None),
            of("It did not arrive.", "", None),
        ] {
            assert_eq!(nothing, Verdict::by_type(Class::Blocked));
        }
    }
}
