//! What a telephone number tells: of which kind it is, and where. No I/O.

mod zones;

use phonenumber::Type;
use phonenumber::metadata::DATABASE;
use serde::{Deserialize, Serialize};

/// Of which kind a number is, as far as text messages go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhoneKind {
    /// A mobile one, or one of a plan that does not tell mobile from fixed (+1).
    Mobile,
    Fixed,
    /// Toll-free, premium, voice over IP and the like.
    Other,
}

impl PhoneKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mobile => "mobile",
            Self::Fixed => "fixed",
            Self::Other => "other",
        }
    }

    /// Reads the database's word.
    pub fn from_column(text: &str) -> Option<Self> {
        [Self::Mobile, Self::Fixed, Self::Other]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// What a number tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    pub kind: PhoneKind,
    /// ISO 3166-1 alpha-2, overseas France told apart; `None`: an international service, or no number.
    pub country: Option<String>,
    /// IANA name; `None` where the number does not tell.
    pub zone: Option<&'static str>,
}

/// Mobile numbers that are kept for films and books, by their begin and their length in E.164:
/// libphonenumber does not count them as numbers. Arcep décision 2018-0881 (06 39 98 xx xx); Ofcom,
/// telephone numbers for use in drama (07700 900xxx).
const FICTION: [(&str, usize, &str); 2] = [("+3363998", 12, "FR"), ("+447700900", 13, "GB")];

/// The country of a mobile number that is kept for fiction.
fn of_fiction(e164: &str) -> Option<&'static str> {
    FICTION
        .into_iter()
        .find(|(begin, length, _)| e164.starts_with(begin) && e164.len() == *length)
        .map(|(_, _, country)| country)
}

/// Whether it is a mobile number that is kept for fiction.
pub fn is_of_fiction(e164: &str) -> bool {
    of_fiction(e164).is_some()
}

/// Reads a number in E.164.
pub fn read(e164: &str) -> Number {
    if let Some(country) = of_fiction(e164) {
        return Number {
            kind: PhoneKind::Mobile,
            country: Some(country.to_owned()),
            zone: zones::of(country, e164),
        };
    }
    let Ok(number) = phonenumber::parse(None, e164) else {
        return Number {
            kind: PhoneKind::Other,
            country: None,
            zone: None,
        };
    };
    let country = number.country().id().map(|id| id.as_ref().to_owned());
    Number {
        kind: match number.number_type(&DATABASE) {
            Type::Mobile | Type::FixedLineOrMobile => PhoneKind::Mobile,
            Type::FixedLine => PhoneKind::Fixed,
            _ => PhoneKind::Other,
        },
        zone: country
            .as_deref()
            .and_then(|country| zones::of(country, e164)),
        country,
    }
}

#[cfg(test)]
#[path = "number_tests.rs"]
mod tests;
