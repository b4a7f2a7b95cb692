//! The words of one tag.

use super::{Expr, Fault, Tag, nearest};

/// Brackets within brackets.
const MAX_CALL_DEPTH: usize = 3;

/// A call that may stand in a tag: its name, the fewest and most arguments, and an example.
struct Call {
    name: &'static str,
    arguments: (usize, usize),
    example: &'static str,
    /// Whether it makes a text; otherwise a yes or no.
    makes_text: bool,
}

const CALLS: &[Call] = &[
    Call {
        name: "default",
        arguments: (2, 4),
        example: "{{default first_name \"dear reader\"}}",
        makes_text: true,
    },
    Call {
        name: "date",
        arguments: (1, 1),
        example: "{{date last_order_date}}",
        makes_text: true,
    },
    Call {
        name: "eq",
        arguments: (2, 2),
        example: "{{#if (eq stage \"lapsed\")}}",
        makes_text: false,
    },
    Call {
        name: "ne",
        arguments: (2, 2),
        example: "{{#if (ne country \"FR\")}}",
        makes_text: false,
    },
    Call {
        name: "gt",
        arguments: (2, 2),
        example: "{{#if (gt orders_count 3)}}",
        makes_text: false,
    },
    Call {
        name: "gte",
        arguments: (2, 2),
        example: "{{#if (gte orders_count 3)}}",
        makes_text: false,
    },
    Call {
        name: "lt",
        arguments: (2, 2),
        example: "{{#if (lt orders_count 3)}}",
        makes_text: false,
    },
    Call {
        name: "lte",
        arguments: (2, 2),
        example: "{{#if (lte orders_count 3)}}",
        makes_text: false,
    },
    Call {
        name: "and",
        arguments: (2, 2),
        example: "{{#if (and first_name city)}}",
        makes_text: false,
    },
    Call {
        name: "or",
        arguments: (2, 2),
        example: "{{#if (or city region)}}",
        makes_text: false,
    },
    Call {
        name: "not",
        arguments: (1, 1),
        example: "{{#if (not city)}}",
        makes_text: false,
    },
];

/// Reads what stands between the braces; none for a comment.
pub(super) fn read(inner: &str, written: &str) -> Result<Option<Tag>, Fault> {
    if inner.starts_with('!') {
        return Ok(None);
    }
    let refuse = |problem: &str| Err(Fault::new(written, problem));
    let inner = inner.trim();
    if inner.starts_with('~') || inner.ends_with('~') {
        return refuse(
            "~ has no use here: spaces and empty lines are tidied by themselves; remove it",
        );
    }
    match inner.chars().next() {
        None => return refuse("nothing stands between the braces"),
        Some('&') => {
            return refuse("& would let a customer's value become HTML; write the field alone");
        }
        Some('>') => {
            return refuse("a template stands alone: there are no partials; write the text here");
        }
        Some('^') => return refuse("write {{else}}"),
        Some('*') => return refuse("there are no decorators"),
        _ => {}
    }
    if let Some(block) = inner.strip_prefix('#') {
        let (name, rest) = block.split_once(char::is_whitespace).unwrap_or((block, ""));
        let negated = match name {
            "if" => false,
            "unless" => true,
            "each" | "with" => {
                return refuse(
                    "there are no loops: a customer has no lists, each field is one value; name it",
                );
            }
            _ => return refuse("only {{#if}} and {{#unless}} open a block"),
        };
        return Ok(Some(Tag::If {
            negated,
            condition: condition(rest, written)?,
        }));
    }
    if let Some(name) = inner.strip_prefix('/') {
        return match name.trim() {
            "if" => Ok(Some(Tag::End { negated: false })),
            "unless" => Ok(Some(Tag::End { negated: true })),
            _ => refuse("only {{/if}} and {{/unless}} close a block"),
        };
    }
    if inner == "else" {
        return Ok(Some(Tag::Else));
    }
    if let Some(rest) = inner.strip_prefix("else ") {
        return match rest.trim_start().strip_prefix("if ") {
            Some(rest) => Ok(Some(Tag::ElseIf(condition(rest, written)?))),
            None => refuse("after else comes nothing, or if and a condition"),
        };
    }
    let mut words = Words::of(inner, written)?;
    let expr = words.call_or_one(0)?;
    words.must_end()?;
    match &expr {
        Expr::Field(_) => {}
        Expr::Call(name, _)
            if CALLS
                .iter()
                .any(|call| call.name == *name && call.makes_text) => {}
        Expr::Call(..) => return refuse("this is a yes or no; it belongs in {{#if (…)}}"),
        _ => return refuse("this is no field; write the text without braces"),
    }
    Ok(Some(Tag::Value(expr)))
}

fn condition(text: &str, written: &str) -> Result<Expr, Fault> {
    let mut words = Words::of(text, written)?;
    if words.is_empty() {
        return Err(Fault::new(
            written,
            "a condition is missing: {{#if first_name}}",
        ));
    }
    let expr = words.one(0)?;
    words.must_end()?;
    match expr {
        Expr::Field(_) | Expr::Call(..) => Ok(expr),
        _ => Err(Fault::new(
            written,
            "this condition never changes; name a field",
        )),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Word {
    Name(String),
    Text(String),
    Open,
    Close,
}

/// The words of one tag, from the last to the first.
struct Words<'a> {
    words: Vec<Word>,
    written: &'a str,
}

impl<'a> Words<'a> {
    fn of(text: &str, written: &'a str) -> Result<Self, Fault> {
        let mut words = Vec::new();
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            match first {
                '(' => words.push(Word::Open),
                ')' => words.push(Word::Close),
                '"' | '\'' => {
                    let inside = rest.get(1..).unwrap_or_default();
                    let Some((string, after)) = inside.split_once(first) else {
                        return Err(Fault::new(written, "a text in quotes is not closed"));
                    };
                    if string.contains(['\\', '{', '}']) || string.contains(char::is_control) {
                        return Err(Fault::new(
                            written,
                            "a text in quotes is one line without \\, { and }",
                        ));
                    }
                    words.push(Word::Text(string.to_owned()));
                    rest = after.trim_start();
                    continue;
                }
                _ => {
                    let end = rest
                        .find(|c: char| c.is_whitespace() || "()\"'".contains(c))
                        .unwrap_or(rest.len());
                    let (name, after) = rest.split_at(end);
                    words.push(Word::Name(name.to_owned()));
                    rest = after.trim_start();
                    continue;
                }
            }
            rest = rest.get(1..).unwrap_or_default().trim_start();
        }
        words.reverse();
        Ok(Self { words, written })
    }

    fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    fn must_end(&self) -> Result<(), Fault> {
        if self.words.is_empty() {
            return Ok(());
        }
        Err(Fault::new(
            self.written,
            "too many words; put a comparison in brackets: {{#if (eq stage \"lapsed\")}}",
        ))
    }

    /// A call without brackets, or one word.
    fn call_or_one(&mut self, depth: usize) -> Result<Expr, Fault> {
        if let Some(Word::Name(name)) = self.words.last()
            && (self.words.len() > 1 || CALLS.iter().any(|call| call.name == name))
        {
            let name = name.clone();
            self.words.pop();
            return self.call(&name, depth);
        }
        self.one(depth)
    }

    fn one(&mut self, depth: usize) -> Result<Expr, Fault> {
        match self.words.pop() {
            Some(Word::Name(name)) => self.name(name),
            Some(Word::Text(text)) => Ok(Expr::Text(text)),
            Some(Word::Open) => {
                if depth >= MAX_CALL_DEPTH {
                    return Err(Fault::new(
                        self.written,
                        format!("more than {MAX_CALL_DEPTH} brackets within one another"),
                    ));
                }
                let Some(Word::Name(name)) = self.words.pop() else {
                    return Err(Fault::new(
                        self.written,
                        "after ( comes eq, ne, gt, lt, and, or, not …",
                    ));
                };
                let call = self.call(&name, depth + 1)?;
                match self.words.pop() {
                    Some(Word::Close) => Ok(call),
                    _ => Err(Fault::new(self.written, "a bracket is not closed")),
                }
            }
            Some(Word::Close) | None => Err(Fault::new(self.written, "a field is missing here")),
        }
    }

    fn call(&mut self, name: &str, depth: usize) -> Result<Expr, Fault> {
        let Some(call) = CALLS.iter().find(|call| call.name == name) else {
            let nearest = nearest(name, CALLS.iter().map(|call| call.name));
            let hint = match nearest {
                Some(nearest) => format!("did you mean {nearest}?"),
                None => format!(
                    "there are {}",
                    CALLS.iter().map(|c| c.name).collect::<Vec<_>>().join(", ")
                ),
            };
            return Err(Fault::new(
                self.written,
                format!("nothing is called {name:?} here; {hint}"),
            ));
        };
        let mut arguments = Vec::new();
        while !self.words.is_empty() && self.words.last() != Some(&Word::Close) {
            arguments.push(self.one(depth)?);
        }
        let (fewest, most) = call.arguments;
        if !(fewest..=most).contains(&arguments.len()) {
            return Err(Fault::new(
                self.written,
                format!("{name} is written like this: {}", call.example),
            ));
        }
        Ok(Expr::Call(call.name, arguments))
    }

    fn name(&self, name: String) -> Result<Expr, Fault> {
        match name.as_str() {
            "true" => return Ok(Expr::Bool(true)),
            "false" => return Ok(Expr::Bool(false)),
            _ => {}
        }
        if name.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            let digits = name.strip_prefix('-').unwrap_or(&name);
            let is_number = digits.len() <= 15
                && digits.starts_with(|c: char| c.is_ascii_digit())
                && digits.ends_with(|c: char| c.is_ascii_digit())
                && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
                && digits.matches('.').count() <= 1
                && (!digits.starts_with('0') || digits.starts_with("0.") || digits == "0");
            return if is_number {
                Ok(Expr::Number(name))
            } else {
                Err(Fault::new(self.written, format!("{name} is not a number")))
            };
        }
        let is_field = name.len() <= 80
            && name.split('.').count() <= 2
            && name.split('.').all(|part| {
                part.starts_with(char::is_alphabetic)
                    && part
                        .chars()
                        .all(|c| c.is_alphanumeric() || c == '_' || c == '-')
            })
            && !matches!(name.as_str(), "this" | "null" | "else" | "undefined");
        if is_field {
            Ok(Expr::Field(name))
        } else {
            Err(Fault::new(
                self.written,
                format!(
                    "{name:?} is not the name of a field; names are like first_name or attribute.hobby"
                ),
            ))
        }
    }
}
