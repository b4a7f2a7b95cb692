//! What a regulator asks for: on what each contact of one person rested, with every piece of evidence.
//! Also of one who was erased, as far as law lets it stay.

use std::collections::BTreeMap;

use chrono::SecondsFormat;
use sea_orm::DbErr;
use serde::Serialize;

use super::audit;
use super::bases::{Ground, holds_days};
use super::ladder::{Ladder, Level};
use super::model::{Basis, Channel, Details, Permission, Scope};
use super::store::{self, Suppression, proof};
use crate::clock::from_ms;
use crate::config::{ConfigError, PermissionSettings, Settings};
use crate::ids::CustomerId;
use crate::storage::Db;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    #[error("nothing is on record of customer {0}, neither now nor before an erasure")]
    Nothing(CustomerId),
    #[error(transparent)]
    Settings(#[from] ConfigError),
    #[error("the database failed: {0}")]
    Database(#[from] DbErr),
}

/// The permission file of one person. Instants are RFC 3339, UTC.
#[derive(Debug, Clone, Serialize)]
pub struct Proof {
    /// Who answers for the data (GDPR art. 4(7)).
    pub controller: Controller,
    pub customer: CustomerId,
    pub made_at: String,
    /// Whether he is in the base.
    pub is_known: bool,
    /// When his data was erased.
    pub erased_at: Option<String>,
    /// By channel and topic.
    pub permissions: Vec<Entry>,
    /// Of every address he had.
    pub suppressions: Vec<SuppressionEntry>,
    /// What was done to his data.
    pub audit: Vec<AuditEntry>,
}

/// Who answers for the data, as `[notices]` names him.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Controller {
    pub name: String,
    pub postal_address: String,
}

/// One channel and topic.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    pub channel: String,
    /// `*`: every topic of the channel.
    pub topic: String,
    /// `None` when he is not in the base: then there is nothing left to allow.
    pub current: Option<Current>,
    /// Oldest first.
    pub evidence: Vec<Piece>,
    pub contacts: Contacts,
}

/// The permission that follows from the evidence.
#[derive(Debug, Clone, Serialize)]
pub struct Current {
    pub state: Standing,
    /// The suppression of his address that stands against it.
    pub blocked_by: Option<Block>,
    /// What the evidence says, whatever the address is blocked by.
    pub is_granted: bool,
    pub since: String,
    pub ground: Option<&'static Ground>,
    /// The piece of evidence that decides.
    pub evidence: i64,
    /// Granted, and where the person stands today: after decay, and a stranger unless it is allowed.
    pub level_granted: Level,
    pub level_today: Level,
    /// The grant's own end.
    pub expires_at: Option<String>,
    /// When its basis ends if nothing more comes from the person.
    pub basis_ends_at: Option<String>,
}

/// Whether he may be contacted about it today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    Allowed,
    /// His address is suppressed.
    Blocked,
    /// Given once, and it ended by itself.
    Ended,
    Refused,
}

/// What blocks an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Block {
    pub reason: String,
    pub since: String,
}

/// One piece of evidence.
#[derive(Debug, Clone, Serialize)]
pub struct Piece {
    pub id: i64,
    /// `grant`, `withdraw` or `expire`.
    pub action: String,
    pub basis: Option<String>,
    /// The rung it names, 1 to 5.
    pub level: Option<i16>,
    pub source: String,
    pub wording: Option<String>,
    pub language: Option<String>,
    pub recorded_by: Option<String>,
    pub occurred_at: String,
    pub recorded_at: String,
    pub expires_at: Option<String>,
    pub address_fingerprint: Option<String>,
    pub details: Option<Details>,
    /// There were details, and they went with an erasure.
    pub are_details_erased: bool,
    pub confirmation: Option<Confirmation>,
    /// Its place in the chain; `None` while it waits.
    pub position: Option<i64>,
    pub link: Option<String>,
}

/// The double opt-in behind a piece of evidence; its times are gone when its row is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Confirmation {
    pub id: i64,
    pub requested_at: Option<String>,
    pub sent_at: Option<String>,
    pub confirmed_at: Option<String>,
}

/// Messages handed over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Contacts {
    pub count: u64,
    pub first_at: Option<String>,
    pub last_at: Option<String>,
}

/// An address that must not be contacted.
#[derive(Debug, Clone, Serialize)]
pub struct SuppressionEntry {
    pub channel: String,
    /// A topic, or `*`.
    pub scope: String,
    pub reason: String,
    pub since: String,
    pub fingerprint: String,
}

/// What was done to his data.
#[derive(Debug, Clone, Serialize)]
pub struct AuditEntry {
    pub at: String,
    pub actor: String,
    pub action: String,
    pub details: serde_json::Value,
}

/// RFC 3339 in UTC, to the millisecond.
pub(super) fn instant(ms: i64) -> String {
    from_ms(ms).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Gathers the file of one person; `now_ms` decides where he stands today.
///
/// # Errors
/// When nothing is on record of him, the settings hold no ladder, or the database is away.
pub async fn of_customer(
    db: &Db,
    settings: &Settings,
    customer: CustomerId,
    now_ms: i64,
) -> Result<Proof, ProofError> {
    let Settings {
        permission: settings,
        notices,
        ..
    } = settings;
    let ladder = Ladder::new(&settings.levels)?;
    let acts = proof::acts(&**db, customer).await?;
    let evidence = proof::evidence(&**db, customer).await?;
    let contacts = proof::contacts(&**db, customer).await?;
    let records = audit::of_customer(&**db, customer).await?;
    if acts.is_none() && evidence.is_empty() && records.is_empty() && contacts.is_empty() {
        return Err(ProofError::Nothing(customer));
    }
    let mut fingerprints = acts
        .as_ref()
        .map(|acts| [&acts.email_fingerprint, &acts.phone_fingerprint])
        .into_iter()
        .flatten()
        .flatten()
        .cloned()
        .collect::<Vec<_>>();
    let mut entries: BTreeMap<(String, String), Entry> = BTreeMap::new();
    for placed in evidence {
        fingerprints.extend(placed.piece.address_fingerprint.clone());
        entry(&mut entries, &placed.channel, &placed.topic)
            .evidence
            .push(placed.piece);
    }
    for (channel, topic, sent) in contacts {
        entry(&mut entries, &channel, &topic).contacts = sent;
    }
    fingerprints.sort_unstable();
    fingerprints.dedup();
    let suppressions = store::suppressions_of(&**db, &fingerprints).await?;
    if let Some(acts) = &acts {
        let last_act = acts.last_response_at.max(acts.last_order_at);
        for permission in store::permissions_of(&**db, customer).await? {
            let of = entry(
                &mut entries,
                permission.channel.as_str(),
                permission.scope.as_str(),
            );
            let address = match permission.channel {
                Channel::Email => &acts.email_fingerprint,
                Channel::Sms => &acts.phone_fingerprint,
            };
            let block = suppressions
                .iter()
                .filter(|one| Some(&one.fingerprint) == address.as_ref())
                .filter(|one| stands_against(one, &permission))
                .max_by_key(|one| one.suppressed_at);
            let has_ended = of
                .evidence
                .iter()
                .any(|piece| piece.id == permission.evidence_id && piece.action == "expire");
            let mut current = current(&permission, last_act, settings, &ladder, now_ms);
            if has_ended {
                current.state = Standing::Ended;
            }
            if let Some(block) = block.filter(|_| current.state == Standing::Allowed) {
                current.state = Standing::Blocked;
                current.level_today = Level::Stranger;
                current.blocked_by = Some(Block {
                    reason: block.reason.clone(),
                    since: instant(block.suppressed_at),
                });
            }
            of.current = Some(current);
        }
    }
    Ok(Proof {
        controller: Controller {
            name: notices.sender_name.clone(),
            postal_address: notices.postal_address.clone(),
        },
        customer,
        made_at: instant(now_ms),
        is_known: acts.is_some(),
        erased_at: records
            .iter()
            .rfind(|record| record.action == audit::ERASURE)
            .map(|record| instant(record.at)),
        permissions: entries.into_values().collect(),
        suppressions: suppressions
            .into_iter()
            .map(|one| SuppressionEntry {
                channel: one.channel.as_str().to_owned(),
                scope: one.scope.as_str().to_owned(),
                reason: one.reason,
                since: instant(one.suppressed_at),
                fingerprint: one.fingerprint,
            })
            .collect(),
        audit: records
            .into_iter()
            .map(|record| AuditEntry {
                at: instant(record.at),
                actor: record.actor,
                action: record.action,
                details: record.details,
            })
            .collect(),
    })
}

fn entry<'a>(
    entries: &'a mut BTreeMap<(String, String), Entry>,
    channel: &str,
    topic: &str,
) -> &'a mut Entry {
    entries
        .entry((channel.to_owned(), topic.to_owned()))
        .or_insert_with(|| Entry {
            channel: channel.to_owned(),
            topic: topic.to_owned(),
            current: None,
            evidence: Vec::new(),
            contacts: Contacts::default(),
        })
}

/// The rule of [`store::stands_against`], of rows that were read.
fn stands_against(suppression: &Suppression, permission: &Permission) -> bool {
    let is_lifted = permission.is_granted
        && permission.basis == Some(Basis::Consent)
        && permission.since_at > suppression.suppressed_at;
    suppression.channel == permission.channel
        && (suppression.scope == Scope::All || suppression.scope == permission.scope)
        && !is_lifted
}

fn current(
    permission: &Permission,
    last_act: Option<i64>,
    settings: &PermissionSettings,
    ladder: &Ladder,
    now_ms: i64,
) -> Current {
    let basis = permission.basis.filter(|_| permission.is_granted);
    let since_act = |at: i64| last_act.map_or(at, |act| act.max(at));
    let basis_ends_at = basis
        .and_then(|basis| holds_days(basis, settings))
        .map(|days| since_act(permission.since_at).saturating_add(i64::from(days) * DAY_MS));
    let has_ended = [permission.expires_at, basis_ends_at]
        .into_iter()
        .flatten()
        .any(|end| end <= now_ms);
    let level_today = if permission.is_granted && !has_ended {
        ladder.standing(permission.level, since_act(permission.since_at), now_ms)
    } else {
        Level::Stranger
    };
    Current {
        state: match (permission.is_granted, has_ended) {
            (true, false) => Standing::Allowed,
            (true, true) => Standing::Ended,
            (false, _) => Standing::Refused,
        },
        blocked_by: None,
        is_granted: permission.is_granted,
        since: instant(permission.since_at),
        ground: basis.map(Ground::of),
        evidence: permission.evidence_id,
        level_granted: permission.level,
        level_today,
        expires_at: permission.expires_at.map(instant),
        basis_ends_at: basis_ends_at.map(instant),
    }
}
