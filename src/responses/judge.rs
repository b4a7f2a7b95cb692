//! Person, machine or scanner: who fetched a link (RULES.md §1.10).
//!
//! Machines fetch ahead of a reader or for him: prefetchers, image proxies, previews, programs. Scanners are
//! security software that follows links to see where they lead. Both are kept as raw events and count as
//! nobody. The rules, in the order in which they can be told:
//!
//! 1. one that says it is a prefetch, or bears the name of a machine, or none: a machine's; a HEAD request,
//!    or the name of a scanner: a scanner's;
//! 2. a click within [`HASTE_MS`] of the hand-over, or before it was even answered: a scanner's;
//! 3. clicks on two different links of one message within [`BURST_MS`]: both a scanner's, also when the first
//!    had been counted already (it is then taken back);
//! 4. clicks within [`SCAN_MS`] of a [`What::Scan`](super::model::What::Scan) on the same message: a
//!    scanner's, taken back likewise. A scan is told by the trap, a link that no person sees, or by
//!    [`Visitors`]: one visitor who follows links of many recipients.
//!
//! Rules 2 to 4 are not applied to a simulated wave, whose readers are played back faster than life. The
//! rules are not perfect: a scanner that takes a browser's name, waits, and follows one link that is seen
//! from an address it uses for nobody else is taken for a person.

mod visitors;

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::model::MadeBy;
pub use visitors::{Visit, Visitors};

/// How soon after the hand-over no person can have clicked.
pub const HASTE_MS: i64 = 2_000;

/// Within what time no person follows two different links of one message.
pub const BURST_MS: i64 = 2_000;

/// How long before and after a scan the clicks on its message are the scanner's.
pub const SCAN_MS: i64 = 600_000;

/// Parts of the User-Agent of those who follow links to check them, in lower case.
const SCANNERS: [&str; 11] = [
    "barracuda",
    "bitdefender",
    "mimecast",
    "proofpoint",
    "urldefense",
    "safelinks",
    "symantec",
    "trendmicro",
    "sophos",
    "fortiguard",
    "virustotal",
];

/// Parts of the User-Agent of those who fetch without reading, in lower case.
const MACHINES: [&str; 15] = [
    // Image proxies of mail providers, and Gmail's prefetch while a session is open.
    "googleimageproxy",
    "yahoomailproxy",
    "edge/12.246 mozilla/5.0",
    // Previews and crawlers.
    "microsoft office existence discovery",
    "bot",
    "crawler",
    "spider",
    "facebookexternalhit",
    "whatsapp",
    "headlesschrome",
    // Programs.
    "curl/",
    "wget/",
    "python-",
    "go-http-client",
    "java/",
];

/// What of a request shows who made it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    pub is_head: bool,
    /// Whether `Sec-Purpose`, `Purpose` or `X-Moz` announces a prefetch.
    pub is_prefetch: bool,
    pub user_agent: Option<&'a str>,
}

/// Who made the request, as far as it shows by itself (rule 1).
pub fn by_request(request: Request<'_>) -> MadeBy {
    if request.is_prefetch {
        return MadeBy::Machine;
    }
    let agent = request.user_agent.unwrap_or_default().trim();
    let named = match &*NAMES {
        Some(names) => names
            .find_iter(agent)
            .map(|found| found.pattern().as_usize())
            .min(),
        None => {
            let agent = agent.to_ascii_lowercase();
            names().position(|name| agent.contains(name))
        }
    };
    match named {
        Some(place) if place < SCANNERS.len() => MadeBy::Scanner,
        _ if request.is_head => MadeBy::Scanner,
        Some(_) => MadeBy::Machine,
        // Apple's Mail Privacy Protection calls itself nothing but this.
        None if agent.is_empty() || agent == "Mozilla/5.0" => MadeBy::Machine,
        None => MadeBy::Person,
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    SCANNERS.into_iter().chain(MACHINES)
}

/// [`SCANNERS`], then [`MACHINES`], compiled to be found all at once, since every click asks. `None` would
/// need more of them than a machine word counts.
static NAMES: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .build(names())
        .ok()
});

/// Whether a click comes too soon after the hand-over (rule 2). `is_in_hand`: the receiving server has
/// not answered yet, so only its own scanner can have seen the link.
pub fn is_hasty(is_in_hand: bool, settled_at: Option<i64>, at: i64) -> bool {
    match settled_at {
        Some(settled) => at < settled.saturating_add(HASTE_MS),
        None => is_in_hand,
    }
}

/// Whether two clicks on one message show a scanner (rule 3).
pub fn is_burst(one: (u16, i64), other: (u16, i64)) -> bool {
    one.0 != other.0 && one.1.abs_diff(other.1) < BURST_MS.unsigned_abs()
}

/// Whether a click lies so close to a scan of its message that it is part of it (rule 4).
pub fn is_beside_scan(click: i64, scan: i64) -> bool {
    click.abs_diff(scan) <= SCAN_MS.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_agent(agent: &str) -> MadeBy {
        by_request(Request {
            user_agent: Some(agent),
            ..Request::default()
        })
    }

    #[test]
    fn people_use_browsers() {
        for agent in [
            "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36 Edg/130.0",
        ] {
            assert_eq!(by_agent(agent), MadeBy::Person, "{agent}");
        }
    }

    #[test]
    fn prefetchers_and_programs_are_machines() {
        for agent in [
            "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
            "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
            "Mozilla/5.0",
            "curl/8.5.0",
            "Mozilla/5.0 (compatible; Googlebot/2.1)",
            "",
        ] {
            assert_eq!(by_agent(agent), MadeBy::Machine, "{agent}");
        }
        assert_eq!(by_request(Request::default()), MadeBy::Machine, "no name");
        let prefetch = Request {
            is_prefetch: true,
            user_agent: Some("Mozilla/5.0 (X11) Firefox/132.0"),
            ..Request::default()
        };
        assert_eq!(by_request(prefetch), MadeBy::Machine);
    }

    #[test]
    fn who_checks_links_is_a_scanner() {
        for agent in [
            "BarracudaCentral/1.0 (bot)",
            "Mozilla/5.0 (compatible; Mimecast URL checker)",
        ] {
            assert_eq!(by_agent(agent), MadeBy::Scanner, "{agent}");
        }
        let head = Request {
            is_head: true,
            user_agent: Some("Mozilla/5.0 (X11) Firefox/132.0"),
            ..Request::default()
        };
        assert_eq!(by_request(head), MadeBy::Scanner);
    }

    #[test]
    fn a_scan_takes_the_clicks_of_ten_minutes_on_either_side() {
        assert!(is_beside_scan(600_000, 0) && is_beside_scan(0, 600_000));
        assert!(!is_beside_scan(600_001, 0) && !is_beside_scan(0, 600_001));
    }

    #[test]
    fn nobody_clicks_within_two_seconds_of_the_hand_over() {
        assert!(is_hasty(false, Some(10_000), 11_999));
        assert!(
            is_hasty(false, Some(10_000), 9_000),
            "before it was answered"
        );
        assert!(!is_hasty(false, Some(10_000), 12_000));
        assert!(
            is_hasty(true, None, 0),
            "the receiving server is still reading"
        );
        assert!(!is_hasty(false, None, 0));
    }

    #[test]
    fn two_links_at_once_are_a_burst_but_one_link_twice_is_a_double_click() {
        assert!(is_burst((0, 1000), (1, 2999)));
        assert!(!is_burst((0, 1000), (1, 3000)));
        assert!(!is_burst((0, 1000), (0, 1100)));
    }
}
