//! Fields of what providers write: their types and formats are a habit, not a promise.

use chrono::DateTime;
use ring::digest;
use serde_json::Value;

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

/// A field that counts something small.
pub(super) fn count(value: &Value, name: &str) -> Option<u16> {
    match value.get(name)? {
        Value::Number(number) => number.as_u64()?.try_into().ok(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// The first value of a name in a query or a form; nothing when it is empty.
pub(super) fn pair<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.trim())
        .filter(|value| !value.is_empty())
}

/// The pairs of `application/x-www-form-urlencoded`, decoded.
pub(super) fn form(body: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(body).into_owned().collect()
}

/// Milliseconds since the epoch of a time that names its zone (RFC 3339, or with `+0000`); a time without
/// one could be hours off and is none.
pub(super) fn moment(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"))
        .ok()
        .map(|at| at.timestamp_millis())
}

/// A provider's code, so that it can be kept and shown: letters and digits, at most 40.
pub(super) fn code(text: &str) -> String {
    text.chars()
        .filter(char::is_ascii_alphanumeric)
        .take(40)
        .collect()
}

/// The name of a reply where the provider only names the message it answers: the same when it is posted
/// again, another when somebody answers twice.
pub(super) fn name_of_reply(answered: &str, text: &str) -> String {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let end = hash.as_ref().get(..8).unwrap_or_default();
    format!("{answered}-{}", data_encoding::HEXLOWER.encode(end))
}

/// A number as providers want it that take no plus sign.
pub(super) fn without_plus(number: &str) -> &str {
    number.strip_prefix('+').unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_a_zone_is_none() {
        assert_eq!(moment("1970-01-01T00:00:01Z"), Some(1_000));
        assert_eq!(moment("1970-01-01T01:00:01.250+0100"), Some(1_250));
        assert_eq!(moment("1970-01-01T01:00:01+01:00"), Some(1_000));
        assert_eq!(moment("1970-01-01 00:00:01"), None);
        assert_eq!(moment("yesterday"), None);
    }

    #[test]
    fn a_form_is_decoded_and_its_first_value_counts() {
        let pairs = form("message=C%27est+non+%23&message=oui&empty=&senderid=%2B336".as_bytes());
        assert_eq!(pair(&pairs, "message"), Some("C'est non #"));
        assert_eq!(pair(&pairs, "senderid"), Some("+336"));
        assert_eq!(pair(&pairs, "empty"), None);
    }

    #[test]
    fn a_second_answer_has_another_name_than_the_first() {
        let first = name_of_reply("17", "merci");
        assert_eq!(first, name_of_reply("17", "merci"));
        assert_ne!(first, name_of_reply("17", "STOP"));
        assert_ne!(first, name_of_reply("18", "merci"));
    }

    #[test]
    fn a_code_keeps_letters_and_digits_only() {
        assert_eq!(code("hard_bounce: +336 é"), "hardbounce336");
        assert_eq!(code(&"x".repeat(90)).len(), 40);
    }
}
