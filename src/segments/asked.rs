//! What may be asked of a subject, and which literals fit it.

use super::error::did_you_mean;
use super::lexer::shorten;
use super::model::{Subject, Value};
use super::vocabulary::Kind;
use crate::statistics::sentence::{Sentence, Value as Said};

/// Both ends of a `between` are of one type and in order.
pub(super) fn check_range(low: &Value, high: &Value) -> Result<(), Sentence> {
    let is_empty = match (low, high) {
        (Value::Number(low), Value::Number(high)) => low.as_f64() > high.as_f64(),
        (Value::Date(low), Value::Date(high)) => low > high,
        (Value::Text(_), Value::Text(_)) => false,
        (Value::Boolean(_), _) => {
            return Err(Sentence::new("true and false have no order; use = or in"));
        }
        _ => return Err(Sentence::new("both ends are of one type")),
    };
    if is_empty {
        return Err(Sentence::new(
            "nothing lies between these: the smaller comes first",
        ));
    }
    Ok(())
}

/// What may be asked of a subject.
#[derive(Clone, Copy)]
pub(super) enum Asked {
    Text,
    Word(&'static [&'static str]),
    Whole,
    Money,
    Date,
    Attribute,
}

impl Asked {
    pub fn of(subject: &Subject) -> Self {
        match subject {
            Subject::Attribute(_) => Self::Attribute,
            Subject::Field(field) => match field.kind() {
                Kind::Text(_) => Self::Text,
                Kind::Word(words) => Self::Word(words),
                Kind::Whole => Self::Whole,
                Kind::Money => Self::Money,
                Kind::Day | Kind::Instant => Self::Date,
            },
        }
    }

    /// Whether one value is less than another.
    pub fn has_order(self) -> bool {
        !matches!(self, Self::Word(_))
    }

    /// Whether a text is one of its literals.
    pub fn takes_text(self) -> bool {
        matches!(self, Self::Text | Self::Word(_) | Self::Attribute)
    }

    /// The words with which a test may begin.
    pub fn words(self) -> &'static [&'static str] {
        match self {
            Self::Text | Self::Attribute => &["between", "in", "is", "contains", "starts", "ends"],
            Self::Word(_) => &["in", "is"],
            Self::Whole | Self::Money => &["between", "in", "is"],
            Self::Date => &["between", "in", "is", "within", "more"],
        }
    }

    /// The tests there are, in words.
    pub fn expectation(self, subject: &Subject) -> Sentence {
        let tests = match self {
            Self::Text | Self::Attribute => Said::word(
                "=, !=, <, <=, >, >=, between, in, contains, starts with, ends with or is known",
            ),
            Self::Word(_) => Said::word("=, !=, in or is known"),
            Self::Whole | Self::Money => Said::word("=, !=, <, <=, >, >=, between, in or is known"),
            Self::Date => Said::word(
                "=, !=, <, <=, >, >=, between, in, within 90 days, more than 90 days ago or is known",
            ),
        };
        Sentence::new("after {subject} one of {tests}")
            .named("subject", subject)
            .with("tests", tests)
    }

    /// What a literal for `subject` looks like.
    pub fn value(self, subject: &Subject) -> Sentence {
        match self {
            Self::Text => Sentence::new("a text for {subject}, between double quotes"),
            Self::Word(words) => Sentence::new("for {subject} one of {words}")
                .with("words", format!("\"{}\"", words.join("\", \""))),
            Self::Whole => Sentence::new("a whole number for {subject}, such as 42"),
            Self::Money => Sentence::new("an amount for {subject}, such as 120.50"),
            Self::Date => Sentence::new("a date for {subject}, such as 2026-03-01"),
            Self::Attribute => Sentence::new("a text, a number, true or false for {subject}"),
        }
        .named("subject", subject)
    }

    /// The value in its normal form, or why it does not fit.
    pub fn check(self, subject: &Subject, value: Value) -> Result<Value, Sentence> {
        match (self, value) {
            (Self::Text | Self::Attribute, value @ Value::Text(_))
            | (Self::Attribute, value @ (Value::Number(_) | Value::Boolean(_)))
            | (Self::Date, value @ Value::Date(_)) => Ok(value),
            (Self::Word(words), Value::Text(text)) => {
                let lower = text.to_ascii_lowercase();
                match words.iter().find(|word| **word == lower) {
                    Some(word) => Ok(Value::Text((*word).to_owned())),
                    None => Err(
                        Sentence::new("there is no {subject} {text}; there are {words}{near}")
                            .named("subject", subject)
                            .with("text", format!("\"{}\"", shorten(&text)))
                            .with("words", format!("\"{}\"", words.join("\", \"")))
                            .with("near", did_you_mean(&lower, words.iter().copied())),
                    ),
                }
            }
            (Self::Whole, Value::Number(number)) => match number.as_whole() {
                Some(_) => Ok(Value::Number(number)),
                None => Err(Sentence::new("{subject} is a whole number, not {number}")
                    .named("subject", subject)
                    .named("number", number)),
            },
            (Self::Money, Value::Number(number)) => match number.as_cents() {
                Some(_) => Ok(Value::Number(number)),
                None => Err(Sentence::new("{subject} has at most two decimals, not {number}")
                    .named("subject", subject)
                    .named("number", number)),
            },
            (Self::Attribute, Value::Date(date)) => Err(
                Sentence::new("an attribute holds a text, a number, true or false; a date kept as text is written {date}")
                    .with("date", format!("\"{date}\"")),
            ),
            (Self::Date, Value::Number(number)) => Err(
                Sentence::new("expected a date for {subject}, such as 2026-03-01; a span of time is written: {subject} within {number} days")
                    .named("subject", subject)
                    .named("number", number),
            ),
            (_, value) => Err(Sentence::new("expected {what}, found {token}")
                .with("what", self.value(subject))
                .named("token", value)),
        }
    }
}
