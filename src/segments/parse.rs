//! From text to tree: recursive descent, one function a line of the grammar.

use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::asked::{Asked, check_range};
use super::error::{ParseError, did_you_mean};
use super::lexer::{Lexer, Problem, Token, problem, shorten};
use super::model::{
    Behaviour, Deed, Field, MAX_CHARS, MAX_DEPTH, MAX_SUBSELECTS, Node, Number, Relation, Rule,
    Span, Subject, Test, Unit, Value, Window,
};
use crate::consent::model::Channel;
use crate::statistics::Sentence;

/// A campaign's behaviour counted more often than this is a slip.
const MAX_TIMES: i64 = 1_000_000;

impl Rule {
    /// Reads a rule.
    ///
    /// # Errors
    /// [`ParseError`] with the place, what was expected and the nearest word; also for a rule beyond
    /// [`MAX_CHARS`] or [`MAX_DEPTH`].
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if text.trim().is_empty() {
            return Err(ParseError::whole(Sentence::new(
                "the rule is empty; who means every customer writes: everyone",
            )));
        }
        // Bytes first: a rule of megabytes is not even counted.
        if text.len() > MAX_CHARS * 4 || text.chars().count() > MAX_CHARS {
            return Err(too_long());
        }
        let root = parse(text)
            .map_err(|Problem { span, message }| ParseError::at(text, span, message))?
            .into_normal_form();
        let rule = Self { root };
        if rule.root().subselects() > MAX_SUBSELECTS {
            return Err(ParseError::whole(
                Sentence::new("the rule asks more than {n} times about tags, behaviour or permission; tag the customers you mean, or make two campaigns of it")
                    .named("n", MAX_SUBSELECTS),
            ));
        }
        // Or its canonical text could not be read back.
        if rule.to_string().chars().count() > MAX_CHARS {
            return Err(too_long());
        }
        Ok(rule)
    }

    /// The rule of a tree made by a program; it is checked as if it were written.
    ///
    /// # Errors
    /// As [`Rule::parse`]; the place is that in the tree's canonical text.
    pub fn from_tree(tree: Node) -> Result<Self, ParseError> {
        // A parenthesis of the text is two levels of the tree.
        if !tree.is_within(MAX_DEPTH * 2 + 2) {
            return Err(ParseError::whole(too_deep()));
        }
        let root = tree.into_normal_form();
        if root.depth() > MAX_DEPTH {
            return Err(ParseError::whole(too_deep()));
        }
        Self::parse(&root.to_string())
    }
}

impl FromStr for Rule {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

fn too_long() -> ParseError {
    ParseError::whole(
        Sentence::new("the rule has more than {n} characters; tag the customers you mean and write: tagged \"…\"")
            .named("n", MAX_CHARS),
    )
}

fn too_deep() -> Sentence {
    Sentence::new("parentheses and \"not\" nest deeper than {n}; write the rule flatter")
        .named("n", MAX_DEPTH)
}

fn parse(text: &str) -> Result<Node, Problem> {
    let mut parser = Parser::new(text)?;
    let node = parser.rule()?;
    match parser.token {
        Token::End => Ok(node),
        Token::Close => Err(parser.wrong(Sentence::new("this \")\" closes nothing"))),
        Token::Comma if parser.is_after_number => Err(parser.wrong(Sentence::new(
            "a list needs \"in (…)\", and a decimal number is written with a point, as 120.50",
        ))),
        _ => Err(parser.expected_of(
            Sentence::new("\"and\", \"or\" or the end of the rule"),
            ["and", "or"],
        )),
    }
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    token: Token<'t>,
    span: Range<usize>,
    /// How many parentheses and `not`s are open.
    depth: usize,
    is_after_number: bool,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Result<Self, Problem> {
        let mut lexer = Lexer::new(text);
        let (token, span) = lexer.next()?;
        Ok(Self {
            lexer,
            token,
            span,
            depth: 0,
            is_after_number: false,
        })
    }

    fn advance(&mut self) -> Result<(), Problem> {
        self.is_after_number = matches!(self.token, Token::Number(_));
        (self.token, self.span) = self.lexer.next()?;
        Ok(())
    }

    fn wrong(&self, message: impl Into<Sentence>) -> Problem {
        problem(self.span.clone(), message)
    }

    fn expected(&self, what: impl Into<Sentence>) -> Problem {
        self.wrong(
            Sentence::new("expected {what}, found {token}")
                .with("what", what.into())
                .with("token", self.token.sentence()),
        )
    }

    /// As [`Parser::expected`], with the nearest of `words` to the word that stands here.
    fn expected_of<'w>(
        &self,
        what: impl Into<Sentence>,
        words: impl IntoIterator<Item = &'w str>,
    ) -> Problem {
        let near = match self.token {
            Token::Word(word) => did_you_mean(word, words),
            _ => None,
        };
        self.wrong(
            Sentence::new("expected {what}, found {token}{near}")
                .with("what", what.into())
                .with("token", self.token.sentence())
                .with("near", near),
        )
    }

    fn is_word(&self, keyword: &str) -> bool {
        matches!(self.token, Token::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    /// Takes `keyword` if it comes next.
    fn takes(&mut self, keyword: &str) -> Result<bool, Problem> {
        let is_next = self.is_word(keyword);
        if is_next {
            self.advance()?;
        }
        Ok(is_next)
    }

    fn require(&mut self, keyword: &str) -> Result<(), Problem> {
        if self.takes(keyword)? {
            return Ok(());
        }
        Err(self.expected(Sentence::new("{word}").with("word", format!("\"{keyword}\""))))
    }

    fn rule(&mut self) -> Result<Node, Problem> {
        let mut parts = vec![self.conjunction()?];
        while self.takes("or")? {
            parts.push(self.conjunction()?);
        }
        Ok(Node::Any(parts))
    }

    fn conjunction(&mut self) -> Result<Node, Problem> {
        let mut parts = vec![self.negation()?];
        while self.takes("and")? {
            parts.push(self.negation()?);
        }
        Ok(Node::All(parts))
    }

    fn negation(&mut self) -> Result<Node, Problem> {
        if self.is_word("not") {
            self.enter()?;
            self.advance()?;
            let node = Node::Not(Box::new(self.negation()?));
            self.depth -= 1;
            return Ok(node);
        }
        if self.token == Token::Open {
            self.enter()?;
            self.advance()?;
            let node = self.rule()?;
            if self.token != Token::Close {
                return Err(self.expected(Sentence::new("\"and\", \"or\" or \")\"")));
            }
            self.advance()?;
            self.depth -= 1;
            return Ok(node);
        }
        self.predicate()
    }

    fn enter(&mut self) -> Result<(), Problem> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.wrong(too_deep()));
        }
        Ok(())
    }

    fn predicate(&mut self) -> Result<Node, Problem> {
        let Token::Word(written) = self.token else {
            return Err(self.expected(Sentence::new("a condition, such as age >= 30")));
        };
        let word = written.to_ascii_lowercase();
        match word.as_str() {
            "everyone" => {
                self.advance()?;
                return Ok(Node::Everyone);
            }
            "tagged" => {
                self.advance()?;
                return Ok(Node::Tagged(
                    self.text(Sentence::new("the tag between double quotes"))?,
                ));
            }
            "interested" => {
                self.advance()?;
                self.require("in")?;
                return Ok(Node::Interested(
                    self.text(Sentence::new("the interest between double quotes"))?,
                ));
            }
            "can" => return self.can_receive(),
            "attribute" => {
                let attribute = self.attribute()?;
                return self.comparison(Subject::Attribute(attribute));
            }
            _ => {}
        }
        if let Some(deed) = Deed::ALL.into_iter().find(|deed| deed.as_str() == word) {
            return self.behaviour(deed);
        }
        if let Some(field) = Field::ALL.into_iter().find(|field| field.as_str() == word) {
            self.advance()?;
            return self.comparison(Subject::Field(field));
        }
        if matches!(word.as_str(), "and" | "or" | "true" | "false") {
            return Err(self.expected(Sentence::new("a condition, such as age >= 30")));
        }
        let words = Field::ALL
            .map(Field::as_str)
            .into_iter()
            .chain(Deed::ALL.map(Deed::as_str))
            .chain([
                "everyone",
                "tagged",
                "interested",
                "can",
                "attribute",
                "not",
            ]);
        let near = did_you_mean(&word, words);
        let advice = near.unwrap_or_else(|| {
            Sentence::new(
                "; a value of your own is written attribute.NAME, a text between double quotes",
            )
        });
        Err(self.wrong(
            Sentence::new("there is no field {field}{advice}")
                .with("field", format!("\"{}\"", shorten(written)))
                .with("advice", advice),
        ))
    }

    fn can_receive(&mut self) -> Result<Node, Problem> {
        self.require("can")?;
        self.require("receive")?;
        let channels = [Channel::Email, Channel::Sms];
        let Some(channel) = channels
            .into_iter()
            .find(|known| self.is_word(known.as_str()))
        else {
            return Err(
                self.expected_of(Sentence::new("email or sms"), channels.map(Channel::as_str))
            );
        };
        self.advance()?;
        self.require("about")?;
        let topic = self.text(Sentence::new("the topic between double quotes"))?;
        Ok(Node::CanReceive { channel, topic })
    }

    fn attribute(&mut self) -> Result<String, Problem> {
        self.require("attribute")?;
        if self.token != Token::Dot {
            return Err(self.expected(Sentence::new(
                "a point and the attribute's name, as attribute.hobby",
            )));
        }
        self.advance()?;
        let name = match &self.token {
            Token::Word(name) => (*name).to_owned(),
            Token::Text(name) if !name.is_empty() => name.clone(),
            _ => {
                return Err(self.expected(Sentence::new(
                    "the attribute's name, as attribute.hobby or attribute.\"favourite colour\"",
                )));
            }
        };
        self.advance()?;
        Ok(name)
    }

    fn comparison(&mut self, subject: Subject) -> Result<Node, Problem> {
        let not_span = self.span.clone();
        let is_negated = self.takes("not")?;
        if is_negated {
            if matches!(self.token, Token::Relation(_)) || self.is_word("is") {
                return Err(problem(
                    not_span,
                    Sentence::new("\"not\" stands before the whole comparison: not {subject} …")
                        .named("subject", &subject),
                ));
            }
            // It prints as `not …`, and that must be readable too.
            self.enter()?;
            self.depth -= 1;
        }
        let test = self.test(&subject)?;
        let compare = Node::Compare(subject, test);
        Ok(if is_negated {
            Node::Not(Box::new(compare))
        } else {
            compare
        })
    }

    fn test(&mut self, subject: &Subject) -> Result<Test, Problem> {
        let asked = Asked::of(subject);
        let start = self.span.clone();
        if let Token::Relation(relation) = self.token {
            if !matches!(relation, Relation::Equal | Relation::NotEqual) && !asked.has_order() {
                return Err(self.wrong(
                    Sentence::new("{subject} has no order; use =, != or in")
                        .named("subject", subject),
                ));
            }
            self.advance()?;
            let value_span = self.span.clone();
            let value = self.value(subject)?;
            if matches!(value, Value::Boolean(_))
                && !matches!(relation, Relation::Equal | Relation::NotEqual)
            {
                return Err(problem(
                    value_span,
                    Sentence::new("true and false have no order; use = or !="),
                ));
            }
            return Ok(Test::Is(relation, value));
        }
        let Token::Word(written) = self.token else {
            return Err(self.expected(asked.expectation(subject)));
        };
        let word = written.to_ascii_lowercase();
        if !asked.words().contains(&word.as_str()) {
            let words = asked.words().iter().copied();
            return Err(self.expected_of(asked.expectation(subject), words));
        }
        self.advance()?;
        match word.as_str() {
            "between" => {
                let low = self.value(subject)?;
                self.require("and")?;
                let high = self.value(subject)?;
                let span = start.start..self.span.start;
                check_range(&low, &high).map_err(|message| problem(span, message))?;
                Ok(Test::Between(low, high))
            }
            "in" => self.list(subject),
            "is" => {
                if self.takes("known")? {
                    Ok(Test::Known)
                } else if self.takes("unknown")? {
                    Ok(Test::Unknown)
                } else {
                    Err(self.expected(Sentence::new(
                        "\"known\" or \"unknown\" (a value is compared with =)",
                    )))
                }
            }
            "contains" => Ok(Test::Contains(
                self.text(Sentence::new("the text to find between double quotes"))?,
            )),
            "starts" => {
                self.require("with")?;
                Ok(Test::StartsWith(self.text(Sentence::new(
                    "the text to find between double quotes",
                ))?))
            }
            "ends" => {
                self.require("with")?;
                Ok(Test::EndsWith(self.text(Sentence::new(
                    "the text to find between double quotes",
                ))?))
            }
            "within" => Ok(Test::Within(self.time_span()?)),
            _ => {
                self.require("than")?;
                let span = self.time_span()?;
                self.require("ago")?;
                Ok(Test::MoreThanAgo(span))
            }
        }
    }

    fn list(&mut self, subject: &Subject) -> Result<Test, Problem> {
        if self.token != Token::Open {
            return Err(self.expected(Sentence::new(
                "a list between parentheses, such as (\"Amiens\", \"Lille\")",
            )));
        }
        self.advance()?;
        let mut values: Vec<Value> = Vec::new();
        loop {
            let span = self.span.clone();
            let value = self.value(subject)?;
            if values.first().is_some_and(|first| {
                std::mem::discriminant(first) != std::mem::discriminant(&value)
            }) {
                return Err(problem(
                    span,
                    Sentence::new("the values of a list are of one type"),
                ));
            }
            values.push(value);
            match self.token {
                Token::Comma => self.advance()?,
                Token::Close => {
                    self.advance()?;
                    return Ok(Test::In(values));
                }
                _ => return Err(self.expected(Sentence::new("\",\" or \")\""))),
            }
        }
    }

    /// A literal that may be compared with `subject`.
    fn value(&mut self, subject: &Subject) -> Result<Value, Problem> {
        let value = match &self.token {
            Token::Text(text) => Value::Text(text.clone()),
            Token::Number(number) => Value::Number(*number),
            Token::Date(date) => Value::Date(*date),
            Token::Word(word) if word.eq_ignore_ascii_case("true") => Value::Boolean(true),
            Token::Word(word) if word.eq_ignore_ascii_case("false") => Value::Boolean(false),
            Token::Word(word) if Asked::of(subject).takes_text() => {
                let word = shorten(word);
                return Err(self.wrong(
                    Sentence::new("a text stands between double quotes: {word}")
                        .with("word", format!("\"{word}\"")),
                ));
            }
            _ => return Err(self.expected(Asked::of(subject).value(subject))),
        };
        let value = Asked::of(subject)
            .check(subject, value)
            .map_err(|message| self.wrong(message))?;
        self.advance()?;
        Ok(value)
    }

    fn text(&mut self, what: Sentence) -> Result<String, Problem> {
        let Token::Text(text) = &self.token else {
            return Err(self.expected(what));
        };
        let text = text.clone();
        self.advance()?;
        Ok(text)
    }

    fn time_span(&mut self) -> Result<Span, Problem> {
        let Token::Number(number) = self.token else {
            return Err(self.expected(Sentence::new("a number and days, weeks, months or years")));
        };
        let count = number
            .as_whole()
            .and_then(|count| u32::try_from(count).ok())
            .filter(|count| (1..=Span::MAX).contains(count))
            .ok_or_else(|| {
                self.wrong(
                    Sentence::new("a span is a whole number from 1 to {n}").named("n", Span::MAX),
                )
            })?;
        self.advance()?;
        let unit = Unit::ALL
            .into_iter()
            .find(|unit| self.is_word(unit.plural()) || self.is_word(unit.singular()));
        let Some(unit) = unit else {
            return Err(self.expected_of(
                Sentence::new("days, weeks, months or years"),
                Unit::ALL.map(Unit::plural),
            ));
        };
        self.advance()?;
        Ok(Span { count, unit })
    }

    fn behaviour(&mut self, deed: Deed) -> Result<Node, Problem> {
        self.advance()?;
        let mut behaviour = Behaviour::once(deed);
        let mut times = None;
        loop {
            let span = self.span.clone();
            let Token::Word(word) = self.token else { break };
            let word = word.to_ascii_lowercase();
            let is_second = match word.as_str() {
                "campaign" => behaviour.campaign.is_some(),
                "product" => behaviour.product.is_some(),
                "category" => behaviour.category.is_some(),
                "at" => times.is_some(),
                "for" => behaviour.amount.is_some(),
                "within" | "between" => behaviour.window.is_some(),
                "and" | "or" => break,
                _ => {
                    let near = did_you_mean(
                        &word,
                        [
                            "campaign", "product", "category", "within", "between", "and", "or",
                        ],
                    );
                    let Some(near) = near else { break };
                    return Err(self.wrong(
                        Sentence::new("{token} has no meaning here{near}")
                            .with("token", self.token.sentence())
                            .with("near", near),
                    ));
                }
            };
            if is_second {
                return Err(self.wrong(
                    Sentence::new("{word} stands here twice; join two conditions with \"and\"")
                        .with("word", format!("\"{word}\"")),
                ));
            }
            if deed != Deed::Ordered && matches!(word.as_str(), "product" | "category" | "for") {
                return Err(self.wrong(
                    Sentence::new("{word} goes with \"ordered\" only")
                        .with("word", format!("\"{word}\"")),
                ));
            }
            self.advance()?;
            match word.as_str() {
                "campaign" => {
                    behaviour.campaign =
                        Some(self.text(Sentence::new("the campaign's name between double quotes"))?)
                }
                "product" => {
                    behaviour.product =
                        Some(self.text(Sentence::new("the product between double quotes"))?)
                }
                "category" => {
                    behaviour.category =
                        Some(self.text(Sentence::new("the category between double quotes"))?)
                }
                "at" => times = Some(self.times()?),
                "for" => behaviour.amount = Some(self.amount()?),
                "within" => behaviour.window = Some(Window::Within(self.time_span()?)),
                _ => {
                    let first = self.date()?;
                    self.require("and")?;
                    let last = self.date()?;
                    if last < first {
                        let span = span.start..self.span.start;
                        return Err(problem(
                            span,
                            Sentence::new("the first day comes after the last"),
                        ));
                    }
                    behaviour.window = Some(Window::Between(first, last));
                }
            }
        }
        behaviour.times = times.unwrap_or(1);
        Ok(Node::Did(behaviour))
    }

    fn times(&mut self) -> Result<u32, Problem> {
        self.require("least")?;
        let Token::Number(number) = self.token else {
            return Err(self.expected(Sentence::new("how many times")));
        };
        let span = self.span.clone();
        self.advance()?;
        if !self.takes("times")? && !self.takes("time")? {
            return Err(self.expected(Sentence::new(
                "\"times\" (an amount is written: for at least 100)",
            )));
        }
        number
            .as_whole()
            .filter(|times| (1..=MAX_TIMES).contains(times))
            .and_then(|times| u32::try_from(times).ok())
            .ok_or_else(|| {
                problem(
                    span,
                    Sentence::new("a whole number from 1 to {n} is needed").named("n", MAX_TIMES),
                )
            })
    }

    fn amount(&mut self) -> Result<Number, Problem> {
        self.require("at")?;
        self.require("least")?;
        let Token::Number(number) = self.token else {
            return Err(self.expected(Sentence::new("an amount, such as 120.50")));
        };
        if number.as_cents().is_none_or(|cents| cents < 0) {
            return Err(self.wrong(Sentence::new(
                "an amount is not negative and has at most two decimals",
            )));
        }
        self.advance()?;
        Ok(number)
    }

    fn date(&mut self) -> Result<chrono::NaiveDate, Problem> {
        let Token::Date(date) = self.token else {
            return Err(self.expected(Sentence::new("a date, such as 2026-03-01")));
        };
        self.advance()?;
        Ok(date)
    }
}
