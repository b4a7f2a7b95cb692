//! A marked text compiled once, and filled in per recipient.

use std::collections::BTreeSet;
use std::io;

use chrono::NaiveDate;
use handlebars::template::TemplateElement;
use handlebars::{
    Context, Handlebars, Helper, HelperDef, JsonTruthy, Output, RenderContext, RenderErrorReason,
    Renderable, ScopedJson, Template as Compiled,
};
use serde_json::Value;

use super::error::RenderError;
use super::fields::Getter;
use super::layouts::phrases::Phrases;
use super::tags::{CLOSE, OPEN, Piece, Tag, pieces};

/// Bytes of one part of a message: beyond that a field holds what no letter should.
const MAX_RENDERED_BYTES: usize = 512 * 1024;

/// Where the recipient's links stand among the values; no field may have this name.
pub(super) const LINK: &str = "link";

/// The open pixel: its link, and what stands before and after it.
const PIXEL: (&str, &str, &str) = (
    "open",
    "<img src=\"",
    "\" width=\"1\" height=\"1\" alt=\"\" style=\"display:block;width:1px;height:1px;border:0\">",
);

/// The link that no person sees: hidden as preview texts are, out of the reach of keys and screen readers,
/// without a word in it.
const TRAP: (&str, &str, &str) = (
    "trap",
    "<div style=\"display:none;max-height:0;overflow:hidden;mso-hide:all\" aria-hidden=\"true\"><a href=\"",
    "\" rel=\"nofollow\" tabindex=\"-1\" aria-hidden=\"true\"></a></div>",
);

/// Where the values of `fields` come from.
pub(super) fn getters(fields: &BTreeSet<String>) -> Result<Vec<Getter>, String> {
    fields
        .iter()
        .map(|field| {
            Getter::of(field)
                .ok_or_else(|| format!("there is no field {field:?}; run `visavis template check`"))
        })
        .collect()
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

pub(super) fn fill(
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

pub(super) fn registry(
    phrases: &'static Phrases,
    escape: fn(&str) -> String,
) -> Handlebars<'static> {
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
pub(super) fn compile(marked: &str, tags: &[Tag]) -> Result<Compiled, String> {
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
                for (link, before, after) in [PIXEL, TRAP] {
                    source.push_str(&format!(
                        "{{{{#if {LINK}.{link}}}}}{OPEN}{}{CLOSE}{{{{{LINK}.{link}}}}}{OPEN}{}{CLOSE}{{{{/if}}}}",
                        raws.len(),
                        raws.len() + 1
                    ));
                    raws.extend([before, after]);
                }
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
