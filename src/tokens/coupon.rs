//! Coupons of the signed series: twelve letters and digits that name one message, kept nowhere until they
//! are redeemed.
//!
//! A coupon is a number below 2⁴⁸ (21 bits of wave, 27 of place), written as 12 digits of Crockford's base 32
//! and enciphered by a keyed permutation of all 32¹² = 2⁶⁰ such texts. What proves that we wrote it is, as for
//! short codes, that it deciphers to a small number: of random texts one in 2¹² = 4 096 does, and it must then
//! name a message that was sent with a coupon. With a million such messages one text in 1.2 · 10¹² is a coupon,
//! so that ten tries a second hit one in 3 600 years.

use super::short::{PLACE_BITS, WAVE_BITS};
use crate::ids::{DeliveryKey, WaveId};
use crate::keys::{COUPON_RADIX, Keys};

/// Letters and digits of a coupon, without its hyphens.
const CHARACTERS: usize = 12;
/// Letters between two hyphens.
const GROUP: usize = 4;

/// Crockford's base 32: no I, L, O (read as 1, 1, 0) and no U.
const ALPHABET: &[u8; COUPON_RADIX as usize] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The coupon of a delivery, `7K3M-9QXD-2WTV`; `None` for a wave from 2 097 152 or a place from 134 217 728.
pub fn coupon_code(delivery: DeliveryKey, keys: &Keys) -> Option<String> {
    let mut rest = number(delivery)?;
    let mut digits = vec![0_u16; CHARACTERS];
    for digit in digits.iter_mut().rev() {
        *digit = u16::try_from(rest % u64::from(COUPON_RADIX)).ok()?;
        rest /= u64::from(COUPON_RADIX);
    }
    let mut code = String::with_capacity(CHARACTERS + CHARACTERS / GROUP - 1);
    for (at, digit) in keys.encipher_coupon(digits)?.into_iter().enumerate() {
        if at > 0 && at % GROUP == 0 {
            code.push('-');
        }
        code.push(char::from(*ALPHABET.get(usize::from(digit))?));
    }
    Some(code)
}

/// Whether there is room for a delivery in the series.
pub fn has_coupon(delivery: DeliveryKey) -> bool {
    number(delivery).is_some()
}

fn number(delivery: DeliveryKey) -> Option<u64> {
    let within = |number: i64, bits: u32| {
        let number = u64::try_from(number).ok()?;
        (number < 1 << bits).then_some(number)
    };
    let wave = within(delivery.wave.0, WAVE_BITS)?;
    Some((wave << PLACE_BITS) | within(delivery.seq, PLACE_BITS)?)
}

/// The delivery a coupon names, however it is spaced and written; `None` when it is not of our series.
pub fn read_coupon(text: &str, keys: &Keys) -> Option<DeliveryKey> {
    let key = coupon_key(text);
    if key.len() != CHARACTERS {
        return None;
    }
    let digits: Vec<u16> = key
        .bytes()
        .map(|byte| {
            let place = ALPHABET.iter().position(|known| *known == byte)?;
            u16::try_from(place).ok()
        })
        .collect::<Option<_>>()?;
    let number = keys
        .decipher_coupon(digits)?
        .into_iter()
        .try_fold(0_u64, |number, digit| {
            number
                .checked_mul(COUPON_RADIX.into())?
                .checked_add(digit.into())
        })?;
    if number >= 1 << (WAVE_BITS + PLACE_BITS) {
        return None;
    }
    Some(DeliveryKey {
        wave: WaveId(i64::try_from(number >> PLACE_BITS).ok()?),
        seq: i64::try_from(number & ((1 << PLACE_BITS) - 1)).ok()?,
    })
}

/// A code as it is compared, so that what people mistake for each other is one: upper case, without spaces,
/// hyphens and dots, O as 0, I and L as 1.
pub fn coupon_key(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '-' | '\u{2010}'..='\u{2015}' | '_' | '.'))
        .flat_map(char::to_uppercase)
        .map(|c| match c {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys() -> Keys {
        Keys::from_secret(&[7; 32])
    }

    fn key(wave: i64, seq: i64) -> DeliveryKey {
        DeliveryKey {
            wave: WaveId(wave),
            seq,
        }
    }

    proptest! {
        #[test]
        fn a_coupon_comes_back_however_it_is_written(wave in 0_i64..1 << WAVE_BITS, seq in 0_i64..1 << PLACE_BITS) {
            let code = coupon_code(key(wave, seq), &keys()).unwrap();
            prop_assert_eq!(code.len(), 14);
            prop_assert_eq!(read_coupon(&code, &keys()), Some(key(wave, seq)));
            let sloppy = code.to_lowercase().replace('0', "o").replace('1', "l").replace('-', "  ");
            prop_assert_eq!(read_coupon(&sloppy, &keys()), Some(key(wave, seq)));
            prop_assert_ne!(read_coupon(&code, &Keys::from_secret(&[8; 32])), Some(key(wave, seq)));
        }

        #[test]
        fn any_text_is_read_without_panic(text in ".{0,20}", twelve in "[0-9A-Za-z]{12}") {
            let _ = read_coupon(&text, &keys());
            let _ = read_coupon(&twelve, &keys());
        }
    }

    #[test]
    fn coupons_stay_what_they_are_and_are_sparse() {
        let codes: Vec<String> = (1..=2_000)
            .map(|seq| coupon_code(key(1, seq), &keys()).unwrap())
            .collect();
        let hits = codes
            .iter()
            .filter(|code| {
                let mut next = (*code).clone();
                let last = next.pop().unwrap();
                next.push(if last == 'A' { 'B' } else { 'A' });
                read_coupon(&next, &keys()).is_some()
            })
            .count();
        assert!(hits < 10, "{hits}");
        assert_eq!(coupon_code(key(1 << WAVE_BITS, 1), &keys()), None);
        assert_eq!(coupon_code(key(1, 1 << PLACE_BITS), &keys()), None);
        assert_eq!(coupon_code(key(1, -1), &keys()), None);
    }
}
