//! What a form of the wizard gave.

use std::str::FromStr;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::Fault;
use crate::campaigns::drafts::Seen;
use crate::web::words::Words;

/// The fields of a form, by name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub(in crate::web::console) struct Given(Vec<(String, String)>);

impl Given {
    /// A field without the blanks around it; empty where it was not given.
    pub fn text(&self, name: &str) -> &str {
        let field = self.0.iter().find(|(field, _)| field == name);
        field.map_or("", |(_, value)| value.trim())
    }

    /// The same, where it is not empty.
    pub fn some(&self, name: &str) -> Option<String> {
        let text = self.text(name);
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Whether the field was given at all, as a ticked box is.
    pub fn is(&self, name: &str) -> bool {
        self.0.iter().any(|(field, _)| field == name)
    }

    /// The fields as a form of texts has them; those that were not given are empty.
    pub fn read<T: DeserializeOwned + Default>(&self) -> T {
        let mut fields = Map::new();
        for (name, value) in &self.0 {
            fields
                .entry(name.as_str())
                .or_insert_with(|| value.trim().into());
        }
        serde_json::from_value(Value::Object(fields)).unwrap_or_default()
    }

    /// The revision of the draft that the form showed.
    pub fn revision(&self) -> i64 {
        self.text("revision").parse().unwrap_or(0)
    }

    /// The plan with its templates that the form showed.
    pub fn seen(&self) -> Seen<'_> {
        Seen {
            revision: self.revision(),
            digest: Some(self.text("digest")),
        }
    }
}

/// Reads a box of a form: ticked, where it was given at all.
pub(super) fn ticked<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_given| true)
}

/// What stands beside a field, where its fault alone would not tell which it is.
fn label(field: &str) -> Option<&'static str> {
    Some(match field {
        "rate" => "At most, messages a second",
        "priority" => "Priority (−100 to 100)",
        "repeat_day" => "Every month on day",
        "window_days" => "Responses count for (days)",
        "expected" => "Expected response rate (%)",
        "offer_margin" => "Margin (%)",
        "control" => "Per cent of the audience",
        "difference" => "A difference that matters (points)",
        "share" => "Tested on (% of the people)",
        "wait_hours" => "Hours until the winner is chosen",
        _ => return None,
    })
}

/// Reads texts of a form into values, and notes what cannot be read.
pub(super) struct Reader<'a> {
    pub words: &'a Words,
    pub faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    pub fn new(words: &'a Words) -> Self {
        Self {
            words,
            faults: Vec::new(),
        }
    }

    /// Notes a fault.
    pub fn fault(&mut self, field: &'static str, problem: impl Into<String>) {
        let problem = problem.into();
        self.faults.push(Fault {
            field,
            problem: match label(field) {
                Some(label) => self.words.pair(self.words.t(label), &problem),
                None => problem,
            },
        });
    }

    /// A whole number; none where the field is empty.
    pub fn whole<T: FromStr>(&mut self, field: &'static str, text: &str) -> Option<T> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        let read = text.replace(['\u{a0}', '\u{202f}', ' '], "").parse().ok();
        if read.is_none() {
            self.fault(field, self.words.t("Give a whole number."));
        }
        read
    }

    /// A number with a point or a comma; none where the field is empty.
    pub fn decimal(&mut self, field: &'static str, text: &str) -> Option<f64> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        let read = text
            .replace(['\u{a0}', '\u{202f}', ' '], "")
            .replace(',', ".")
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite());
        if read.is_none() {
            self.fault(field, self.words.t("Give a number, such as 2.5."));
        }
        read
    }

    /// An amount of money in cents.
    pub fn cents(&mut self, field: &'static str, text: &str) -> Option<i64> {
        let amount = self.decimal(field, text)?;
        if !(0.0..1e12).contains(&amount) {
            self.fault(
                field,
                self.words.t("Give an amount of money, such as 12.50."),
            );
            return None;
        }
        #[expect(
            clippy::as_conversions,
            clippy::cast_possible_truncation,
            reason = "bounded above"
        )]
        let cents = (amount * 100.0).round() as i64;
        Some(cents)
    }

    /// A value that is read from a text by its own rule.
    pub fn parsed<T>(
        &mut self,
        field: &'static str,
        text: &str,
        read: impl FnOnce(&str) -> Option<T>,
        problem: &'static str,
    ) -> Option<T> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        let value = read(text);
        if value.is_none() {
            self.fault(field, self.words.t(problem));
        }
        value
    }
}

/// An amount as a field shows it: `12.50`; empty for nothing.
pub(super) fn amount(cents: i64) -> String {
    if cents == 0 {
        return String::new();
    }
    format!("{}.{:02}", cents / 100, cents.abs() % 100)
}

/// A number as a field shows it; empty for none.
pub(super) fn shown<T: ToString>(number: Option<T>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_without_their_blanks() {
        let given = Given(vec![
            ("name".to_owned(), "  spring ".to_owned()),
            ("tick".to_owned(), String::new()),
        ]);
        assert_eq!(given.text("name"), "spring");
        assert_eq!(given.some("tick"), None);
        assert!(given.is("tick") && !given.is("tock"));
        #[derive(Debug, Default, PartialEq, Eq, Deserialize)]
        #[serde(default)]
        struct Form {
            name: String,
            other: String,
            #[serde(deserialize_with = "ticked")]
            tick: bool,
            #[serde(deserialize_with = "ticked")]
            tock: bool,
        }
        let expected = Form {
            name: "spring".to_owned(),
            tick: true,
            ..Form::default()
        };
        assert_eq!(given.read::<Form>(), expected);
    }

    #[test]
    fn amounts_come_back_as_they_were_shown() {
        assert_eq!(amount(1_250), "12.50");
        assert_eq!(amount(5), "0.05");
        assert_eq!(amount(0), "");
    }
}
