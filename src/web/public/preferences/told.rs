//! What the pages say that are not the form.

use serde::Serialize;

use super::super::words::Language;
use super::view::{topic_title, with_date};
use crate::consent::model::{Channel, Tracking};
use crate::dialogue::model::Purpose;
use crate::dialogue::preferences::model::{Change, Frequency, Preferences, masked_email};
use crate::dialogue::preferences::save::Saved;
use crate::web::State;

/// A page that says something, with at most a link onward.
#[derive(Debug, Serialize)]
pub(super) struct Told<'a> {
    language: &'static str,
    sender: &'a str,
    is_done: bool,
    title: &'static str,
    changes: Vec<String>,
    lines: Vec<String>,
    warning: Option<&'static str>,
    note: Option<&'static str>,
    link: Option<String>,
    link_words: &'static str,
}

impl<'a> Told<'a> {
    pub(super) fn plain(
        state: &'a State,
        language: Language,
        title: &'static str,
        line: &str,
    ) -> Self {
        Self {
            language: language.code(),
            sender: &state.settings.notices.sender_name,
            is_done: false,
            title,
            changes: Vec::new(),
            lines: vec![line.to_owned()],
            warning: None,
            note: None,
            link: None,
            link_words: "",
        }
    }

    pub(super) fn with_link(mut self, link: Option<String>, words: &'static str) -> Self {
        self.link = link;
        self.link_words = words;
        self
    }

    pub(super) fn done(mut self) -> Self {
        self.is_done = true;
        self
    }

    /// What saving did, in words.
    pub(super) fn saved(state: &'a State, language: Language, saved: &Saved, link: String) -> Self {
        let words = language.preferences();
        let told = |title, line: &str| {
            Self::plain(state, language, title, line).with_link(Some(link.clone()), words.back)
        };
        if saved.changes.contains(&Change::Stop) {
            return told(words.stopped_title, words.stopped_text).done();
        }
        let changes: Vec<String> = saved
            .changes
            .iter()
            .map(|change| in_words(state, language, change))
            .collect();
        if changes.is_empty() && !saved.is_held_back {
            return told(words.unchanged_title, words.unchanged_text);
        }
        Self {
            is_done: !changes.is_empty(),
            title: if changes.is_empty() {
                words.unchanged_title
            } else {
                words.saved_title
            },
            changes,
            lines: Vec::new(),
            warning: saved.is_held_back.then_some(words.held_back),
            ..told(words.saved_title, "")
        }
    }

    /// That a link is on its way.
    pub(super) fn asked(
        state: &'a State,
        language: Language,
        known: &Preferences,
        link: String,
    ) -> Self {
        let words = language.preferences();
        let address = known.email.as_deref().map(masked_email).unwrap_or_default();
        let line = words.asked_text.replace("{address}", &address);
        Self {
            note: Some(words.asked_note),
            ..Self::plain(state, language, words.asked_title, &line)
        }
        .with_link(Some(link), words.back)
    }
}

fn quoted(state: &State, language: Language, topic: &str) -> String {
    let words = language.words();
    let title = topic_title(state, language, topic);
    format!("{}{title}{}", words.quote_open, words.quote_close)
}

fn in_words(state: &State, language: Language, change: &Change) -> String {
    let words = language.preferences();
    let about = |text: &str, topic: &str| text.replace("{topic}", &quoted(state, language, topic));
    match change {
        Change::Grant { topic, .. } => about(words.granted, topic),
        Change::Withdraw { channel, topic } => match channel {
            Channel::Email => about(words.withdrawn_email, topic),
            Channel::Sms => about(words.withdrawn_sms, topic),
        },
        Change::Language(_) => words.now_language.to_owned(),
        Change::Tracking(Tracking::Full) => words.now_tracked.to_owned(),
        Change::Tracking(_) => words.now_untracked.to_owned(),
        Change::Frequency(frequency) => {
            let mut texts = Frequency::ALL.into_iter().zip(words.now_frequencies);
            let text = texts.find(|(one, _)| one == frequency);
            text.map_or("", |(_, text)| text).to_owned()
        }
        Change::Pause(Some(day)) => with_date(words.now_paused, language, *day),
        Change::Pause(None) => words.now_unpaused.to_owned(),
        Change::Stop => words.stopped_title.to_owned(),
    }
}

/// The page with the button behind the link of a download or a deletion.
#[derive(Debug, Serialize)]
pub(super) struct RequestView<'a> {
    language: &'static str,
    sender: &'a str,
    title: &'static str,
    lines: Vec<&'static str>,
    note: Option<&'static str>,
    button: &'static str,
    is_grave: bool,
    link: Option<String>,
    link_words: &'static str,
}

impl<'a> RequestView<'a> {
    pub(super) fn new(
        state: &'a State,
        language: Language,
        purpose: Purpose,
        link: Option<String>,
    ) -> Self {
        let words = language.preferences();
        let (title, line, note, button) = match purpose {
            Purpose::Erasure => (
                words.erase_title,
                words.erase_text,
                Some(words.erase_note),
                words.erase_button,
            ),
            _ => (
                words.download_title,
                words.download_text,
                None,
                words.download,
            ),
        };
        Self {
            language: language.code(),
            sender: &state.settings.notices.sender_name,
            title,
            lines: vec![line],
            note,
            button,
            is_grave: purpose == Purpose::Erasure,
            link,
            link_words: words.back,
        }
    }
}
