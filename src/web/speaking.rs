//! What pages may write beside plain values: texts in the reader's language, figures in its form.
//!
//! A value that bears the name of one of them is written `{{this.number}}`.

use handlebars::{
    Context, Handlebars, Helper, HelperDef, JsonRender as _, RenderContext, RenderError,
    RenderErrorReason, ScopedJson,
};
use serde_json::Value;

use crate::web::words::said::unparted;
use crate::web::words::{Words, fill};

/// One of the ways to say a value.
type Say = fn(&Words, &Value) -> String;

/// Registers `t`, `number`, `money`, `percent`, `day` and `moment`; all give plain text, which is escaped where it
/// is put.
pub(super) fn register(registry: &mut Handlebars<'static>, words: &Words) {
    registry.register_helper("t", Box::new(Text(words.clone())));
    let figures: [(&'static str, Say); 5] = [
        ("number", |words, value| {
            whole(value).map_or_else(dash, |n| {
                let sign = if n < 0 { "−" } else { "" };
                format!("{sign}{}", words.number(n.unsigned_abs()))
            })
        }),
        ("money", |words, value| {
            whole(value).map_or_else(dash, |cents| words.money(cents))
        }),
        ("percent", |words, value| words.percent(value.as_f64())),
        ("day", |words, value| {
            whole(value).map_or_else(dash, |ms| words.day(ms))
        }),
        ("moment", |words, value| {
            whole(value).map_or_else(dash, |ms| words.moment(ms))
        }),
    ];
    for (name, say) in figures {
        let words = words.clone();
        registry.register_helper(name, Box::new(Figure { name, words, say }));
    }
}

fn dash() -> String {
    "–".to_owned()
}

/// A whole number; cents that were computed are rounded.
fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| {
        let value = value.as_f64().filter(|value| value.is_finite())?;
        // Rounded, and the cast bounds what no amount and no instant has.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "bounded by the cast itself"
        )]
        let whole = value.round() as i64;
        Some(whole)
    })
}

/// `{{t "{n} people" n=(number people)}}`
struct Text(Words);

impl HelperDef for Text {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let english = helper
            .param(0)
            .and_then(|param| param.value().as_str())
            .ok_or(RenderErrorReason::ParamNotFoundForIndex("t", 0))?;
        let values: Vec<(&str, String)> = helper
            .hash()
            .iter()
            .map(|(name, value)| (*name, value.value().render()))
            .collect();
        let text = unparted(&fill(self.0.t(english), &values));
        Ok(ScopedJson::Derived(Value::String(text)))
    }
}

struct Figure {
    name: &'static str,
    words: Words,
    say: Say,
}

impl HelperDef for Figure {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let value = helper
            .param(0)
            .ok_or(RenderErrorReason::ParamNotFoundForIndex(self.name, 0))?;
        let text = (self.say)(&self.words, value.value());
        Ok(ScopedJson::Derived(Value::String(text)))
    }
}
