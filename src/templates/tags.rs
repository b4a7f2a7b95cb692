//! The fields in a text: what may stand between `{{` and `}}`, read before Handlebars sees it.
//!
//! Handlebars accepts more than a template should say: HTML that is not escaped, partials, loops, and
//! names that exist nowhere, which `{{#if}}` takes for "no" even in strict mode. So the grammar here is
//! a small part of Handlebars, and whatever is not in it is refused when the template is read.

use std::collections::BTreeSet;
use std::fmt;

/// Blocks within blocks, and `else if` after `else if`.
const MAX_DEPTH: usize = 8;
/// Tags in one text.
const MAX_TAGS: usize = 200;
/// Bytes of one tag.
const MAX_TAG_BYTES: usize = 300;
/// Brackets within brackets.
const MAX_CALL_DEPTH: usize = 3;

/// The private-use characters that mark a tag's place while Markdown and MJML work on the text.
pub(super) const OPEN: char = '\u{E000}';
pub(super) const CLOSE: char = '\u{E001}';

/// A mistake in a text, and the words in which it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) near: String,
    pub(super) problem: String,
}

impl Fault {
    pub(super) fn new(near: &str, problem: impl Into<String>) -> Self {
        let near = near.chars().take(60).collect();
        Self {
            near,
            problem: problem.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Marks mean nothing to the author.
        let near = self.near.split(OPEN).next().unwrap_or_default();
        let near = near.lines().next().unwrap_or_default().trim();
        if !near.is_empty() && !self.problem.contains(near) {
            write!(f, "near {near:?}: ")?;
        }
        f.write_str(&self.problem)
    }
}

/// An expression within a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expr {
    /// A field, such as `first_name` or `attribute.hobby`.
    Field(String),
    Text(String),
    Number(String),
    Bool(bool),
    Call(&'static str, Vec<Expr>),
}

/// What stands in one pair of braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tag {
    Value(Expr),
    /// `{{#if …}}`, or `{{#unless …}}` when negated.
    If {
        negated: bool,
        condition: Expr,
    },
    ElseIf(Expr),
    Else,
    End {
        negated: bool,
    },
}

impl Tag {
    /// Whether it prints nothing itself.
    pub(super) fn is_block(&self) -> bool {
        !matches!(self, Self::Value(_))
    }
}

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

/// A condition that is still open.
struct Block {
    negated: bool,
    has_else: bool,
    levels: usize,
}

/// Takes the tags out of `text`: the text with a mark `E000 t n E001` in the place of each, and the tags.
///
/// # Errors
/// When a tag is not closed, not allowed, or blocks are not closed in order.
pub(super) fn take(text: &str) -> Result<(String, Vec<Tag>), Fault> {
    if text.contains([OPEN, CLOSE]) {
        return Err(Fault::new(
            text,
            "the characters U+E000 and U+E001 are for private use and cannot be shown; remove them",
        ));
    }
    let mut marked = String::with_capacity(text.len());
    let mut tags = Vec::new();
    let mut open: Vec<Block> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        let (before, tail) = rest.split_at(at);
        no_stray_close(before)?;
        marked.push_str(before);
        let (inner, after) = cut(tail)?;
        rest = after;
        let written = tail.get(..tail.len() - after.len()).unwrap_or(tail);
        let Some(tag) = read(inner, written)? else {
            continue;
        };
        match &tag {
            Tag::Value(_) => {}
            Tag::If { negated, .. } => open.push(Block {
                negated: *negated,
                has_else: false,
                levels: 1,
            }),
            Tag::ElseIf(_) | Tag::Else => {
                let Some(block) = open.last_mut() else {
                    return Err(Fault::new(
                        written,
                        "there is no {{#if}} before this {{else}}",
                    ));
                };
                if block.has_else {
                    return Err(Fault::new(
                        written,
                        "this {{#if}} has had its {{else}} already",
                    ));
                }
                block.has_else = tag == Tag::Else;
                // Each "else if" is one more level for Handlebars, which recurses.
                block.levels += usize::from(tag != Tag::Else);
            }
            Tag::End { negated } => match open.pop() {
                Some(block) if block.negated == *negated => {}
                Some(block) => {
                    let name = block_name(block.negated);
                    return Err(Fault::new(
                        written,
                        format!("{{{{#{name}}}}} is still open here; close it first"),
                    ));
                }
                None => return Err(Fault::new(written, "nothing is open that this could close")),
            },
        }
        if open.iter().map(|block| block.levels).sum::<usize>() > MAX_DEPTH {
            return Err(Fault::new(
                written,
                format!(
                    "more than {MAX_DEPTH} conditions within one another; nobody can check such a text, split it"
                ),
            ));
        }
        marked.push_str(&mark('t', tags.len()));
        tags.push(tag);
        if tags.len() > MAX_TAGS {
            return Err(Fault::new(
                written,
                format!("more than {MAX_TAGS} fields in one text; shorten it"),
            ));
        }
    }
    no_stray_close(rest)?;
    marked.push_str(rest);
    if let Some(block) = open.last() {
        let name = block_name(block.negated);
        return Err(Fault::new(
            &format!("{{{{#{name}"),
            format!("{{{{#{name} …}}}} is never closed; write {{{{/{name}}}}} where it ends"),
        ));
    }
    Ok((marked, tags))
}

/// A mark: what it stands for, and which.
pub(super) fn mark(kind: char, number: usize) -> String {
    format!("{OPEN}{kind}{number}{CLOSE}")
}

/// A piece of a marked text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Raw(&'a str),
    Mark(char, usize),
}

/// Cuts a marked text at its marks.
pub(super) fn pieces(marked: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = marked;
    while let Some((before, tail)) = rest.split_once(OPEN) {
        if !before.is_empty() {
            pieces.push(Piece::Raw(before));
        }
        let Some((inside, after)) = tail.split_once(CLOSE) else {
            break;
        };
        let mut chars = inside.chars();
        if let (Some(kind), Ok(number)) = (chars.next(), chars.as_str().parse()) {
            pieces.push(Piece::Mark(kind, number));
        }
        rest = after;
    }
    if !rest.is_empty() && !rest.starts_with(OPEN) {
        pieces.push(Piece::Raw(rest));
    }
    pieces
}

fn block_name(negated: bool) -> &'static str {
    if negated { "unless" } else { "if" }
}

fn no_stray_close(raw: &str) -> Result<(), Fault> {
    match raw.find("}}") {
        Some(at) => Err(Fault::new(
            raw.get(at..).unwrap_or_default(),
            "these }} close nothing; a field opens with {{",
        )),
        None => Ok(()),
    }
}

/// Splits `{{ inner }} after`, minding strings and comments.
fn cut(tail: &str) -> Result<(&str, &str), Fault> {
    let inner = tail.strip_prefix("{{").unwrap_or(tail);
    if inner.starts_with('{') {
        return Err(Fault::new(
            tail,
            "three braces would let a customer's value become HTML; write two",
        ));
    }
    let end = if inner.starts_with("!--") {
        inner.find("--}}").map(|at| at + 2)
    } else if inner.starts_with('!') {
        inner.find("}}")
    } else {
        let mut quote = None;
        let mut end = None;
        for (at, c) in inner.char_indices().take(MAX_TAG_BYTES) {
            match quote {
                Some(q) if c == q => quote = None,
                Some(_) => {}
                None if c == '"' || c == '\'' => quote = Some(c),
                None if inner.get(at..).is_some_and(|rest| rest.starts_with("}}")) => {
                    end = Some(at);
                    break;
                }
                None => {}
            }
        }
        end
    };
    let end = end.ok_or_else(|| {
        Fault::new(
            tail,
            format!("this {{{{ is not closed by }}}} within {MAX_TAG_BYTES} characters"),
        )
    })?;
    let (inside, rest) = inner.split_at_checked(end).unwrap_or((inner, ""));
    Ok((inside, rest.strip_prefix("}}").unwrap_or(rest)))
}

/// Reads what stands between the braces; none for a comment.
fn read(inner: &str, written: &str) -> Result<Option<Tag>, Fault> {
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

/// The nearest of some words, if it is near enough to be a slip.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|known| (strsim::damerau_levenshtein(word, known), known))
        .filter(|(distance, known)| *distance <= 1 + known.chars().count() / 4)
        .min()
        .map(|(_, known)| known)
}

impl fmt::Display for Expr {
    /// As Handlebars reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // In brackets, an attribute's name may hold what Handlebars takes for an operator.
            Self::Field(name) => match name.split_once('.') {
                Some((first, second)) => write!(f, "[{first}].[{second}]"),
                None => write!(f, "[{name}]"),
            },
            Self::Text(text) if text.contains('"') => write!(f, "'{text}'"),
            Self::Text(text) => write!(f, "\"{text}\""),
            Self::Number(number) => f.write_str(number),
            Self::Bool(yes) => write!(f, "{yes}"),
            Self::Call(name, arguments) => {
                write!(f, "({name}")?;
                for argument in arguments {
                    write!(f, " {argument}")?;
                }
                f.write_str(")")
            }
        }
    }
}

impl fmt::Display for Tag {
    /// As Handlebars reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(expr @ Expr::Call(..)) => {
                let call = expr.to_string();
                let bare = call
                    .strip_prefix('(')
                    .and_then(|call| call.strip_suffix(')'));
                write!(f, "{{{{{}}}}}", bare.unwrap_or(&call))
            }
            Self::Value(expr) => write!(f, "{{{{{expr}}}}}"),
            Self::If { negated, condition } => {
                write!(f, "{{{{#{} {condition}}}}}", block_name(*negated))
            }
            Self::ElseIf(condition) => write!(f, "{{{{else if {condition}}}}}"),
            Self::Else => f.write_str("{{else}}"),
            Self::End { negated } => write!(f, "{{{{/{}}}}}", block_name(*negated)),
        }
    }
}

/// One use of a field in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FieldUse {
    pub(super) field: String,
    /// Whether the text still reads well where the field is empty.
    pub(super) is_guarded: bool,
}

/// Every use of a field in `tags`, also inside conditions and calls.
pub(super) fn field_uses(tags: &[Tag]) -> Vec<FieldUse> {
    let mut uses = Vec::new();
    // One entry per open block: what its conditions so far prove when they fail, and the fields that
    // are known to have a value in the branch we are in.
    let mut open: Vec<(BTreeSet<String>, BTreeSet<String>)> = Vec::new();
    for tag in tags {
        match tag {
            Tag::Value(expr) => shown(expr, &open, &mut uses),
            Tag::If { negated, condition } => {
                tested(condition, &mut uses);
                let (holds, fails) = (proved(condition, true), proved(condition, false));
                open.push(if *negated {
                    (holds, fails)
                } else {
                    (fails, holds)
                });
            }
            Tag::ElseIf(condition) => {
                tested(condition, &mut uses);
                if let Some((failed, now)) = open.last_mut() {
                    *now = failed.union(&proved(condition, true)).cloned().collect();
                    failed.extend(proved(condition, false));
                }
            }
            Tag::Else => {
                if let Some((failed, now)) = open.last_mut() {
                    *now = failed.clone();
                }
            }
            Tag::End { .. } => {
                open.pop();
            }
        }
    }
    uses
}

fn shown(expr: &Expr, open: &[(BTreeSet<String>, BTreeSet<String>)], uses: &mut Vec<FieldUse>) {
    match expr {
        Expr::Field(field) => uses.push(FieldUse {
            field: field.clone(),
            is_guarded: open.iter().any(|(_, now)| now.contains(field)),
        }),
        Expr::Call("default", arguments)
            if arguments
                .iter()
                .any(|a| matches!(a, Expr::Text(t) if !t.is_empty())) =>
        {
            for argument in arguments {
                tested(argument, uses);
            }
        }
        Expr::Call(_, arguments) => {
            for argument in arguments {
                shown(argument, open, uses);
            }
        }
        Expr::Text(_) | Expr::Number(_) | Expr::Bool(_) => {}
    }
}

fn tested(expr: &Expr, uses: &mut Vec<FieldUse>) {
    match expr {
        Expr::Field(field) => uses.push(FieldUse {
            field: field.clone(),
            is_guarded: true,
        }),
        Expr::Call(_, arguments) => {
            for argument in arguments {
                tested(argument, uses);
            }
        }
        Expr::Text(_) | Expr::Number(_) | Expr::Bool(_) => {}
    }
}

/// The fields that must have a value when `expr` comes out as `outcome`.
fn proved(expr: &Expr, outcome: bool) -> BTreeSet<String> {
    match (expr, outcome) {
        (Expr::Field(field), true) => BTreeSet::from([field.clone()]),
        (Expr::Call("eq" | "gt" | "gte" | "lt" | "lte", arguments), true)
        | (Expr::Call("ne", arguments), false) => {
            // Equal to a text or compared with a number: it is not empty.
            let has_value = arguments.iter().any(|a| {
                matches!(a, Expr::Number(_)) || matches!(a, Expr::Text(t) if !t.is_empty())
            });
            if !has_value {
                return BTreeSet::new();
            }
            arguments.iter().flat_map(|a| proved(a, true)).collect()
        }
        (Expr::Call("and", arguments), true) | (Expr::Call("or", arguments), false) => {
            arguments.iter().flat_map(|a| proved(a, outcome)).collect()
        }
        (Expr::Call("not", arguments), _) => {
            arguments.iter().flat_map(|a| proved(a, !outcome)).collect()
        }
        _ => BTreeSet::new(),
    }
}
