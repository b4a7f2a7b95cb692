//! Saving what a person chose, and stopping everything: in one transaction under his lock, as evidence or as an
//! audit record.

use chrono::{NaiveDate, NaiveTime};
use chrono_tz::Tz;
use data_encoding::BASE64URL_NOPAD;
use serde_json::json;

use super::model::{Change, Preferences, Wishes, changes};
use super::{CHANNELS, SOURCE, assemble, in_language};
use crate::campaigns::schedule;
use crate::config::Settings;
use crate::consent::audit;
use crate::consent::ladder::Level;
use crate::consent::model::{Basis, Channel, Details, Evidence, Scope, Tracking};
use crate::consent::store as consent;
use crate::delivery::in_flight;
use crate::dialogue::DialogueError;
use crate::dialogue::store::preferences::{self as store, Person, Standing};
use crate::ids::CustomerId;
use crate::keys::{Keys, MAC_BYTES, Purpose as MacOf};
use crate::storage::{Db, Txn};

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
    let held = consent::hold_mailboxes(&*txn, customer).await?;
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
    finish(db, txn, settings, &held, changes, is_held_back, now_ms).await
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
    let held = consent::hold_mailboxes(&*txn, customer).await?;
    let Some(person) = store::hold(&txn, customer).await? else {
        return Ok(None);
    };
    let standings = store::standings(&*txn, customer, now_ms).await?;
    for channel in CHANNELS {
        let fingerprint = person.fingerprint(channel);
        let of_channel = || standings.iter().filter(|one| one.channel == channel);
        let at = of_channel().map(|one| one.since_at).fold(now_ms, i64::max);
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
            // Another with the same mailbox may have agreed since.
            let again = fingerprint.map(|fingerprint| consent::Suppression {
                fingerprint: fingerprint.to_owned(),
                channel,
                scope: Scope::All,
                reason: consent::OPT_OUT.to_owned(),
                suppressed_at: at,
            });
            consent::suppress(&*txn, again.as_slice()).await?;
            continue;
        }
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
    finish(db, txn, settings, &held, changes, false, now_ms).await
}

/// Commits, waits, and reads what stands then.
async fn finish(
    db: &Db,
    txn: Txn,
    settings: &Settings,
    held: &consent::Mailboxes,
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
    let customer = held.customer;
    let person = store::person(&*txn, customer).await?;
    let standings = store::standings(&*txn, customer, now_ms).await?;
    txn.commit().await?;
    if asks_for_less {
        in_flight::settled(db, &held.customers, now_ms, in_flight::AT_MOST).await?;
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
            level: Level::of_topic(topics, topic),
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

fn start_of(day: NaiveDate, zone: Tz) -> i64 {
    schedule::instant(day.and_time(NaiveTime::MIN), zone).timestamp_millis()
}
