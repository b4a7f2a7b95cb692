//! What we say: the four AIDA parts, lint, layouts, compile once, render per recipient.
//!
//! A template is a folder with `template.toml` and a `template.<language>.toml` per translation, or the
//! same texts in the library, where the console edits them.
//! Promise: what is accepted here cannot break a message, whatever the values of a customer are; a link
//! leads where the template says and nowhere else; the unsubscribe link is always there.

pub mod difference;
pub mod draft;
mod email;
mod error;
mod fields;
mod fill;
mod layouts;
pub mod library;
mod links;
mod lint;
mod markdown;
pub mod model;
pub mod notice;
pub mod preview;
mod read;
mod ready;
pub mod sms;
mod tags;
mod texts;
mod wording;
mod wrap;

pub use email::{CompiledEmail, Imprint};
pub use error::{Place, RenderError, TemplateError};
pub use fields::{FIELDS, Field, FieldFacts, FieldUse, OFFER_FIELDS, sample_customer};
pub use lint::{Finding, Severity};
pub use sms::{CompiledSms, Encoding, RenderedSms, Size, SmsFrame, SmsMeasure};
pub use texts::FileTexts;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use data_encoding::HEXLOWER;
use ring::digest::{SHA256, digest};

use layouts::phrases;
use model::{Link, Part};
use read::Files;
use ready::ReadyWording;
use sms::{ReadySms, Target};
use tags::field_uses;
use wording::Script;

/// A day as it is written in a letter; in English where we do not speak the language.
pub fn day_in_words(language: &str, day: chrono::NaiveDate) -> String {
    layouts::phrases::of(language).date(day)
}

/// A template in all its languages, read and checked for what could break a message.
///
/// What makes a letter good or bad is another matter: see [`Template::lint`].
#[derive(Debug, Clone)]
pub struct Template {
    script: Script,
    source: String,
    digest: String,
    /// The default language first.
    languages: Vec<String>,
    /// By language, with the number of its first link.
    ready: BTreeMap<String, (usize, ReadyWording)>,
    /// The text messages, by language.
    texts: BTreeMap<String, ReadySms>,
    links: Vec<Link>,
}

impl Template {
    /// Reads the template of a folder.
    ///
    /// # Errors
    /// Names file, line and key of the first thing that cannot be accepted, and what to write instead.
    pub fn load(dir: &Path) -> Result<Self, TemplateError> {
        Self::from_files(&Files::of_folder(dir)?)
    }

    /// A template that comes with the program.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn embedded(name: &str) -> Result<Self, TemplateError> {
        Self::from_files(&Files::embedded(name)?)
    }

    /// Reads a template from its texts.
    ///
    /// # Errors
    /// As for [`Template::load`].
    pub fn from_texts(texts: &FileTexts) -> Result<Self, TemplateError> {
        Self::from_files(&Files::of_texts(texts)?)
    }

    /// The names of the templates that come with the program, sorted.
    pub fn embedded_names() -> Vec<String> {
        read::embedded_names()
    }

    /// Reads what [`Template::source`] gave.
    ///
    /// # Errors
    /// When it is not what this program wrote.
    pub fn from_source(source: &str) -> Result<Self, TemplateError> {
        let script: Script = serde_json::from_str(source).map_err(TemplateError::Frozen)?;
        let file = format!("frozen template {:?}", script.name);
        Self::from_script(script, &|_, key, _| Place {
            file: file.clone(),
            line: None,
            key: key.to_owned(),
        })
    }

    fn from_files(files: &Files) -> Result<Self, TemplateError> {
        Self::from_script(files.script()?, &|language, key, near| {
            files.locate(language, key, near)
        })
    }

    fn from_script(
        script: Script,
        locate: &dyn Fn(Option<&str>, &str, &str) -> Place,
    ) -> Result<Self, TemplateError> {
        check_frame(&script, locate)?;
        let mut languages = vec![script.language.clone()];
        languages.extend(
            script
                .wordings
                .keys()
                .filter(|language| **language != script.language)
                .cloned(),
        );
        let mut ready = BTreeMap::new();
        let mut places = Vec::new();
        for language in &languages {
            let Some(wording) = script.wordings.get(language) else {
                continue;
            };
            let made = ReadyWording::new(wording, &script.theme, &|key, near| {
                locate(Some(language), key, near)
            })?;
            let first = places.len();
            places.extend(made.links.iter().map(|(part, url, label)| {
                let (url, label) = (url.clone(), label.clone());
                (*part, Target { url, label })
            }));
            ready.insert(language.clone(), (first, made));
        }
        // The links that only text messages have come after all others: numbers given before `[sms]` was
        // written stay what they are.
        let mut texts = BTreeMap::new();
        for language in &languages {
            let (Some(wording), Some((first, made))) =
                (script.wordings.get(language), ready.get(language))
            else {
                continue;
            };
            let mut text =
                ReadySms::new(wording, made, phrases::of(language)).map_err(|fault| {
                    TemplateError::Written {
                        place: locate(Some(language), "sms.text", &fault.near),
                        problem: fault.to_string(),
                    }
                })?;
            text.place(*first..*first + made.links.len(), &mut places);
            texts.insert(language.clone(), text);
        }
        let links = numbered(places).ok_or_else(|| TemplateError::Written {
            place: locate(None, "", ""),
            problem: "more than 65,535 links in all languages; remove some".to_owned(),
        })?;
        let source = serde_json::to_string(&script).map_err(TemplateError::Frozen)?;
        let digest = HEXLOWER.encode(digest(&SHA256, source.as_bytes()).as_ref());
        Ok(Self {
            script,
            source,
            digest,
            languages,
            ready,
            texts,
            links,
        })
    }

    pub fn name(&self) -> &str {
        &self.script.name
    }

    pub fn description(&self) -> &str {
        &self.script.description
    }

    /// The languages it is written in, the default one first.
    pub fn languages(&self) -> &[String] {
        &self.languages
    }

    /// The language in which a customer of `language` (`fr`, `fr-CA`) is written to: his own, or the default.
    pub fn language_for(&self, language: &str) -> &str {
        let short = language
            .split(['-', '_'])
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        self.languages
            .iter()
            .find(|known| **known == short)
            .unwrap_or(&self.script.language)
    }

    /// The fields that its texts use, in any language and channel.
    pub fn fields(&self) -> BTreeSet<String> {
        let letters = self
            .ready
            .values()
            .flat_map(|(_, made)| field_uses(&made.tags));
        let texts = self
            .texts
            .values()
            .flat_map(|text| field_uses(&text.value_tags()));
        letters.chain(texts).map(|used| used.field).collect()
    }

    /// The tracked links of all languages; a link's number is its place here.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// What a click on the link of this number shows interest in; nothing where the template does not say.
    pub fn interests(&self) -> BTreeMap<u16, String> {
        self.links
            .iter()
            .filter_map(|link| {
                let interest = self.script.interests.get(&link.url)?;
                Some((link.number, interest.trim().to_owned()))
            })
            .collect()
    }

    /// The whole template as canonical JSON, to be frozen: the same template always gives the same text.
    pub fn source(&self) -> String {
        self.source.clone()
    }

    /// SHA-256 of [`Template::source`], in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Compiles one language for email: MJML and Markdown run here, once.
    ///
    /// # Errors
    /// When it is not written in this language, has no subject, uses a field that no customer has, or the
    /// imprint is not complete.
    pub fn compile_email(
        &self,
        language: &str,
        imprint: &Imprint,
    ) -> Result<CompiledEmail, TemplateError> {
        let (first, wording) = self
            .ready
            .get(language)
            .ok_or_else(|| self.no_such_language(language))?;
        let links = self.links.iter().skip(*first).take(wording.links.len());
        CompiledEmail::compile(
            &self.script.name,
            language,
            wording,
            &self.script.theme,
            links.cloned().collect(),
            imprint,
        )
    }

    /// Compiles one language for text messages: its `[sms]` text, or what the layout takes from the four parts.
    ///
    /// # Errors
    /// When it is not written in this language, uses a field that no customer has, or says nothing.
    pub fn compile_sms(
        &self,
        language: &str,
        frame: &SmsFrame,
    ) -> Result<CompiledSms, TemplateError> {
        let text = self
            .texts
            .get(language)
            .ok_or_else(|| self.no_such_language(language))?;
        let links = text.links.iter().filter_map(|place| self.links.get(*place));
        CompiledSms::compile(
            &self.script.name,
            language,
            text,
            links.cloned().collect(),
            frame,
        )
    }

    /// What the text message of a language takes, for the usual customer and at worst.
    ///
    /// # Errors
    /// As for [`Template::compile_sms`], and when the message cannot be made for one of them.
    pub fn measure_sms(
        &self,
        language: &str,
        frame: &SmsFrame,
        facts: &FieldFacts,
    ) -> Result<SmsMeasure, TemplateError> {
        let compiled = self.compile_sms(language, frame)?;
        let is_own = self.texts.get(language).is_some_and(|text| text.is_own);
        SmsMeasure::new(&compiled, facts, is_own).map_err(|source| TemplateError::Sms {
            template: self.script.name.clone(),
            language: language.to_owned(),
            source,
        })
    }

    fn no_such_language(&self, language: &str) -> TemplateError {
        TemplateError::NoSuchLanguage {
            template: self.script.name.clone(),
            language: language.to_owned(),
            known: self.languages.join(", "),
        }
    }
}

/// The links with their places as numbers; none when there are more than numbers.
fn numbered(places: Vec<(Part, Target)>) -> Option<Vec<Link>> {
    let number = |(place, (part, Target { url, label })): (usize, _)| {
        Some(Link {
            number: u16::try_from(place).ok()?,
            part,
            url,
            label,
        })
    };
    places.into_iter().enumerate().map(number).collect()
}

/// Whether a template may be called this.
pub fn is_name(name: &str) -> bool {
    (1..=60).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Name, languages and colours.
fn check_frame(
    script: &Script,
    locate: &dyn Fn(Option<&str>, &str, &str) -> Place,
) -> Result<(), TemplateError> {
    let refuse = |key: &str, problem: String| {
        Err(TemplateError::Written {
            place: locate(None, key, ""),
            problem,
        })
    };
    if !is_name(&script.name) {
        return refuse(
            "name",
            format!(
                "{:?} is no name; use small letters, digits and hyphens, such as spring-sale",
                script.name
            ),
        );
    }
    for language in script.wordings.keys() {
        if language.len() != 2 || !language.bytes().all(|b| b.is_ascii_lowercase()) {
            return refuse(
                "language",
                format!("{language:?} is no language; use two small letters, such as fr"),
            );
        }
    }
    for (key, colour) in [
        ("theme.accent", &script.theme.accent),
        ("theme.paper", &script.theme.paper),
    ] {
        if layouts::contrast_with_white(colour).is_none() {
            return refuse(
                key,
                format!(
                    "{colour:?} is no colour; write six hexadecimal digits, such as \"#8a3b12\""
                ),
            );
        }
    }
    Ok(())
}
