//! One line of a form: a condition in parts a person fills in, and what is wrong with them.

use chrono::{Datelike, NaiveDate};

use crate::consent::model::Channel;
use crate::segments::lexer::{Lexer, Token};
use crate::segments::model::{
    Behaviour, Deed, Field, Node, Number, Relation, Rule, Span, Subject, Test, Unit, Value, Window,
};
use crate::segments::vocabulary::Kind;
use crate::statistics::Sentence;

/// A line, as it is filled in; only what its kind asks for counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub is_negated: bool,
    pub about: About,
    pub word: Word,
    /// What an attribute is compared with.
    pub literal: Literal,
    /// The value: one, several parted by commas, the smaller of two, a number of units, the name of a tag, or
    /// the whole text of a line of text.
    pub a: String,
    /// The greater of two values.
    pub b: String,
    pub unit: Unit,
    pub campaign: String,
    pub product: String,
    pub category: String,
    /// Empty: once.
    pub times: String,
    pub amount: String,
    pub when: When,
}

/// What a line is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    Field(Field),
    Attribute(String),
    Tagged,
    Interested,
    Did(Deed),
    CanReceive(Channel),
    Everyone,
    /// Written in the language itself.
    Text,
}

/// What is asked of a field or an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    Is,
    IsNot,
    Less,
    AtMost,
    More,
    AtLeast,
    Between,
    In,
    Contains,
    StartsWith,
    EndsWith,
    Within,
    MoreThanAgo,
    Known,
    Unknown,
}

/// What an attribute is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Literal {
    Text,
    Number,
    Boolean,
}

/// When a behaviour counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Ever,
    /// In the last so many days, weeks, months or years: `a` and `unit`.
    Within,
    /// From one day to another: `a` and `b`.
    Between,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq)]
pub enum Problem {
    /// Nothing stands where a value is needed.
    NoValue,
    /// An attribute without a name.
    NoName,
    NoNumber(String),
    NoDate(String),
    /// What the language says about it.
    Said(Sentence),
}

impl Word {
    pub const ALL: [Self; 15] = [
        Self::Is,
        Self::IsNot,
        Self::Less,
        Self::AtMost,
        Self::More,
        Self::AtLeast,
        Self::Between,
        Self::In,
        Self::Contains,
        Self::StartsWith,
        Self::EndsWith,
        Self::Within,
        Self::MoreThanAgo,
        Self::Known,
        Self::Unknown,
    ];

    /// The word of the form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Is => "is",
            Self::IsNot => "not",
            Self::Less => "less",
            Self::AtMost => "most",
            Self::More => "more",
            Self::AtLeast => "least",
            Self::Between => "between",
            Self::In => "in",
            Self::Contains => "contains",
            Self::StartsWith => "starts",
            Self::EndsWith => "ends",
            Self::Within => "within",
            Self::MoreThanAgo => "ago",
            Self::Known => "known",
            Self::Unknown => "unknown",
        }
    }

    fn relation(self) -> Option<Relation> {
        Some(match self {
            Self::Is => Relation::Equal,
            Self::IsNot => Relation::NotEqual,
            Self::Less => Relation::Less,
            Self::AtMost => Relation::LessOrEqual,
            Self::More => Relation::Greater,
            Self::AtLeast => Relation::GreaterOrEqual,
            _ => return None,
        })
    }

    fn of_relation(relation: Relation) -> Self {
        match relation {
            Relation::Equal => Self::Is,
            Relation::NotEqual => Self::IsNot,
            Relation::Less => Self::Less,
            Relation::LessOrEqual => Self::AtMost,
            Relation::Greater => Self::More,
            Relation::GreaterOrEqual => Self::AtLeast,
        }
    }
}

impl Literal {
    pub const ALL: [Self; 3] = [Self::Text, Self::Number, Self::Boolean];

    /// The word of the form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }
}

impl When {
    pub const ALL: [Self; 3] = [Self::Ever, Self::Within, Self::Between];

    /// The word of the form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ever => "ever",
            Self::Within => "within",
            Self::Between => "between",
        }
    }
}

impl About {
    /// Everything a line can be about; an attribute's name is still to be given.
    pub fn all() -> Vec<Self> {
        let mut all: Vec<Self> = Field::ALL.into_iter().map(Self::Field).collect();
        all.push(Self::Attribute(String::new()));
        all.extend([Self::Tagged, Self::Interested]);
        all.extend(Deed::ALL.into_iter().map(Self::Did));
        all.extend(Channel::ALL.into_iter().map(Self::CanReceive));
        all.extend([Self::Everyone, Self::Text]);
        all
    }

    /// The word of the form.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Field(field) => field.as_str(),
            Self::Attribute(_) => "attribute",
            Self::Tagged => "tagged",
            Self::Interested => "interested",
            Self::Did(deed) => deed.as_str(),
            Self::CanReceive(Channel::Email) => "receive-email",
            Self::CanReceive(Channel::Sms) => "receive-sms",
            Self::Everyone => "everyone",
            Self::Text => "text",
        }
    }

    /// Reads the form's word.
    pub fn from_field(text: &str) -> Option<Self> {
        Self::all().into_iter().find(|about| about.as_str() == text)
    }

    /// What may be asked of it, in the order of a form; empty where nothing is compared.
    pub fn words(&self, literal: Literal) -> &'static [Word] {
        use Word::{
            AtLeast, AtMost, Between, Contains, EndsWith, In, Is, IsNot, Known, Less, More,
            MoreThanAgo, StartsWith, Unknown, Within,
        };
        const TEXT: &[Word] = &[
            Is, IsNot, In, Contains, StartsWith, EndsWith, Known, Unknown, Between, Less, AtMost,
            More, AtLeast,
        ];
        const WORD: &[Word] = &[Is, IsNot, In, Known, Unknown];
        const NUMBER: &[Word] = &[
            AtLeast, AtMost, Between, Is, IsNot, More, Less, In, Known, Unknown,
        ];
        const DATE: &[Word] = &[
            Within,
            MoreThanAgo,
            Between,
            AtLeast,
            AtMost,
            Is,
            IsNot,
            More,
            Less,
            In,
            Known,
            Unknown,
        ];
        match self {
            Self::Field(field) => match field.kind() {
                Kind::Text(_) => TEXT,
                Kind::Word(_) => WORD,
                Kind::Whole | Kind::Money => NUMBER,
                Kind::Day | Kind::Instant => DATE,
            },
            Self::Attribute(_) => match literal {
                Literal::Text => TEXT,
                Literal::Number => NUMBER,
                Literal::Boolean => WORD,
            },
            _ => &[],
        }
    }
}

impl Line {
    /// A line still to be filled in.
    pub fn new(about: About) -> Self {
        let literal = Literal::Text;
        let word = about.words(literal).first().copied().unwrap_or(Word::Is);
        // Where there are a few words only, the first stands already.
        let a = match &about {
            About::Field(field) => match field.kind() {
                Kind::Word(words) => words.first().copied().unwrap_or_default(),
                _ => "",
            },
            _ => "",
        };
        Self {
            is_negated: false,
            word,
            literal,
            a: a.to_owned(),
            b: String::new(),
            unit: Unit::Days,
            campaign: String::new(),
            product: String::new(),
            category: String::new(),
            times: String::new(),
            amount: String::new(),
            when: When::Ever,
            about,
        }
    }

    /// A part of a rule as a line of text.
    pub fn text(node: &Node) -> Self {
        Self {
            a: node.to_string(),
            ..Self::new(About::Text)
        }
    }

    /// A condition, or the contrary of one, as a line; as text where no other line says it.
    pub fn of(node: &Node) -> Self {
        let (leaf, is_negated) = match node {
            Node::Not(inner) => (&**inner, true),
            leaf => (leaf, false),
        };
        shown(leaf)
            .map(|line| Self { is_negated, ..line })
            .filter(|line| line.node().as_ref() == Ok(node))
            .unwrap_or_else(|| Self::text(node))
    }

    /// The tree of the line.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub fn node(&self) -> Result<Node, Problem> {
        let leaf = match &self.about {
            About::Everyone => Node::Everyone,
            About::Text => {
                let rule = Rule::parse(&self.a).map_err(|error| Problem::Said(error.message))?;
                return Ok(self.signed(rule.root().clone()));
            }
            About::Tagged => Node::Tagged(filled(&self.a)?),
            About::Interested => Node::Interested(filled(&self.a)?),
            About::CanReceive(channel) => Node::CanReceive {
                channel: *channel,
                topic: filled(&self.a)?,
            },
            About::Did(deed) => Node::Did(self.behaviour(*deed)?),
            About::Field(field) => {
                let literal = match field.kind() {
                    Kind::Text(_) | Kind::Word(_) => Wanted::Text,
                    Kind::Whole | Kind::Money => Wanted::Number,
                    Kind::Day | Kind::Instant => Wanted::Date,
                };
                Node::Compare(Subject::Field(*field), self.test(literal)?)
            }
            About::Attribute(name) => {
                if name.is_empty() {
                    return Err(Problem::NoName);
                }
                let literal = match self.literal {
                    Literal::Text => Wanted::Text,
                    Literal::Number => Wanted::Number,
                    Literal::Boolean => Wanted::Boolean,
                };
                Node::Compare(Subject::Attribute(name.clone()), self.test(literal)?)
            }
        };
        // The language has the last word: which tests a field knows, which words there are.
        let rule = Rule::from_tree(leaf).map_err(|error| Problem::Said(error.message))?;
        Ok(self.signed(rule.root().clone()))
    }

    fn signed(&self, node: Node) -> Node {
        if self.is_negated {
            Node::Not(Box::new(node))
        } else {
            node
        }
    }

    fn test(&self, wanted: Wanted) -> Result<Test, Problem> {
        if let Some(relation) = self.word.relation() {
            return Ok(Test::Is(relation, wanted.read(&self.a)?));
        }
        Ok(match self.word {
            Word::Between => Test::Between(wanted.read(&self.a)?, wanted.read(&self.b)?),
            Word::In => {
                let values = self
                    .a
                    .split(',')
                    .map(str::trim)
                    .filter(|value| !value.is_empty())
                    .map(|value| wanted.read(value))
                    .collect::<Result<Vec<_>, _>>()?;
                if values.is_empty() {
                    return Err(Problem::NoValue);
                }
                Test::In(values)
            }
            Word::Contains => Test::Contains(filled(&self.a)?),
            Word::StartsWith => Test::StartsWith(filled(&self.a)?),
            Word::EndsWith => Test::EndsWith(filled(&self.a)?),
            Word::Within => Test::Within(self.span()?),
            Word::MoreThanAgo => Test::MoreThanAgo(self.span()?),
            Word::Unknown => Test::Unknown,
            _ => Test::Known,
        })
    }

    fn span(&self) -> Result<Span, Problem> {
        let count = whole(&self.a)?;
        let count = u32::try_from(count)
            .ok()
            .filter(|count| (1..=Span::MAX).contains(count));
        Ok(Span {
            count: count.ok_or_else(|| Problem::NoNumber(self.a.clone()))?,
            unit: self.unit,
        })
    }

    fn behaviour(&self, deed: Deed) -> Result<Behaviour, Problem> {
        let named = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let is_order = deed == Deed::Ordered;
        let times = match self.times.trim() {
            "" => 1,
            times => u32::try_from(whole(times)?)
                .ok()
                .filter(|times| *times > 0)
                .ok_or_else(|| Problem::NoNumber(self.times.clone()))?,
        };
        let amount = match self.amount.trim() {
            "" => None,
            amount => Some(number(amount)?),
        };
        let window = match self.when {
            When::Ever => None,
            When::Within => Some(Window::Within(self.span()?)),
            When::Between => {
                let (first, last) = (date(&self.a)?, date(&self.b)?);
                Some(Window::Between(first, last))
            }
        };
        Ok(Behaviour {
            deed,
            campaign: named(&self.campaign),
            product: named(&self.product).filter(|_| is_order),
            category: named(&self.category).filter(|_| is_order),
            times,
            amount: amount.filter(|_| is_order),
            window,
        })
    }
}

/// What kind of literal a test needs.
#[derive(Clone, Copy)]
enum Wanted {
    Text,
    Number,
    Boolean,
    Date,
}

impl Wanted {
    fn read(self, text: &str) -> Result<Value, Problem> {
        Ok(match self {
            Self::Text => Value::Text(filled(text)?),
            Self::Number => Value::Number(number(text)?),
            Self::Boolean => Value::Boolean(text == "true"),
            Self::Date => Value::Date(date(text)?),
        })
    }
}

fn filled(text: &str) -> Result<String, Problem> {
    if text.is_empty() {
        return Err(Problem::NoValue);
    }
    Ok(text.to_owned())
}

/// A number as people write it: with a comma or a point, the thousands parted or not.
fn number(text: &str) -> Result<Number, Problem> {
    let plain: String = text
        .trim()
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| if c == ',' { '.' } else { c })
        .collect();
    if plain.is_empty() {
        return Err(Problem::NoValue);
    }
    let mut lexer = Lexer::new(&plain);
    match (lexer.next(), lexer.next()) {
        (Ok((Token::Number(number), _)), Ok((Token::End, _))) => Ok(number),
        _ => Err(Problem::NoNumber(text.to_owned())),
    }
}

fn whole(text: &str) -> Result<i64, Problem> {
    let number = number(text)?;
    let whole = number.as_whole();
    whole.ok_or_else(|| Problem::NoNumber(text.to_owned()))
}

fn date(text: &str) -> Result<NaiveDate, Problem> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Problem::NoValue);
    }
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .filter(|date| (1..=9999).contains(&date.year()) && text.len() == 10)
        .ok_or_else(|| Problem::NoDate(text.to_owned()))
}

/// A condition as a line; nothing where there is no such line.
fn shown(leaf: &Node) -> Option<Line> {
    let line = |about| Line::new(about);
    Some(match leaf {
        Node::Everyone => line(About::Everyone),
        Node::Tagged(tag) => Line {
            a: tag.clone(),
            ..line(About::Tagged)
        },
        Node::Interested(name) => Line {
            a: name.clone(),
            ..line(About::Interested)
        },
        Node::CanReceive { channel, topic } => Line {
            a: topic.clone(),
            ..line(About::CanReceive(*channel))
        },
        Node::Did(behaviour) => of_behaviour(behaviour),
        Node::Compare(Subject::Field(field), test) => {
            of_test(line(About::Field(*field)), test, None)
        }
        Node::Compare(Subject::Attribute(name), test) => {
            let literal = match test {
                Test::Is(_, value) | Test::Between(value, _) => literal(value),
                Test::In(values) => values.first().map_or(Literal::Text, literal),
                _ => Literal::Text,
            };
            of_test(line(About::Attribute(name.clone())), test, Some(literal))
        }
        Node::All(_) | Node::Any(_) | Node::Not(_) => return None,
    })
}

fn literal(value: &Value) -> Literal {
    match value {
        Value::Number(_) => Literal::Number,
        Value::Boolean(_) => Literal::Boolean,
        Value::Text(_) | Value::Date(_) => Literal::Text,
    }
}

fn of_test(line: Line, test: &Test, literal: Option<Literal>) -> Line {
    let written = |value: &Value| match value {
        Value::Text(text) => text.clone(),
        other => other.to_string(),
    };
    let (word, a, b, unit) = match test {
        Test::Is(relation, value) => (
            Word::of_relation(*relation),
            written(value),
            String::new(),
            None,
        ),
        Test::Between(low, high) => (Word::Between, written(low), written(high), None),
        Test::In(values) => {
            let values: Vec<String> = values.iter().map(written).collect();
            (Word::In, values.join(", "), String::new(), None)
        }
        Test::Contains(text) => (Word::Contains, text.clone(), String::new(), None),
        Test::StartsWith(text) => (Word::StartsWith, text.clone(), String::new(), None),
        Test::EndsWith(text) => (Word::EndsWith, text.clone(), String::new(), None),
        Test::Within(span) => (
            Word::Within,
            span.count.to_string(),
            String::new(),
            Some(span.unit),
        ),
        Test::MoreThanAgo(span) => (
            Word::MoreThanAgo,
            span.count.to_string(),
            String::new(),
            Some(span.unit),
        ),
        Test::Known => (Word::Known, String::new(), String::new(), None),
        Test::Unknown => (Word::Unknown, String::new(), String::new(), None),
    };
    Line {
        word,
        a,
        b,
        unit: unit.unwrap_or(Unit::Days),
        literal: literal.unwrap_or(Literal::Text),
        ..line
    }
}

fn of_behaviour(behaviour: &Behaviour) -> Line {
    let named = |name: &Option<String>| name.clone().unwrap_or_default();
    let (when, a, b, unit) = match behaviour.window {
        None => (When::Ever, String::new(), String::new(), Unit::Days),
        Some(Window::Within(span)) => (
            When::Within,
            span.count.to_string(),
            String::new(),
            span.unit,
        ),
        Some(Window::Between(first, last)) => (
            When::Between,
            first.to_string(),
            last.to_string(),
            Unit::Days,
        ),
    };
    Line {
        campaign: named(&behaviour.campaign),
        product: named(&behaviour.product),
        category: named(&behaviour.category),
        times: match behaviour.times {
            1 => String::new(),
            times => times.to_string(),
        },
        amount: behaviour
            .amount
            .map_or_else(String::new, |amount| amount.to_string()),
        when,
        a,
        b,
        unit,
        ..Line::new(About::Did(behaviour.deed))
    }
}
