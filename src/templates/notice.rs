//! A notice: what we write because a person asked us to. No field, no tracked link, no pixel.

use super::layouts::{notice as layout, phrases};
use super::model::Rendered;
use super::wrap;

/// The texts of one notice, as they are read.
#[derive(Debug, Clone, Copy)]
pub struct Notice<'a> {
    /// ISO 639-1.
    pub language: &'a str,
    pub sender_name: &'a str,
    pub postal_address: &'a str,
    /// One line.
    pub subject: &'a str,
    pub headline: &'a str,
    /// Who asked.
    pub lead: &'a str,
    /// What for, one line each.
    pub points: &'a [String],
    pub button: &'a str,
    /// Where the button leads; it stands in the message as it is.
    pub link: &'a str,
    /// Until when.
    pub until: &'a str,
    /// What doing nothing means.
    pub ignore: &'a str,
    /// Before the link, for those whose program shows no button.
    pub plain_link: &'a str,
    /// Why one gets this message.
    pub reason: &'a str,
}

impl Notice<'_> {
    pub(super) fn postal_lines(&self) -> impl Iterator<Item = &str> {
        self.postal_address
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
    }

    pub(super) fn colon(&self) -> &'static str {
        phrases::of(self.language).colon
    }

    /// The message.
    ///
    /// # Errors
    /// When the layout is refused: a defect of this program, which nobody who writes texts can cause.
    pub fn render(&self) -> Result<Rendered, String> {
        Ok(Rendered {
            subject: self.subject.to_owned(),
            html: layout::html(self)?,
            text: wrap::wrap(&layout::text(self)),
        })
    }
}

/// A day as it is written in a letter of this language.
pub fn day_in_words(language: &str, day: chrono::NaiveDate) -> String {
    phrases::of(language).date(day)
}
