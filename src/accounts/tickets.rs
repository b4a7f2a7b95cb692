//! What a browser carries from one step of signing in to the next: readable by it, made by nobody but us, and for
//! some minutes only.

use data_encoding::BASE64URL_NOPAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::keys::{Keys, Purpose};

/// Milliseconds for which a step may be taken.
pub const LASTS_MS: i64 = 10 * 60_000;

#[derive(Debug, Serialize, Deserialize)]
struct Ticket<T> {
    /// Which step it is for, so that one cannot be taken for another.
    step: String,
    until: i64,
    content: T,
}

/// A ticket for a step. What cannot be written as JSON is an empty ticket, which is none.
pub fn write<T: Serialize>(keys: &Keys, step: &str, content: &T, now_ms: i64) -> String {
    let ticket = Ticket {
        step: step.to_owned(),
        until: now_ms + LASTS_MS,
        content,
    };
    let json = serde_json::to_vec(&ticket).unwrap_or_default();
    let mac = keys.mac(Purpose::SignIn, &json);
    format!(
        "{}.{}",
        BASE64URL_NOPAD.encode(&json),
        BASE64URL_NOPAD.encode(&mac)
    )
}

/// What stands in a ticket, if it is ours, for this step, and not over.
pub fn read<T: DeserializeOwned>(keys: &Keys, step: &str, text: &str, now_ms: i64) -> Option<T> {
    let (json, mac) = text.split_once('.')?;
    let json = BASE64URL_NOPAD.decode(json.as_bytes()).ok()?;
    let mac = BASE64URL_NOPAD.decode(mac.as_bytes()).ok()?;
    if mac.len() != crate::keys::MAC_BYTES || !keys.is_authentic(Purpose::SignIn, &json, &mac) {
        return None;
    }
    let ticket: Ticket<T> = serde_json::from_slice(&json).ok()?;
    (ticket.step == step && now_ms < ticket.until).then_some(ticket.content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_for_its_step_its_time_and_from_us() {
        let keys = Keys::from_secret(&[7; 32]);
        let ticket = write(&keys, "code", &3_i64, 1_000);
        assert_eq!(read::<i64>(&keys, "code", &ticket, 2_000), Some(3));
        assert_eq!(read::<i64>(&keys, "oidc", &ticket, 2_000), None);
        assert_eq!(read::<i64>(&keys, "code", &ticket, 1_000 + LASTS_MS), None);
        let other = Keys::from_secret(&[8; 32]);
        assert_eq!(read::<i64>(&other, "code", &ticket, 2_000), None);
        let (json, mac) = ticket.split_once('.').expect("two parts");
        let content = b"{\"step\":\"code\",\"until\":9999999999999,\"content\":1}";
        for forged in [
            format!("{json}."),
            format!("{json}.{}", &mac[..8]),
            json.to_owned(),
            format!("{}.{mac}", BASE64URL_NOPAD.encode(content)),
        ] {
            assert_eq!(read::<i64>(&keys, "code", &forged, 2_000), None, "{forged}");
        }
    }
}
