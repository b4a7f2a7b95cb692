//! A template as a form holds it: texts by key, read out of the files and written back into them.
//!
//! Promise: what was not changed stays in the files as it was written, to the letter; comments stay whatever
//! is changed, and so does every key that the form does not know.

mod toml;

use std::collections::{BTreeMap, BTreeSet};

use super::error::TemplateError;
use super::model::Part;
use super::read::MAIN;
use super::texts::FileTexts;
use super::wording::Theme;
use toml::Document;

/// How a text of the form is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One line without Markdown.
    Line,
    Markdown,
    /// An absolute address.
    Address,
    /// Plain text of several lines.
    Plain,
}

/// A text of the form, in each language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// As in the file: `attention.subject`.
    pub key: &'static str,
    /// None for the text message.
    pub part: Option<Part>,
    pub kind: Kind,
}

const fn slot(key: &'static str, part: Part, kind: Kind) -> Slot {
    Slot {
        key,
        part: Some(part),
        kind,
    }
}

/// The key of the points, which are a list.
pub const POINTS: &str = "desire.points";

/// All texts of a language but the points, in the order in which they are read.
pub const SLOTS: &[Slot] = &[
    slot("attention.subject", Part::Attention, Kind::Line),
    slot("attention.preheader", Part::Attention, Kind::Line),
    slot("attention.image.url", Part::Attention, Kind::Address),
    slot("attention.image.alt", Part::Attention, Kind::Line),
    slot("attention.kicker", Part::Attention, Kind::Line),
    slot("attention.headline", Part::Attention, Kind::Line),
    slot("attention.subheadline", Part::Attention, Kind::Line),
    slot("interest.headline", Part::Interest, Kind::Line),
    slot("interest.body", Part::Interest, Kind::Markdown),
    slot("desire.body", Part::Desire, Kind::Markdown),
    slot("desire.quote", Part::Desire, Kind::Markdown),
    slot("action.body", Part::Action, Kind::Markdown),
    slot("action.box.title", Part::Action, Kind::Line),
    slot("action.box.body", Part::Action, Kind::Markdown),
    slot("action.box.button", Part::Action, Kind::Line),
    slot("action.box.link", Part::Action, Kind::Address),
    slot("action.button", Part::Action, Kind::Line),
    slot("action.link", Part::Action, Kind::Address),
    slot("action.deadline", Part::Action, Kind::Line),
    slot("action.ps", Part::Action, Kind::Markdown),
    Slot {
        key: "sms.text",
        part: None,
        kind: Kind::Plain,
    },
];

/// Tables that are not written when nothing stands in them: an empty one would mean something.
const MAYBE: &[&str] = &["attention.image", "action.box", "sms"];

/// What the form of a template holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    pub description: String,
    /// The default language, ISO 639-1.
    pub language: String,
    /// `#rrggbb`
    pub accent: String,
    /// `#rrggbb`
    pub paper: String,
    /// What a click shows interest in, by the link's address; an empty name takes the entry away.
    pub interests: BTreeMap<String, String>,
    /// By language, the default one among them.
    pub wordings: BTreeMap<String, Fields>,
}

/// The texts of one language.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    /// By the key of their [`Slot`]; what is not given is empty.
    pub texts: BTreeMap<String, String>,
    /// Empty ones are left out when they are written.
    pub points: Vec<String>,
}

impl Fields {
    /// The text of a key; empty when it is not given.
    pub fn text(&self, key: &str) -> &str {
        self.texts.get(key).map_or("", String::as_str)
    }

    fn read(document: &Document) -> Self {
        Self {
            texts: SLOTS
                .iter()
                .map(|slot| (slot.key, document.text(&steps(slot.key))))
                .filter(|(_, text)| !text.is_empty())
                .map(|(key, text)| (key.to_owned(), text))
                .collect(),
            points: document.list(&steps(POINTS)),
        }
    }

    /// Writes what differs from `before`.
    fn write(&self, before: &Self, document: &mut Document) -> Result<(), String> {
        for slot in SLOTS {
            let text = tidy(self.text(slot.key));
            if text != tidy(before.text(slot.key)) {
                document.set(&steps(slot.key), &text)?;
            }
        }
        let tidied = |points: &[String]| -> Vec<String> {
            points
                .iter()
                .map(|point| tidy(point))
                .filter(|point| !point.is_empty())
                .collect()
        };
        let points = tidied(&self.points);
        if points != tidied(&before.points) {
            document.set_list(&steps(POINTS), &points)?;
        }
        for table in MAYBE {
            let is_empty = |fields: &Self| {
                SLOTS
                    .iter()
                    .filter(|slot| slot.key.starts_with(&format!("{table}.")))
                    .all(|slot| tidy(fields.text(slot.key)).is_empty())
            };
            if is_empty(self) && !is_empty(before) {
                document.remove_if_empty(&steps(table));
            }
        }
        Ok(())
    }
}

impl Draft {
    /// Reads the form out of the files. What is no text, or not where it should be, counts as not given.
    ///
    /// # Errors
    /// Names the line that is not TOML.
    pub fn read(texts: &FileTexts) -> Result<Self, TemplateError> {
        let main = Document::parse(MAIN, texts.main())?;
        let usual = Theme::default();
        let or = |text: String, usual: String| if text.is_empty() { usual } else { text };
        let language = main.text(&["language"]);
        let mut wordings = BTreeMap::from([(language.clone(), Fields::read(&main))]);
        for language in texts.translations() {
            let text = texts.translation(language).unwrap_or_default();
            let document = Document::parse(&format!("template.{language}.toml"), text)?;
            wordings.insert(language.to_owned(), Fields::read(&document));
        }
        Ok(Self {
            description: main.text(&["description"]),
            language,
            accent: or(main.text(&["theme", "accent"]), usual.accent),
            paper: or(main.text(&["theme", "paper"]), usual.paper),
            interests: main.texts_of(&["interests"]),
            wordings,
        })
    }

    /// The files with what was changed in the form. A language that has no file yet gets one; one that the
    /// form does not hold stays as it is.
    ///
    /// # Errors
    /// When `onto` is not TOML, or a key stands where the form has a table.
    pub fn write(&self, onto: &FileTexts) -> Result<FileTexts, TemplateError> {
        let before = Self::read(onto)?;
        let mut texts = onto.clone();
        let mut main = Document::parse(MAIN, onto.main())?;
        let none = Fields::default();
        for (key, now, was) in [
            (&["description"][..], &self.description, &before.description),
            (&["theme", "accent"], &self.accent, &before.accent),
            (&["theme", "paper"], &self.paper, &before.paper),
        ] {
            if tidy(now) != tidy(was) {
                main.set(key, &tidy(now)).map_err(|p| main.refuse(p))?;
            }
        }
        for (url, name) in &self.interests {
            let was = before.interests.get(url).map_or("", String::as_str);
            if tidy(name) != tidy(was) {
                main.set(&["interests", url], &tidy(name))
                    .map_err(|p| main.refuse(p))?;
            }
        }
        for (language, fields) in &self.wordings {
            let was = before.wordings.get(language).unwrap_or(&none);
            if *language == before.language {
                fields.write(was, &mut main).map_err(|p| main.refuse(p))?;
                continue;
            }
            let text = onto.translation(language);
            let name = format!("template.{language}.toml");
            let mut document = Document::parse(&name, text.unwrap_or_default())?;
            fields
                .write(was, &mut document)
                .map_err(|p| document.refuse(p))?;
            texts.set_translation(language, document.into_text());
        }
        texts.set_main(main.into_text());
        Ok(texts)
    }

    /// As [`Draft::write`], of a form that holds all there is to be: what it lacks goes.
    ///
    /// # Errors
    /// As for [`Draft::write`].
    pub fn replace(&self, onto: &FileTexts) -> Result<FileTexts, TemplateError> {
        let before = Self::read(onto)?;
        let mut whole = self.clone();
        for url in before.interests.into_keys() {
            whole.interests.entry(url).or_default();
        }
        let mut texts = whole.write(onto)?;
        for language in before.wordings.keys() {
            if !self.wordings.contains_key(language) {
                texts.remove_translation(language);
            }
        }
        Ok(texts)
    }

    /// The languages, the default one first.
    pub fn languages(&self) -> Vec<&str> {
        let mut languages = vec![self.language.as_str()];
        languages.extend(
            self.wordings
                .keys()
                .map(String::as_str)
                .filter(|language| *language != self.language),
        );
        languages
    }

    /// The fields of the form in which two drafts differ, the common ones first, then by language.
    pub fn differences(&self, after: &Self) -> Vec<Differing> {
        let mut found = Vec::new();
        let mut compare = |language: Option<&str>, key: &str, before: &str, after: &str| {
            let (before, after) = (tidy(before), tidy(after));
            if before != after {
                found.push(Differing {
                    language: language.map(str::to_owned),
                    key: key.to_owned(),
                    before,
                    after,
                });
            }
        };
        compare(None, "description", &self.description, &after.description);
        compare(None, "theme.accent", &self.accent, &after.accent);
        compare(None, "theme.paper", &self.paper, &after.paper);
        let urls: BTreeSet<&String> = self
            .interests
            .keys()
            .chain(after.interests.keys())
            .collect();
        for url in urls {
            let of = |draft: &Self| draft.interests.get(url).cloned().unwrap_or_default();
            compare(None, &format!("interests.{url}"), &of(self), &of(after));
        }
        let mut languages = after.languages();
        let gone = self.languages().into_iter();
        languages.extend(gone.filter(|language| !after.wordings.contains_key(*language)));
        let none = Fields::default();
        for language in languages {
            let before = self.wordings.get(language).unwrap_or(&none);
            let now = after.wordings.get(language).unwrap_or(&none);
            for slot in SLOTS {
                // The points stand between the body and the quotation.
                if slot.key == "desire.quote" {
                    for number in 0..before.points.len().max(now.points.len()) {
                        let of = |fields: &Fields| {
                            fields.points.get(number).cloned().unwrap_or_default()
                        };
                        let key = format!("{POINTS}[{number}]");
                        compare(Some(language), &key, &of(before), &of(now));
                    }
                }
                compare(
                    Some(language),
                    slot.key,
                    before.text(slot.key),
                    now.text(slot.key),
                );
            }
        }
        found
    }
}

/// A field of the form that is not the same in two drafts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing {
    /// None for what all languages have in common.
    pub language: Option<String>,
    pub key: String,
    pub before: String,
    pub after: String,
}

/// The same template under another name.
///
/// # Errors
/// When it is not TOML.
pub(super) fn renamed(texts: &FileTexts, name: &str) -> Result<FileTexts, TemplateError> {
    with(texts, &[("name", name)])
}

/// A template begun from another's texts, its default language called `language`.
///
/// # Errors
/// When it is not TOML.
pub(super) fn begun(
    texts: &FileTexts,
    name: &str,
    language: &str,
) -> Result<FileTexts, TemplateError> {
    with(texts, &[("name", name), ("language", language)])
}

fn with(texts: &FileTexts, keys: &[(&str, &str)]) -> Result<FileTexts, TemplateError> {
    let mut main = Document::parse(MAIN, texts.main())?;
    for (key, text) in keys {
        if main.text(&[key]) != *text {
            main.set(&[key], text).map_err(|p| main.refuse(p))?;
        }
    }
    let mut texts = texts.clone();
    texts.set_main(main.into_text());
    Ok(texts)
}

fn steps(key: &str) -> Vec<&str> {
    key.split('.').collect()
}

/// As the reader of templates takes it: without white space around it, its lines ended with `\n`.
fn tidy(text: &str) -> String {
    text.replace("\r\n", "\n")
        .replace('\r', "\n")
        .trim()
        .to_owned()
}
