//! Whom we mean: the segment language.
//!
//! A [`Rule`] is text a person can read, such as
//! `age between 30 and 60 and city in ("Amiens", "Lille") and not clicked campaign "spring"`. The text
//! becomes a tree ([`Node`]); the tree prints as canonical text, becomes a condition of either database
//! ([`Rule::condition`]), and answers for one customer with the reason ([`Rule::explain`]).
//!
//! Promise: the three agree. Logic has two values: a comparison with something unknown is false, so its
//! `not` is true. A rule that parses runs on both databases; one that does not is told with the place,
//! what was expected and the nearest word. [`vocabulary`] lists the words.
//!
//! Grammar, with `and` binding tighter than `or`, and `not` tighter than both:
//!
//! ```text
//! rule       = conjunction { "or" conjunction }
//! conjunction= negation { "and" negation }
//! negation   = "not" negation | "(" rule ")" | predicate
//! predicate  = "everyone" | subject ["not"] test | "tagged" text | "interested" "in" text | behaviour
//!            | "can receive" ("email" | "sms") "about" text
//! subject    = field | "attribute." name
//! test       = ("=" | "!=" | "<" | "<=" | ">" | ">=") value | "between" value "and" value
//!            | "in" "(" value { "," value } ")" | "is" ("known" | "unknown")
//!            | ("contains" | "starts with" | "ends with") text
//!            | "within" span | "more than" span "ago"
//! behaviour  = ("ordered" | "received" | "opened" | "clicked" | "responded" | "replied" | "redeemed"
//!            | "answered" | "bounced" | "complained") { filter }
//! filter     = "campaign" text | "at least" number "times" | "within" span | "between" date "and" date
//!            | ("product" | "category") text | "for at least" amount      (the last line: ordered only)
//! span       = number ("days" | "weeks" | "months" | "years")
//! ```
//!
//! `x not within …` is another way to write `not x within …`.
//!
//! A segment that bears a name is kept by [`library`]; [`builder`] shows a rule as a form and loses nothing of
//! it; [`analysis`] counts it line by line; [`verdict`] judges whether it is a useful one.

pub mod analysis;
mod asked;
pub mod builder;
mod calendar;
mod comparison;
mod condition;
mod discreet;
mod error;
mod evaluate;
mod explain;
mod lexer;
pub mod library;
pub mod model;
pub mod names;
mod parse;
mod print;
pub mod store;
pub mod verdict;
pub mod vocabulary;

pub use discreet::discreet;
pub use error::ParseError;
pub use explain::Explanation;
pub use model::{Node, Profile, Rule};
