//! A wording made ready: every text read once, its fields and links numbered through.

use std::collections::BTreeMap;

use super::error::{Place, TemplateError};
use super::links;
use super::markdown;
use super::model::Part;
use super::tags::{Fault, Piece, Tag, mark, pieces};
use super::wording::{Form, Theme, Wording};

/// Tracked links of one language.
const MAX_LINKS: usize = 200;

/// The texts of one language, ready for every layout.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ReadyWording {
    /// By key, with marks that count through the whole wording.
    texts: BTreeMap<String, Placed>,
    /// All tags, as the marks count them.
    pub(super) tags: Vec<Tag>,
    /// All links, as the marks count them: part, address, what the reader sees.
    pub(super) links: Vec<(Part, String, String)>,
    pub(super) image: Option<String>,
    points: usize,
}

/// A text with its marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) html: String,
    pub(super) text: String,
    /// The number of its first link, if it has one: a button has one only.
    first_link: Option<usize>,
}

/// A button: its label, and the number of its link.
#[derive(Debug, Clone, Copy)]
pub(super) struct Button<'a> {
    pub(super) html: &'a str,
    pub(super) text: &'a str,
    pub(super) link: usize,
}

impl ReadyWording {
    /// Makes the texts of `wording` ready; `locate` finds the place of some words of a key for an error.
    ///
    /// # Errors
    /// At the first text that is not allowed.
    pub(super) fn new(
        wording: &Wording,
        theme: &Theme,
        locate: &dyn Fn(&str, &str) -> Place,
    ) -> Result<Self, TemplateError> {
        let refuse = |key: &str, fault: &Fault| TemplateError::Written {
            place: locate(key, &fault.near),
            problem: fault.to_string(),
        };
        let mut all = Self {
            points: wording.desire.points.len(),
            ..Self::default()
        };
        if let Some(image) = &wording.attention.image {
            let url = image.url.trim();
            links::check(url)
                .map_err(|problem| refuse("attention.image.url", &Fault::new(url, problem)))?;
            all.image = Some(url.to_owned());
        }
        for text in wording.texts() {
            let ready =
                markdown::ready(&text, theme).map_err(|(fault, is_link)| match text.form {
                    Form::Button { link_key, .. } if is_link => refuse(link_key, &fault),
                    _ => refuse(&text.key, &fault),
                })?;
            // Half a button cannot be pressed: it is left out, and lint says so.
            if matches!(text.form, Form::Button { .. })
                && (ready.links.is_empty() || ready.text.is_empty())
            {
                continue;
            }
            let (tags, links) = (all.tags.len(), all.links.len());
            all.tags.extend(ready.tags);
            all.links.extend(
                ready
                    .links
                    .into_iter()
                    .map(|(url, label)| (text.part, url, label)),
            );
            if all.links.len() > MAX_LINKS {
                let problem =
                    format!("more than {MAX_LINKS} links; a letter has one aim, remove some");
                return Err(refuse(&text.key, &Fault::new("", problem)));
            }
            all.texts.insert(
                text.key,
                Placed {
                    html: renumber(&ready.html, tags, links),
                    text: renumber(&ready.text, tags, links),
                    first_link: (all.links.len() > links).then_some(links),
                },
            );
        }
        Ok(all)
    }

    pub(super) fn html(&self, key: &str) -> Option<&str> {
        self.texts.get(key).map(|placed| placed.html.as_str())
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.texts.get(key).map(|placed| placed.text.as_str())
    }

    pub(super) fn points(&self) -> Vec<&Placed> {
        (0..self.points)
            .filter_map(|number| self.texts.get(&format!("desire.points[{number}]")))
            .collect()
    }

    pub(super) fn has_panel(&self) -> bool {
        self.texts.keys().any(|key| key.starts_with("action.box."))
    }

    pub(super) fn button(&self, key: &str) -> Option<Button<'_>> {
        let placed = self.texts.get(key)?;
        Some(Button {
            html: &placed.html,
            text: &placed.text,
            link: placed.first_link?,
        })
    }
}

/// Moves the numbers of a text's marks up by what stands before it.
fn renumber(marked: &str, tags: usize, links: usize) -> String {
    pieces(marked)
        .into_iter()
        .map(|piece| match piece {
            Piece::Raw(raw) => raw.to_owned(),
            Piece::Mark('t', number) => mark('t', number + tags),
            Piece::Mark(kind, number) => mark(kind, number + links),
        })
        .collect()
}
