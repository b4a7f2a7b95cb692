//! What the pages of the preference centre show.

use chrono::NaiveDate;
use serde::Serialize;

use super::super::words::{Language, PreferencesWords};
use crate::consent::model::{Channel, Tracking};
use crate::dialogue::preferences::model::{
    Choice, Frequency, PAUSES, Preferences, masked_email, masked_phone,
};
use crate::dialogue::preferences::{self, in_language};
use crate::templates::day_in_words;
use crate::web::{ApiError, State};

/// The form.
#[derive(Debug, Serialize)]
pub(super) struct PreferencesView<'a> {
    language: &'static str,
    title: &'static str,
    words: &'static PreferencesWords,
    sender: &'a str,
    /// Masked: the mail may have been forwarded.
    address: Option<String>,
    /// Only for who has a number, or gets text messages.
    has_sms: bool,
    topics: Vec<Row>,
    frequencies: Vec<Item>,
    pauses: Vec<Item>,
    pause_until: String,
    tomorrow: String,
    languages: Vec<Item>,
    may_track: bool,
    yours_note: String,
    can_ask: bool,
    shown: String,
    seal: String,
    problem: bool,
}

#[derive(Debug, Serialize)]
struct Row {
    title: String,
    /// What he agrees to by ticking.
    wording: Option<String>,
    cells: Vec<Cell>,
}

#[derive(Debug, Serialize)]
struct Cell {
    field: String,
    is_on: bool,
    can_choose: bool,
    label: String,
}

#[derive(Debug, Serialize)]
struct Item {
    value: String,
    text: String,
    is_chosen: bool,
}

/// What somebody entered in a form that is shown to him again.
#[derive(Debug)]
pub(super) struct Entered {
    ticked: Vec<String>,
    frequency: String,
    pause: String,
    pause_until: String,
    language: String,
    may_track: bool,
    shown: String,
    seal: String,
}

impl Entered {
    pub(super) fn of(form: &[(String, String)]) -> Self {
        let field = |name: &str| {
            let field = form.iter().find(|(known, _)| known == name);
            field.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let ticked = form.iter().filter(|(name, _)| name == "topic");
        Self {
            ticked: ticked.map(|(_, value)| value.clone()).collect(),
            frequency: field("frequency"),
            // A day that is missing or past was meant to be one.
            pause: "date".to_owned(),
            pause_until: field("pause_until"),
            language: field("language"),
            may_track: field("tracking") == "full",
            shown: field("shown"),
            seal: field("seal"),
        }
    }
}

impl<'a> PreferencesView<'a> {
    pub(super) fn new(
        state: &'a State,
        language: Language,
        preferences: &Preferences,
        entered: Option<Entered>,
        now: i64,
    ) -> Result<Self, ApiError> {
        let words = language.preferences();
        let problem = entered.is_some();
        let form = match entered {
            Some(entered) => entered,
            None => Entered {
                ticked: Vec::from_iter(preferences.shown().on),
                frequency: preferences.frequency.as_str().to_owned(),
                pause: match preferences.paused_until {
                    Some(_) => "keep".to_owned(),
                    None => "off".to_owned(),
                },
                pause_until: String::new(),
                language: preferences.language.clone(),
                may_track: preferences.tracking == Tracking::Full,
                shown: serde_json::to_string(&preferences.shown()).map_err(ApiError::internal)?,
                seal: preferences::seal(&state.keys, preferences),
            },
        };
        let has_sms = preferences.phone.is_some()
            || preferences
                .choices
                .iter()
                .any(|one| one.channel == Channel::Sms && one.is_on);
        let notices = &state.settings.notices;
        let address = match (&preferences.email, &preferences.phone) {
            (Some(email), _) => Some(masked_email(email)),
            (None, Some(phone)) => Some(masked_phone(phone)),
            (None, None) => None,
        };
        let can_ask = preferences.has_mailbox;
        let tomorrow = preferences::today(preferences, now).succ_opt();
        Ok(Self {
            language: language.code(),
            title: words.title,
            words,
            sender: &notices.sender_name,
            has_sms,
            topics: rows(state, language, preferences, &form, has_sms),
            frequencies: Frequency::ALL
                .into_iter()
                .zip(words.frequencies)
                .map(|(one, text)| item(one.as_str(), text, &form.frequency))
                .collect(),
            pauses: pauses(language, preferences.paused_until, &form.pause),
            pause_until: form.pause_until,
            tomorrow: tomorrow.map(|day| day.to_string()).unwrap_or_default(),
            languages: languages(&preferences.language, &form.language),
            may_track: form.may_track,
            yours_note: match &address {
                Some(address) if can_ask => words.yours_note.replace("{address}", address),
                _ => words.yours_without_address.replace(
                    "{sender}",
                    &match notices.postal_address() {
                        Some(address) => format!("{}, {address}", notices.sender_name),
                        None => notices.sender_name.clone(),
                    },
                ),
            },
            address,
            can_ask,
            shown: form.shown,
            seal: form.seal,
            problem,
        })
    }
}

fn item(value: &str, text: &str, chosen: &str) -> Item {
    Item {
        value: value.to_owned(),
        text: text.to_owned(),
        is_chosen: value == chosen,
    }
}

/// A topic as the customer reads it; its name where the settings give it none.
pub(in crate::web::public) fn topic_title(
    state: &State,
    language: Language,
    topic: &str,
) -> String {
    let topics = &state.settings.permission.topics;
    topics
        .iter()
        .find(|known| known.name == topic)
        .and_then(|known| in_language(&known.title, language.code()))
        .unwrap_or(topic)
        .to_owned()
}

fn rows(
    state: &State,
    language: Language,
    preferences: &Preferences,
    form: &Entered,
    has_sms: bool,
) -> Vec<Row> {
    let words = language.preferences();
    let offered = &state.settings.permission.topics;
    let on_email = preferences
        .choices
        .iter()
        .filter(|one| one.channel == Channel::Email);
    on_email
        .map(|email| {
            let title = topic_title(state, language, &email.topic);
            let cell = |choice: &Choice| {
                let can_choose = choice.is_on || choice.can_grant;
                let label = match (choice.channel, can_choose) {
                    (Channel::Email, true) => words.by_email,
                    (Channel::Email, false) => words.not_by_email,
                    (Channel::Sms, true) => words.by_sms,
                    (Channel::Sms, false) => words.not_by_sms,
                };
                let field = choice.field();
                Cell {
                    is_on: form.ticked.contains(&field),
                    can_choose,
                    label: label.replace("{topic}", &title),
                    field,
                }
            };
            let by_sms = preferences.choice(Channel::Sms, &email.topic);
            let wording = offered.iter().find(|known| known.name == email.topic);
            Row {
                wording: wording
                    .filter(|_| email.can_grant)
                    .and_then(|known| in_language(&known.wording, language.code()))
                    .map(str::to_owned),
                cells: std::iter::once(cell(email))
                    .chain(by_sms.filter(|_| has_sms).map(cell))
                    .collect(),
                title,
            }
        })
        .collect()
}

fn pauses(language: Language, until: Option<NaiveDate>, chosen: &str) -> Vec<Item> {
    let words = language.preferences();
    let mut items = Vec::new();
    if let Some(until) = until {
        let text = with_date(words.pause_keep, language, until);
        items.push(item("keep", &text, chosen));
    }
    items.push(item("off", words.pause_off, chosen));
    for (months, text) in PAUSES.into_iter().zip(words.pauses) {
        items.push(item(&months.to_string(), text, chosen));
    }
    items.push(item("date", words.pause_date, chosen));
    items
}

/// Those we speak, and his own where it is another.
fn languages(own: &str, chosen: &str) -> Vec<Item> {
    let spoken = Language::ALL
        .into_iter()
        .map(|(language, name)| item(language.code(), name, chosen));
    let other = Language::from_tag(own)
        .is_none()
        .then(|| item(own, &own.to_uppercase(), chosen));
    other.into_iter().chain(spoken).collect()
}

pub(super) fn with_date(text: &str, language: Language, day: NaiveDate) -> String {
    text.replace("{date}", &day_in_words(language.code(), day))
}
