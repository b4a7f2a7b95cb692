//! Man or machine: who fetched a link (RULES.md §1.10).
//!
//! Four rules, in the order in which they can be told; whatever one of them catches is kept as a raw
//! event with `is_machine` and counts as nobody:
//!
//! 1. a HEAD request, or one that says it is a prefetch;
//! 2. the name of a known scanner, prefetcher or program, or none at all;
//! 3. a click within [`HASTE_MS`] of the hand-over, or before it was even answered;
//! 4. clicks on two different links of one message within [`BURST_MS`]: both, also when the first had
//!    been counted already (it is then taken back).
//!
//! Rules 3 and 4 are not applied to a simulated wave, whose readers are played back faster than life.
//! The rules are not perfect: a scanner that takes a browser's name, waits and follows one link is
//! taken for a person.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

/// How soon after the hand-over no person can have clicked.
pub const HASTE_MS: i64 = 2_000;

/// Within what time no person follows two different links of one message.
pub const BURST_MS: i64 = 2_000;

/// Parts of the User-Agent of those who fetch without reading, in lower case.
const MACHINES: [&str; 26] = [
    // Image proxies of mail providers, and Gmail's prefetch while a session is open.
    "googleimageproxy",
    "yahoomailproxy",
    "edge/12.246 mozilla/5.0",
    // Scanners of links and mail.
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
    "microsoft office existence discovery",
    // Previews and crawlers.
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

/// Whether the request itself shows that no person made it (rules 1 and 2).
pub fn by_request(request: Request<'_>) -> bool {
    if request.is_head || request.is_prefetch {
        return true;
    }
    let agent = request.user_agent.unwrap_or_default().trim();
    // Apple's Mail Privacy Protection calls itself nothing but this.
    if agent.is_empty() || agent == "Mozilla/5.0" {
        return true;
    }
    match &*NAMES {
        Some(names) => names.is_match(agent),
        None => {
            let agent = agent.to_ascii_lowercase();
            MACHINES.iter().any(|machine| agent.contains(machine))
        }
    }
}

/// [`MACHINES`], compiled to be found all at once, since every click asks. `None` would need more of them
/// than a machine word counts.
static NAMES: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .build(MACHINES)
        .ok()
});

/// Whether a click comes too soon after the hand-over (rule 3). `is_in_hand`: the receiving server has
/// not answered yet, so only its own scanner can have seen the link.
pub fn is_hasty(is_in_hand: bool, settled_at: Option<i64>, at: i64) -> bool {
    match settled_at {
        Some(settled) => at < settled.saturating_add(HASTE_MS),
        None => is_in_hand,
    }
}

/// Whether two clicks on one message show a scanner (rule 4).
pub fn is_burst(one: (u16, i64), other: (u16, i64)) -> bool {
    one.0 != other.0 && one.1.abs_diff(other.1) < BURST_MS.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_agent(agent: &str) -> bool {
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
            assert!(!by_agent(agent), "{agent}");
        }
    }

    #[test]
    fn prefetchers_scanners_and_programs_are_machines() {
        for agent in [
            "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
            "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
            "Mozilla/5.0",
            "curl/8.5.0",
            "Mozilla/5.0 (compatible; Googlebot/2.1)",
            "",
        ] {
            assert!(by_agent(agent), "{agent}");
        }
        assert!(by_request(Request::default()), "no name at all");
        let browser = Some("Mozilla/5.0 (X11) Firefox/132.0");
        assert!(by_request(Request {
            is_head: true,
            is_prefetch: false,
            user_agent: browser
        }));
        assert!(by_request(Request {
            is_head: false,
            is_prefetch: true,
            user_agent: browser
        }));
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
