//! What the console says, in the language of who reads it: English stands in the pages and is the key; French in
//! `words/fr/*.toml`, a file per area. Figures, money and days in the form of each.

use std::collections::HashMap;
use std::sync::LazyLock;

use chrono::{Datelike as _, NaiveDate};
use chrono_tz::Tz;
use rust_embed::RustEmbed;

use super::public::words::Language;
use crate::clock::{DAY_MS, from_ms};
use crate::statistics::sentence::thousands;
use crate::templates::day_in_words;

pub(super) use crate::statistics::sentence::fill;

pub(super) mod said;

#[derive(RustEmbed)]
#[folder = "src/web/words/fr"]
struct FrenchFiles;

/// French by English.
static FRENCH: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    let mut french = HashMap::new();
    for name in FrenchFiles::iter() {
        let Some(file) = FrenchFiles::get(&name) else {
            continue;
        };
        match std::str::from_utf8(&file.data)
            .map_err(|error| error.to_string())
            .and_then(|text| {
                toml::from_str::<HashMap<String, String>>(text).map_err(|error| error.to_string())
            }) {
            Ok(words) => french.extend(words),
            // A test reads every file; English is shown where one is damaged.
            Err(error) => tracing::error!(file = %name, error, "French words cannot be read"),
        }
    }
    french
});

/// A narrow space that no line break parts, as French has it between thousands.
const NARROW: char = '\u{202f}';

/// A language with the forms of its figures.
#[derive(Debug, Clone)]
pub struct Words {
    language: Language,
    currency: String,
    zone: Tz,
}

impl Words {
    /// `currency`: ISO 4217, of every amount; `zone`: in whose time instants are told.
    pub fn new(language: Language, currency: &str, zone: Tz) -> Self {
        Self {
            language,
            currency: currency.to_owned(),
            zone,
        }
    }

    pub fn language(&self) -> Language {
        self.language
    }

    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// What is said for an English text; the text itself where there is nothing else.
    pub fn t<'a>(&self, english: &'a str) -> &'a str
    where
        'static: 'a,
    {
        match self.language {
            Language::French => FRENCH.get(english).map_or(english, String::as_str),
            _ => english,
        }
    }

    /// As [`Words::t`], with values for `{name}`.
    pub fn fill<V: AsRef<str>>(&self, english: &str, values: &[(&str, V)]) -> String {
        said::unparted(&fill(self.t(english), values))
    }

    /// `name: value`, with what stands before the colon in this language.
    pub fn pair(&self, name: &str, value: &str) -> String {
        self.fill("{name}: {value}", &[("name", name), ("value", value)])
    }

    /// `one` or `many` with the count for `{n}`; French says one for nothing too, where that does not name the number
    /// itself.
    pub fn counted(&self, count: u64, one: &str, many: &str) -> String {
        let is_one = count == 1 || (count == 0 && self.is_french() && one.contains("{n}"));
        self.fill(
            if is_one { one } else { many },
            &[("n", self.number(count))],
        )
    }

    fn is_french(&self) -> bool {
        self.language == Language::French
    }

    /// `12,410` or `12 410`.
    pub fn number(&self, count: u64) -> String {
        let text = thousands(count);
        if self.is_french() {
            text.replace(',', &NARROW.to_string())
        } else {
            text
        }
    }

    /// A figure with so many places behind the point.
    pub fn decimal(&self, value: f64, places: usize) -> String {
        let text = format!("{:.places$}", value.abs());
        let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
        let whole = whole
            .parse()
            .map_or_else(|_| whole.to_owned(), |count| self.number(count));
        let is_zero = text.bytes().all(|b| b == b'0' || b == b'.');
        let sign = if value < 0.0 && !is_zero { "−" } else { "" };
        let point = if self.is_french() { ',' } else { '.' };
        if rest.is_empty() {
            format!("{sign}{whole}")
        } else {
            format!("{sign}{whole}{point}{rest}")
        }
    }

    /// A share as `9.30 %`, a dash for none.
    pub fn percent(&self, share: Option<f64>) -> String {
        share.filter(|share| share.is_finite()).map_or_else(
            || "–".to_owned(),
            |share| format!("{}\u{a0}%", self.decimal(share * 100.0, 2)),
        )
    }

    /// The currency of every amount, as ISO 4217 writes it.
    pub fn currency(&self) -> &str {
        &self.currency
    }

    /// An amount of cents with its currency: `1,234.50 €`.
    pub fn money(&self, cents: i64) -> String {
        let sign = if cents < 0 { "−" } else { "" };
        let cents = cents.unsigned_abs();
        let point = if self.is_french() { ',' } else { '.' };
        let currency = match self.currency.as_str() {
            "EUR" => "€",
            "USD" => "$",
            "GBP" => "£",
            other => other,
        };
        format!(
            "{sign}{}{point}{:02}\u{a0}{currency}",
            self.number(cents / 100),
            cents % 100
        )
    }

    /// `1 December 2026` or `1er décembre 2026`.
    pub fn date(&self, day: NaiveDate) -> String {
        day_in_words(self.language.code(), day)
    }

    /// The day of an instant, milliseconds since the epoch.
    pub fn day(&self, ms: i64) -> String {
        self.date(from_ms(ms).with_timezone(&self.zone).date_naive())
    }

    /// An instant to the minute: `1 December 2026, 09:30`.
    pub fn moment(&self, ms: i64) -> String {
        let at = from_ms(ms).with_timezone(&self.zone);
        let day = self.date(at.date_naive());
        let link = if self.is_french() { " à " } else { ", " };
        format!("{day}{link}{}", at.format("%H:%M"))
    }

    /// Since when something holds: a day that was given without a time is midnight UTC, and told as the day alone.
    pub fn since(&self, ms: i64) -> String {
        if ms.rem_euclid(DAY_MS) == 0 {
            self.date(from_ms(ms).date_naive())
        } else {
            self.moment(ms)
        }
    }

    /// The month of a day: `December 2026`.
    pub fn month(&self, day: NaiveDate) -> String {
        const ENGLISH: [&str; 12] = [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ];
        const FRENCH: [&str; 12] = [
            "janvier",
            "février",
            "mars",
            "avril",
            "mai",
            "juin",
            "juillet",
            "août",
            "septembre",
            "octobre",
            "novembre",
            "décembre",
        ];
        let months = if self.is_french() { FRENCH } else { ENGLISH };
        let name = months.get(day.month0() as usize).copied().unwrap_or("");
        format!("{name} {}", day.year())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(language: Language) -> Words {
        Words::new(language, "EUR", chrono_tz::Europe::Paris)
    }

    #[test]
    fn figures_have_the_form_of_their_language() {
        let (english, french) = (words(Language::English), words(Language::French));
        assert_eq!(english.number(12_410), "12,410");
        assert_eq!(french.number(12_410), "12\u{202f}410");
        assert_eq!(english.money(-123_450), "−1,234.50\u{a0}€");
        assert_eq!(french.money(4_964), "49,64\u{a0}€");
        assert_eq!(english.percent(Some(0.093)), "9.30\u{a0}%");
        assert_eq!(french.percent(Some(0.093)), "9,30\u{a0}%");
        assert_eq!(french.percent(None), "–");
        assert_eq!(english.decimal(-0.001, 1), "0.0");
        assert_eq!(french.moment(0), "1er janvier 1970 à 01:00");
        assert_eq!(english.moment(0), "1 January 1970, 01:00");
        assert_eq!(english.since(0), "1 January 1970");
        assert_eq!(english.since(60_000), "1 January 1970, 01:01");
    }

    #[test]
    fn values_stand_in_their_places() {
        let text = "{n} of {all}, {else}{";
        let filled = fill(text, &[("n", "3"), ("all", "{n}")]);
        assert_eq!(filled, "3 of {n}, {else}{");
    }

    #[test]
    fn french_files_are_read_whole_and_agree() {
        let mut seen: HashMap<String, String> = HashMap::new();
        for name in FrenchFiles::iter() {
            let file = FrenchFiles::get(&name).expect("it was listed");
            let text = std::str::from_utf8(&file.data).expect("UTF-8");
            let words: HashMap<String, String> =
                toml::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            for (english, french) in words {
                for value in english
                    .split('{')
                    .skip(1)
                    .filter_map(|rest| rest.split('}').next())
                {
                    let value = format!("{{{value}}}");
                    assert!(french.contains(&value), "{name}: {english:?} lacks {value}");
                }
                let known = seen.insert(english.clone(), french.clone());
                assert!(
                    known.is_none_or(|known| known == french),
                    "{name}: {english:?} has two translations"
                );
            }
        }
    }

    /// Every text of a page and every one that the console's code asks for has its French.
    #[test]
    fn nothing_is_left_in_english() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web");
        let mut missing = Vec::new();
        let mut folders = vec![root];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a folder of ours") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let openings: &[&str] = match path.extension().and_then(|e| e.to_str()) {
                    Some("hbs") => &["{{t \"", "(t \""],
                    Some("rs") if !path.ends_with("words.rs") => &[
                        "words.t(\"",
                        "words().t(\"",
                        "words.fill(\"",
                        "words().fill(\"",
                    ],
                    _ => continue,
                };
                let source = std::fs::read_to_string(&path).expect("text");
                let text = source.replace("(\n", "(");
                let text: String = text
                    .lines()
                    .map(str::trim_start)
                    .collect::<Vec<_>>()
                    .join("\n")
                    .replace("(\n", "(");
                for opening in openings {
                    for part in text.split(opening).skip(1) {
                        let english = part.split('"').next().unwrap_or_default();
                        if !FRENCH.contains_key(english) {
                            missing.push(format!("{}: {english:?}", path.display()));
                        }
                    }
                }
            }
        }
        assert!(
            missing.is_empty(),
            "without French:\n{}",
            missing.join("\n")
        );
    }
}
