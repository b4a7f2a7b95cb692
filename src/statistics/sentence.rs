//! A sentence with its figures, kept apart until it is known in which language it is said.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What is said: a text in English with `{name}` where a value stands. The text is the key of its translations.
///
/// Written down it is its English; as [`Parts`] it can be kept and still be said in every language.
#[derive(Debug, Clone, PartialEq)]
pub struct Sentence(Parts);

/// A sentence as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parts {
    text: Cow<'static, str>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    values: Vec<(Cow<'static, str>, Value)>,
}

/// What stands in a sentence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// `12,410`.
    Count(u64),
    /// With its noun: the texts for one and for many, `{n}` being the count.
    Counted(u64, Cow<'static, str>, Cow<'static, str>),
    /// With so many places behind the point.
    Decimal(f64, usize),
    /// A share of 1 as per cent, with so many places.
    Percent(f64, usize),
    /// A name that no language changes.
    Name(String),
    /// A word that has its translations.
    Word(Cow<'static, str>),
    /// Milliseconds since the epoch.
    Moment(i64),
    Said(Box<Parts>),
    /// One after the other, parted by commas.
    List(Vec<Parts>),
    /// One after the other, parted by semicolons.
    Clauses(Vec<Parts>),
    Nothing,
}

/// How a language says what sentences are made of.
pub trait Voice {
    /// The text for an English one.
    fn text<'a>(&self, english: &'a str) -> &'a str
    where
        'static: 'a;
    /// Whether so many take the noun of one.
    fn is_one(&self, count: u64) -> bool;
    fn count(&self, count: u64) -> String;
    fn decimal(&self, value: f64, places: usize) -> String;
    fn percent(&self, share: f64, places: usize) -> String;
    fn moment(&self, ms: i64) -> String;
    /// What parts clauses.
    fn semicolon(&self) -> &'static str;
}

impl Sentence {
    /// A text without values.
    pub fn new(text: &'static str) -> Self {
        Self(Parts {
            text: text.into(),
            values: Vec::new(),
        })
    }

    /// One after the other, parted by semicolons.
    pub fn clauses(sentences: Vec<Self>) -> Self {
        Self::new("{clauses}").with("clauses", Value::clauses(sentences))
    }

    /// With a value for `{name}`.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.values.push((name.into(), value.into()));
        self
    }

    /// With a name that no language changes for `{name}`.
    #[must_use]
    pub fn named(self, name: &'static str, value: impl fmt::Display) -> Self {
        self.with(name, Value::Name(value.to_string()))
    }

    /// In the words of a language.
    pub fn said_by(&self, voice: &impl Voice) -> String {
        self.0.said_by(voice)
    }

    /// As it is kept.
    pub fn into_parts(self) -> Parts {
        self.0
    }
}

impl Parts {
    fn said_by(&self, voice: &impl Voice) -> String {
        let values = self.values.iter();
        let values: Vec<(&str, String)> = values
            .map(|(name, value)| (name.as_ref(), value.said_by(voice)))
            .collect();
        fill(voice.text(&self.text), &values)
    }
}

impl Value {
    /// A word that has its translations.
    pub fn word(word: &'static str) -> Self {
        Self::Word(word.into())
    }

    /// A count with its noun, `{n}` being the count.
    pub fn counted(count: u64, one: &'static str, many: &'static str) -> Self {
        Self::Counted(count, one.into(), many.into())
    }

    /// Sentences parted by semicolons.
    pub fn clauses(sentences: Vec<Sentence>) -> Self {
        Self::Clauses(sentences.into_iter().map(Sentence::into_parts).collect())
    }

    /// In the words of a language.
    pub fn said_by(&self, voice: &impl Voice) -> String {
        let join = |sentences: &[Parts], between: &str| {
            let each: Vec<String> = sentences.iter().map(|one| one.said_by(voice)).collect();
            each.join(between)
        };
        match self {
            Self::Count(count) => voice.count(*count),
            Self::Counted(count, one, many) => {
                let text = if voice.is_one(*count) { one } else { many };
                fill(voice.text(text), &[("n", voice.count(*count))])
            }
            Self::Decimal(value, places) => voice.decimal(*value, *places),
            Self::Percent(share, places) => voice.percent(*share, *places),
            Self::Name(name) => name.clone(),
            Self::Word(word) => voice.text(word).to_owned(),
            Self::Moment(ms) => voice.moment(*ms),
            Self::Said(sentence) => sentence.said_by(voice),
            Self::List(sentences) => join(sentences, ", "),
            Self::Clauses(sentences) => join(sentences, voice.semicolon()),
            Self::Nothing => String::new(),
        }
    }
}

impl From<u64> for Value {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<&str> for Value {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<String> for Value {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

impl From<Sentence> for Value {
    fn from(sentence: Sentence) -> Self {
        Self::Said(Box::new(sentence.0))
    }
}

impl From<Option<Sentence>> for Value {
    fn from(sentence: Option<Sentence>) -> Self {
        sentence.map_or(Self::Nothing, Self::from)
    }
}

impl From<Vec<Sentence>> for Value {
    fn from(sentences: Vec<Sentence>) -> Self {
        Self::List(sentences.into_iter().map(Sentence::into_parts).collect())
    }
}

impl From<&'static str> for Sentence {
    fn from(text: &'static str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Sentence {
    /// What somebody else said, as it is.
    fn from(text: String) -> Self {
        Self(Parts {
            text: text.into(),
            values: Vec::new(),
        })
    }
}

impl From<Cow<'_, str>> for Sentence {
    fn from(text: Cow<'_, str>) -> Self {
        text.into_owned().into()
    }
}

impl From<Parts> for Sentence {
    fn from(parts: Parts) -> Self {
        Self(parts)
    }
}

/// As terminals and files have it.
struct English;

impl Voice for English {
    fn text<'a>(&self, english: &'a str) -> &'a str
    where
        'static: 'a,
    {
        english
    }

    fn is_one(&self, count: u64) -> bool {
        count == 1
    }

    fn count(&self, count: u64) -> String {
        thousands(count)
    }

    fn decimal(&self, value: f64, places: usize) -> String {
        let text = format!("{:.places$}", value.abs());
        let is_zero = text.bytes().all(|digit| matches!(digit, b'0' | b'.'));
        let sign = if value < 0.0 && !is_zero { "−" } else { "" };
        let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
        let whole = whole.parse().map_or_else(|_| whole.to_owned(), thousands);
        format!("{sign}{whole}{rest}")
    }

    fn percent(&self, share: f64, places: usize) -> String {
        format!("{} %", self.decimal(share * 100.0, places))
    }

    fn moment(&self, ms: i64) -> String {
        chrono::DateTime::from_timestamp_millis(ms).map_or_else(
            || ms.to_string(),
            |at| at.format("%Y-%m-%d %H:%M UTC").to_string(),
        )
    }

    fn semicolon(&self) -> &'static str {
        "; "
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said_by(&English))
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said_by(&English))
    }
}

impl PartialEq<&str> for Sentence {
    fn eq(&self, text: &&str) -> bool {
        self.said_by(&English) == *text
    }
}

impl Serialize for Sentence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sentence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// A count with commas between thousands.
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Puts values in the place of `{name}`; what has no value stays as it is.
pub fn fill<V: AsRef<str>>(text: &str, values: &[(&str, V)]) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let (before, after) = rest.split_at(open);
        out.push_str(before);
        let Some(close) = after.find('}') else {
            out.push_str(after);
            return out;
        };
        let name = after.get(1..close).unwrap_or_default();
        match values.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => out.push_str(value.as_ref()),
            None => out.push_str(after.get(..=close).unwrap_or_default()),
        }
        rest = after.get(close + 1..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_holds_figures_words_and_sentences() {
        let inner = Sentence::new("p = {p}").with("p", Value::Decimal(0.0123, 3));
        let sentence = Sentence::new("{who}: {n} of {all}, {share} ({inner}).{more}")
            .with("who", "a {b}")
            .with("n", Value::counted(1, "{n} person", "{n} people"))
            .with("all", 12_410_u64)
            .with("share", Value::Percent(-0.0313, 1))
            .with("inner", inner)
            .with("more", None::<Sentence>);
        assert_eq!(sentence, "a {b}: 1 person of 12,410, −3.1 % (p = 0.012).");
        assert_eq!(
            serde_json::to_string(&Sentence::new("{x}").with("x", Value::Moment(0))).unwrap(),
            "\"1970-01-01 00:00 UTC\""
        );
    }

    #[test]
    fn what_is_kept_can_still_be_said() {
        let inner = Sentence::new("{n} %").with("n", Value::word("none"));
        let clauses = vec![inner.clone(), Sentence::from("as it is".to_owned())];
        let sentence = Sentence::new("{one}: {all}")
            .with("one", inner)
            .with("all", Value::clauses(clauses))
            .named("unused", 1);
        let kept = serde_json::to_string(&sentence.clone().into_parts()).unwrap();
        let read: Parts = serde_json::from_str(&kept).unwrap();
        assert_eq!(Sentence::from(read), sentence);
        assert_eq!(sentence, "none %: none %; as it is");
    }
}
