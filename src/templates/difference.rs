//! What differs between two texts, and between two revisions of a template.

use std::collections::BTreeSet;
use std::time::Duration;

use similar::{ChangeTag, TextDiff};

use super::texts::FileTexts;

/// How long the shortest difference is looked for; after that, some difference.
const PATIENCE: Duration = Duration::from_millis(200);
/// Lines shown around what changed.
const CONTEXT: usize = 3;

/// Some words of a text, and whether the other text lacks them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub text: String,
    pub is_changed: bool,
}

/// Both texts in pieces: what the first has and the second lacks is marked in the first, and the other way
/// round.
pub fn words(before: &str, after: &str) -> (Vec<Piece>, Vec<Piece>) {
    let difference = TextDiff::configure()
        .timeout(PATIENCE)
        .diff_words(before, after);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for change in difference.iter_all_changes() {
        let text: &str = change.value();
        match change.tag() {
            ChangeTag::Equal => {
                add(&mut left, text, false);
                add(&mut right, text, false);
            }
            ChangeTag::Delete => add(&mut left, text, true),
            ChangeTag::Insert => add(&mut right, text, true),
        }
    }
    (joined(&left), joined(&right))
}

/// A space between two words that changed counts as changed: what is marked reads as one.
fn joined(pieces: &[Piece]) -> Vec<Piece> {
    let is_changed = |place: Option<usize>| {
        place
            .and_then(|place| pieces.get(place))
            .is_some_and(|piece| piece.is_changed)
    };
    let mut joined = Vec::new();
    for (place, piece) in pieces.iter().enumerate() {
        let is_gap = piece.text.trim().is_empty()
            && is_changed(place.checked_sub(1))
            && is_changed(Some(place + 1));
        add(&mut joined, &piece.text, piece.is_changed || is_gap);
    }
    joined
}

fn add(pieces: &mut Vec<Piece>, text: &str, is_changed: bool) {
    match pieces.last_mut() {
        Some(last) if last.is_changed == is_changed => last.text.push_str(text),
        _ => pieces.push(Piece {
            text: text.to_owned(),
            is_changed,
        }),
    }
}

/// The difference of all files, as `diff -u` writes it; nothing where there is none.
pub fn unified(before: &FileTexts, after: &FileTexts) -> String {
    let text_of = |texts: &FileTexts, name: &str| {
        texts
            .iter()
            .find(|(file, _)| *file == name)
            .map_or_else(String::new, |(_, text)| text.to_owned())
    };
    let names: BTreeSet<&str> = before.iter().chain(after.iter()).map(|(f, _)| f).collect();
    let mut out = String::new();
    for name in names {
        let (old, new) = (text_of(before, name), text_of(after, name));
        if old == new {
            continue;
        }
        let difference = TextDiff::configure()
            .timeout(PATIENCE)
            .diff_lines(old.as_str(), new.as_str());
        let unified = difference
            .unified_diff()
            .context_radius(CONTEXT)
            .header(name, name)
            .to_string();
        out.push_str(&unified);
    }
    out
}
