//! Sentences of other rooms in the reader's language.

use super::Words;
use crate::segments::ParseError;
use crate::statistics::Sentence;
use crate::statistics::sentence::Voice;

impl Words {
    /// A sentence with its figures, as this language says it.
    pub fn say(&self, sentence: &Sentence) -> String {
        unparted(&sentence.said_by(self))
    }

    /// What is wrong with a rule, over the line with the place underlined.
    pub fn fault(&self, error: &ParseError) -> String {
        let said = self.say(&error.sentence());
        match &error.place {
            Some(place) => format!("{said}\n{}", place.drawn()),
            None => said,
        }
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

/// With a capital first, as a line begins.
pub(in crate::web) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
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

    fn semicolon(&self) -> &'static str {
        if self.is_french() { "\u{a0}; " } else { "; " }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::public::words::Language;
    use crate::web::words::FRENCH;

    /// Where texts stand that are said without a sentence about them: a file, and the head of the function or constant.
    const SAID: [(&str, &str); 9] = [
        ("consent/bases.rs", "pub const GROUNDS"),
        ("consent/overview.rs", "pub fn describe"),
        ("consent/overview.rs", "pub fn title"),
        ("customers/import/report.rs", "pub fn sentence"),
        ("delivery/why/steps.rs", "pub(super) fn address"),
        ("delivery/why/steps.rs", "pub(super) fn rest"),
        ("gate/model.rs", "pub fn describe"),
        ("gate/rules.rs", "pub fn sentence"),
        ("web/error.rs", "pub(super) fn words"),
    ];

    /// The text of the literal that a source goes on with, past white space.
    fn literal(source: &str) -> Option<String> {
        let mut rest = source.trim_start().strip_prefix('"')?.chars();
        let mut text = String::new();
        loop {
            match rest.next()? {
                '"' => return Some(text),
                '\\' => match rest.next()? {
                    '\n' => rest = rest.as_str().trim_start().chars(),
                    'n' => text.push('\n'),
                    other => text.push(other),
                },
                other => text.push(other),
            }
        }
    }

    /// Whether there is something to say besides values.
    fn has_words(english: &str) -> bool {
        let outside = english
            .split('{')
            .map(|part| part.split_once('}').map_or(part, |(_, rest)| rest));
        outside.collect::<String>().contains(char::is_alphabetic)
    }

    fn said_in(file: &str, source: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for opening in ["Sentence::new(", "::word("] {
            texts.extend(source.split(opening).skip(1).filter_map(literal));
        }
        for counted in source.split("Value::counted(").skip(1) {
            // The nouns may be named elsewhere: what stands behind the call is not of it.
            let call = counted.split("))").next().unwrap_or_default();
            let quoted = call.split('"').skip(1).step_by(2).take(2);
            texts.extend(quoted.map(str::to_owned));
        }
        for (place, head) in SAID {
            if !file.ends_with(place) {
                continue;
            }
            let body = source.split(head).nth(1).expect("it stands there");
            let body = body.split("\n    }\n").next().unwrap_or_default();
            let quoted = body.split('"').skip(1).step_by(2).map(str::to_owned);
            // A law keeps its name.
            texts.extend(quoted.filter(|text| text.contains(' ') && !text.contains("art. ")));
        }
        texts
    }

    /// Every sentence that the rooms below write for readers has its French.
    #[test]
    fn no_sentence_is_left_in_english() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut missing = Vec::new();
        let mut folders = vec![root];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder of ours") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                if path.extension().is_none_or(|extension| extension != "rs") {
                    continue;
                }
                let source = std::fs::read_to_string(&path).expect("text");
                let source = source.split("#[cfg(test)]").next().unwrap_or_default();
                let file = path.display().to_string();
                for english in said_in(&file, source) {
                    if has_words(&english) && !FRENCH.contains_key(&english) {
                        missing.push(format!("{file}: {english:?}"));
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
