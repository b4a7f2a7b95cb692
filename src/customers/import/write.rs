//! Whom the rows of a customer file are about, and what is written of them.

use std::collections::{BTreeMap, HashMap, HashSet};

use sea_orm::DbErr;
use serde::Serialize;

use super::customers::{Answer, Entry};
use super::report::{ImportReport, WarningKind};
use super::{Defaults, values};
use crate::consent::model::{Action, Channel, Evidence, Scope};
use crate::consent::store::{self as consent, AddressChange};
use crate::customers::profile::{Profile, Row};
use crate::customers::store::import as store;
use crate::customers::store::said::{self, Yes};
use crate::ids::CustomerId;
use crate::keys::Keys;
use crate::storage::Txn;

/// The customers a batch is about: those the base has, and those it will have.
struct Base {
    profiles: Vec<Profile>,
    by_external_id: HashMap<String, usize>,
    by_email: HashMap<String, Vec<usize>>,
    by_phone: HashMap<String, Vec<usize>>,
}

impl Base {
    fn new(known: Vec<Profile>) -> Self {
        let mut base = Self {
            profiles: known,
            by_external_id: HashMap::new(),
            by_email: HashMap::new(),
            by_phone: HashMap::new(),
        };
        for n in 0..base.profiles.len() {
            base.index(n);
        }
        base
    }

    /// Makes the n-th profile findable by what it holds now.
    fn index(&mut self, n: usize) {
        let Some(profile) = self.profiles.get(n) else {
            return;
        };
        if let Some(id) = &profile.external_id {
            self.by_external_id.insert(id.clone(), n);
        }
        if let Some(email) = &profile.email {
            let same = self.by_email.entry(email.key.clone()).or_default();
            if !same.contains(&n) {
                same.push(n);
            }
        }
        if let Some(phone) = &profile.phone {
            let same = self.by_phone.entry(phone.clone()).or_default();
            if !same.contains(&n) {
                same.push(n);
            }
        }
    }

    /// Whom a row is about: by its external id; else by its address; without an address by its
    /// number. Someone with another external id is someone else, even at the same address.
    fn find(&self, row: &Row) -> Option<usize> {
        if let Some(n) = row
            .external_id
            .as_ref()
            .and_then(|id| self.by_external_id.get(id))
        {
            return Some(*n);
        }
        let fits = |n: &&usize| {
            row.external_id.is_none()
                || self
                    .profiles
                    .get(**n)
                    .is_some_and(|profile| profile.external_id.is_none())
        };
        let still_has = |n: &usize| {
            self.profiles
                .get(*n)
                .is_some_and(|profile| match &row.email {
                    Some(email) => profile
                        .email
                        .as_ref()
                        .is_some_and(|known| known.key == email.key),
                    None => profile.phone == row.phone,
                })
        };
        let same = match (&row.email, &row.phone) {
            (Some(email), _) => self.by_email.get(&email.key),
            (None, Some(phone)) => self.by_phone.get(phone),
            (None, None) => None,
        };
        same?.iter().filter(fits).find(|n| still_has(n)).copied()
    }
}

/// What a row did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Created,
    Updated,
    Unchanged,
}

/// Writes a batch; returns the customers it was about.
///
/// # Errors
/// When the database is away.
pub(super) async fn write(
    txn: &Txn,
    keys: &Keys,
    defaults: &Defaults,
    batch: &[Entry],
    report: &mut ImportReport,
) -> Result<Vec<CustomerId>, DbErr> {
    let written = write_each(txn, keys, defaults, batch, report).await?;
    for (_, change) in &written {
        match change {
            Change::Created => report.created += 1,
            Change::Unchanged => report.unchanged += 1,
            Change::Updated => report.updated += 1,
        }
    }
    let mut customers: Vec<CustomerId> = written.into_iter().filter_map(|(id, _)| id).collect();
    customers.sort_unstable();
    customers.dedup();
    Ok(customers)
}

/// Writes a batch; returns whom each of its rows was about, and what it did.
///
/// # Errors
/// When the database is away.
pub(super) async fn write_each(
    txn: &Txn,
    keys: &Keys,
    defaults: &Defaults,
    batch: &[Entry],
    report: &mut ImportReport,
) -> Result<Vec<(Option<CustomerId>, Change)>, DbErr> {
    let rows: Vec<&Row> = batch.iter().map(|entry| &entry.row).collect();
    let mut base = Base::new(store::matching(txn, &rows).await?);
    let before = base.profiles.clone();
    let mut changes = Vec::with_capacity(batch.len());
    for entry in batch {
        let (n, mut change) = match base.find(&entry.row) {
            Some(n) => (n, Change::Unchanged),
            None => {
                base.profiles
                    .push(Profile::new(&defaults.language, &defaults.country));
                (base.profiles.len() - 1, Change::Created)
            }
        };
        if let Some(profile) = base.profiles.get_mut(n) {
            let merged = profile.merge(&entry.row);
            if merged.is_changed && change == Change::Unchanged {
                change = Change::Updated;
            }
            if merged.is_email_kept {
                report.warnings.add(WarningKind::EmailKept, entry.line);
            }
            if merged.is_tracking_kept {
                report.warnings.add(WarningKind::TrackingKept, entry.line);
            }
        }
        base.index(n);
        changes.push((n, change));
    }
    store::write(txn, keys, &mut base.profiles, defaults.now_ms).await?;
    // Before the answers: a newer yes of this file lifts what follows.
    consent::follow(&**txn, &moved(&before, &base.profiles, keys)).await?;
    let concerned = write_answers(txn, keys, defaults, batch, &changes, &base.profiles).await?;
    let written = changes.iter().zip(batch).map(|((n, change), entry)| {
        let id = base.profiles.get(*n).and_then(|profile| profile.id);
        let has_news = !entry.answers.is_empty() && id.is_some_and(|id| concerned.contains(&id));
        let change = match change {
            Change::Unchanged if has_news => Change::Updated,
            change => *change,
        };
        (id, change)
    });
    Ok(written.collect())
}

/// The addresses that became others.
fn moved(before: &[Profile], after: &[Profile], keys: &Keys) -> Vec<AddressChange> {
    let mut changes = Vec::new();
    for (before, after) in before.iter().zip(after) {
        let Some(customer) = before.id else {
            continue;
        };
        for channel in [Channel::Email, Channel::Sms] {
            let is_same = match channel {
                Channel::Email => before.email == after.email,
                Channel::Sms => before.phone == after.phone,
            };
            if is_same {
                continue;
            }
            let former = before.fingerprint(channel, keys);
            let new = after.fingerprint(channel, keys);
            if former.is_some() && former != new {
                changes.push(AddressChange {
                    customer,
                    channel,
                    former,
                    new,
                });
            }
        }
    }
    changes
}

/// Records what the rows say about permission; returns the customers about whom that was news.
async fn write_answers(
    txn: &Txn,
    keys: &Keys,
    defaults: &Defaults,
    batch: &[Entry],
    changes: &[(usize, Change)],
    profiles: &[Profile],
) -> Result<HashSet<CustomerId>, DbErr> {
    let withdrawn = withdrawn(txn, batch, changes, profiles).await?;
    let mut dates = dates(txn, keys, defaults, batch, changes, profiles)
        .await?
        .into_iter();
    let mut evidence = Vec::new();
    let mut suppressions = Vec::new();
    for (entry, (n, _)) in batch.iter().zip(changes) {
        let Some((profile, customer)) = profiles.get(*n).and_then(|p| Some((p, p.id?))) else {
            continue;
        };
        for answer in &entry.answers {
            let occurred_at = dates.next().flatten();
            let fingerprint = profile.fingerprint(answer.channel, keys);
            let known = withdrawn.get(&(customer, answer.channel, answer.scope.clone()));
            if let (None, Some(since_at)) = (answer.occurred_at, known) {
                // He is out already, and when he said so is known: no news. His address may be.
                suppressions.extend(fingerprint.map(|fingerprint| consent::Suppression {
                    fingerprint,
                    channel: answer.channel,
                    scope: answer.scope.clone(),
                    reason: consent::OPT_OUT.to_owned(),
                    suppressed_at: *since_at,
                }));
                continue;
            }
            let piece = Evidence {
                customer,
                channel: answer.channel,
                scope: answer.scope.clone(),
                action: answer.action,
                basis: answer.basis,
                source: answer.source.clone(),
                wording: answer.wording.clone(),
                occurred_at: occurred_at.unwrap_or(defaults.now_ms),
                level: answer.level,
                expires_at: answer.expires_at,
                locale: None,
                actor: Some("import".to_owned()),
                confirmation: None,
                details: None,
            };
            evidence.push((piece, fingerprint));
        }
    }
    consent::suppress(&**txn, &suppressions).await?;
    let new = changes
        .iter()
        .filter(|(_, change)| *change == Change::Created)
        .filter_map(|(n, _)| profiles.get(*n)?.id)
        .collect();
    consent::record_with_new(&**txn, &evidence, &new, defaults.now_ms).await
}

/// From when each answer counts, in the order of the rows of customers who have a number.
///
/// A yes whose stated time does not lie behind the import was still said before it, nobody knows when:
/// it counts from the beginning of the day, and never as newer than a no that was there. That stays so
/// when the same yes is imported again after the stated time.
async fn dates(
    txn: &Txn,
    keys: &Keys,
    defaults: &Defaults,
    batch: &[Entry],
    changes: &[(usize, Change)],
    profiles: &[Profile],
) -> Result<Vec<Option<i64>>, DbErr> {
    let mut dates = Vec::new();
    let (mut ahead, mut again) = (Vec::new(), Vec::new());
    for (entry, (n, change)) in batch.iter().zip(changes) {
        let Some((profile, customer)) = profiles.get(*n).and_then(|p| Some((p, p.id?))) else {
            continue;
        };
        for answer in &entry.answers {
            let place = dates.len();
            dates.push(answer.occurred_at);
            let Some(at) = answer
                .occurred_at
                .filter(|_| answer.action == Action::Grant)
            else {
                continue;
            };
            let is_ahead = at >= defaults.now_ms;
            // A midnight is a date without a time, and no import took it for another.
            let is_again = *change != Change::Created && at != values::start_of_day(at);
            if is_ahead || is_again {
                let yes = yes(place, customer, answer, at, profile, keys);
                if is_ahead { &mut ahead } else { &mut again }.push(yes);
            }
        }
    }
    for yes in &ahead {
        if let Some(date) = dates.get_mut(yes.place) {
            *date = Some(values::start_of_day(defaults.now_ms));
        }
    }
    for (place, no_at) in said::newest_no(txn, &ahead).await? {
        if let Some(date) = dates.get_mut(place) {
            *date = Some(values::start_of_day(no_at.min(defaults.now_ms)));
        }
    }
    for (place, at) in said::taken_ahead(txn, &again).await? {
        if let Some(date) = dates.get_mut(place) {
            *date = Some(at);
        }
    }
    Ok(dates)
}

fn yes<'a>(
    place: usize,
    customer: CustomerId,
    answer: &'a Answer,
    stated_at: i64,
    profile: &Profile,
    keys: &Keys,
) -> Yes<'a> {
    Yes {
        place,
        customer,
        channel: answer.channel,
        topic: answer.scope.as_str(),
        basis: answer.basis,
        source: &answer.source,
        wording: answer.wording.as_deref(),
        fingerprint: profile.fingerprint(answer.channel, keys),
        stated_at,
    }
}

/// Since when customers of the batch are out, where a row refuses without saying when.
async fn withdrawn(
    txn: &Txn,
    batch: &[Entry],
    changes: &[(usize, Change)],
    profiles: &[Profile],
) -> Result<BTreeMap<(CustomerId, Channel, Scope), i64>, DbErr> {
    let mut customers: Vec<CustomerId> = batch
        .iter()
        .zip(changes)
        .filter(|(entry, (_, change))| {
            *change != Change::Created && entry.answers.iter().any(|a| a.occurred_at.is_none())
        })
        .filter_map(|(_, (n, _))| profiles.get(*n)?.id)
        .collect();
    customers.sort_unstable();
    customers.dedup();
    if customers.is_empty() {
        return Ok(BTreeMap::new());
    }
    let permissions = consent::permissions_of_all(&**txn, &customers).await?;
    Ok(permissions
        .into_iter()
        .filter(|(_, permission)| !permission.is_granted)
        .map(|(customer, p)| ((customer, p.channel, p.scope), p.since_at))
        .collect())
}
