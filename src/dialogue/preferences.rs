//! The preference centre: topics by channels, how often, a pause, language, tracking, and stopping it all.
//!
//! Who holds the link of one of his messages may choose. What leaves us (a copy of his data) or cannot be
//! undone (deletion) goes by a further link to the address on record, since a message may be forwarded.

pub mod model;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;
use data_encoding::BASE64URL_NOPAD;
use serde_json::json;

use self::model::{Change, Choice, Frequency, Preferences, Wishes, changes};
use super::DialogueError;
use super::confirmation;
use super::erase;
use super::model::{Ask, Asked, Limits, Opened, Purpose};
use super::store::preferences::{self as store, Person, Standing};
use crate::campaigns::schedule;
use crate::clock::from_ms;
use crate::config::Settings;
use crate::consent::audit;
use crate::consent::model::{Basis, Channel, Details, Evidence, Scope, Tracking};
use crate::consent::store as consent;
use crate::delivery::in_flight;
use crate::ids::CustomerId;
use crate::keys::{Keys, MAC_BYTES, Purpose as MacOf};
use crate::storage::{Db, Txn};

/// Where evidence says that it comes from.
pub const SOURCE: &str = "preference_centre";

/// How long a link to a copy of the data, or to deletion, works.
const REQUEST_HOLDS_MS: i64 = 24 * 3_600_000;

const CHANNELS: [Channel; 2] = [Channel::Email, Channel::Sms];

/// How the person said it: kept with the evidence.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said {
    /// ISO 639-1 code of the language of the page.
    pub locale: String,
    /// What he agreed to when he agreed to tracking.
    pub tracking_wording: String,
    pub details: Details,
}

/// What saving did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    pub changes: Vec<Change>,
    /// Whether something he asked for was left out because the page had been opened before another change.
    pub is_held_back: bool,
    /// What stands now.
    pub now: Preferences,
}

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

/// Does what a form asks for, in one transaction, and waits for what is being handed over to him when
/// something was withdrawn. When this returns, all of it is evidence or an audit record. `None` for one whom
/// the base does not know.
///
/// # Errors
/// When the database is away: then nothing was changed.
pub async fn save(
    db: &Db,
    keys: &Keys,
    settings: &Settings,
    customer: CustomerId,
    wishes: &Wishes,
    said: &Said,
    now_ms: i64,
) -> Result<Option<Saved>, DialogueError> {
    let txn = db.begin().await?;
    let Some(person) = store::hold(&txn, customer).await? else {
        return Ok(None);
    };
    let standings = store::standings(&*txn, customer, now_ms).await?;
    let before = assemble(settings, customer, &person, &standings, now_ms);
    let is_fresh = BASE64URL_NOPAD
        .decode(wishes.seal.as_bytes())
        .is_ok_and(|mac| {
            mac.len() == MAC_BYTES && keys.is_authentic(MacOf::Preferences, &before.seal(), &mac)
        });
    let (changes, is_held_back) = changes(&before, wishes, is_fresh);
    let act = Act {
        txn: &txn,
        settings,
        customer,
        person: &person,
        standings: &standings,
        said,
        now_ms,
    };
    act.record(&before, &changes).await?;
    finish(db, txn, settings, customer, changes, is_held_back, now_ms).await
}

/// Stops all advertising on every channel, and tracking with it.
///
/// # Errors
/// When the database is away: then nothing was changed.
pub async fn stop(
    db: &Db,
    settings: &Settings,
    customer: CustomerId,
    said: &Said,
    now_ms: i64,
) -> Result<Option<Saved>, DialogueError> {
    let txn = db.begin().await?;
    let Some(person) = store::hold(&txn, customer).await? else {
        return Ok(None);
    };
    let standings = store::standings(&*txn, customer, now_ms).await?;
    for channel in CHANNELS {
        let fingerprint = person.fingerprint(channel);
        let of_channel = || standings.iter().filter(|one| one.channel == channel);
        if fingerprint.is_none() && of_channel().next().is_none() {
            continue;
        }
        let is_out = of_channel().all(|one| !one.is_granted)
            && of_channel().any(|one| one.topic == Scope::All.as_str());
        let is_suppressed = match fingerprint {
            Some(fingerprint) => store::is_channel_suppressed(&*txn, fingerprint, channel).await?,
            None => true,
        };
        if is_out && is_suppressed {
            continue;
        }
        let at = of_channel().map(|one| one.since_at).fold(now_ms, i64::max);
        let evidence = Evidence {
            locale: Some(said.locale.clone()),
            actor: Some("person".to_owned()),
            details: Some(said.details.clone()),
            ..Evidence::withdrawal(customer, channel, Scope::All, SOURCE, at)
        };
        consent::record(&*txn, &evidence, fingerprint, now_ms).await?;
    }
    if person.tracking != Tracking::None {
        let untracked = Person {
            tracking: Tracking::None,
            ..person.clone()
        };
        store::write(&txn, customer, &untracked, now_ms).await?;
        let details = json!({
            "source": SOURCE,
            "tracking": {"from": person.tracking.as_str(), "to": Tracking::None.as_str()},
        });
        audit::record(
            &*txn,
            now_ms,
            "person",
            "preferences",
            Some(customer),
            details,
        )
        .await?;
    }
    let changes = vec![Change::Stop];
    finish(db, txn, settings, customer, changes, false, now_ms).await
}

/// Commits, waits, and reads what stands then.
async fn finish(
    db: &Db,
    txn: Txn,
    settings: &Settings,
    customer: CustomerId,
    changes: Vec<Change>,
    is_held_back: bool,
    now_ms: i64,
) -> Result<Option<Saved>, DialogueError> {
    let asks_for_less = changes.iter().any(|change| {
        !matches!(
            change,
            Change::Grant { .. } | Change::Language(_) | Change::Pause(None)
        )
    });
    let person = store::person(&*txn, customer).await?;
    let standings = store::standings(&*txn, customer, now_ms).await?;
    txn.commit().await?;
    if asks_for_less {
        in_flight::settled(db, customer, now_ms, in_flight::AT_MOST).await?;
    }
    Ok(person.map(|person| Saved {
        changes,
        is_held_back,
        now: assemble(settings, customer, &person, &standings, now_ms),
    }))
}

/// One person's changes, in their transaction.
struct Act<'a> {
    txn: &'a Txn,
    settings: &'a Settings,
    customer: CustomerId,
    person: &'a Person,
    standings: &'a [Standing],
    said: &'a Said,
    now_ms: i64,
}

impl Act<'_> {
    async fn record(&self, before: &Preferences, changes: &[Change]) -> Result<(), DialogueError> {
        let mut person = self.person.clone();
        let mut details = serde_json::Map::new();
        for change in changes {
            let (name, from, to) = match change {
                Change::Withdraw { channel, topic } => {
                    self.withdraw(*channel, topic).await?;
                    continue;
                }
                Change::Grant { channel, topic } => {
                    self.grant(*channel, topic).await?;
                    continue;
                }
                Change::Stop => continue,
                Change::Language(language) => {
                    person.language.clone_from(language);
                    ("language", json!(before.language), json!(language))
                }
                Change::Tracking(tracking) => {
                    person.tracking = *tracking;
                    if *tracking == Tracking::Full {
                        details.insert("wording".to_owned(), json!(self.said.tracking_wording));
                    }
                    (
                        "tracking",
                        json!(before.tracking.as_str()),
                        json!(tracking.as_str()),
                    )
                }
                Change::Frequency(frequency) => {
                    person.frequency_days = frequency.days();
                    (
                        "frequency_days",
                        json!(self.person.frequency_days),
                        json!(frequency.days()),
                    )
                }
                Change::Pause(until) => {
                    person.paused_until = until.map(|day| start_of(day, before.zone));
                    ("paused_until", json!(before.paused_until), json!(until))
                }
            };
            details.insert(name.to_owned(), json!({"from": from, "to": to}));
        }
        if !details.is_empty() {
            details.insert("source".to_owned(), json!(SOURCE));
            details.insert("locale".to_owned(), json!(self.said.locale));
            store::write(self.txn, self.customer, &person, self.now_ms).await?;
            audit::record(
                &**self.txn,
                self.now_ms,
                "person",
                "preferences",
                Some(self.customer),
                details.into(),
            )
            .await?;
        }
        Ok(())
    }

    async fn withdraw(&self, channel: Channel, topic: &str) -> Result<(), DialogueError> {
        let scope = Scope::Topic(topic.to_owned());
        let at = self.newest(channel).max(self.now_ms);
        let evidence = Evidence {
            locale: Some(self.said.locale.clone()),
            actor: Some("person".to_owned()),
            details: Some(self.said.details.clone()),
            ..Evidence::withdrawal(self.customer, channel, scope, SOURCE, at)
        };
        let fingerprint = self.person.fingerprint(channel);
        consent::record(&**self.txn, &evidence, fingerprint, self.now_ms).await?;
        Ok(())
    }

    async fn grant(&self, channel: Channel, topic: &str) -> Result<(), DialogueError> {
        let fingerprint = self.person.fingerprint(channel);
        let suppressed_at = match fingerprint {
            Some(fingerprint) => store::suppressed_at(&**self.txn, fingerprint, channel).await?,
            None => None,
        };
        // A live "yes" is newer than whatever is on record, also where that came from a faster clock.
        let newest = self.newest(channel).max(suppressed_at.unwrap_or(0));
        let at = self.now_ms.max(newest.saturating_add(1));
        let topics = &self.settings.permission.topics;
        let wording = topics
            .iter()
            .find(|known| known.name == topic)
            .and_then(|known| in_language(&known.wording, &self.said.locale));
        let evidence = Evidence {
            wording: wording.map(str::to_owned),
            locale: Some(self.said.locale.clone()),
            actor: Some("person".to_owned()),
            details: Some(self.said.details.clone()),
            ..Evidence::grant(self.customer, channel, topic, Basis::Consent, SOURCE, at)
        };
        consent::record(&**self.txn, &evidence, fingerprint, self.now_ms).await?;
        Ok(())
    }

    /// When the newest of what is on record for the channel was said.
    fn newest(&self, channel: Channel) -> i64 {
        let of_channel = self.standings.iter().filter(|one| one.channel == channel);
        of_channel.map(|one| one.since_at).max().unwrap_or(0)
    }
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

fn start_of(day: NaiveDate, zone: Tz) -> i64 {
    schedule::instant(day.and_time(NaiveTime::MIN), zone).timestamp_millis()
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

/// Asks the person, at the address on record, to confirm that he wants a copy of his data or its deletion;
/// `false` when there is no address to ask at. He is told the same whether or not the limits let it pass.
///
/// # Errors
/// When the database is away.
pub async fn request(
    db: &Db,
    settings: &Settings,
    customer: CustomerId,
    purpose: Purpose,
    now_ms: i64,
) -> Result<bool, DialogueError> {
    let txn = db.begin().await?;
    let Some(person) = store::person(&*txn, customer).await? else {
        return Ok(false);
    };
    let Some(fingerprint) = person.email_fingerprint.filter(|_| person.is_email_ok) else {
        return Ok(false);
    };
    let ask = Ask {
        purpose,
        channel: Channel::Email,
        customer: Some(customer),
        address: None,
        fingerprint,
        language: person.language,
        payload: json!({}),
        expires_at: now_ms.saturating_add(REQUEST_HOLDS_MS),
    };
    let asked = confirmation::ask(&txn, &ask, Limits::from(&settings.sign_up), now_ms).await?;
    txn.commit().await?;
    if let Asked::TooSoon | Asked::TooMany = asked {
        tracing::info!(%customer, purpose = purpose.as_str(), "asked again too soon; nothing is sent");
    }
    Ok(true)
}

/// Deletes the person who confirmed it by the link: the link is taken and the data erased together.
///
/// # Errors
/// When the database is away: then nothing was changed and the link stays fresh.
pub async fn erase_confirmed(
    db: &Db,
    keys: &Keys,
    token: &str,
    now_ms: i64,
) -> Result<Opened, DialogueError> {
    let txn = db.begin().await?;
    let opened = confirmation::take(&txn, keys, token, now_ms).await?;
    let Opened::Fresh(confirmation) = &opened else {
        return Ok(opened);
    };
    let Some(customer) = confirmation
        .customer
        .filter(|_| confirmation.purpose == Purpose::Erasure)
    else {
        return Ok(Opened::Unknown);
    };
    match erase::erase_within(&txn, keys, customer, "person", "asked", now_ms).await {
        // Somebody else erased him meanwhile: what he wants is so.
        Ok(()) | Err(DialogueError::NoSuchCustomer(_) | DialogueError::Erased { .. }) => {}
        Err(error) => return Err(error),
    }
    txn.commit().await?;
    in_flight::settled(db, customer, now_ms, in_flight::AT_MOST).await?;
    Ok(opened)
}

/// The copy of his data for the person who confirmed it by the link, which works once; `None` when it does
/// not (any more).
///
/// # Errors
/// When the database is away or the archive cannot be made: then the link stays fresh.
pub async fn download_confirmed(
    db: &Db,
    keys: &Keys,
    token: &str,
    now_ms: i64,
) -> Result<(Opened, Option<Vec<u8>>), DialogueError> {
    let opened = confirmation::open(db, keys, token, now_ms).await?;
    let customer = match &opened {
        Opened::Fresh(confirmation) if confirmation.purpose == Purpose::Download => {
            confirmation.customer
        }
        _ => None,
    };
    let Some(customer) = customer else {
        return Ok((opened, None));
    };
    // Made before the link is taken: who gets nothing may try again.
    let archive = super::export::archive(db, keys, customer, "person", now_ms).await?;
    let txn = db.begin().await?;
    let opened = confirmation::take(&txn, keys, token, now_ms).await?;
    txn.commit().await?;
    let archive = matches!(opened, Opened::Fresh(_)).then_some(archive);
    Ok((opened, archive))
}
