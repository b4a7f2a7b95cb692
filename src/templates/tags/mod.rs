//! The fields in a text: what may stand between `{{` and `}}`, read before Handlebars sees it.
//!
//! Handlebars accepts more than a template should say: HTML that is not escaped, partials, loops, and
//! names that exist nowhere, which `{{#if}}` takes for "no" even in strict mode. So the grammar here is
//! a small part of Handlebars, and whatever is not in it is refused when the template is read.

mod read;
mod uses;

use std::fmt;

use read::read;
pub(super) use uses::field_uses;

/// Blocks within blocks, and `else if` after `else if`.
const MAX_DEPTH: usize = 8;
/// Tags in one text.
const MAX_TAGS: usize = 200;
/// Bytes of one tag.
const MAX_TAG_BYTES: usize = 300;

/// The private-use characters that mark a tag's place while Markdown and MJML work on the text.
pub(in crate::templates) const OPEN: char = '\u{E000}';
pub(in crate::templates) const CLOSE: char = '\u{E001}';

/// A mistake in a text, and the words in which it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::templates) struct Fault {
    pub(in crate::templates) near: String,
    pub(in crate::templates) problem: String,
}

impl Fault {
    pub(in crate::templates) fn new(near: &str, problem: impl Into<String>) -> Self {
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
pub(in crate::templates) enum Expr {
    /// A field, such as `first_name` or `attribute.hobby`.
    Field(String),
    Text(String),
    Number(String),
    Bool(bool),
    Call(&'static str, Vec<Expr>),
}

/// What stands in one pair of braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::templates) enum Tag {
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
    pub(in crate::templates) fn is_block(&self) -> bool {
        !matches!(self, Self::Value(_))
    }
}

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
pub(in crate::templates) fn take(text: &str) -> Result<(String, Vec<Tag>), Fault> {
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
pub(in crate::templates) fn mark(kind: char, number: usize) -> String {
    format!("{OPEN}{kind}{number}{CLOSE}")
}

/// A piece of a marked text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::templates) enum Piece<'a> {
    Raw(&'a str),
    Mark(char, usize),
}

/// Cuts a marked text at its marks.
pub(in crate::templates) fn pieces(marked: &str) -> Vec<Piece<'_>> {
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

/// The nearest of some words, if it is near enough to be a slip.
pub(in crate::templates) fn nearest<'a>(
    word: &str,
    known: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
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
