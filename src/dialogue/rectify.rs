//! Rectification (GDPR art. 16). Permission is about an address: it does not move to another one unless the
//! person asked for that, while a no does.

use sea_orm::DbErr;
use serde::Serialize;
use serde_json::json;

use super::store::{lookup, rectification as store};
use super::{DialogueError, Meant, gone};
use crate::consent::audit;
use crate::consent::model::{Action, Basis, Channel, Evidence, Permission, Scope};
use crate::consent::store::{self as consent, AddressChange};
use crate::customers::import::Correction;
use crate::customers::rectify::{self as fields, Rectified};
use crate::delivery::in_flight;
use crate::ids::CustomerId;
use crate::keys::Keys;
use crate::storage::{Db, Txn};

/// The action of the audit record.
pub const RECTIFICATION: &str = "rectification";

/// What a rectification did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    pub is_changed: bool,
    /// Permissions that ended with the address they were given for, as `channel/topic`.
    pub ended: Vec<String>,
    /// Permissions that moved to the new address, because the person asked.
    pub moved: Vec<String>,
}

/// Sets a customer's fields right for `actor`. A new address has no permission behind it: what was granted
/// for the former one ends, unless `is_asked_by_person`; then it is granted anew by the operator's word,
/// except where the new address is suppressed. What he said against the former address follows him to the
/// new one ([`consent::follow`]).
///
/// # Errors
/// When there is no such customer (any more) or none as read, another has the external id, looser tracking is set without
/// his asking, or the database is away; then nothing is changed.
pub async fn rectify(
    db: &Db,
    keys: &Keys,
    customer: impl Into<Meant<'_>>,
    correction: &Correction,
    is_asked_by_person: bool,
    actor: &str,
    now_ms: i64,
) -> Result<Outcome, DialogueError> {
    let txn = db.begin().await?;
    let meant = customer.into();
    let customer = meant.id;
    let held = consent::hold_mailboxes(&*txn, customer).await?;
    meant.ensure_seen(&txn).await?;
    if let Some(external_id) = &correction.row.external_id
        && lookup::is_taken(&txn, external_id, customer).await?
    {
        return Err(DialogueError::Field(
            "another customer has this external_id".to_owned(),
        ));
    }
    let Some(rectified) = fields::rectify(&txn, keys, customer, correction, now_ms).await? else {
        return Err(gone(&txn, customer).await);
    };
    let Rectified { before, after } = &rectified;
    if after.tracking > before.tracking && !is_asked_by_person {
        return Err(DialogueError::Field(
            "tracking can only be set looser at the person's wish; say so with --asked-by-person"
                .to_owned(),
        ));
    }
    let mut outcome = Outcome {
        is_changed: before != after,
        ..Outcome::default()
    };
    for channel in [Channel::Email, Channel::Sms] {
        let former = before.fingerprint(channel, keys);
        let new = after.fingerprint(channel, keys);
        if former != new {
            let change = Change {
                customer,
                channel,
                former,
                new,
                is_asked_by_person,
                now_ms,
            };
            change.follow_up(&txn, &mut outcome).await?;
        }
    }
    let details = json!({
        "fields": names(correction),
        "asked_by_person": is_asked_by_person,
        "permissions_ended": outcome.ended.len(),
        "permissions_moved": outcome.moved.len(),
    });
    audit::record(&*txn, now_ms, actor, RECTIFICATION, Some(customer), details).await?;
    txn.commit().await?;
    if !outcome.ended.is_empty() {
        in_flight::settled(db, &held.customers, now_ms, in_flight::AT_MOST).await?;
    }
    Ok(outcome)
}

/// The fields of a correction, without their values: an audit record outlives the person.
fn names(correction: &Correction) -> Vec<String> {
    let row = &correction.row;
    let mut names = correction.cleared.clone();
    let given = [
        ("external_id", row.external_id.is_some()),
        ("email", row.email.is_some()),
        ("phone", row.phone.is_some()),
        ("birth_date", row.birth_date.is_some()),
        ("language", row.language.is_some()),
        ("country", row.country.is_some()),
        ("stage", row.stage.is_some()),
        ("tracking", row.tracking.is_some()),
    ];
    names.extend(
        given
            .into_iter()
            .filter(|(_, is_given)| *is_given)
            .map(|(name, _)| name.to_owned()),
    );
    for (name, text) in crate::customers::profile::TEXTS.iter().zip(&row.texts) {
        if text.is_some() {
            names.push((*name).to_owned());
        }
    }
    names.extend(
        row.attributes
            .keys()
            .map(|name| format!("attribute.{name}")),
    );
    names
}

/// An address that became another one.
struct Change {
    customer: CustomerId,
    channel: Channel,
    former: Option<String>,
    new: Option<String>,
    is_asked_by_person: bool,
    now_ms: i64,
}

impl Change {
    /// Lets the no's follow the person, and the yes's only at his wish.
    async fn follow_up(&self, txn: &Txn, outcome: &mut Outcome) -> Result<(), DbErr> {
        let permissions = consent::permissions_of(&**txn, self.customer).await?;
        let on_channel: Vec<&Permission> = permissions
            .iter()
            .filter(|permission| permission.channel == self.channel)
            .collect();
        // As new as whatever is on record, also where that came from a faster clock.
        let newest = on_channel.iter().map(|p| p.since_at).max();
        let at = newest.map_or(self.now_ms, |newest| newest.max(self.now_ms));
        let followed = AddressChange {
            customer: self.customer,
            channel: self.channel,
            former: self.former.clone(),
            new: self.new.clone(),
        };
        consent::follow(&**txn, &[followed]).await?;
        let mut evidence = Vec::new();
        let blocked = match &self.new {
            Some(new) => store::scopes(txn, new, self.channel).await?,
            None => Vec::new(),
        };
        for permission in on_channel.iter().filter(|p| p.is_granted) {
            let Scope::Topic(topic) = &permission.scope else {
                continue;
            };
            let is_blocked = blocked.contains(&Scope::All) || blocked.contains(&permission.scope);
            if self.is_asked_by_person && self.new.is_some() && !is_blocked {
                evidence.push((self.yes(permission, topic, at), self.new.clone()));
                outcome.moved.push(format!("{}/{topic}", self.channel));
            } else {
                evidence.push((self.end(permission.scope.clone(), at), self.former.clone()));
                outcome.ended.push(format!("{}/{topic}", self.channel));
            }
        }
        consent::record_all(&**txn, &evidence, self.now_ms).await?;
        Ok(())
    }

    fn end(&self, scope: Scope, at: i64) -> Evidence {
        let source = "rectification: permission was given for another address";
        Evidence {
            action: Action::Expire,
            actor: Some("operator".to_owned()),
            ..Evidence::withdrawal(self.customer, self.channel, scope, source, at)
        }
    }

    fn yes(&self, permission: &Permission, topic: &str, at: i64) -> Evidence {
        Evidence {
            level: Some(permission.level),
            expires_at: permission.expires_at,
            actor: Some("operator".to_owned()),
            ..Evidence::grant(
                self.customer,
                self.channel,
                topic,
                permission.basis.unwrap_or(Basis::Consent),
                "rectification: the person asked for the new address",
                at,
            )
        }
    }
}
