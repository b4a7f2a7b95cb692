//! The preference centre: topics by channels, how often, a pause, language, tracking, and stopping it all.
//!
//! Who holds the link of one of his messages may choose. What leaves us (a copy of his data) or cannot be
//! undone (deletion) goes by a further link to the address on record, since a message may be forwarded.

pub mod model;
pub mod request;
pub mod save;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use data_encoding::BASE64URL_NOPAD;

use self::model::{Choice, Frequency, Preferences};
use super::DialogueError;
use super::store::preferences::{self as store, Person, Standing};
use crate::clock::from_ms;
use crate::config::Settings;
use crate::consent::model::{Channel, Scope};
use crate::ids::CustomerId;
use crate::keys::{Keys, Purpose as MacOf};
use crate::storage::Db;

/// Where evidence says that it comes from.
pub const SOURCE: &str = "preference_centre";

const CHANNELS: [Channel; 2] = [Channel::Email, Channel::Sms];

/// What stands for a customer, changing nothing; `None` for one whom the base does not know (any more).
///
/// # Errors
/// When the database is away.
pub async fn read(
    db: &Db,
    settings: &Settings,
    customer: CustomerId,
    now_ms: i64,
) -> Result<Option<Preferences>, DialogueError> {
    let Some(person) = store::person(&**db, customer).await? else {
        return Ok(None);
    };
    let standings = store::standings(&**db, customer, now_ms).await?;
    Ok(Some(assemble(
        settings, customer, &person, &standings, now_ms,
    )))
}

/// The seal of the form that shows `preferences`.
pub fn seal(keys: &Keys, preferences: &Preferences) -> String {
    BASE64URL_NOPAD.encode(&keys.mac(MacOf::Preferences, &preferences.seal()))
}

/// The day it is for the person.
pub fn today(preferences: &Preferences, now_ms: i64) -> NaiveDate {
    day_in(preferences.zone, now_ms)
}

/// A configured text in a language, or in English.
pub fn in_language<'a>(texts: &'a crate::config::Texts, language: &str) -> Option<&'a str> {
    texts
        .get(language)
        .or_else(|| texts.get("en"))
        .map(String::as_str)
}

fn assemble(
    settings: &Settings,
    customer: CustomerId,
    person: &Person,
    standings: &[Standing],
    now_ms: i64,
) -> Preferences {
    let zone = person
        .time_zone
        .as_deref()
        .and_then(|name| name.parse().ok())
        .unwrap_or(Tz::UTC);
    let paused_until = person
        .paused_until
        .filter(|until| *until > now_ms)
        .map(|until| day_in(zone, until));
    Preferences {
        customer,
        email: person.email.clone(),
        has_mailbox: has_mailbox(person),
        phone: person.phone.clone(),
        language: person.language.clone(),
        tracking: person.tracking,
        frequency: Frequency::from_days(person.frequency_days),
        paused_until,
        zone,
        choices: choices(settings, person, standings),
    }
}

fn choices(settings: &Settings, person: &Person, standings: &[Standing]) -> Vec<Choice> {
    let offered = &settings.permission.topics;
    let standing = |channel: Channel, topic: &str| {
        let mut all = standings.iter();
        all.find(|one| one.channel == channel && one.topic == topic)
    };
    let mut topics: Vec<&str> = offered.iter().map(|topic| topic.name.as_str()).collect();
    for one in standings.iter().filter(|one| one.is_on) {
        if !topics.contains(&one.topic.as_str()) {
            topics.push(&one.topic);
        }
    }
    let mut choices = Vec::new();
    for channel in CHANNELS {
        for topic in &topics {
            let stands = standing(channel, topic);
            let on_consent = offered.iter().any(|known| {
                known.name == **topic && known.bases.iter().any(|basis| basis == "consent")
            });
            choices.push(Choice {
                channel,
                topic: (*topic).to_owned(),
                is_on: stands.is_some_and(|one| one.is_on),
                can_grant: channel == Channel::Email && on_consent && has_mailbox(person),
                evidence_id: stands.map_or(0, |one| one.evidence_id),
            });
        }
    }
    choices
}

fn has_mailbox(person: &Person) -> bool {
    person.is_email_ok && person.email_fingerprint.is_some()
}

fn day_in(zone: Tz, at: i64) -> NaiveDate {
    let at: DateTime<Utc> = from_ms(at);
    at.with_timezone(&zone).date_naive()
}

/// What is off already for the one who holds an unsubscribe link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Out {
    pub of_topic: bool,
    /// Of everything on the channel, with a "no" to all of it on record.
    pub of_everything: bool,
}

/// What is off already on a channel, changing nothing.
///
/// # Errors
/// When the database is away.
pub async fn out(
    db: &Db,
    customer: CustomerId,
    channel: Channel,
    topic: Option<&str>,
    now_ms: i64,
) -> Result<Out, DialogueError> {
    let Some(person) = store::person(&**db, customer).await? else {
        return Ok(Out::default());
    };
    let standings = store::standings(&**db, customer, now_ms).await?;
    let of_channel = || standings.iter().filter(|one| one.channel == channel);
    let is_suppressed = match person.fingerprint(channel) {
        Some(fingerprint) => store::is_channel_suppressed(&**db, fingerprint, channel).await?,
        None => false,
    };
    let has_no_to_all = of_channel().any(|one| one.topic == Scope::All.as_str());
    Ok(Out {
        of_topic: topic
            .is_some_and(|topic| !of_channel().any(|one| one.topic == topic && one.is_on)),
        of_everything: (has_no_to_all || is_suppressed) && of_channel().all(|one| !one.is_on),
    })
}
