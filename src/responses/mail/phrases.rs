//! Many phrases looked for in a text in one pass.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, BuildError, MatchKind};

use crate::storage::text::fold;

/// Phrases as they stand in a folded text: lower case, without accents, one space for any white space. A phrase
/// stands for itself between word ends; with `*` at its end it may go on.
#[derive(Debug, Clone)]
pub(super) struct Phrases {
    automaton: AhoCorasick,
    /// Of each phrase, whether its begin and its end must be the begin and end of a word.
    bounds: Vec<(bool, bool)>,
}

/// Collects phrases and numbers them, each once.
#[derive(Debug, Default)]
pub(super) struct Collector {
    numbers: HashMap<String, usize>,
    written: Vec<String>,
}

impl Collector {
    /// The number of a phrase.
    pub(super) fn number(&mut self, phrase: &str) -> usize {
        let next = self.written.len();
        *self.numbers.entry(phrase.to_owned()).or_insert_with(|| {
            self.written.push(phrase.to_owned());
            next
        })
    }

    /// # Errors
    /// When they are too many for the automaton.
    pub(super) fn compile(self) -> Result<Phrases, BuildError> {
        let is_letter = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
        let mut bounds = Vec::with_capacity(self.written.len());
        let mut bare = Vec::with_capacity(self.written.len());
        for phrase in &self.written {
            let stem = phrase.strip_suffix('*').unwrap_or(phrase);
            bounds.push((
                is_letter(stem.bytes().next()),
                stem.len() == phrase.len() && is_letter(stem.bytes().last()),
            ));
            bare.push(stem);
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(bare)?;
        Ok(Phrases { automaton, bounds })
    }
}

/// Which phrases stand in a text.
#[derive(Debug)]
pub(super) struct Found(Vec<bool>);

impl Found {
    pub(super) fn any(&self, numbers: &[usize]) -> bool {
        numbers
            .iter()
            .any(|number| self.0.get(*number).copied().unwrap_or_default())
    }
}

impl Phrases {
    /// # Errors
    /// When they are too many for the automaton.
    pub(super) fn of(written: &[String]) -> Result<Self, BuildError> {
        let mut collector = Collector::default();
        for phrase in written {
            collector.number(phrase);
        }
        collector.compile()
    }

    /// The phrases in a folded text.
    pub(super) fn find(&self, folded: &str) -> Found {
        let mut found = vec![false; self.bounds.len()];
        for (phrase, _, _) in self.matches(folded) {
            if let Some(seen) = found.get_mut(phrase) {
                *seen = true;
            }
        }
        Found(found)
    }

    /// Whether any of them stands in a folded text.
    pub(super) fn stands_in(&self, folded: &str) -> bool {
        self.matches(folded).next().is_some()
    }

    /// Whether a folded text begins with one of them.
    pub(super) fn begins(&self, folded: &str) -> bool {
        self.matches(folded).any(|(_, begin, _)| begin == 0)
    }

    /// Whether a folded text is one of them and nothing else.
    pub(super) fn is_whole(&self, folded: &str) -> bool {
        self.matches(folded)
            .any(|(_, begin, end)| begin == 0 && end == folded.len())
    }

    fn matches(&self, folded: &str) -> impl Iterator<Item = (usize, usize, usize)> {
        let bytes = folded.as_bytes();
        let is_letter = |at: Option<usize>| {
            at.and_then(|at| bytes.get(at))
                .is_some_and(u8::is_ascii_alphanumeric)
        };
        self.automaton
            .find_overlapping_iter(folded)
            .filter_map(move |found| {
                let (begin, end) = (found.start(), found.end());
                let number = found.pattern().as_usize();
                let (at_begin, at_end) = self.bounds.get(number).copied()?;
                let is_within_a_word =
                    at_begin && is_letter(begin.checked_sub(1)) || at_end && is_letter(Some(end));
                (!is_within_a_word).then_some((number, begin, end))
            })
    }
}

/// Whether a phrase is written as it is compared.
pub(super) fn is_folded(phrase: &str) -> bool {
    let stem = phrase.strip_suffix('*').unwrap_or(phrase);
    stem.len() > 1 && fold(stem) == stem
}
