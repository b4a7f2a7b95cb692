//! A template compiled for email: MJML and Markdown are done, and per recipient only fields are filled in.

use std::collections::BTreeSet;
use std::fmt;
use std::io;

use chrono::NaiveDate;
use handlebars::template::TemplateElement;
use handlebars::{
    Context, Handlebars, Helper, HelperDef, JsonTruthy, Output, RenderContext, RenderErrorReason,
    Renderable, ScopedJson, Template as Compiled,
};
use serde_json::{Value, json};

use super::error::{RenderError, TemplateError};
use super::fields::{self, Getter};
use super::layouts::phrases::{self, Phrases};
use super::layouts::{self, escape};
use super::model::{Link, RecipientLinks, Rendered};
use super::ready::ReadyWording;
use super::tags::{CLOSE, OPEN, Piece, Tag, field_uses, pieces};
use super::wording::Theme;
use super::wrap::wrap;
use crate::customers::model::Customer;

/// Bytes of one part of a message: beyond that a field holds what no letter should.
const MAX_RENDERED_BYTES: usize = 512 * 1024;

/// Where the recipient's links stand among the values; no field may have this name.
const LINK: &str = "link";

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
        let getters = fields
            .iter()
            .map(|field| {
                Getter::of(field).ok_or_else(|| {
                    layout(format!(
                        "there is no field {field:?}; run `visavis template check`"
                    ))
                })
            })
            .collect::<Result<_, _>>()?;
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
        values.insert(
            LINK.to_owned(),
            json!({
                "click": links.clicks,
                "unsubscribe": links.unsubscribe,
                "preferences": links.preferences,
                "browser": links.browser,
                "open": links.open,
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

/// What one message grows in; beyond the limit writing fails.
struct Sheet {
    written: String,
    is_full: bool,
}

impl Output for Sheet {
    fn write(&mut self, piece: &str) -> Result<(), io::Error> {
        if self.written.len() + piece.len() > MAX_RENDERED_BYTES {
            self.is_full = true;
            return Err(io::Error::other("the message is too long"));
        }
        self.written.push_str(piece);
        Ok(())
    }
}

fn fill(
    template: &Compiled,
    registry: &Handlebars<'static>,
    context: &Context,
    expected_bytes: usize,
) -> Result<String, RenderError> {
    let mut sheet = Sheet {
        written: String::with_capacity(expected_bytes),
        is_full: false,
    };
    let mut state = RenderContext::new(None);
    match template.render(registry, context, &mut state, &mut sheet) {
        Ok(()) => Ok(sheet.written),
        Err(_) if sheet.is_full => Err(RenderError::TooLong {
            limit: MAX_RENDERED_BYTES,
        }),
        Err(error) => Err(RenderError::Fill(Box::new(error))),
    }
}

fn registry(phrases: &'static Phrases, escape: fn(&str) -> String) -> Handlebars<'static> {
    let mut registry = Handlebars::new();
    // Every field that a text names is among the values, so a missing one is a fault of ours.
    registry.set_strict_mode(true);
    registry.register_escape_fn(escape);
    registry.register_helper("default", Box::new(DefaultText));
    registry.register_helper("date", Box::new(Day(phrases)));
    registry
}

/// `{{default first_name "dear reader"}}`: the first of its arguments that is not empty.
struct DefaultText;

impl HelperDef for DefaultText {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        call: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, handlebars::RenderError> {
        // Zero and "no" are values too; only what is empty is replaced.
        let first = call
            .params()
            .iter()
            .map(|argument| argument.value())
            .find(|value| value.is_number() || value.is_boolean() || value.is_truthy(false));
        Ok(ScopedJson::Derived(first.cloned().unwrap_or(Value::Null)))
    }
}

/// `{{date last_order_date}}`: a day as it is written in the language of the message. What is no day stays as it is.
struct Day(&'static Phrases);

impl HelperDef for Day {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        call: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, handlebars::RenderError> {
        let value = call
            .param(0)
            .ok_or(RenderErrorReason::ParamNotFoundForIndex("date", 0))?
            .value();
        let day = value
            .as_str()
            .and_then(|text| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok());
        Ok(ScopedJson::Derived(match day {
            Some(day) => Value::String(self.0.date(day)),
            None => value.clone(),
        }))
    }
}

/// Compiles a marked text. Handlebars reads only the tags, which we have checked and print ourselves; what
/// stands between them never passes its parser, so it cannot hold a tag, whatever an author finds.
fn compile(marked: &str, tags: &[Tag]) -> Result<Compiled, String> {
    let mut source = String::new();
    let mut raws: Vec<&str> = Vec::new();
    for piece in pieces(marked) {
        match piece {
            Piece::Raw(raw) => {
                source.push_str(&format!("{OPEN}{}{CLOSE}", raws.len()));
                raws.push(raw);
            }
            Piece::Mark('t', number) => {
                let tag = tags.get(number).ok_or("a tag was lost")?;
                source.push_str(&tag.to_string());
            }
            Piece::Mark('c', number) => {
                source.push_str(&format!("{{{{{LINK}.click.[{number}]}}}}"));
            }
            Piece::Mark('u', _) => source.push_str(&format!("{{{{{LINK}.unsubscribe}}}}")),
            Piece::Mark('p', _) => source.push_str(&format!("{{{{{LINK}.preferences}}}}")),
            Piece::Mark('b', _) => source.push_str(&format!("{{{{{LINK}.browser}}}}")),
            Piece::Mark('o', _) => {
                let [before, after] = [
                    "<img src=\"",
                    "\" width=\"1\" height=\"1\" alt=\"\" style=\"display:block;width:1px;height:1px;border:0\">",
                ];
                source.push_str(&format!(
                    "{{{{#if {LINK}.open}}}}{OPEN}{}{CLOSE}{{{{{LINK}.open}}}}{OPEN}{}{CLOSE}{{{{/if}}}}",
                    raws.len(),
                    raws.len() + 1
                ));
                raws.extend([before, after]);
            }
            Piece::Mark(kind, _) => return Err(format!("an unknown mark {kind:?}")),
        }
    }
    let mut compiled = Compiled::compile(&source).map_err(|error| error.to_string())?;
    restore(&mut compiled, &raws)?;
    Ok(compiled)
}

/// Puts the texts back in the places of their marks.
fn restore(template: &mut Compiled, raws: &[&str]) -> Result<(), String> {
    for element in &mut template.elements {
        match element {
            TemplateElement::RawString(raw) => {
                let mut text = String::new();
                for mark in raw.split(OPEN).filter(|mark| !mark.is_empty()) {
                    let number = mark
                        .strip_suffix(CLOSE)
                        .and_then(|n| n.parse::<usize>().ok());
                    text.push_str(
                        number
                            .and_then(|number| raws.get(number))
                            .ok_or("a text was lost")?,
                    );
                }
                *raw = text;
            }
            TemplateElement::HelperBlock(block) => {
                if let Some(inside) = &mut block.template {
                    restore(inside, raws)?;
                }
                if let Some(inside) = &mut block.inverse {
                    restore(inside, raws)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}
