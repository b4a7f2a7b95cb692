//! What is wrong with a rule, and where.

use std::fmt;
use std::ops::Range;

use unicode_normalization::char::is_combining_mark;

use crate::statistics::Sentence;

/// A rule that is none: what is wrong, where, and what to write instead.
///
/// Shows the line at fault with the place underlined.
#[derive(Debug, Clone, PartialEq)]
pub struct ParseError {
    /// What is wrong and what to do, in a sentence.
    pub message: Sentence,
    /// The place: line and column, counted from 1, in characters. None when the whole rule is at fault.
    pub place: Option<Place>,
}

/// A place in a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub column: usize,
    /// The line, shortened about the place if it is long, on one line of a terminal.
    excerpt: String,
    /// Where in the excerpt, in terminal columns.
    indent: usize,
    width: usize,
    is_only_line: bool,
}

/// How much of a long line is shown on either side of the place.
const CONTEXT: usize = 60;

impl ParseError {
    /// An error at the bytes `span` of `text`.
    pub(super) fn at(text: &str, span: Range<usize>, message: Sentence) -> Self {
        let start = floor(text, span.start);
        let (before, after) = text.split_at(start);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = after.find('\n').map_or(text.len(), |at| start + at);
        let line = before.matches('\n').count() + 1;
        let left = text.get(line_start..start).unwrap_or_default();
        let end = floor(text, span.end).clamp(start, line_end);
        let marked = text.get(start..end).unwrap_or_default();
        let right = text.get(end..line_end).unwrap_or_default();

        let shown_left: String = {
            let skip = left.chars().count().saturating_sub(CONTEXT);
            let mark = if skip > 0 { "…" } else { "" };
            format!("{mark}{}", plain(left.chars().skip(skip)))
        };
        let shown_marked = plain(marked.chars().take(CONTEXT));
        let shown_right = plain(right.chars().take(CONTEXT));
        let more = if right.chars().nth(CONTEXT).is_some() || marked.chars().nth(CONTEXT).is_some()
        {
            "…"
        } else {
            ""
        };
        Self {
            message,
            place: Some(Place {
                line,
                column: left.chars().count() + 1,
                indent: columns(&shown_left),
                width: columns(&shown_marked).max(1),
                excerpt: format!("{shown_left}{shown_marked}{shown_right}{more}"),
                is_only_line: !text.trim_end().contains('\n'),
            }),
        }
    }

    /// An error of the rule as a whole.
    pub(super) fn whole(message: Sentence) -> Self {
        Self {
            message,
            place: None,
        }
    }
}

impl ParseError {
    /// What is wrong, with its line and column.
    pub fn sentence(&self) -> Sentence {
        let said = match &self.place {
            None => return self.message.clone(),
            Some(place) if place.is_only_line => Sentence::new("column {column}: {what}"),
            Some(place) => {
                Sentence::new("line {line}, column {column}: {what}").named("line", place.line)
            }
        };
        let column = self.place.as_ref().map_or(1, |place| place.column);
        said.named("column", column)
            .with("what", self.message.clone())
    }
}

impl Place {
    /// The line at fault with the place underlined.
    pub fn drawn(&self) -> String {
        let mark = "^".repeat(self.width);
        format!(
            "  {}\n  {:indent$}{mark}",
            self.excerpt,
            "",
            indent = self.indent
        )
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(place) = &self.place else {
            return self.message.fmt(f);
        };
        writeln!(f, "{}", self.sentence())?;
        write!(f, "{}", place.drawn())
    }
}

impl std::error::Error for ParseError {}

/// The nearest place at or before `at` where a character begins.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

/// Characters as they may stand on a line of a terminal.
fn plain(characters: impl Iterator<Item = char>) -> String {
    characters
        .map(|c| if c == '\t' { ' ' } else { c })
        .map(|c| if c.is_control() { '�' } else { c })
        .collect()
}

fn columns(text: &str) -> usize {
    text.chars().filter(|c| !is_combining_mark(*c)).count()
}

/// `; did you mean "…"?` with the nearest of `words`, if one is near enough to be a slip of the pen.
pub(super) fn did_you_mean<'w>(
    wrong: &str,
    words: impl IntoIterator<Item = &'w str>,
) -> Option<Sentence> {
    let wrong = wrong.to_lowercase();
    // A word as long as a rule is no slip of the pen, and comparing is quadratic.
    if wrong.len() > 40 {
        return None;
    }
    words
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&wrong, word), word))
        .filter(|(distance, word)| *distance <= 1.max(word.len().max(wrong.len()) / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| {
            Sentence::new("; did you mean {near}?").with("near", format!("\"{word}\""))
        })
}
