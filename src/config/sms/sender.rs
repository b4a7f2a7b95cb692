//! What stands as the sender of a text message.

use super::StopSettings;
use crate::config::ConfigError;

/// The longest name of a sender (3GPP TS 23.040 section 9.1.2.5: ten octets of septets).
const NAME_CHARACTERS: usize = 11;
/// Digits of a number (ITU-T E.164), without its +.
const NUMBER_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;
/// Digits of a short code.
const SHORT_CODE_DIGITS: std::ops::RangeInclusive<usize> = 3..=8;
/// Characters of a STOP mention: more would cost a part of its own.
const STOP_CHARACTERS: usize = 60;
/// Stands in a STOP mention for the recipient's short unsubscribe link.
pub const STOP_LINK: &str = "{link}";

/// French mobile numbers, overseas too: none may write for a machine since 1 August 2019 (ARCEP décision
/// 2018-0881).
const FRENCH_MOBILE: [&str; 8] = [
    "+336", "+337", "+262639", "+262692", "+262693", "+59069", "+59469", "+59669",
];

/// Whether a sender is a French mobile number, from which no machine may write.
pub fn is_french_mobile(sender: &str) -> bool {
    FRENCH_MOBILE
        .iter()
        .any(|prefix| sender.starts_with(prefix))
}

/// The kind of a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SenderId {
    /// Letters and digits; nobody can answer it.
    Name,
    /// A short number of one country.
    ShortCode,
    /// E.164.
    Number,
}

impl SenderId {
    /// Reads a sender.
    ///
    /// # Errors
    /// What a sender may look like.
    pub fn read(text: &str) -> Result<Self, String> {
        let is_digits = |text: &str| text.bytes().all(|c| c.is_ascii_digit());
        if let Some(digits) = text.strip_prefix('+') {
            return if is_digits(digits)
                && NUMBER_DIGITS.contains(&digits.len())
                && !digits.starts_with('0')
            {
                Ok(Self::Number)
            } else {
                Err(format!(
                    "{text:?} is not a number; write + and its 7 to 15 digits, with the code of the country"
                ))
            };
        }
        if text.is_empty() || !text.bytes().all(|c| c.is_ascii_alphanumeric()) {
            return Err(format!(
                "{text:?} is not a sender; use a short code, a number such as +33700000000, or a name of 1 to 11 letters A-Z and digits"
            ));
        }
        if is_digits(text) {
            return if SHORT_CODE_DIGITS.contains(&text.len()) {
                Ok(Self::ShortCode)
            } else {
                Err(format!(
                    "{text:?} is no short code, which has 3 to 8 digits; a number begins with +, and a name is not all digits"
                ))
            };
        }
        if text.len() > NAME_CHARACTERS {
            return Err(format!(
                "{text:?} is too long: the name of a sender has at most 11 characters"
            ));
        }
        Ok(Self::Name)
    }
}

impl StopSettings {
    /// Whether the mention says where to send STOP, or has a link, in every language: what a sender needs
    /// whom nobody can answer.
    pub fn leads_somewhere(&self) -> bool {
        self.text
            .values()
            .all(|text| text.contains(STOP_LINK) || has_short_code(text))
    }

    /// Whether the mention says STOP or has a link, in every language.
    pub fn says_how(&self) -> bool {
        self.text
            .values()
            .all(|text| text.contains(STOP_LINK) || text.to_uppercase().contains("STOP"))
    }

    pub(super) fn validate(&self, key: &str) -> Result<(), ConfigError> {
        if self.text.is_empty() {
            return Err(ConfigError::key(
                &format!("{key}.text"),
                "is empty; give it by language: text = { fr = \"STOP au 36111\" }",
            ));
        }
        for (language, text) in &self.text {
            let key = format!("{key}.text.{language}");
            let is_one_line = !text.trim().is_empty() && !text.chars().any(char::is_control);
            if !is_one_line || text.chars().count() > STOP_CHARACTERS {
                return Err(ConfigError::key(
                    &key,
                    "must be one line of 1 to 60 characters",
                ));
            }
            let rest = text.replace(STOP_LINK, "");
            if rest.contains(['{', '}']) {
                return Err(ConfigError::key(
                    &key,
                    "holds braces that stand for nothing; {link} is the recipient's short unsubscribe link",
                ));
            }
            if self.by == super::StopBy::Provider && text.contains(STOP_LINK) {
                return Err(ConfigError::key(
                    &key,
                    "holds {link}, which the provider cannot fill in; leave it out, or write by = \"us\"",
                ));
            }
        }
        Ok(())
    }
}

/// Three digits in a row.
fn has_short_code(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_digit())
        .any(|digits| digits.len() >= 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_are_told_apart() {
        for (text, expected) in [
            ("ACME", Some(SenderId::Name)),
            ("Acme2026", Some(SenderId::Name)),
            ("A", Some(SenderId::Name)),
            ("Vaisselle80", Some(SenderId::Name)),
            ("36111", Some(SenderId::ShortCode)),
            ("12345678", Some(SenderId::ShortCode)),
            ("+33939010101", Some(SenderId::Number)),
            ("+447700900123", Some(SenderId::Number)),
            ("", None),
            ("12", None),
            ("0612345678", None),
            ("33612345678", None),
            ("+0612345678", None),
            ("+33 6 12 34", None),
            ("+", None),
            ("Vaisselle800", None),
            ("Épicerie", None),
            ("My-Shop", None),
            ("My Shop", None),
            ("Straße", None),
        ] {
            assert_eq!(SenderId::read(text).ok(), expected, "{text:?}");
        }
    }
}
