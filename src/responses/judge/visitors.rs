//! One visitor who follows links of many recipients: a scanner that reads the mail of a whole company.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::ids::DeliveryKey;

/// How long a visit counts.
const WINDOW_MS: i64 = 60_000;
/// Visitors remembered at most; then those of the last minute are forgotten and counting begins anew.
const VISITORS_AT_MOST: usize = 50_000;

/// Whose links each visitor followed within the last minute, in this process.
///
/// A visitor is known by a hash of his network and his browser's name, salted with what this process drew
/// when it began: neither is kept, nothing is written down, and a minute later it is forgotten.
#[derive(Debug)]
pub struct Visitors {
    /// Recipients within a minute, beyond which a visitor is a scanner; 0: none ever is.
    most: usize,
    salt: RandomState,
    visits: Mutex<HashMap<u64, VecDeque<(i64, DeliveryKey)>>>,
}

/// What a visit shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visit {
    Ordinary,
    /// The visitor is a scanner; with the messages whose links he followed before he was found out, the
    /// first time only.
    Scan(Vec<DeliveryKey>),
}

impl Visitors {
    /// `most`: links of how many recipients a person may follow within a minute; 0: any number.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            salt: RandomState::new(),
            visits: Mutex::default(),
        }
    }

    /// Counts a click at `at` (milliseconds since the epoch).
    pub fn visit(&self, from: IpAddr, agent: &str, delivery: DeliveryKey, at: i64) -> Visit {
        let Some(network) = network(from).filter(|_| self.most > 0) else {
            return Visit::Ordinary;
        };
        let visitor = self.salt.hash_one((network, agent));
        let mut visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |last: Option<&(i64, DeliveryKey)>| {
            last.is_none_or(|(last, _)| *last <= at.saturating_sub(WINDOW_MS))
        };
        if visits.len() >= VISITORS_AT_MOST && !visits.contains_key(&visitor) {
            visits.retain(|_, seen| !is_over(seen.back()));
            if visits.len() >= VISITORS_AT_MOST {
                visits.clear();
            }
        }
        let seen = visits.entry(visitor).or_default();
        while !seen.is_empty() && is_over(seen.front()) {
            seen.pop_front();
        }
        if let Some(place) = seen.iter().position(|(_, known)| *known == delivery) {
            seen.remove(place);
        }
        let was_found_out = seen.len() > self.most;
        seen.push_back((at, delivery));
        if seen.len() <= self.most {
            return Visit::Ordinary;
        }
        if was_found_out {
            seen.pop_front();
            return Visit::Scan(Vec::new());
        }
        Visit::Scan(
            seen.iter()
                .map(|(_, known)| *known)
                .filter(|known| *known != delivery)
                .collect(),
        )
    }
}

/// What one scanner has: the first 24 bits of an IPv4 address, the first 48 of an IPv6 one. `None` for an
/// address that no host on the Internet has: a proxy of our own stands between, and it is everybody.
fn network(ip: IpAddr) -> Option<u128> {
    match ip.to_canonical() {
        IpAddr::V4(four) => {
            let is_inside = four.is_loopback() || four.is_private() || four.is_link_local();
            (!is_inside).then(|| u128::from(four.to_bits() >> 8))
        }
        IpAddr::V6(six) => {
            let is_inside =
                six.is_loopback() || six.is_unique_local() || six.is_unicast_link_local();
            // So that no network of one kind is one of the other.
            (!is_inside).then(|| (six.to_bits() >> 80) | (1 << 64))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::WaveId;

    const OUTSIDE: &str = "203.0.113.9";

    fn visit(visitors: &Visitors, from: &str, seq: i64, at: i64) -> Visit {
        let delivery = key(seq);
        visitors.visit(from.parse().unwrap(), "Firefox", delivery, at)
    }

    fn key(seq: i64) -> DeliveryKey {
        DeliveryKey {
            wave: WaveId(1),
            seq,
        }
    }

    #[test]
    fn who_follows_the_links_of_many_is_found_out_with_what_he_did_before() {
        let visitors = Visitors::new(3);
        for seq in [1, 2, 2, 3, 1] {
            assert_eq!(visit(&visitors, OUTSIDE, seq, seq), Visit::Ordinary);
        }
        // Another house in the same network.
        let found = visit(&visitors, "203.0.113.77", 4, 10);
        assert_eq!(found, Visit::Scan(vec![key(2), key(3), key(1)]));
        assert_eq!(visit(&visitors, OUTSIDE, 5, 11), Visit::Scan(Vec::new()));
        assert_eq!(visit(&visitors, "198.51.100.1", 6, 12), Visit::Ordinary);
    }

    #[test]
    fn a_minute_later_it_is_forgotten() {
        let visitors = Visitors::new(2);
        for seq in 0..20 {
            assert_eq!(
                visit(&visitors, OUTSIDE, seq, seq * 30_000),
                Visit::Ordinary
            );
        }
    }

    #[test]
    fn a_proxy_of_our_own_is_everybody() {
        let visitors = Visitors::new(1);
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "::1",
            "fd00::1",
            "::ffff:192.168.1.1",
        ] {
            for seq in 0..5 {
                assert_eq!(
                    visit(&visitors, inside, seq, 0),
                    Visit::Ordinary,
                    "{inside}"
                );
            }
        }
        let off = Visitors::new(0);
        assert!((0..5).all(|seq| visit(&off, OUTSIDE, seq, 0) == Visit::Ordinary));
    }
}
