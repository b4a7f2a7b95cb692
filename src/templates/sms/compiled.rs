//! A template compiled for text messages: per recipient only fields and links are filled in.

use std::collections::BTreeSet;
use std::fmt;

use handlebars::{Context, Handlebars, Template as Compiled};
use serde_json::{Map, Value, json};
use unicode_normalization::UnicodeNormalization;

use super::SmsFrame;
use super::encoding::{Size, size};
use super::ready::ReadySms;
use super::replacement::transliterate;
use crate::customers::model::Customer;
use crate::templates::error::{RenderError, TemplateError};
use crate::templates::fields::{self, Getter};
use crate::templates::fill::{LINK, compile, fill, getters, registry};
use crate::templates::layouts::phrases;
use crate::templates::model::{Link, RecipientLinks};
use crate::templates::tags::field_uses;

/// Parts of one message: what is longer is a letter, and several providers refuse it.
pub const MAX_PARTS: usize = 10;

/// Where the short unsubscribe link stands in [`SmsFrame::stop`].
const STOP_LINK: &str = "{link}";

/// One recipient's text message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedSms {
    /// What is handed to the provider; lines end with "\n".
    pub text: String,
    /// With what the provider appends.
    pub size: Size,
}

/// The text message of one language, ready to be rendered for any number of customers, from any thread.
pub struct CompiledSms {
    language: String,
    links: Vec<Link>,
    fields: BTreeSet<String>,
    getters: Vec<Getter>,
    text: Compiled,
    frame: SmsFrame,
    /// Leaves values as they are: a text message is no HTML.
    plain: Handlebars<'static>,
}

impl fmt::Debug for CompiledSms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompiledSms")
            .field("language", &self.language)
            .field("links", &self.links.len())
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}

impl CompiledSms {
    pub(in crate::templates) fn compile(
        template: &str,
        language: &str,
        ready: &ReadySms,
        links: Vec<Link>,
        frame: &SmsFrame,
    ) -> Result<Self, TemplateError> {
        let layout = |problem: String| TemplateError::Layout {
            template: template.to_owned(),
            problem,
        };
        if ready.text.trim().is_empty() {
            return Err(layout(
                "there is nothing that a text message could say; write [sms] text".to_owned(),
            ));
        }
        let fields: BTreeSet<String> = field_uses(&ready.value_tags())
            .into_iter()
            .map(|used| used.field)
            .collect();
        Ok(Self {
            language: language.to_owned(),
            links,
            getters: getters(&fields).map_err(layout)?,
            fields,
            text: compile(&ready.text, &ready.tags).map_err(layout)?,
            frame: frame.clone(),
            plain: registry(phrases::of(language), handlebars::no_escape),
        })
    }

    pub fn language(&self) -> &str {
        &self.language
    }

    /// The links of this text: `RecipientLinks::clicks[i]` is the short address of `links()[i]`.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The fields that the text uses.
    pub fn fields(&self) -> &BTreeSet<String> {
        &self.fields
    }

    /// The message for one customer, counted with all that is in it.
    ///
    /// Values stand as they are and are never read as fields again.
    ///
    /// # Errors
    /// When the number of links does not fit, nothing is left of the text, or it takes more than
    /// [`MAX_PARTS`] parts.
    pub fn render(
        &self,
        customer: &Customer,
        links: &RecipientLinks,
    ) -> Result<RenderedSms, RenderError> {
        self.render_values(fields::values(&self.getters, customer), links)
    }

    pub(super) fn getters(&self) -> &[Getter] {
        &self.getters
    }

    pub(super) fn render_values(
        &self,
        mut values: Map<String, Value>,
        links: &RecipientLinks,
    ) -> Result<RenderedSms, RenderError> {
        if links.clicks.len() != self.links.len() {
            return Err(RenderError::Links {
                wanted: self.links.len(),
                given: links.clicks.len(),
            });
        }
        fields::add_offer(&mut values, &self.getters, links);
        values.insert(LINK.to_owned(), json!({ "click": links.clicks }));
        let context = Context::from(Value::Object(values));
        let mut text = tidy(&fill(&self.text, &self.plain, &context, 512)?);
        if text.is_empty() {
            return Err(RenderError::EmptyText);
        }
        if let Some(stop) = &self.frame.stop {
            text.push('\n');
            text.push_str(&stop.replace(STOP_LINK, &links.unsubscribe));
            text = tidy(&text);
        }
        if self.frame.transliterate {
            text = transliterate(&text);
        }
        let size = match &self.frame.appended {
            // What separates it from our text counts too.
            Some(appended) if appended.starts_with(char::is_whitespace) => {
                size(&format!("{text}{appended}"))
            }
            Some(appended) if !appended.is_empty() => size(&format!("{text}\n{appended}")),
            _ => size(&text),
        };
        if size.parts > MAX_PARTS {
            return Err(RenderError::TooManyParts {
                parts: size.parts,
                limit: MAX_PARTS,
            });
        }
        Ok(RenderedSms { text, size })
    }
}

/// The text without what costs and says nothing: spaces after spaces, at the ends of lines, more than one
/// empty line. Letters and accents written apart become one, and control characters spaces.
fn tidy(text: &str) -> String {
    let mut tidy = String::with_capacity(text.len());
    for c in text.nfc() {
        match c {
            '\n' => {
                tidy.truncate(tidy.trim_end_matches(' ').len());
                if !tidy.is_empty() && !tidy.ends_with("\n\n") {
                    tidy.push('\n');
                }
            }
            c if c == ' ' || c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                if !tidy.is_empty() && !tidy.ends_with([' ', '\n']) {
                    tidy.push(' ');
                }
            }
            c => tidy.push(c),
        }
    }
    tidy.truncate(tidy.trim_end().len());
    tidy
}
