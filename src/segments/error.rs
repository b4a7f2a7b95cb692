//! What is wrong with a rule, and where.

use std::fmt;
use std::ops::Range;

use unicode_normalization::char::is_combining_mark;

/// A rule that is none: what is wrong, where, and what to write instead.
///
/// Shows the line at fault with the place underlined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong and what to do, in a sentence.
    pub message: String,
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
    pub(super) fn at(text: &str, span: Range<usize>, message: String) -> Self {
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
    pub(super) fn whole(message: String) -> Self {
        Self {
            message,
            place: None,
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(place) = &self.place else {
            return f.write_str(&self.message);
        };
        if !place.is_only_line {
            write!(f, "line {}, ", place.line)?;
        }
        writeln!(f, "column {}: {}", place.column, self.message)?;
        writeln!(f, "  {}", place.excerpt)?;
        write!(
            f,
            "  {:indent$}{}",
            "",
            "^".repeat(place.width),
            indent = place.indent
        )
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
pub(super) fn did_you_mean<'w>(wrong: &str, words: impl IntoIterator<Item = &'w str>) -> String {
    let wrong = wrong.to_lowercase();
    // A word as long as a rule is no slip of the pen, and comparing is quadratic.
    if wrong.len() > 40 {
        return String::new();
    }
    words
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&wrong, word), word))
        .filter(|(distance, word)| *distance <= 1.max(word.len().max(wrong.len()) / 3))
        .min_by_key(|(distance, _)| *distance)
        .map_or_else(String::new, |(_, word)| {
            format!("; did you mean \"{word}\"?")
        })
}
