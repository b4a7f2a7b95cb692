//! Sentences of other rooms in the reader's language.

use super::Words;
use crate::statistics::Sentence;
use crate::statistics::sentence::Voice;

impl Words {
    /// A sentence with its figures, as this language says it.
    pub fn say(&self, sentence: &Sentence) -> String {
        unparted(&sentence.said_by(self))
    }

    /// A share as `9.3 %`, with so many places.
    pub fn percent_of(&self, share: f64, places: usize) -> String {
        format!("{}\u{a0}%", self.decimal(share * 100.0, places))
    }

    /// An amount of cents that was reckoned, rounded to whole ones.
    pub fn amount(&self, cents: f64) -> String {
        // Rounded, and the cast bounds what no amount has.
        #[expect(
            clippy::as_conversions,
            clippy::cast_possible_truncation,
            reason = "bounded by the cast itself"
        )]
        let cents = cents.round() as i64;
        self.money(cents)
    }

    /// The end of a scale of shares: `0.5 %`, `20 %`.
    pub fn round_percent(&self, share: f64) -> String {
        let is_whole = (share * 100.0).fract().abs() < 1e-9;
        self.percent_of(share, if is_whole { 0 } else { 1 })
    }

    /// Two ends: `5 to 7`.
    pub fn ends(&self, low: &str, high: &str) -> String {
        self.fill("{low} to {high}", &[("low", low), ("high", high)])
    }

    /// Both ends of an interval of shares: `5.47 – 6.86 %`.
    pub fn range(&self, low: f64, high: f64) -> String {
        format!(
            "{} – {}",
            self.decimal(low * 100.0, 2),
            self.percent_of(high, 2)
        )
    }
}

/// Figures that no line break parts from their per cent signs.
pub(in crate::web) fn unparted(text: &str) -> String {
    text.replace(" %", "\u{a0}%")
}

/// As a page says it where there is a form: what the command line calls by its key has a field there.
fn on_pages(english: &str) -> &str {
    match english {
        "What it cost is not known: the definition has no [costs] with fixed_cents and per_thousand_cents." => {
            "What it cost is not known: the campaign was planned without its costs (step Message, “Costs”)."
        }
        "What it cost is not known: {n} text messages have no price; see [sms.prices] in the settings." => {
            "What it cost is not known: {n} text messages have no price; whoever runs the server enters the prices."
        }
        "What it earned is not known: the definition's [offer] has no margin_percent." => {
            "What it earned is not known: the campaign was planned without a margin (step Message, “Margin (%)”)."
        }
        "the definition’s expected_response_percent; the range knows chance alone" => {
            "the response rate that you expect; the range knows chance alone"
        }
        "nothing yet: no earlier wave of the same topic, channels and goal is over; set expected_response_percent" => {
            "nothing yet: no earlier wave of the same topic, channels and goal is over; give the response rate that you expect (step Message)"
        }
        other => other,
    }
}

impl Voice for Words {
    fn text<'a>(&self, english: &'a str) -> &'a str
    where
        'static: 'a,
    {
        self.t(on_pages(english))
    }

    fn is_one(&self, count: u64) -> bool {
        count == 1 || (count == 0 && self.is_french())
    }

    fn count(&self, count: u64) -> String {
        self.number(count)
    }

    fn decimal(&self, value: f64, places: usize) -> String {
        Words::decimal(self, value, places)
    }

    fn percent(&self, share: f64, places: usize) -> String {
        self.percent_of(share, places)
    }

    fn moment(&self, ms: i64) -> String {
        Words::moment(self, ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::public::words::Language;
    use crate::web::words::FRENCH;

    /// Every sentence that the rooms below write for readers has its French.
    #[test]
    fn no_sentence_is_left_in_english() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut missing = Vec::new();
        let mut folders: Vec<_> = ["reports", "statistics"].map(|room| root.join(room)).into();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder of ours") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let source = std::fs::read_to_string(&path).unwrap_or_default();
                let source = source.split("#[cfg(test)]").next().unwrap_or_default();
                let lines: Vec<&str> = source.lines().map(str::trim_start).collect();
                let text = lines.join("\n").replace("(\n", "(");
                for opening in ["Sentence::new(\"", "Value::Word(\""] {
                    for part in text.split(opening).skip(1) {
                        let english = part.split('"').next().unwrap_or_default();
                        // What is nothing but values needs no words.
                        let outside = english
                            .split('{')
                            .map(|part| part.split_once('}').map_or(part, |(_, rest)| rest));
                        let has_words = outside.collect::<String>().contains(char::is_alphabetic);
                        if has_words && !FRENCH.contains_key(english) {
                            missing.push(english.to_owned());
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

    #[test]
    fn figures_within_sentences_have_the_form_of_the_language() {
        use crate::statistics::sentence::Value;
        let words = Words::new(Language::French, "EUR", chrono_tz::UTC);
        let sentence = Sentence::new("p = {p}").with("p", Value::Decimal(0.012, 3));
        assert_eq!(words.say(&sentence), "p = 0,012");
    }
}
