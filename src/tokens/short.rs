//! Codes of 11 characters for text messages, where 47 would cost a part.
//!
//! A code is a number below 2⁵⁴ (21 bits of wave, 27 of place, 6 of link number), written as 11 base62
//! digits and enciphered by a keyed permutation of all 62¹¹ ≈ 5.2 · 10¹⁹ such texts. There is no room for a MAC:
//! what proves that we wrote a code is that it deciphers to a small number. No `-` or `_` stands in it,
//! where telephones end a link.
//!
//! To guess: of all texts one in 62¹¹ / 2⁵⁴ ≈ 2 900 has the form of a code, but it must also name a message
//! that was sent and a link that stands in it. After a million messages of two links and an unsubscribe page
//! there are 3 · 10⁶ such codes, one in 1.7 · 10¹³ texts: at 1 000 tries a second, one hit in 550 years, and
//! it tells where a link leads, not whose it is.

use super::{LinkKind, LinkToken};
use crate::ids::{DeliveryKey, WaveId};
use crate::keys::{Keys, SHORT_CODE_RADIX};

/// Characters of a code.
pub const SHORT_CODE_CHARACTERS: usize = 11;

const ALPHABET: &[u8; SHORT_CODE_RADIX as usize] =
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

pub(super) const WAVE_BITS: u32 = 21;
pub(super) const PLACE_BITS: u32 = 27;
const LINK_BITS: u32 = 6;

/// Link numbers of a code: clicks up to 61, counted over all languages of a template; 62 is kept for later.
const LAST_CLICK: u16 = 61;
const UNSUBSCRIBE: u64 = 63;

/// The code of a link; `None` for one that has no room in it, which needs its long form: a wave from
/// 2 097 152, a place from 134 217 728, a link from 62, or what no text message links to.
pub fn short_code(token: LinkToken, keys: &Keys) -> Option<String> {
    let number = pack(token)?;
    let mut rest = number;
    let mut digits = vec![0_u16; SHORT_CODE_CHARACTERS];
    for digit in digits.iter_mut().rev() {
        *digit = u16::try_from(rest % u64::from(SHORT_CODE_RADIX)).ok()?;
        rest /= u64::from(SHORT_CODE_RADIX);
    }
    keys.encipher_digits(digits)?
        .into_iter()
        .map(|digit| ALPHABET.get(usize::from(digit)).copied().map(char::from))
        .collect()
}

/// Reads a code; `None` when it is not one of ours, whatever is wrong with it.
pub fn read_short_code(text: &str, keys: &Keys) -> Option<LinkToken> {
    if text.len() != SHORT_CODE_CHARACTERS {
        return None;
    }
    let digits: Vec<u16> = text.bytes().map(digit).collect::<Option<_>>()?;
    let number = keys
        .decipher_digits(digits)?
        .into_iter()
        .try_fold(0_u64, |number, digit| {
            number
                .checked_mul(SHORT_CODE_RADIX.into())?
                .checked_add(digit.into())
        })?;
    unpack(number)
}

fn digit(character: u8) -> Option<u16> {
    let (base, first) = match character {
        b'0'..=b'9' => (0, b'0'),
        b'A'..=b'Z' => (10, b'A'),
        b'a'..=b'z' => (36, b'a'),
        _ => return None,
    };
    Some(base + u16::from(character - first))
}

fn pack(token: LinkToken) -> Option<u64> {
    let link = match token.kind {
        LinkKind::Click(number) if number <= LAST_CLICK => u64::from(number),
        LinkKind::Unsubscribe => UNSUBSCRIBE,
        LinkKind::Click(_) | LinkKind::Open | LinkKind::Browser | LinkKind::Trap => return None,
    };
    let within = |number: i64, bits: u32| {
        let number = u64::try_from(number).ok()?;
        (number < 1 << bits).then_some(number)
    };
    let wave = within(token.delivery.wave.0, WAVE_BITS)?;
    let place = within(token.delivery.seq, PLACE_BITS)?;
    Some((wave << (PLACE_BITS + LINK_BITS)) | (place << LINK_BITS) | link)
}

fn unpack(number: u64) -> Option<LinkToken> {
    if number >= 1 << (WAVE_BITS + PLACE_BITS + LINK_BITS) {
        return None;
    }
    let kind = match number & ((1 << LINK_BITS) - 1) {
        UNSUBSCRIBE => LinkKind::Unsubscribe,
        link => LinkKind::Click(
            u16::try_from(link)
                .ok()
                .filter(|link| *link <= LAST_CLICK)?,
        ),
    };
    let place = (number >> LINK_BITS) & ((1 << PLACE_BITS) - 1);
    let wave = number >> (PLACE_BITS + LINK_BITS);
    Some(LinkToken {
        delivery: DeliveryKey {
            wave: WaveId(i64::try_from(wave).ok()?),
            seq: i64::try_from(place).ok()?,
        },
        kind,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn keys() -> Keys {
        Keys::from_secret(&[7; 32])
    }

    fn token(wave: i64, seq: i64, kind: LinkKind) -> LinkToken {
        LinkToken {
            delivery: DeliveryKey {
                wave: WaveId(wave),
                seq,
            },
            kind,
        }
    }

    fn short_token() -> impl Strategy<Value = LinkToken> {
        let kind = prop_oneof![
            (0..=LAST_CLICK).prop_map(LinkKind::Click),
            Just(LinkKind::Unsubscribe),
        ];
        (0_i64..1 << WAVE_BITS, 0_i64..1 << PLACE_BITS, kind)
            .prop_map(|(wave, seq, kind)| token(wave, seq, kind))
    }

    proptest! {
        #[test]
        fn a_code_comes_back_as_it_went(token in short_token()) {
            let code = short_code(token, &keys()).unwrap();
            prop_assert_eq!(code.len(), SHORT_CODE_CHARACTERS);
            prop_assert!(code.bytes().all(|c| c.is_ascii_alphanumeric()), "{}", code);
            prop_assert_eq!(read_short_code(&code, &keys()), Some(token));
        }

        // A changed code may by chance be another one, but never the same, and never something a text
        // message does not link to.
        #[test]
        fn a_code_changed_cut_or_of_another_server_is_not_the_same(token in short_token(), at in 0_usize..11, to in "[A-Za-z0-9]") {
            let code = short_code(token, &keys()).unwrap();
            prop_assert_ne!(read_short_code(&code, &Keys::from_secret(&[8; 32])), Some(token));
            prop_assert_eq!(read_short_code(code.get(..at).unwrap_or_default(), &keys()), None);
            prop_assert_eq!(read_short_code(&format!("{code}{to}"), &keys()), None);
            let mut changed = code.clone();
            changed.replace_range(at..=at, &to);
            if changed != code {
                prop_assert_ne!(read_short_code(&changed, &keys()), Some(token));
            }
        }

        #[test]
        fn any_text_is_read_without_panic(text in ".{0,20}", eleven in "\\PC{11}") {
            let _ = read_short_code(&text, &keys());
            let _ = read_short_code(&eleven, &keys());
        }

        #[test]
        fn what_is_read_is_what_would_be_written(text in "[0-9A-Za-z]{11}") {
            if let Some(token) = read_short_code(&text, &keys()) {
                prop_assert_eq!(short_code(token, &keys()), Some(text));
            }
        }
    }

    #[test]
    fn what_has_no_room_has_no_code() {
        for (wave, seq, kind) in [
            (1 << WAVE_BITS, 1, LinkKind::Unsubscribe),
            (1, 1 << PLACE_BITS, LinkKind::Unsubscribe),
            (-1, 1, LinkKind::Unsubscribe),
            (1, -1, LinkKind::Unsubscribe),
            (1, 1, LinkKind::Click(62)),
            (1, 1, LinkKind::Click(63)),
            (1, 1, LinkKind::Open),
            (1, 1, LinkKind::Browser),
            (1, 1, LinkKind::Trap),
        ] {
            assert_eq!(short_code(token(wave, seq, kind), &keys()), None);
        }
    }

    #[test]
    fn a_number_too_great_or_a_link_kept_for_later_is_refused() {
        let unsubscribe = pack(token(1, 1, LinkKind::Unsubscribe)).unwrap();
        assert!(unpack(unsubscribe).is_some());
        assert_eq!(unpack(unsubscribe - 1), None);
        assert_eq!(unpack(unsubscribe | (1 << 54)), None);
        assert_eq!(unpack(u64::MAX), None);
    }

    /// Links already sent must stay readable: these codes, reckoned by another implementation of FF1, may never
    /// change.
    #[test]
    fn codes_stay_what_they_are() {
        for (wave, seq, kind, code) in [
            (1, 1, LinkKind::Click(0), "YjnpedbPn4Z"),
            (1, 1, LinkKind::Unsubscribe, "LSaAQTc6Zhs"),
            (
                (1 << 21) - 1,
                (1 << 27) - 1,
                LinkKind::Click(61),
                "HuZEdk6aCMX",
            ),
        ] {
            let token = token(wave, seq, kind);
            assert_eq!(short_code(token, &keys()).as_deref(), Some(code));
        }
    }

    /// Of random texts about one in 2 900 has the form of a code, so that neighbours tell nothing.
    #[test]
    fn codes_are_sparse_and_neighbours_are_far_apart() {
        let codes: Vec<String> = (1..=2_000)
            .map(|seq| short_code(token(1, seq, LinkKind::Click(0)), &keys()).unwrap())
            .collect();
        assert_eq!(codes.iter().collect::<HashSet<_>>().len(), codes.len());
        // The next digit of a known code: 2 000 texts of which 2 000 / 2 900 would be expected to be codes.
        let hits = codes
            .iter()
            .filter(|code| {
                let mut next = (*code).clone();
                let last = next.pop().unwrap();
                next.push(if last == 'a' { 'b' } else { 'a' });
                read_short_code(&next, &keys()).is_some()
            })
            .count();
        assert!(hits < 10, "{hits}");
    }
}
