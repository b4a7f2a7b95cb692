//! What stands in links: which delivery, which link of it, or which customer, and a MAC that proves we
//! wrote it.
//!
//! Nothing is looked up to check a token, nothing about the person stands in it, and it never expires:
//! an unsubscribe link of ten years ago still works. The destination of a click is not in the token
//! either; it comes from the frozen template.

mod coupon;
mod short;

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};

use crate::ids::{ConfirmationId, CustomerId, DeliveryKey, SummaryId, WaveId};
use crate::keys::{Keys, MAC_BYTES, Purpose};

pub use coupon::{coupon_code, coupon_key, has_coupon, read_coupon};
pub use short::{SHORT_CODE_CHARACTERS, read_short_code, short_code};

/// What a token opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkKind {
    /// A click on link number `n` of the template.
    Click(u16),
    /// The open pixel.
    Open,
    /// The unsubscribe page and the one-click POST.
    Unsubscribe,
    /// The message as a page.
    Browser,
    /// The link that no person sees.
    Trap,
}

/// A link of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LinkToken {
    pub delivery: DeliveryKey,
    pub kind: LinkKind,
}

/// Bytes before the MAC: kind, wave, place, link number.
const PAYLOAD_BYTES: usize = 1 + 8 + 8 + 2;

/// Bytes of the MAC in a return path: 80 bits, so that the local part stays short.
const RETURN_PATH_MAC_BYTES: usize = 10;

impl LinkToken {
    /// The token as it stands in a URL: 47 characters of `A-Za-z0-9-_`.
    pub fn encode(&self, keys: &Keys) -> String {
        let payload = self.payload();
        let mut bytes = payload.to_vec();
        bytes.extend_from_slice(&keys.mac(Purpose::Link, &payload));
        BASE64URL_NOPAD.encode(&bytes)
    }

    /// Reads a token; `None` when it is not one of ours, whatever is wrong with it.
    pub fn decode(text: &str, keys: &Keys) -> Option<Self> {
        // Longer than any token: not worth decoding.
        if text.len() > 64 {
            return None;
        }
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        if bytes.len() != PAYLOAD_BYTES + MAC_BYTES {
            return None;
        }
        let (payload, mac) = bytes.split_at_checked(PAYLOAD_BYTES)?;
        if !keys.is_authentic(Purpose::Link, payload, mac) {
            return None;
        }
        let (kind, rest) = payload.split_first()?;
        let (wave, rest) = rest.split_first_chunk::<8>()?;
        let (seq, rest) = rest.split_first_chunk::<8>()?;
        let (link, _) = rest.split_first_chunk::<2>()?;
        let kind = match kind {
            1 => LinkKind::Click(u16::from_be_bytes(*link)),
            2 => LinkKind::Open,
            3 => LinkKind::Unsubscribe,
            4 => LinkKind::Browser,
            5 => LinkKind::Trap,
            _ => return None,
        };
        Some(Self {
            delivery: DeliveryKey {
                wave: WaveId(i64::from_be_bytes(*wave)),
                seq: i64::from_be_bytes(*seq),
            },
            kind,
        })
    }

    fn payload(&self) -> [u8; PAYLOAD_BYTES] {
        let (kind, link) = match self.kind {
            LinkKind::Click(link) => (1, link),
            LinkKind::Open => (2, 0),
            LinkKind::Unsubscribe => (3, 0),
            LinkKind::Browser => (4, 0),
            LinkKind::Trap => (5, 0),
        };
        let mut payload = [0; PAYLOAD_BYTES];
        let parts = std::iter::once(kind)
            .chain(self.delivery.wave.0.to_be_bytes())
            .chain(self.delivery.seq.to_be_bytes())
            .chain(link.to_be_bytes());
        for (to, from) in payload.iter_mut().zip(parts) {
            *to = from;
        }
        payload
    }
}

/// The token of a customer's preference centre, 32 characters of `A-Za-z0-9-_`: the same in every message,
/// and for as long as he is in the base.
pub fn preferences_token(customer: CustomerId, keys: &Keys) -> String {
    let id = customer.0.to_be_bytes();
    let mac = keys.mac(Purpose::Preferences, &id);
    BASE64URL_NOPAD.encode(&[id.as_slice(), &mac].concat())
}

/// Reads a token of the preference centre; `None` when it is not one of ours, whatever is wrong with it.
pub fn read_preferences_token(text: &str, keys: &Keys) -> Option<CustomerId> {
    if text.len() != 32 {
        return None;
    }
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    let (id, mac) = bytes.split_first_chunk::<8>()?;
    (mac.len() == MAC_BYTES && keys.is_authentic(Purpose::Preferences, id, mac))
        .then(|| CustomerId(i64::from_be_bytes(*id)))
}

/// The tag of a return path (VERP): `{wave}-{seq}-{mac}` in lower case, since local parts get lower-cased.
pub fn return_path_tag(delivery: DeliveryKey, keys: &Keys) -> String {
    let id = format!("{}-{}", delivery.wave, delivery.seq);
    let mac = keys.mac(Purpose::ReturnPath, id.as_bytes());
    let mac = mac.get(..RETURN_PATH_MAC_BYTES).unwrap_or(&mac);
    format!("{id}-{}", BASE32_NOPAD.encode(mac).to_ascii_lowercase())
}

/// Reads the tag of a return path; `None` unless its MAC proves that we wrote it.
pub fn read_return_path_tag(tag: &str, keys: &Keys) -> Option<DeliveryKey> {
    let (id, mac) = tag.rsplit_once('-')?;
    let (wave, seq) = id.split_once('-')?;
    let delivery = DeliveryKey {
        wave: WaveId(wave.parse().ok()?),
        seq: seq.parse().ok()?,
    };
    let mac = BASE32_NOPAD
        .decode(mac.to_ascii_uppercase().as_bytes())
        .ok()?;
    (mac.len() == RETURN_PATH_MAC_BYTES
        && keys.is_authentic(Purpose::ReturnPath, id.as_bytes(), &mac))
    .then_some(delivery)
}

/// The part of the Message-ID before `@`: the same for every attempt, so that a receiving system can
/// drop a double.
pub fn message_id_local(delivery: DeliveryKey, keys: &Keys) -> String {
    let id = format!("{}.{}", delivery.wave, delivery.seq);
    let mac = keys.mac(Purpose::MessageId, id.as_bytes());
    format!("{id}.{}", BASE32_NOPAD.encode(&mac).to_ascii_lowercase())
}

/// Reads the part of a Message-ID before `@`, whatever case it comes in; `None` unless its MAC proves that we
/// wrote it. Receiving systems and providers name messages by it.
pub fn read_message_id_local(local: &str, keys: &Keys) -> Option<DeliveryKey> {
    let (id, mac) = local.rsplit_once('.')?;
    let (wave, seq) = id.split_once('.')?;
    let delivery = DeliveryKey {
        wave: WaveId(wave.parse().ok()?),
        seq: seq.parse().ok()?,
    };
    let mac = BASE32_NOPAD
        .decode(mac.to_ascii_uppercase().as_bytes())
        .ok()?;
    (mac.len() == MAC_BYTES && keys.is_authentic(Purpose::MessageId, id.as_bytes(), &mac))
        .then_some(delivery)
}

/// The tag of the return path of a notice: `n-{id}-{mac}`, which is no tag of a delivery.
pub fn notice_return_path_tag(notice: ConfirmationId, keys: &Keys) -> String {
    let id = format!("n-{notice}");
    let mac = keys.mac(Purpose::ReturnPath, id.as_bytes());
    let mac = mac.get(..RETURN_PATH_MAC_BYTES).unwrap_or(&mac);
    format!("{id}-{}", BASE32_NOPAD.encode(mac).to_ascii_lowercase())
}

/// Reads the tag of a notice's return path; `None` unless its MAC proves that we wrote it.
pub fn read_notice_return_path_tag(tag: &str, keys: &Keys) -> Option<ConfirmationId> {
    let tag = tag.to_ascii_lowercase();
    let (id, mac) = tag.rsplit_once('-')?;
    let notice = id.strip_prefix("n-")?.parse().ok()?;
    let mac = BASE32_NOPAD
        .decode(mac.to_ascii_uppercase().as_bytes())
        .ok()?;
    (mac.len() == RETURN_PATH_MAC_BYTES
        && keys.is_authentic(Purpose::ReturnPath, id.as_bytes(), &mac))
    .then_some(ConfirmationId(notice))
}

/// The tag of the return path of a summary: `s-{id}-{mac}`, which is neither a delivery's nor a notice's.
pub fn summary_return_path_tag(summary: SummaryId, keys: &Keys) -> String {
    let id = format!("s-{summary}");
    let mac = keys.mac(Purpose::ReturnPath, id.as_bytes());
    let mac = mac.get(..RETURN_PATH_MAC_BYTES).unwrap_or(&mac);
    format!("{id}-{}", BASE32_NOPAD.encode(mac).to_ascii_lowercase())
}

/// The part of a summary's Message-ID before `@`: the same for every attempt.
pub fn summary_message_id_local(summary: SummaryId, keys: &Keys) -> String {
    let id = format!("s.{summary}");
    let mac = keys.mac(Purpose::MessageId, id.as_bytes());
    format!("{id}.{}", BASE32_NOPAD.encode(&mac).to_ascii_lowercase())
}

/// The part of a notice's Message-ID before `@`: the same for every attempt.
pub fn notice_message_id_local(notice: ConfirmationId, keys: &Keys) -> String {
    let id = format!("n.{notice}");
    let mac = keys.mac(Purpose::MessageId, id.as_bytes());
    format!("{id}.{}", BASE32_NOPAD.encode(&mac).to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys() -> Keys {
        Keys::from_secret(&[7; 32])
    }

    fn token() -> impl Strategy<Value = LinkToken> {
        let kind = prop_oneof![
            any::<u16>().prop_map(LinkKind::Click),
            Just(LinkKind::Open),
            Just(LinkKind::Unsubscribe),
            Just(LinkKind::Browser),
            Just(LinkKind::Trap),
        ];
        (0..i64::MAX, 0..i64::MAX, kind).prop_map(|(wave, seq, kind)| LinkToken {
            delivery: DeliveryKey {
                wave: WaveId(wave),
                seq,
            },
            kind,
        })
    }

    proptest! {
        #[test]
        fn a_token_comes_back_as_it_went(token in token()) {
            prop_assert_eq!(LinkToken::decode(&token.encode(&keys()), &keys()), Some(token));
        }

        #[test]
        fn a_token_changed_in_one_character_is_refused(token in token(), at in 0_usize..47, to in "[A-Za-z0-9_-]") {
            let text = token.encode(&keys());
            let mut changed = text.clone();
            changed.replace_range(at..=at, &to);
            if changed != text {
                prop_assert_eq!(LinkToken::decode(&changed, &keys()), None);
            }
        }

        #[test]
        fn a_token_cut_short_or_of_another_server_is_refused(token in token(), keep in 0_usize..47) {
            let text = token.encode(&keys());
            prop_assert_eq!(LinkToken::decode(text.get(..keep).unwrap_or_default(), &keys()), None);
            prop_assert_eq!(LinkToken::decode(&text, &Keys::from_secret(&[8; 32])), None);
        }

        #[test]
        fn a_preferences_token_opens_the_preferences_of_one_customer_only(id in 1..i64::MAX, at in 0_usize..32, to in "[A-Za-z0-9_-]") {
            let text = preferences_token(CustomerId(id), &keys());
            prop_assert_eq!(read_preferences_token(&text, &keys()), Some(CustomerId(id)));
            prop_assert_eq!(read_preferences_token(&text, &Keys::from_secret(&[8; 32])), None);
            prop_assert_eq!(read_preferences_token(text.get(..at).unwrap_or_default(), &keys()), None);
            let mut changed = text.clone();
            changed.replace_range(at..=at, &to);
            if changed != text {
                prop_assert_eq!(read_preferences_token(&changed, &keys()), None);
            }
        }

        #[test]
        fn any_text_is_read_without_panic(text in ".{0,80}") {
            let _ = LinkToken::decode(&text, &keys());
            let _ = read_preferences_token(&text, &keys());
            let _ = read_return_path_tag(&text, &keys());
            let _ = read_message_id_local(&text, &keys());
        }

        #[test]
        fn a_return_path_survives_a_change_of_case(wave in 1_i64..i64::MAX, seq in 1_i64..i64::MAX) {
            let delivery = DeliveryKey { wave: WaveId(wave), seq };
            let tag = return_path_tag(delivery, &keys());
            prop_assert!(tag.len() <= 58, "with a prefix it must fit a local part of 64: {}", tag);
            prop_assert_eq!(read_return_path_tag(&tag.to_ascii_uppercase(), &keys()), Some(delivery));
        }

        #[test]
        fn a_message_id_is_read_back_in_any_case_and_only_as_it_was_written(wave in 1_i64..i64::MAX, seq in 1_i64..i64::MAX) {
            let delivery = DeliveryKey { wave: WaveId(wave), seq };
            let local = message_id_local(delivery, &keys());
            prop_assert_eq!(read_message_id_local(&local.to_ascii_uppercase(), &keys()), Some(delivery));
            prop_assert_eq!(read_message_id_local(&format!("+{local}"), &keys()), None);
            prop_assert_eq!(read_message_id_local(&local, &Keys::from_secret(&[8; 32])), None);
        }
    }

    #[test]
    fn a_notice_and_a_delivery_are_told_apart() {
        let notice = notice_return_path_tag(ConfirmationId(7), &keys());
        let delivery = return_path_tag(
            DeliveryKey {
                wave: WaveId(7),
                seq: 7,
            },
            &keys(),
        );
        let upper = notice.to_ascii_uppercase();
        assert_eq!(
            read_notice_return_path_tag(&upper, &keys()),
            Some(ConfirmationId(7))
        );
        assert_eq!(read_return_path_tag(&notice, &keys()), None);
        assert_eq!(read_notice_return_path_tag(&delivery, &keys()), None);
        let forged = notice.replacen("n-7-", "n-8-", 1);
        assert_eq!(read_notice_return_path_tag(&forged, &keys()), None);
    }

    #[test]
    fn a_return_path_for_another_delivery_is_refused() {
        let delivery = |seq| DeliveryKey {
            wave: WaveId(1),
            seq,
        };
        let tag = return_path_tag(delivery(1), &keys());
        let forged = tag.replacen("1-1-", "1-2-", 1);
        assert_eq!(read_return_path_tag(&forged, &keys()), None);
    }
}
