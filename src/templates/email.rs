//! A template compiled for email: MJML and Markdown are done, and per recipient only fields are filled in.

use std::collections::BTreeSet;
use std::fmt;

use handlebars::{Context, Handlebars, Template as Compiled};
use serde_json::{Value, json};

use super::error::{RenderError, TemplateError};
use super::fields::{self, Getter};
use super::fill::{LINK, compile, fill, getters, registry};
use super::layouts::phrases::{self, Phrases};
use super::layouts::{self, escape};
use super::model::{Link, RecipientLinks, Rendered};
use super::ready::ReadyWording;
use super::tags::{Piece, field_uses, pieces};
use super::wording::Theme;
use super::wrap::wrap;
use crate::customers::model::Customer;

/// Who writes, for the foot of every message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Imprint {
    pub sender_name: String,
    /// One or more lines.
    pub postal_address: String,
    /// Why one receives the message, in the language of the message; a general sentence when not given.
    pub reason: Option<String>,
}

impl Imprint {
    fn check(&self) -> Result<(), TemplateError> {
        if self.sender_name.trim().is_empty() {
            return Err(TemplateError::Imprint {
                what: "sender name",
            });
        }
        if self.postal_address.trim().is_empty() {
            return Err(TemplateError::Imprint {
                what: "postal address",
            });
        }
        Ok(())
    }

    pub(super) fn postal_lines(&self) -> impl Iterator<Item = &str> {
        self.postal_address
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
    }

    pub(super) fn reason(&self, phrases: &Phrases) -> String {
        match self.reason.as_deref().map(str::trim) {
            Some(reason) if !reason.is_empty() => {
                reason.split_whitespace().collect::<Vec<_>>().join(" ")
            }
            _ => phrases.reason(self.sender_name.trim()),
        }
    }
}

/// One language of a template, ready to be rendered for any number of customers, from any thread.
pub struct CompiledEmail {
    language: String,
    links: Vec<Link>,
    fields: BTreeSet<String>,
    getters: Vec<Getter>,
    html: Compiled,
    text: Compiled,
    subject: Compiled,
    /// Escapes values for HTML.
    escaping: Handlebars<'static>,
    /// Leaves values as they are: nobody is called O&#39;Neil in a subject.
    plain: Handlebars<'static>,
}

impl fmt::Debug for CompiledEmail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompiledEmail")
            .field("language", &self.language)
            .field("links", &self.links.len())
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}

impl CompiledEmail {
    pub(super) fn compile(
        template: &str,
        language: &str,
        wording: &ReadyWording,
        theme: &Theme,
        links: Vec<Link>,
        imprint: &Imprint,
    ) -> Result<Self, TemplateError> {
        imprint.check()?;
        let layout = |problem: String| TemplateError::Layout {
            template: template.to_owned(),
            problem,
        };
        let phrases = phrases::of(language);
        let subject = wording.text("attention.subject").ok_or_else(|| {
            layout("attention.subject is missing; no message goes out without".to_owned())
        })?;
        let html =
            layouts::email::html(wording, theme, language, phrases, imprint).map_err(layout)?;
        let text = layouts::text::text(wording, phrases, imprint);
        for (name, marked) in [("HTML", &html), ("text", &text)] {
            // The ways out are what must never be lost.
            for (mark, what) in [('u', "unsubscribe"), ('p', "preferences")] {
                if !pieces(marked).contains(&Piece::Mark(mark, 0)) {
                    return Err(layout(format!("its {name} has no {what} link")));
                }
            }
        }
        let fields: BTreeSet<String> = field_uses(&wording.tags)
            .into_iter()
            .map(|used| used.field)
            .collect();
        let getters = getters(&fields).map_err(layout)?;
        let compile = |marked: &str| compile(marked, &wording.tags).map_err(layout);
        Ok(Self {
            language: language.to_owned(),
            html: compile(&html)?,
            text: compile(&text)?,
            subject: compile(subject)?,
            links,
            fields,
            getters,
            escaping: registry(phrases, escape),
            plain: registry(phrases, handlebars::no_escape),
        })
    }

    pub fn language(&self) -> &str {
        &self.language
    }

    /// The links of this language: `RecipientLinks::clicks[i]` is the address of `links()[i]`.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The fields that the texts use.
    pub fn fields(&self) -> &BTreeSet<String> {
        &self.fields
    }

    /// The message for one customer.
    ///
    /// Values are escaped in the HTML and stand as they are in text and subject; they are never read as
    /// fields again. The open pixel is there only when `links.open` is given.
    ///
    /// # Errors
    /// When the number of links does not fit, a part grows beyond 512 KiB, or nothing is left of the subject.
    pub fn render(
        &self,
        customer: &Customer,
        links: &RecipientLinks,
    ) -> Result<Rendered, RenderError> {
        if links.clicks.len() != self.links.len() {
            return Err(RenderError::Links {
                wanted: self.links.len(),
                given: links.clicks.len(),
            });
        }
        let mut values = fields::values(&self.getters, customer);
        fields::add_offer(&mut values, &self.getters, links);
        values.insert(
            LINK.to_owned(),
            json!({
                "click": links.clicks,
                "unsubscribe": links.unsubscribe,
                "preferences": links.preferences,
                "browser": links.browser,
                "open": links.open,
                "trap": links.trap,
            }),
        );
        let context = Context::from(Value::Object(values));
        let subject = one_line(&fill(&self.subject, &self.plain, &context, 256)?);
        if subject.is_empty() {
            return Err(RenderError::EmptySubject);
        }
        let html = fill(&self.html, &self.escaping, &context, 24 * 1024)?;
        let text = wrap(&fill(&self.text, &self.plain, &context, 6 * 1024)?);
        Ok(Rendered {
            subject,
            html,
            text,
        })
    }
}

/// Line breaks and control characters become spaces, and no space follows another.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.trim().chars() {
        let is_break = c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        let c = if is_break { ' ' } else { c };
        if c != ' ' || !line.ends_with(' ') {
            line.push(c);
        }
    }
    line.truncate(line.trim_end().len());
    line
}
