//! From text to tokens, one at a time, so that the first mistake is the one told.

use std::ops::Range;

use chrono::{Datelike, NaiveDate};

use super::model::{Number, Relation};
use crate::statistics::Sentence;

/// A mistake at a place.
#[derive(Debug)]
pub(super) struct Problem {
    pub span: Range<usize>,
    pub message: Sentence,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'t> {
    Word(&'t str),
    Text(String),
    Number(Number),
    Date(NaiveDate),
    Relation(Relation),
    Open,
    Close,
    Comma,
    Dot,
    End,
}

impl Token<'_> {
    /// As it is told.
    pub(super) fn sentence(&self) -> Sentence {
        let sign = |sign: &str| Sentence::new("{sign}").with("sign", format!("\"{sign}\""));
        match self {
            Self::Word(word) => sign(&shorten(word)),
            Self::Text(text) => {
                Sentence::new("the text {text}").with("text", format!("\"{}\"", shorten(text)))
            }
            Self::Number(number) => Sentence::new("the number {number}").named("number", number),
            Self::Date(date) => Sentence::new("the date {date}").named("date", date),
            Self::Relation(relation) => sign(relation.as_str()),
            Self::Open => sign("("),
            Self::Close => sign(")"),
            Self::Comma => sign(","),
            Self::Dot => sign("."),
            Self::End => Sentence::new("the end of the rule"),
        }
    }
}

/// At most 30 characters, for a message.
pub(super) fn shorten(text: &str) -> String {
    if text.chars().nth(30).is_none() {
        return text.to_owned();
    }
    text.chars().take(29).chain(['…']).collect()
}

#[derive(Debug)]
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Takes the characters for which `belongs` holds.
    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        let (taken, _) = rest.split_at(end);
        self.at += end;
        taken
    }

    /// The next token and its place; after the last, [`Token::End`] for ever.
    pub fn next(&mut self) -> Result<(Token<'t>, Range<usize>), Problem> {
        self.take_while(char::is_whitespace);
        let start = self.at;
        let rest = self.rest();
        let mut characters = rest.chars();
        let Some(first) = characters.next() else {
            return Ok((Token::End, start..start));
        };
        let second = characters.next();
        let token = match first {
            '"' => Token::Text(self.quoted(start)?),
            '0'..='9' => self.number_or_date(start)?,
            '-' if second.is_some_and(|c| c.is_ascii_digit()) => self.number_or_date(start)?,
            c if c.is_alphabetic() || c == '_' => {
                Token::Word(self.take_while(|c| c.is_alphanumeric() || c == '_'))
            }
            '(' => self.sign(1, Token::Open),
            ')' => self.sign(1, Token::Close),
            ',' => self.sign(1, Token::Comma),
            '.' => self.sign(1, Token::Dot),
            '<' if second == Some('=') => self.sign(2, Token::Relation(Relation::LessOrEqual)),
            '>' if second == Some('=') => self.sign(2, Token::Relation(Relation::GreaterOrEqual)),
            '!' if second == Some('=') => self.sign(2, Token::Relation(Relation::NotEqual)),
            '<' if second == Some('>') => {
                return Err(problem(
                    start..start + 2,
                    Sentence::new("\"<>\" is written \"!=\" here"),
                ));
            }
            '=' if second == Some('=') => {
                return Err(problem(
                    start..start + 2,
                    Sentence::new("\"==\" is written \"=\" here"),
                ));
            }
            '<' => self.sign(1, Token::Relation(Relation::Less)),
            '>' => self.sign(1, Token::Relation(Relation::Greater)),
            '=' => self.sign(1, Token::Relation(Relation::Equal)),
            '!' => {
                return Err(problem(
                    start..start + 1,
                    Sentence::new("\"!\" is written \"not\" here"),
                ));
            }
            '&' | '|' => {
                let end = start + if second == Some(first) { 2 } else { 1 };
                let word = if first == '&' { "and" } else { "or" };
                return Err(problem(
                    start..end,
                    Sentence::new("write {word} in letters").with("word", format!("\"{word}\"")),
                ));
            }
            '\'' | '“' | '”' | '«' | '»' | '‘' | '’' | '„' | '`' => {
                return Err(problem(
                    start..start + first.len_utf8(),
                    Sentence::new("a text stands between straight double quotes, as in \"Paris\""),
                ));
            }
            other => {
                let shown = if other.is_control() { '�' } else { other };
                return Err(problem(
                    start..start + other.len_utf8(),
                    Sentence::new(
                        "{sign} has no meaning here; a text stands between double quotes",
                    )
                    .with("sign", format!("\"{shown}\"")),
                ));
            }
        };
        Ok((token, start..self.at))
    }

    fn sign(&mut self, bytes: usize, token: Token<'t>) -> Token<'t> {
        self.at += bytes;
        token
    }

    /// A text in double quotes; `\"` is a quote and `\\` a backslash.
    fn quoted(&mut self, start: usize) -> Result<String, Problem> {
        let mut text = String::new();
        let mut characters = self.rest().char_indices().skip(1);
        while let Some((offset, character)) = characters.next() {
            let at = start + offset;
            match character {
                '"' => {
                    self.at = at + 1;
                    return Ok(text);
                }
                '\\' => match characters.next() {
                    Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                    _ => {
                        return Err(problem(
                            at..at + 1,
                            Sentence::new(
                                "a backslash stands before a quote or a backslash only; write \"\\\\\" for a backslash",
                            ),
                        ));
                    }
                },
                '\n' => {
                    return Err(problem(
                        start..at,
                        Sentence::new("the text has no closing quote on its line"),
                    ));
                }
                control if control.is_control() => {
                    return Err(problem(
                        at..at + control.len_utf8(),
                        Sentence::new("a text holds no control characters, such as tabs"),
                    ));
                }
                other => text.push(other),
            }
        }
        Err(problem(
            start..self.text.len(),
            Sentence::new("the text has no closing quote"),
        ))
    }

    fn number_or_date(&mut self, start: usize) -> Result<Token<'t>, Problem> {
        let is_negative = self.rest().starts_with('-');
        if is_negative {
            self.at += 1;
        }
        let whole = self.take_while(|c| c.is_ascii_digit());
        let mut following = self.rest().chars();
        let (sign, digit) = (following.next(), following.next());
        let is_digit_next = digit.is_some_and(|c| c.is_ascii_digit());
        match sign {
            Some('-' | '/') if is_digit_next && !is_negative => {
                self.take_while(|c| c.is_ascii_digit() || c == '-' || c == '/');
                let written = self.text.get(start..self.at).unwrap_or_default();
                date(written).map(Token::Date).ok_or_else(|| {
                    problem(
                        start..self.at,
                        Sentence::new(
                            "{text} is no date; a date is written year-month-day, as 2026-03-01",
                        )
                        .with("text", format!("\"{}\"", shorten(written))),
                    )
                })
            }
            _ => {
                let mut decimals = "";
                if sign == Some('.') && is_digit_next {
                    self.at += 1;
                    decimals = self.take_while(|c| c.is_ascii_digit());
                }
                number(is_negative, whole, decimals)
                    .map(Token::Number)
                    .ok_or_else(|| {
                        problem(
                            start..self.at,
                            Sentence::new("a number has at most 15 digits"),
                        )
                    })
            }
        }
    }
}

fn number(is_negative: bool, whole: &str, decimals: &str) -> Option<Number> {
    let decimals = decimals.trim_end_matches('0');
    let digits: i64 = format!("{whole}{decimals}").parse().ok()?;
    Number::new(
        if is_negative { -digits } else { digits },
        u8::try_from(decimals.len()).ok()?,
    )
}

fn date(written: &str) -> Option<NaiveDate> {
    if written.len() != 10 {
        return None;
    }
    NaiveDate::parse_from_str(written, "%Y-%m-%d")
        .ok()
        .filter(|date| date.year() >= 1)
}

pub(super) fn problem(span: Range<usize>, message: impl Into<Sentence>) -> Problem {
    Problem {
        span,
        message: message.into(),
    }
}
