//! What a cell says: dates, instants, money, yes and no, words for languages and countries.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime};
use serde_json::Value;

use crate::consent::ladder::Level;
use crate::consent::model::{Basis, Tracking};
use crate::statistics::Sentence;
use crate::storage::text::fold;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// A date: `2024-05-31`, `31/05/2024`, `31.05.2024`, `31-05-2024`, or a spreadsheet's day number.
///
/// Day and month are never guessed: what is not year-month-day is day-month-year, and a year has four
/// digits.
///
/// # Errors
/// A sentence for the report.
pub(super) fn date(text: &str) -> Result<NaiveDate, Sentence> {
    let wrong = || {
        Sentence::new("{text} is not a date; write 2024-05-31 or 31/05/2024")
            .with("text", format!("{text:?}"))
    };
    if let Some(serial) = serial(text) {
        return from_serial(serial).ok_or_else(wrong);
    }
    let parts: Vec<&str> = text.split(['-', '/', '.']).collect();
    let [first, second, third] = parts.as_slice() else {
        return Err(wrong());
    };
    let (year, month, day) = if first.len() == 4 {
        (*first, *second, *third)
    } else {
        (*third, *second, *first)
    };
    let number = |text: &str, longest: usize| -> Option<u32> {
        let is_number = text.len() <= longest && text.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| text.parse().ok()).flatten()
    };
    let read = || -> Option<NaiveDate> {
        let year = number(year, 4).filter(|year| (1800..=2200).contains(year))?;
        NaiveDate::from_ymd_opt(
            i32::try_from(year).ok()?,
            number(month, 2)?,
            number(day, 2)?,
        )
    };
    read().ok_or_else(wrong)
}

/// An instant in milliseconds since the epoch: a date as for [`date`], with or without a time, with or
/// without an offset; without one it is UTC.
///
/// # Errors
/// A sentence for the report.
pub(in crate::customers) fn instant(text: &str) -> Result<i64, Sentence> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Ok(instant.timestamp_millis());
    }
    if let Some((days, fraction)) = text.split_once([',', '.'])
        && let Some(midnight) = serial(days).and_then(from_serial)
        && (1..=12).contains(&fraction.len())
        && fraction.bytes().all(|b| b.is_ascii_digit())
    {
        let scale = 10_i64.pow(u32::try_from(fraction.len()).unwrap_or(12));
        let share = fraction.parse::<i64>().unwrap_or_default();
        // Whole seconds: a spreadsheet's fraction of a day is no more exact.
        return Ok(ms(midnight, NaiveTime::MIN) + (share * 86_400 + scale / 2) / scale * 1_000);
    }
    let (day, time) = match text.split_once(['T', ' ']) {
        Some((day, time)) => (day, time.trim()),
        None => (text, ""),
    };
    let day = date(day)?;
    let wrong = || {
        Sentence::new("{text} is not a date with a time; write 2024-05-31 14:05")
            .with("text", format!("{text:?}"))
    };
    let time = match time.trim_end_matches('Z') {
        "" => NaiveTime::MIN,
        time => ["%H:%M:%S%.f", "%H:%M", "%Hh%M"]
            .iter()
            .find_map(|format| NaiveTime::parse_from_str(time, format).ok())
            .ok_or_else(wrong)?,
    };
    Ok(ms(day, time))
}

fn ms(day: NaiveDate, time: NaiveTime) -> i64 {
    NaiveDateTime::new(day, time).and_utc().timestamp_millis()
}

/// Five digits: what Excel shows of a date whose cell is formatted as a number.
fn serial(text: &str) -> Option<u64> {
    (text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// Days since 1899-12-30, which is right from March 1900 on.
fn from_serial(days: u64) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(1899, 12, 30)?.checked_add_days(Days::new(days))
}

/// The first millisecond of the day of `at` in UTC.
pub(super) fn start_of_day(at: i64) -> i64 {
    at.div_euclid(DAY_MS) * DAY_MS
}

/// The last millisecond of the day of `now_ms`: a date without a time may still be today.
pub(in crate::customers) fn end_of_day(now_ms: i64) -> i64 {
    start_of_day(now_ms) + DAY_MS - 1
}

/// An amount of money in cents, exactly: `1 234,56 €`, `1,234.56`, `12.5`, `-3`.
///
/// `1,234` and `1.234` are refused: they are a thousand times apart, depending on who wrote them.
///
/// # Errors
/// A sentence for the report.
pub(super) fn cents(text: &str) -> Result<i64, Sentence> {
    let wrong = || {
        Sentence::new("{text} is not an amount; write 1234.56 or 1 234,56")
            .with("text", format!("{text:?}"))
    };
    let bare: String = text
        .trim_end_matches(|c: char| c.is_alphabetic() || c.is_whitespace() || "€$£".contains(c))
        .trim_start_matches(|c: char| c.is_whitespace() || "€$£".contains(c))
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '\'' | '’'))
        .collect();
    let (is_negative, bare) = match bare.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => (true, rest),
        None => (false, bare.as_str()),
    };
    let (whole, fraction) = match bare.rfind([',', '.']) {
        None => (bare.to_owned(), ""),
        Some(at) => {
            let (whole, fraction) = bare.split_at(at);
            let mark = fraction.get(..1).unwrap_or_default();
            let fraction = fraction.get(1..).unwrap_or_default();
            let other = if mark == "," { '.' } else { ',' };
            if whole.contains(mark) || (fraction.len() == 3 && whole.contains(other)) {
                // The mark groups thousands, several times.
                if whole.contains(mark) && !whole.contains(other) && fraction.len() == 3 {
                    (ungroup(bare, mark).ok_or_else(wrong)?, "")
                } else {
                    return Err(wrong());
                }
            } else if fraction.len() == 3 {
                return Err(Sentence::new(
                    "{text} can be read in two ways; write the amount with two decimals",
                )
                .with("text", format!("{text:?}")));
            } else if whole.contains(other) {
                (
                    ungroup(whole, &other.to_string()).ok_or_else(wrong)?,
                    fraction,
                )
            } else {
                (whole.to_owned(), fraction)
            }
        }
    };
    let is_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !is_digits(&whole) || !is_digits(fraction) || fraction.len() > 2 {
        return Err(wrong());
    }
    let units: i64 = whole.parse().map_err(|_error| wrong())?;
    let hundredths: i64 = format!("{fraction:0<2}")
        .parse()
        .map_err(|_error| wrong())?;
    let cents = units
        .checked_mul(100)
        .and_then(|cents| cents.checked_add(hundredths))
        // Sums of orders must stay in range too.
        .filter(|cents| *cents <= 1_000_000_000_000)
        .ok_or_else(wrong)?;
    Ok(if is_negative { -cents } else { cents })
}

/// Digits in groups of three, joined.
fn ungroup(text: &str, mark: &str) -> Option<String> {
    let mut groups = text.split(mark);
    let first = groups
        .next()
        .filter(|group| (1..=3).contains(&group.len()))?;
    let mut joined = first.to_owned();
    for group in groups {
        if group.len() != 3 {
            return None;
        }
        joined.push_str(group);
    }
    Some(joined)
}

/// Yes or no, in the languages of our users.
pub(super) fn answer(text: &str) -> Option<bool> {
    match fold(text).as_str() {
        "yes" | "y" | "oui" | "o" | "ja" | "j" | "si" | "true" | "vrai" | "1" | "opt-in"
        | "optin" => Some(true),
        "no" | "n" | "non" | "nein" | "false" | "faux" | "0" | "stop" | "opt-out" | "optout"
        | "unsubscribed" | "desinscrit" | "desabonne" | "refus" => Some(false),
        _ => None,
    }
}

/// A legal basis by its name or a common one.
pub(super) fn basis(text: &str) -> Option<Basis> {
    match fold(text).replace([' ', '-'], "_").as_str() {
        "consent" | "consentement" | "opt_in" | "optin" | "einwilligung" => Some(Basis::Consent),
        "soft_opt_in" | "soft_optin" | "client" | "existing_customer" => Some(Basis::SoftOptIn),
        "b2b_legitimate_interest" | "b2b_legit_interest" | "b2b" | "interet_legitime_b2b" => {
            Some(Basis::B2bLegitimateInterest)
        }
        "contract" | "contrat" | "vertrag" => Some(Basis::Contract),
        _ => None,
    }
}

/// A rung of the permission ladder, by its name or number.
pub(super) fn level(text: &str) -> Option<Level> {
    let word = fold(text).replace([' ', '-'], "_");
    let named = Level::ALL
        .into_iter()
        .find(|level| level.as_str() == word || level.code().to_string() == word);
    named.or(match word.as_str() {
        "situationnel" => Some(Level::Situational),
        "confiance" | "confiance_dans_la_marque" => Some(Level::BrandTrust),
        "relation" | "relation_personnelle" => Some(Level::PersonalRelationship),
        "fidelite" => Some(Level::Points),
        "intraveineuse" => Some(Level::Intravenous),
        _ => None,
    })
}

/// How far a customer agreed to be followed.
pub(super) fn tracking(text: &str) -> Option<Tracking> {
    match fold(text).as_str() {
        "none" | "no" | "non" | "aucun" | "0" => Some(Tracking::None),
        "hygiene" => Some(Tracking::Hygiene),
        "full" | "complet" => Some(Tracking::Full),
        _ => None,
    }
}

/// A language as ISO 639-1, from a code, a locale or its name.
pub(super) fn language(text: &str) -> Option<String> {
    let folded = fold(text);
    let named = match folded.as_str() {
        "french" | "francais" | "franzosisch" => "fr",
        "english" | "anglais" | "englisch" => "en",
        "german" | "allemand" | "deutsch" => "de",
        "spanish" | "espagnol" | "espanol" => "es",
        "italian" | "italien" | "italiano" => "it",
        "dutch" | "neerlandais" | "nederlands" => "nl",
        "portuguese" | "portugais" | "portugues" => "pt",
        "polish" | "polonais" | "polski" => "pl",
        _ => folded.split(['-', '_']).next().unwrap_or_default(),
    };
    (named.len() == 2 && named.bytes().all(|b| b.is_ascii_lowercase())).then(|| named.to_owned())
}

/// A country as ISO 3166-1 alpha-2, from its code or its name.
pub(super) fn country(text: &str) -> Option<String> {
    let folded = fold(text);
    let code = match folded.as_str() {
        "france" | "fra" => "fr",
        "germany" | "allemagne" | "deutschland" | "deu" => "de",
        "belgium" | "belgique" | "belgie" | "bel" => "be",
        "switzerland" | "suisse" | "schweiz" | "che" => "ch",
        "luxembourg" | "lux" => "lu",
        "spain" | "espagne" | "espana" | "esp" => "es",
        "italy" | "italie" | "italia" | "ita" => "it",
        "portugal" | "prt" => "pt",
        "netherlands" | "pays-bas" | "nederland" | "nld" => "nl",
        "united kingdom" | "royaume-uni" | "great britain" | "uk" | "gbr" => "gb",
        "ireland" | "irlande" | "irl" => "ie",
        "austria" | "autriche" | "osterreich" | "aut" => "at",
        "poland" | "pologne" | "polska" | "pol" => "pl",
        "united states" | "etats-unis" | "usa" => "us",
        "canada" | "can" => "ca",
        other => other,
    };
    // Codes that telephone plans know are the countries there are.
    let code = code.to_uppercase();
    code.parse::<phonenumber::country::Id>().ok()?;
    (code.len() == 2).then_some(code)
}

/// A gender from a word or a form of address; another word is kept, folded.
pub(super) fn gender(text: &str) -> String {
    let folded = fold(text);
    match folded.trim_end_matches('.') {
        "f" | "female" | "femme" | "woman" | "mme" | "madame" | "mlle" | "mrs" | "ms" | "frau"
        | "w" => "female".to_owned(),
        "m" | "h" | "male" | "homme" | "man" | "mr" | "monsieur" | "herr" => "male".to_owned(),
        _ => folded,
    }
}

/// An attribute's value: a number or a truth value where the cell is plainly one, else text.
pub(super) fn attribute(text: &str) -> Value {
    match fold(text).as_str() {
        "true" | "vrai" => return Value::Bool(true),
        "false" | "faux" => return Value::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once([',', '.']).unwrap_or((digits, "0"));
    let is_digits = |part: &str| {
        !part.is_empty() && part.len() <= 15 && part.bytes().all(|b| b.is_ascii_digit())
    };
    // A leading zero is that of a code: 01000 is a postal code.
    let is_number =
        is_digits(whole) && is_digits(fraction) && (whole == "0" || !whole.starts_with('0'));
    if !is_number {
        return Value::String(text.to_owned());
    }
    let number = text.replace(',', ".");
    match number.parse::<i64>() {
        Ok(number) => Value::from(number),
        Err(_) => number
            .parse::<f64>()
            .map_or_else(|_| Value::String(text.to_owned()), Value::from),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_are_read_as_people_write_them() {
        let day = NaiveDate::from_ymd_opt(2024, 5, 31).unwrap();
        for text in [
            "2024-05-31",
            "31/05/2024",
            "31.05.2024",
            "31-5-2024",
            "2024/5/31",
            "45443",
        ] {
            assert_eq!(date(text), Ok(day), "{text}");
        }
        // American order, two-digit years and days that are none are not guessed at.
        for text in [
            "05/31/2024",
            "31/05/24",
            "30/02/2024",
            "0000-01-01",
            "yesterday",
            "1/2",
            "",
        ] {
            assert!(date(text).is_err(), "{text}");
        }
    }

    #[test]
    fn instants_know_times_and_offsets() {
        let two = Ok(1_717_164_300_000);
        for text in [
            "2024-05-31T14:05:00Z",
            "2024-05-31T16:05:00+02:00",
            "31/05/2024 14:05",
            "2024-05-31 14:05:00",
            "45443,586805556",
        ] {
            assert_eq!(instant(text), two, "{text}");
        }
        assert_eq!(instant("31/05/2024"), Ok(1_717_113_600_000));
        assert!(instant("31/05/2024 25:00").is_err());
    }

    #[test]
    fn money_is_exact_or_refused() {
        for (text, expected) in [
            ("1 234,56 €", 123_456),
            ("1\u{202f}234,56", 123_456),
            ("1,234.56", 123_456),
            ("1.234.567,8", 123_456_780),
            ("1,234,567", 123_456_700),
            ("$12.5", 1_250),
            ("12", 1_200),
            ("-3,20", -320),
            ("0,29 EUR", 29),
            ("1'234.50", 123_450),
        ] {
            assert_eq!(cents(text), Ok(expected), "{text}");
        }
        for text in [
            "1,234",
            "1.234",
            "12.345.6",
            "1,23,456",
            "12,3456",
            "abc",
            "",
            "-",
            "9999999999999999999",
            "1e5",
        ] {
            assert!(cents(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_attribute_is_a_number_only_where_it_plainly_is_one() {
        assert_eq!(attribute("12"), Value::from(12));
        assert_eq!(attribute("-0,5"), Value::from(-0.5));
        assert_eq!(attribute("01000"), Value::from("01000"));
        assert_eq!(attribute("1.2.3"), Value::from("1.2.3"));
        assert_eq!(attribute("Vrai"), Value::from(true));
        assert_eq!(attribute("oui"), Value::from("oui"));
    }

    #[test]
    fn countries_and_languages_have_codes() {
        assert_eq!(country("Belgique").as_deref(), Some("BE"));
        assert_eq!(country("de").as_deref(), Some("DE"));
        assert_eq!(country("Narnia"), None);
        assert_eq!(country("ZZ"), None);
        assert_eq!(language("fr-FR").as_deref(), Some("fr"));
        assert_eq!(language("Anglais").as_deref(), Some("en"));
        assert_eq!(language("Klingon"), None);
    }

    proptest! {
        #[test]
        fn cents_survive_being_written(amount in -1_000_000_000_000_i64..=1_000_000_000_000) {
            let sign = if amount < 0 { "-" } else { "" };
            let (units, rest) = (amount.abs() / 100, amount.abs() % 100);
            prop_assert_eq!(cents(&format!("{sign}{units},{rest:02}")), Ok(amount));
        }

        #[test]
        fn no_text_makes_them_panic(text in any::<String>(), near in "[-0-9.,/: T€]{0,20}") {
            for text in [&text, &near] {
                let _ = (date(text), instant(text), cents(text), attribute(text), country(text), language(text));
            }
        }
    }
}
