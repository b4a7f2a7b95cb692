//! The class of a bounce as a provider tells it: what the receiving server said comes first, then its
//! enhanced status, and the provider's own type only where both say nothing (RULES.md §1.8).

use super::model::Verdict;
use crate::channels::model::Class;

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

/// What the refusal tells, or `by_type` where it tells nothing.
pub(super) fn judge(refusal: Refusal<'_>, by_type: Class) -> Verdict {
    let status = enhanced(refusal.status).or_else(|| {
        refusal
            .diagnostic
            .split(|c: char| c.is_whitespace() || "-;:#()[]".contains(c))
            .take(40)
            .find_map(enhanced)
    });
    let _ = refusal.code;
    Verdict::by_type(status.and_then(by_status).unwrap_or(by_type))
}

/// An enhanced status of RFC 3463.
fn enhanced(word: &str) -> Option<(u8, u16, u16)> {
    let mut numbers = word.trim().split('.');
    let class = numbers
        .next()?
        .parse()
        .ok()
        .filter(|n| [4, 5].contains(n))?;
    let subject = numbers.next()?.parse().ok()?;
    let detail = numbers.next()?.parse().ok()?;
    numbers.next().is_none().then_some((class, subject, detail))
}

/// What a status says that says more than "no".
fn by_status(status: (u8, u16, u16)) -> Option<Class> {
    match (status.1, status.2) {
        (1, 1..=4 | 6 | 10) => Some(Class::InvalidRecipient),
        (2, 1) => Some(Class::Inactive),
        (2, 2) => Some(Class::Quota),
        (2 | 3, 3 | 4) | (6, _) => Some(Class::Content),
        (4, 7) => Some(Class::Expired),
        (4, _) => Some(Class::Network),
        (5, _) => Some(Class::Protocol),
        (7, 28) => Some(Class::Blocked),
        (7, _) => Some(Class::Policy),
        _ => None,
    }
}
