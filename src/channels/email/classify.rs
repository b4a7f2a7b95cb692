//! What a server's answer means (RFC 5321 section 4.2, RFC 3463, RULES.md §1.8).
//!
//! "5xx is hard" would suppress customers for the sender's faults: six of ten such answers are not about
//! the recipient. So the answer is read by phase, enhanced status and words, in that order of trust; the
//! first rule that matches decides.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::channels::model::{Class, Outcome, Reply};

/// Where in the dialogue an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Greeting, EHLO and STARTTLS.
    Connect,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// After the final dot.
    Body,
}

/// A rule: every condition that is given must hold.
struct Rule {
    /// Reply codes; empty for any.
    codes: &'static [u16],
    /// Subject and details of the enhanced status, whatever its class; empty for any.
    status: &'static [(u16, RangeInclusive<u16>)],
    /// Of which one stands in the text, in lower case; empty for any.
    words: &'static [&'static str],
    class: Class,
}

const fn codes(codes: &'static [u16], class: Class) -> Rule {
    Rule {
        codes,
        status: &[],
        words: &[],
        class,
    }
}

const fn status(status: &'static [(u16, RangeInclusive<u16>)], class: Class) -> Rule {
    Rule {
        codes: &[],
        status,
        words: &[],
        class,
    }
}

const fn words(words: &'static [&'static str], class: Class) -> Rule {
    Rule {
        codes: &[],
        status: &[],
        words,
        class,
    }
}

use Class::{
    Blocked, Content, Greylist, Inactive, InvalidRecipient, Network, Policy, Protocol, Quota, Relay,
};

/// The rules, from the most telling to the least.
const RULES: &[Rule] = &[
    // Too many at once: another attempt succeeds, 5xx or not.
    words(&["too many recipients"], Greylist),
    status(&[(5, 3..=3)], Greylist),
    words(
        &[
            "greylist",
            "graylist",
            "grey list",
            "gray list",
            "postgrey",
            "receiving mail too quickly",
            "receiving mail at a rate",
        ],
        Greylist,
    ),
    // The sender is not who he says (Gmail since November 2025, Outlook since May 2025).
    status(&[(7, 28..=28)], Blocked),
    status(&[(7, 20..=29), (7, 509..=509), (7, 515..=515)], Policy),
    // The sender is on a list or has a name.
    words(
        &[
            "spamhaus",
            "spamcop",
            "barracuda",
            "sorbs",
            "proofpoint",
            "dnsbl",
            " rbl",
            "rbl ",
            "blacklist",
            "black list",
            "blocklist",
            "block list",
            "blocked using",
            "is blocked",
            "been blocked",
            "ip blocked",
            "blocked by",
            "banned sending ip",
            "reputation",
            "listed at",
            "listed in",
        ],
        Blocked,
    ),
    words(
        &[
            "dmarc",
            "spf ",
            "spf-",
            "dkim",
            "reverse dns",
            "ptr record",
            "unauthenticated",
        ],
        Policy,
    ),
    // The relay does not serve us.
    Rule {
        codes: &[530, 534, 535, 538],
        status: &[],
        words: &[],
        class: Relay,
    },
    status(&[(7, 8..=9), (1, 7..=8)], Relay),
    words(
        &[
            "relay access denied",
            "relaying denied",
            "relay denied",
            "relay not permitted",
            "not permitted to relay",
            "unable to relay",
            "authentication required",
            "authentication is required",
            "must authenticate",
            "not owned by user",
            "sender address rejected",
            "sender verify failed",
            "sendasdenied",
            "send as denied",
        ],
        Relay,
    ),
    // Full: the person comes back from holiday.
    status(&[(2, 2..=2)], Quota),
    Rule {
        codes: &[452],
        status: &[(3, 1..=1)],
        words: &[],
        class: Quota,
    },
    words(
        &[
            "mailbox full",
            "mailbox is full",
            "mailbox quota",
            "over quota",
            "overquota",
            "over the quota",
            "quota exceeded",
            "exceeded the quota",
            "exceeds quota",
            "disk quota",
            "out of storage",
            "exceeded storage",
            "boite pleine",
            "boîte pleine",
        ],
        Quota,
    ),
    // There is a mailbox, but nobody in it.
    codes(&[525], Inactive),
    status(&[(2, 1..=1), (7, 13..=13)], Inactive),
    words(
        &[
            "disabled",
            "inactive",
            "suspended",
            "deactivated",
            "not active",
            "no longer active",
            "account closed",
            "account is locked",
        ],
        Inactive,
    ),
    // No such person, no such place.
    status(
        &[(1, 1..=4), (1, 6..=6), (1, 10..=10), (7, 17..=18)],
        InvalidRecipient,
    ),
    words(
        &[
            "user unknown",
            "unknown user",
            "unknown recipient",
            "recipient unknown",
            "unknown local part",
            "unknown mailbox",
            "no such user",
            "no such recipient",
            "no such mailbox",
            "no such domain",
            "no such person",
            "no mailbox here",
            "does not exist",
            "doesn't exist",
            "do not exist",
            "doesn't have a",
            "not found",
            "invalid recipient",
            "invalid mailbox",
            "user not known",
            "not a valid mailbox",
            "unrouteable address",
            "unroutable address",
            "not our customer",
            "utilisateur inconnu",
            "adresse inconnue",
            "null mx",
        ],
        InvalidRecipient,
    ),
    // Exchange Online refuses unknown recipients at its edge with a routing status.
    Rule {
        codes: &[550],
        status: &[(4, 1..=1)],
        words: &["recipient address rejected"],
        class: InvalidRecipient,
    },
    // What we say.
    status(&[(2, 3..=3), (3, 4..=4), (6, 0..=999)], Content),
    words(
        &[
            "too large",
            "too big",
            "size limit",
            "message size exceeds",
            "maximum message size",
            "virus",
            "malware",
            "attachment",
            "banned content",
            "content rejected",
            "message content",
            "not rfc 5322",
            "rfc 5322 compliant",
        ],
        Content,
    ),
    words(
        &[
            "spam",
            "junk",
            "unsolicited",
            "phishing",
            "bulk mail",
            "complaint",
        ],
        Blocked,
    ),
    // How fast we say it.
    words(
        &[
            "rate limit",
            "ratelimit",
            "throttl",
            "too many connections",
            "too many messages",
            "too many concurrent",
            "too fast",
            "unusual rate",
            "slow down",
            "try again later",
            "try later",
            "retry later",
            "temporarily deferred",
            "temporarily rejected",
            "come back",
        ],
        Greylist,
    ),
    // The road.
    status(&[(4, 0..=999), (3, 2..=2), (3, 5..=5)], Network),
    words(
        &[
            "shutting down",
            "loop",
            "too many hops",
            "timeout",
            "timed out",
        ],
        Network,
    ),
    // The language.
    status(&[(5, 0..=0)], Inactive),
    status(&[(5, 1..=999)], Protocol),
    codes(&[500, 501, 502, 503, 504, 555], Protocol),
];

/// What the answer of a server means for the delivery.
///
/// `text` is only read, never kept: it may hold an address.
pub fn outcome(phase: Phase, code: u16, text: &str) -> Outcome {
    let text = text.to_lowercase();
    let enhanced = enhanced_status(&text);
    let reply = Reply { code, enhanced };
    let class = class(phase, reply, &text);
    // A refused connection says nothing about this message; a missed greylist or a wrong hint of
    // permanence in "too many recipients" neither.
    let is_temporary = code < 500 || class == Class::Greylist || phase == Phase::Connect;
    if is_temporary {
        Outcome::Deferred {
            class,
            reply,
            retry_after: retry_after(&text),
        }
    } else {
        Outcome::Rejected { class, reply }
    }
}

/// The class of an answer; `text` in lower case.
fn class(phase: Phase, reply: Reply, text: &str) -> Class {
    let ruled = RULES
        .iter()
        .find(|rule| rule.matches(reply, text))
        .map(|rule| rule.class);
    let is_permanent = reply.code >= 500;
    match (phase, ruled) {
        (Phase::Connect, Some(class @ (Class::Blocked | Class::Policy | Class::Greylist))) => class,
        (Phase::Connect, _) => Class::Network,
        (Phase::Auth, _) if is_permanent => Class::Relay,
        (Phase::Auth, _) => Class::Network,
        // MAIL names only us: what is refused there is never the recipient's fault.
        (Phase::Mail, Some(class @ (Class::Blocked | Class::Policy | Class::Content))) => class,
        (Phase::Mail, _) if is_permanent => Class::Relay,
        (_, Some(class)) => class,
        (_, None) => unruled(phase, reply),
    }
}

/// What an answer means that says nothing but its code.
fn unruled(phase: Phase, reply: Reply) -> Class {
    let is_security = matches!(reply.enhanced, Some((_, 7, _)));
    match reply.code {
        421 => Class::Network,
        452 => Class::Quota,
        400..=499 => Class::Greylist,
        _ if is_security => Class::Policy,
        551 | 553 => Class::InvalidRecipient,
        552 => Class::Content,
        556 => Class::InvalidRecipient,
        _ if phase == Phase::Body => Class::Content,
        554 => Class::Policy,
        // "Mailbox unavailable" may be anything: believed when it is said twice.
        _ => Class::Inactive,
    }
}

impl Rule {
    fn matches(&self, reply: Reply, text: &str) -> bool {
        let has_code = self.codes.is_empty() || self.codes.contains(&reply.code);
        let has_status = self.status.is_empty()
            || reply.enhanced.is_some_and(|(_, subject, detail)| {
                self.status
                    .iter()
                    .any(|(s, details)| *s == subject && details.contains(&detail))
            });
        has_code
            && has_status
            && (self.words.is_empty() || self.words.iter().any(|word| text.contains(word)))
    }
}

/// The enhanced status at the start of the text (RFC 2034), or as `#5.1.1` within it (qmail, Cisco).
fn enhanced_status(text: &str) -> Option<(u8, u16, u16)> {
    let start = text.trim_start();
    read_status(start).or_else(|| text.split('#').skip(1).find_map(read_status))
}

fn read_status(text: &str) -> Option<(u8, u16, u16)> {
    let word = text
        .split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .next()?
        .trim_end_matches('.');
    let mut numbers = word.split('.');
    let class = numbers.next()?.parse().ok()?;
    let subject = numbers.next()?.parse().ok()?;
    let detail = numbers.next()?.parse().ok()?;
    let is_status =
        numbers.next().is_none() && matches!(class, 2 | 4 | 5) && subject <= 999 && detail <= 999;
    is_status.then_some((class, subject, detail))
}

/// The time that a server names: "try again in 5 minutes", "greylisted for 300 seconds", "00:04:59".
fn retry_after(text: &str) -> Option<Duration> {
    const LONGEST: u64 = 24 * 3600;
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '(' | ')'))
        .filter(|word| !word.is_empty())
        .collect();
    let in_words = words.windows(3).find_map(|three| match three {
        [before, number, unit]
            if matches!(*before, "in" | "after" | "for" | "wait" | "another") =>
        {
            let number: u64 = number.parse().ok()?;
            let unit = unit.trim_end_matches('.');
            let seconds = match unit {
                "s" | "sec" | "secs" | "second" | "seconds" => 1,
                "m" | "min" | "mins" | "minute" | "minutes" => 60,
                "h" | "hour" | "hours" => 3600,
                _ => return None,
            };
            number.checked_mul(seconds)
        }
        _ => None,
    });
    let as_clock = || {
        words.windows(2).find_map(|two| match two {
            ["in" | "after", time] => {
                let mut parts = time.trim_end_matches('.').split(':');
                let (hours, minutes, seconds): (u64, u64, u64) = (
                    parts.next()?.parse().ok()?,
                    parts.next()?.parse().ok()?,
                    parts.next()?.parse().ok()?,
                );
                (parts.next().is_none() && hours < 100 && minutes < 60 && seconds < 60)
                    .then_some(hours * 3600 + minutes * 60 + seconds)
            }
            _ => None,
        })
    };
    in_words
        .or_else(as_clock)
        .filter(|seconds| (1..=LONGEST).contains(seconds))
        .map(Duration::from_secs)
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
