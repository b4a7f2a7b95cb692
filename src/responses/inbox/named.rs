//! Whether a bounce is about the address that a customer has today. It never makes an address known: the delivery
//! is proved by then, and this can only spare an address.

use crate::customers::normalise;
use crate::keys::Keys;

/// Bytes in which addresses are looked for: the notification and the returned header.
const REACH: usize = 128 * 1024;
/// Addresses looked at, at most; then none is taken for named.
const AT_MOST: usize = 200;

/// What a mail says of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// It stands there.
    This,
    /// Our message came back with its header, which names another: the customer has changed his address since.
    Another,
    /// Nothing that could be told.
    Unsaid,
}

/// The fingerprints of the addresses in a mail, and whether the header of our message is among them.
#[derive(Debug, Default)]
pub(super) struct Names {
    fingerprints: Vec<String>,
    has_our_header: bool,
}

impl Names {
    pub fn read(raw: &[u8], keys: &Keys) -> Self {
        let head = raw.get(..REACH).unwrap_or(raw);
        let mut fingerprints = Vec::new();
        for at in memchr::memchr_iter(b'@', head).take(AT_MOST) {
            if let Some(address) = address_around(head, at)
                && let Ok(email) = normalise::email(address)
            {
                fingerprints.push(keys.fingerprint(&email.key));
            }
        }
        fingerprints.sort_unstable();
        fingerprints.dedup();
        Self {
            fingerprints,
            has_our_header: has_our_header(head),
        }
    }

    /// What the mail says of the address with this fingerprint, when those in `former` were the customer's once.
    pub fn of(&self, fingerprint: &str, former: &[String]) -> Named {
        let is_named = |one: &str| {
            self.fingerprints
                .binary_search_by(|known| known.as_str().cmp(one))
                .is_ok()
        };
        if is_named(fingerprint) {
            Named::This
        } else if self.has_our_header || former.iter().any(|one| is_named(one)) {
            Named::Another
        } else {
            Named::Unsaid
        }
    }
}

/// Whether the header of a message of ours stands in the mail in clear; its `To` stands before this one.
fn has_our_header(head: &[u8]) -> bool {
    const OURS: &[u8] = b"\nx-visavis-ref:";
    memchr::memchr_iter(b'\n', head).any(|at| {
        head.get(at..at + OURS.len())
            .is_some_and(|found| found.eq_ignore_ascii_case(OURS))
    })
}

fn address_around(head: &[u8], at: usize) -> Option<&str> {
    const LONGEST_LOCAL: usize = 64;
    const LONGEST_DOMAIN: usize = 255;
    let belongs = |byte: &u8| {
        byte.is_ascii_alphanumeric() || *byte >= 0x80 || b"!#$%&'*+-/=?^_`{|}~.".contains(byte)
    };
    let before = head.get(..at)?;
    let begin = before
        .iter()
        .rev()
        .take(LONGEST_LOCAL)
        .take_while(|byte| belongs(byte))
        .count();
    let after = head.get(at + 1..)?;
    let length = after
        .iter()
        .take(LONGEST_DOMAIN)
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte >= 0x80 || b"-.".contains(byte))
        .count();
    let text = std::str::from_utf8(head.get(at - begin..at + 1 + length)?).ok()?;
    Some(text.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys::from_secret(&[7; 32])
    }

    fn said(raw: &str, former: &[&str]) -> Named {
        let former: Vec<String> = former.iter().map(|one| keys().fingerprint(one)).collect();
        Names::read(raw.as_bytes(), &keys()).of(&keys().fingerprint("jean@example.org"), &former)
    }

    #[test]
    fn a_bounce_names_the_address_of_today_or_another() {
        assert_eq!(said("<Jean@EXAMPLE.org>: no such user.", &[]), Named::This);
        assert_eq!(said("user unknown", &[]), Named::Unsaid);
        assert_eq!(said("<b@forward.test>: no such user", &[]), Named::Unsaid);
        assert_eq!(
            said("<old@example.org>: no such user", &["old@example.org"]),
            Named::Another
        );
        let returned = "\r\nTo: =?utf-8?Q?J?= <old@example.org>\r\nX-Visavis-Ref: 1-2-x\r\n";
        assert_eq!(said(returned, &[]), Named::Another);
        assert_eq!(said(&returned.replace("old@", "jean@"), &[]), Named::This);
    }

    #[test]
    fn any_bytes_are_read() {
        for raw in [&b"@"[..], b"@@@", b"\xff@\xff", b"a@", b"@b", b""] {
            Names::read(raw, &keys());
        }
    }
}
