//! From tree to canonical text: what [`Rule::parse`] reads back as the same tree.

use std::fmt::{self, Display, Formatter, Write as _};

use super::model::{Behaviour, Node, Rule, Span, Subject, Test, Value, Window};

impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

/// Canonical: lower-case keywords, one space, no more parentheses than needed.
impl Display for Node {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("everyone"),
            Self::All(parts) => join(f, parts, " and ", |part| matches!(part, Self::Any(_))),
            Self::Any(parts) => join(f, parts, " or ", |_| false),
            Self::Not(part) if matches!(**part, Self::All(_) | Self::Any(_)) => {
                write!(f, "not ({part})")
            }
            Self::Not(part) => write!(f, "not {part}"),
            Self::Compare(subject, test) => write!(f, "{subject} {test}"),
            Self::Tagged(tag) => write!(f, "tagged {}", Quoted(tag)),
            Self::Interested(name) => write!(f, "interested in {}", Quoted(name)),
            Self::Did(behaviour) => behaviour.fmt(f),
            Self::CanReceive { channel, topic } => {
                write!(f, "can receive {channel} about {}", Quoted(topic))
            }
        }
    }
}

fn join(
    f: &mut Formatter<'_>,
    parts: &[Node],
    word: &str,
    needs_parentheses: fn(&Node) -> bool,
) -> fmt::Result {
    for (n, part) in parts.iter().enumerate() {
        if n > 0 {
            f.write_str(word)?;
        }
        if needs_parentheses(part) {
            write!(f, "({part})")?;
        } else {
            part.fmt(f)?;
        }
    }
    Ok(())
}

impl Display for Subject {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => f.write_str(field.as_str()),
            Self::Attribute(name) => {
                let is_plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                    && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                if is_plain {
                    write!(f, "attribute.{name}")
                } else {
                    write!(f, "attribute.{}", Quoted(name))
                }
            }
        }
    }
}

impl Display for Test {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(relation, value) => write!(f, "{} {value}", relation.as_str()),
            Self::Between(low, high) => write!(f, "between {low} and {high}"),
            Self::In(values) => {
                f.write_str("in (")?;
                for (n, value) in values.iter().enumerate() {
                    if n > 0 {
                        f.write_str(", ")?;
                    }
                    value.fmt(f)?;
                }
                f.write_char(')')
            }
            Self::Contains(text) => write!(f, "contains {}", Quoted(text)),
            Self::StartsWith(text) => write!(f, "starts with {}", Quoted(text)),
            Self::EndsWith(text) => write!(f, "ends with {}", Quoted(text)),
            Self::Within(span) => write!(f, "within {span}"),
            Self::MoreThanAgo(span) => write!(f, "more than {span} ago"),
            Self::Known => f.write_str("is known"),
            Self::Unknown => f.write_str("is unknown"),
        }
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => Quoted(text).fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Boolean(boolean) => boolean.fmt(f),
            Self::Date(date) => date.fmt(f),
        }
    }
}

impl Display for Span {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let unit = if self.count == 1 {
            self.unit.singular()
        } else {
            self.unit.plural()
        };
        write!(f, "{} {unit}", self.count)
    }
}

impl Display for Behaviour {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.deed.as_str())?;
        if let Some(campaign) = &self.campaign {
            write!(f, " campaign {}", Quoted(campaign))?;
        }
        if let Some(product) = &self.product {
            write!(f, " product {}", Quoted(product))?;
        }
        if let Some(category) = &self.category {
            write!(f, " category {}", Quoted(category))?;
        }
        if self.times != 1 {
            write!(f, " at least {} times", self.times)?;
        }
        if let Some(amount) = self.amount {
            write!(f, " for at least {amount}")?;
        }
        match self.window {
            None => Ok(()),
            Some(Window::Within(span)) => write!(f, " within {span}"),
            Some(Window::Between(first, last)) => write!(f, " between {first} and {last}"),
        }
    }
}

/// A text between double quotes.
struct Quoted<'t>(&'t str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for character in self.0.chars() {
            if matches!(character, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(character)?;
        }
        f.write_char('"')
    }
}
