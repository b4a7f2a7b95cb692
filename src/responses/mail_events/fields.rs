//! Fields of what providers write: their types and formats are a habit, not a promise.

use chrono::DateTime;
use ring::digest::{self, Context, SHA256};
use serde_json::Value;

use crate::config::MailProvider;

/// Names of a message looked at, of one event.
const REFS_AT_MOST: usize = 8;
/// Characters of a name of a message: a return path's local part has at most 64.
const REF_AT_MOST: usize = 100;
/// How old a signed request may be. Providers try for up to a day; what comes twice within this time is known
/// by its digest, so that it may be long.
pub(super) const OLDEST_MS: i64 = 26 * 3_600_000;
/// How far its clock may go before ours.
const AHEAD_MS: i64 = 5 * 60_000;

/// A field that holds text or a number; nothing when it is empty or anything else.
pub(super) fn text(value: &Value, name: &str) -> Option<String> {
    match value.get(name)? {
        Value::String(text) => {
            let text = text.trim();
            (!text.is_empty()).then(|| text.to_owned())
        }
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A field that holds text, without leaving its place.
pub(super) fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A word as providers differ in writing it: `HardBounce`, `hard_bounce`.
pub(super) fn folded(word: &str) -> String {
    word.chars()
        .filter(char::is_ascii_alphanumeric)
        .take(60)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// Milliseconds since the epoch of a number of seconds, with or without a fraction, as number or text.
pub(super) fn seconds(value: &Value, name: &str) -> Option<i64> {
    let seconds = match value.get(name)? {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    // A year past 9000 is no time of an event.
    (0.0..2.5e11)
        .contains(&seconds)
        .then(|| (seconds * 1_000.0).round() as i64)
}

/// Milliseconds since the epoch of a time that names its zone (RFC 3339); one without could be hours off and
/// is none.
pub(super) fn moment(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text.trim())
        .ok()
        .map(|at| at.timestamp_millis())
}

/// Whether a signed time is neither too old nor of the future.
pub(super) fn is_timely(at: i64, now_ms: i64) -> bool {
    (-AHEAD_MS..=OLDEST_MS).contains(&now_ms.saturating_sub(at))
}

/// SHA-256 of what makes an event the same event whenever it is posted.
pub(super) fn digest(provider: MailProvider, parts: &[&str]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(provider.as_str().as_bytes());
    for part in parts {
        // With its length, so that no two lists of parts make one text.
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    bytes(&context.finish())
}

/// SHA-256 of bytes.
pub(super) fn sha256(of: &[u8]) -> [u8; 32] {
    bytes(&digest::digest(&SHA256, of))
}

fn bytes(digest: &digest::Digest) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    bytes
}

/// What may name a message in these fields: tags, addresses `b+TAG@…`, Message-IDs, in their order and once.
pub(super) fn refs<'a>(fields: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut refs: Vec<String> = Vec::new();
    for field in fields {
        // One field may hold several, as Brevo's own headers do: "ref:1-2-mac|source:shop".
        let pieces = field.split(|c: char| c.is_whitespace() || "<>|,;:\"".contains(c));
        for piece in pieces {
            let local = piece.split('@').next().unwrap_or_default();
            let tag = local.to_ascii_lowercase();
            let tag = tag.strip_prefix("b+").unwrap_or(&tag);
            let is_name = (5..=REF_AT_MOST).contains(&tag.len())
                && tag
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
            if is_name && refs.len() < REFS_AT_MOST && !refs.iter().any(|known| known == tag) {
                refs.push(tag.to_owned());
            }
        }
    }
    refs
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_of_messages_are_found_wherever_they_stand() {
        let found = refs([
            "b+1-42-ABCDEFGH@bounce.example",
            "<1.42.mac@news.example>",
            "ref:1-43-abcdefgh|source:shop",
            "1-42-abcdefgh",
            "no",
            "Jean Dupont é@x",
        ]);
        let expected = [
            "1-42-abcdefgh",
            "1.42.mac",
            "1-43-abcdefgh",
            "source",
            "dupont",
        ];
        // Words that are none are refused by their missing MAC.
        assert!(
            expected[..3]
                .iter()
                .all(|name| found.contains(&(*name).to_owned()))
        );
        assert_eq!(found[0], expected[0], "the first place comes first");
        let other: String = (0..50).map(|n| format!("a-1234 {n}-123456 ")).collect();
        assert_eq!(refs([other.as_str()]).len(), REFS_AT_MOST);
        assert_eq!(refs(["x".repeat(101).as_str()]), Vec::<String>::new());
    }

    #[test]
    fn a_time_is_read_as_number_and_text() {
        let value = json!({"a": 1.25, "b": "2", "c": 3, "d": "x", "e": -1, "f": 1e300, "g": "NaN"});
        let read: Vec<_> = ["a", "b", "c", "d", "e", "f", "g", "h"]
            .iter()
            .map(|name| seconds(&value, name))
            .collect();
        assert_eq!(
            read,
            [
                Some(1_250),
                Some(2_000),
                Some(3_000),
                None,
                None,
                None,
                None,
                None
            ]
        );
        assert_eq!(moment("1970-01-01T00:00:01.250Z"), Some(1_250));
        assert_eq!(moment("1970-01-01 00:00:01"), None);
    }

    #[test]
    fn a_signed_time_grows_old_and_comes_not_before_its_day() {
        let now = 1_000_000_000_000;
        assert!(is_timely(now, now) && is_timely(now - OLDEST_MS, now));
        assert!(!is_timely(now - OLDEST_MS - 1, now));
        assert!(is_timely(now + AHEAD_MS, now) && !is_timely(now + AHEAD_MS + 1, now));
        assert!(!is_timely(i64::MIN, now) && !is_timely(i64::MAX, now));
    }

    #[test]
    fn no_two_events_make_one_digest() {
        let of = |parts: &[&str]| digest(MailProvider::Brevo, parts);
        assert_eq!(of(&["a", "b"]), of(&["a", "b"]));
        assert_ne!(of(&["ab", ""]), of(&["a", "b"]));
        assert_ne!(of(&["a"]), digest(MailProvider::Ses, &["a"]));
    }
}
