//! How often forms may be sent, in this process: from one visitor, and from everywhere; and how often a
//! visitor may ask for short links that are none.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::config::{SignUpSettings, WebSettings};

/// Visitors remembered at most; a flood from more than that is one from everywhere.
const VISITORS_AT_MOST: usize = 50_000;
/// Short codes that lead nowhere, from one visitor: a link cut by a telephone is one or two, and thousands of
/// telephones share the address of their network.
const UNKNOWN_CODES_PER_HOUR: u32 = 60;
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The limits of a process; several nodes let through as many times more.
pub(super) struct Limits {
    per_visitor: DefaultKeyedRateLimiter<IpAddr>,
    overall: DefaultDirectRateLimiter,
    unknown_codes: DefaultKeyedRateLimiter<IpAddr>,
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Limits(..)")
    }
}

impl Limits {
    pub fn new(settings: &SignUpSettings) -> Self {
        let per_hour = |n| Quota::per_hour(NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN));
        Self {
            per_visitor: RateLimiter::keyed(per_hour(settings.per_ip_per_hour)),
            overall: RateLimiter::direct(per_hour(settings.per_hour)),
            unknown_codes: RateLimiter::keyed(per_hour(UNKNOWN_CODES_PER_HOUR)),
        }
    }

    /// Whether one more form may come from this visitor now.
    pub fn allow(&self, visitor: Option<IpAddr>) -> bool {
        // The visitor first: one who asks too often must not use up what is there for all.
        is_within(&self.per_visitor, visitor) && self.overall.check().is_ok()
    }

    /// Whether a visitor's asking for one more short code that leads nowhere is still taken for a mistake.
    pub fn allow_unknown_code(&self, visitor: Option<IpAddr>) -> bool {
        is_within(&self.unknown_codes, visitor)
    }
}

/// Counts a visitor; no longer one where too many are remembered.
fn is_within(limit: &DefaultKeyedRateLimiter<IpAddr>, visitor: Option<IpAddr>) -> bool {
    if limit.len() >= VISITORS_AT_MOST {
        limit.retain_recent();
        if limit.len() >= VISITORS_AT_MOST {
            return false;
        }
    }
    visitor.is_none_or(|ip| limit.check_key(&network(ip)).is_ok())
}

/// What one visitor has: an IPv4 address, or the 64 bits of an IPv6 network.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(six) => {
            let prefix = six.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(prefix))
        }
    }
}

/// From which network a request comes, as a text: what [`visitor`] tells, as far as one who guesses may reach: an IPv4
/// address, or the 48 bits of IPv6 that anybody is given for the asking (RFC 6177).
pub(super) fn network_of(request: &HttpRequest, settings: &WebSettings) -> String {
    visitor(request, settings).map_or_else(|| "unknown".to_owned(), |ip| site(ip).to_string())
}

fn site(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() >> 80 << 80)),
    }
}

/// Who asks: the peer, or, behind proxies of ours, the last of X-Forwarded-For that is none of them. What
/// stands before it anybody may have written.
pub(super) fn visitor(request: &HttpRequest, settings: &WebSettings) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip().to_canonical();
    let is_ours = |ip: &IpAddr| settings.trusted_proxies.contains(ip);
    if !is_ours(&peer) {
        return Some(peer);
    }
    let forwarded: Vec<&str> = request
        .headers()
        .get_all(&FORWARDED_FOR)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    for entry in forwarded.into_iter().rev() {
        match address(entry.trim()) {
            Some(ip) if is_ours(&ip) => {}
            Some(ip) => return Some(ip),
            // Not written by a proxy of ours; the last one that was is all we know.
            None => break,
        }
    }
    Some(peer)
}

/// Whether a proxy stands between that is not known as one of ours, so that nobody knows who asks.
pub(super) fn is_behind_unknown_proxy(request: &HttpRequest, settings: &WebSettings) -> bool {
    let is_ours = request.peer_addr().is_some_and(|peer| {
        let peer = peer.ip().to_canonical();
        settings.trusted_proxies.contains(&peer)
    });
    !is_ours && request.headers().contains_key(&FORWARDED_FOR)
}

/// An entry of X-Forwarded-For: an address, with the port as some gateways write it.
fn address(entry: &str) -> Option<IpAddr> {
    let bare = entry
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(entry);
    bare.parse::<IpAddr>()
        .or_else(|_| entry.parse::<SocketAddr>().map(|socket| socket.ip()))
        .ok()
        .map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::config::Settings;

    fn seen(peer: &str, forwarded: &[&str]) -> String {
        let settings = Settings::load_from(None, Default::default()).unwrap();
        let peer: IpAddr = peer.parse().unwrap();
        let mut request = TestRequest::default().peer_addr((peer, 9).into());
        for value in forwarded {
            request = request.append_header((FORWARDED_FOR, *value));
        }
        visitor(&request.to_http_request(), &settings.web)
            .unwrap()
            .to_string()
    }

    #[test]
    fn a_visitor_cannot_choose_his_address() {
        for (peer, forwarded, expected) in [
            ("203.0.113.9", &["198.51.100.1"][..], "203.0.113.9"),
            ("127.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("127.0.0.1", &["1.1.1.1, 198.51.100.1, ::1"], "198.51.100.1"),
            ("127.0.0.1", &["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
            ("127.0.0.1", &["1.1.1.1, nonsense"], "127.0.0.1"),
            ("::ffff:127.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["1.1.1.1, 198.51.100.1:443"], "198.51.100.1"),
            ("127.0.0.1", &["198.51.100.1, [::1]:8080"], "198.51.100.1"),
            ("127.0.0.1", &["1.1.1.1, [2001:db8::1]:443"], "2001:db8::1"),
            ("127.0.0.1", &["1.1.1.1, [2001:db8::1]"], "2001:db8::1"),
            ("127.0.0.1", &["1.1.1.1, 198.51.100.1:x"], "127.0.0.1"),
        ] {
            assert_eq!(seen(peer, forwarded), expected, "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn who_guesses_has_one_network_however_many_parts_it_has() {
        let settings = Settings::load_from(None, Default::default()).unwrap();
        let from = |peer: &str| {
            let peer: IpAddr = peer.parse().unwrap();
            let request = TestRequest::default().peer_addr((peer, 9).into());
            network_of(&request.to_http_request(), &settings.web)
        };
        assert_eq!(from("2001:db8:7:1::1"), from("2001:db8:7:ffff::2"));
        assert_ne!(from("2001:db8:7:1::1"), from("2001:db8:8:1::1"));
        assert_ne!(from("192.0.2.1"), from("192.0.2.2"));
    }

    #[test]
    fn a_visitor_who_asks_too_often_leaves_room_for_the_others() {
        let settings = Settings::load_from(None, Default::default()).unwrap();
        let limits = Limits::new(&SignUpSettings {
            per_ip_per_hour: 3,
            per_hour: 5,
            ..settings.sign_up
        });
        let one = Some(IpAddr::from([192, 0, 2, 1]));
        let same_network = |n: u16| Some(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n]));
        let allowed = (0..10).filter(|_| limits.allow(one)).count();
        assert_eq!(allowed, 3);
        let allowed = (0..10).filter(|n| limits.allow(same_network(*n))).count();
        assert_eq!(allowed, 2, "what is left for everybody");
    }
}
