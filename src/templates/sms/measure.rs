//! What a text message will take, before anyone gets it.

use std::fmt;

use serde_json::{Map, Value};

use super::compiled::{CompiledSms, RenderedSms};
use super::encoding::{Encoding, Size, size};
use super::replacement::{offenders, transliterate};
use crate::templates::error::RenderError;
use crate::templates::fields::{self, ATTRIBUTE, FieldFacts, sample_customer};
use crate::templates::model::RecipientLinks;

/// Characters of a short link, scheme included.
const LINK_CHARACTERS: usize = 30;
/// Offenders that are named; the rest are counted.
const NAMED: usize = 8;

/// What the text of one language takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmsMeasure {
    /// For a customer of whom the usual is known.
    pub typical: RenderedSms,
    /// For whom it takes most: the longest values of the base, those that force UCS-2, or none at all.
    pub worst: RenderedSms,
    /// Whether the text was written for this channel, or taken from the four parts by the layout.
    pub is_own: bool,
}

impl SmsMeasure {
    pub(in crate::templates) fn new(
        compiled: &CompiledSms,
        facts: &FieldFacts,
        is_own: bool,
    ) -> Result<Self, RenderError> {
        let links = sample_links(compiled);
        let usual = fields::values(compiled.getters(), &sample_customer());
        let typical = compiled.render_values(usual.clone(), &links)?;
        let mut worst = typical.clone();
        let longest = replaced(&usual, &|field, value| facts.longest(field, value));
        let dearest = replaced(&usual, &|field, value| facts.dearest(field, value));
        let bare = replaced(&usual, &|_, _| Value::Null);
        for values in [longest, dearest, bare] {
            let other = compiled.render_values(values, &links)?;
            if cost(&other.size) > cost(&worst.size) {
                worst = other;
            }
        }
        Ok(Self {
            typical,
            worst,
            is_own,
        })
    }
}

/// Short links that lead nowhere, as long as they may be (30 characters with scheme).
pub fn sample_links(compiled: &CompiledSms) -> RecipientLinks {
    let link = |kind: &str| {
        let mut link = format!("https://links.example/{kind}/");
        let missing = LINK_CHARACTERS.saturating_sub(link.chars().count());
        link.extend(std::iter::repeat_n('x', missing));
        link
    };
    RecipientLinks {
        clicks: vec![link("s"); compiled.links().len()],
        unsubscribe: link("u"),
        ..RecipientLinks::default()
    }
    .with_sample_offer()
}

/// What a message is compared by: its parts, and how full they are.
fn cost(size: &Size) -> (usize, usize) {
    (size.parts, size.units * 1_000 / size.encoding.part())
}

/// The values with each text replaced; numbers, which conditions compare, stay.
fn replaced(
    values: &Map<String, Value>,
    other: &dyn Fn(&str, &Value) -> Value,
) -> Map<String, Value> {
    values
        .iter()
        .map(|(name, value)| {
            let value = match value {
                Value::Object(attributes) => attributes
                    .iter()
                    .map(|(name, value)| {
                        let field = format!("{ATTRIBUTE}.{name}");
                        (name.clone(), text_or(value, &field, other))
                    })
                    .collect(),
                value => text_or(value, name, other),
            };
            (name.clone(), value)
        })
        .collect()
}

fn text_or(value: &Value, field: &str, other: &dyn Fn(&str, &Value) -> Value) -> Value {
    match value {
        Value::String(_) | Value::Null => other(field, value),
        value => value.clone(),
    }
}

impl fmt::Display for SmsMeasure {
    /// `GSM-7, 148 of 160, 1 part`, and what else is worth knowing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { typical, worst, .. } = self;
        write!(f, "{}", typical.size)?;
        if worst.size != typical.size {
            write!(f, "; at worst {}", worst.size)?;
        }
        if typical.size.encoding == Encoding::Ucs2 {
            let offenders = offenders(&typical.text);
            let named: Vec<String> = offenders
                .iter()
                .take(NAMED)
                .map(|offender| {
                    let shown = match offender.character {
                        c if c.is_alphanumeric() || c.is_ascii_graphic() => format!("{c}"),
                        c if c.is_whitespace() || c.is_control() => {
                            format!("U+{:04X}", u32::from(c))
                        }
                        c => format!("{c} (U+{:04X})", u32::from(c)),
                    };
                    match offender.replacement.as_deref() {
                        Some("") => format!("{shown} → nothing"),
                        Some(" ") => format!("{shown} → a plain space"),
                        Some(other) => format!("{shown} → {other}"),
                        None => format!("{shown}, for which there is nothing else"),
                    }
                })
                .collect();
            write!(f, "; UCS-2 because of {}", named.join(", "))?;
            if offenders.len() > NAMED {
                write!(f, " and {} more", offenders.len() - NAMED)?;
            }
            let replaced = size(&transliterate(&typical.text));
            match typical.size.parts.saturating_sub(replaced.parts) {
                _ if replaced.encoding == Encoding::Ucs2 => {}
                0 => write!(f, "; transliterated {replaced}, which saves no part")?,
                saved => write!(
                    f,
                    "; transliterated {replaced}, which saves {saved} of {}",
                    typical.size.parts
                )?,
            }
        }
        if !self.is_own {
            f.write_str("; made from the four parts, [sms] text says it in its own words")?;
        }
        Ok(())
    }
}
