//! Endpoints: who is told, of what, and proved by which secret.

use std::collections::BTreeSet;

use data_encoding::HEXLOWER;
use sea_orm::DbErr;
use serde_json::json;

use super::guard::{self, Refusal};
use super::model::{Answer, EventKind};
use super::sending::{Post, client, post};
use super::signing;
use super::store::{self, Endpoint, Signed};
use super::{record, signing::shown};
use crate::accounts::audit;
use crate::config::Settings;
use crate::ids::EndpointId;
use crate::keys::Keys;
use crate::storage::{Db, Txn};

/// Endpoints at most: each event is written for each of them.
const MOST: usize = 50;

/// Why an endpoint could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    #[error("there is no endpoint {0}; `visavis webhook list` shows what there is")]
    NotFound(EndpointId),
    #[error("the address {0}")]
    Url(#[from] Refusal),
    #[error("an endpoint without an event is told of nothing; name at least one")]
    NoKind,
    #[error("there are {MOST} endpoints already; remove one first")]
    TooMany,
    #[error("there is nothing to be sent again: no such event is kept, or it waits already")]
    NothingToResend,
    #[error("endpoint {0} is disabled; enable it first")]
    Disabled(EndpointId),
    #[error("the database failed: {0}")]
    Database(#[from] DbErr),
}

/// A new endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct New<'a> {
    pub url: &'a str,
    pub description: &'a str,
    /// Empty: every kind there is.
    pub kinds: BTreeSet<EventKind>,
}

/// Adds an endpoint; returns its number, and its secret, which is shown this once.
///
/// # Errors
/// When events may not go there, or there are too many endpoints.
pub async fn add(
    db: &Db,
    keys: &Keys,
    settings: &Settings,
    new: &New<'_>,
    actor: &str,
    now_ms: i64,
) -> Result<(EndpointId, String), EventError> {
    let txn = db.begin().await?;
    let added = add_in(&txn, keys, settings, new, actor, now_ms).await?;
    txn.commit().await?;
    Ok(added)
}

/// As [`add`], within a transaction.
///
/// # Errors
/// As [`add`].
pub async fn add_in(
    txn: &Txn,
    keys: &Keys,
    settings: &Settings,
    new: &New<'_>,
    actor: &str,
    now_ms: i64,
) -> Result<(EndpointId, String), EventError> {
    let url = guard::read(new.url, settings.webhooks.allow_loopback)?;
    if store::endpoints(&**txn).await?.len() >= MOST {
        return Err(EventError::TooMany);
    }
    let salt = HEXLOWER.encode(&record::random::<16>()?);
    let description = new.description.trim();
    let id = store::add_endpoint(txn, url.as_str(), description, &salt, actor, now_ms).await?;
    let kinds = if new.kinds.is_empty() {
        EventKind::ALL.into_iter().collect()
    } else {
        new.kinds.clone()
    };
    store::set_kinds(txn, id, &kinds).await?;
    audit::note(
        &**txn,
        actor,
        "webhook.add",
        &id.to_string(),
        &host_of(&url),
        now_ms,
    )
    .await?;
    Ok((id, shown(&keys.webhook_secret(&salt, 1))))
}

/// All endpoints, in the order of their numbers.
///
/// # Errors
/// When the database is away.
pub async fn list(db: &Db) -> Result<Vec<Endpoint>, EventError> {
    Ok(store::endpoints(&**db).await?)
}

/// What is to be changed of an endpoint; `None`: it stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// What it is told of from now on; not empty.
    pub kinds: Option<BTreeSet<EventKind>>,
    /// Whether it is told of anything.
    pub is_active: Option<bool>,
}

/// Changes an endpoint, within a transaction. What waits for one that is disabled is stopped, and can be sent again
/// later; one that is enabled is told of what happens from now on.
///
/// # Errors
/// When there is no such endpoint, it would be told of nothing, or events may not go there any more.
pub async fn change(
    txn: &Txn,
    settings: &Settings,
    id: EndpointId,
    change: &Change,
    actor: &str,
    now_ms: i64,
) -> Result<(), EventError> {
    let endpoint = find(txn, id).await?;
    let subject = id.to_string();
    if let Some(kinds) = &change.kinds {
        if kinds.is_empty() {
            return Err(EventError::NoKind);
        }
        store::set_kinds(txn, id, kinds).await?;
        let told: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
        let told = told.join(", ");
        audit::note(&**txn, actor, "webhook.subscribe", &subject, &told, now_ms).await?;
    }
    match change.is_active {
        Some(true) => {
            guard::read(&endpoint.url, settings.webhooks.allow_loopback)?;
            if !endpoint.is_active {
                store::enable(txn, id).await?;
                audit::note(&**txn, actor, "webhook.enable", &subject, "", now_ms).await?;
            }
        }
        Some(false) if endpoint.is_active => {
            store::disable(txn, id, &format!("by {actor}"), false, now_ms).await?;
            audit::note(&**txn, actor, "webhook.disable", &subject, "", now_ms).await?;
        }
        Some(false) | None => {}
    }
    Ok(())
}

/// Gives an endpoint a new secret, which is shown this once; for a day the one before signs too, so that whoever
/// runs the endpoint can change over.
///
/// # Errors
/// When there is no such endpoint.
pub async fn rotate(
    db: &Db,
    keys: &Keys,
    id: EndpointId,
    actor: &str,
    now_ms: i64,
) -> Result<String, EventError> {
    let txn = db.begin().await?;
    let secret = rotate_in(&txn, keys, id, actor, now_ms).await?;
    txn.commit().await?;
    Ok(secret)
}

/// As [`rotate`], within a transaction.
///
/// # Errors
/// As [`rotate`].
pub async fn rotate_in(
    txn: &Txn,
    keys: &Keys,
    id: EndpointId,
    actor: &str,
    now_ms: i64,
) -> Result<String, EventError> {
    let endpoint = find(txn, id).await?;
    store::renew_secret(txn, id, now_ms).await?;
    audit::note(&**txn, actor, "webhook.rotate", &id.to_string(), "", now_ms).await?;
    Ok(shown(&keys.webhook_secret(
        &endpoint.signed.salt,
        endpoint.signed.generation + 1,
    )))
}

/// Tells an endpoint nothing any more ([`change`]).
///
/// # Errors
/// When there is no such endpoint.
pub async fn disable(
    db: &Db,
    settings: &Settings,
    id: EndpointId,
    actor: &str,
    now_ms: i64,
) -> Result<(), EventError> {
    turn(db, settings, id, false, actor, now_ms).await
}

/// Tells an endpoint again of what happens from now on ([`change`]).
///
/// # Errors
/// When there is no such endpoint, or events may not go there any more.
pub async fn enable(
    db: &Db,
    settings: &Settings,
    id: EndpointId,
    actor: &str,
    now_ms: i64,
) -> Result<(), EventError> {
    turn(db, settings, id, true, actor, now_ms).await
}

async fn turn(
    db: &Db,
    settings: &Settings,
    id: EndpointId,
    is_active: bool,
    actor: &str,
    now_ms: i64,
) -> Result<(), EventError> {
    let asked = Change {
        is_active: Some(is_active),
        ..Change::default()
    };
    let txn = db.begin().await?;
    change(&txn, settings, id, &asked, actor, now_ms).await?;
    Ok(txn.commit().await?)
}

/// Forgets an endpoint, with all that it was told.
///
/// # Errors
/// When there is no such endpoint.
pub async fn remove(db: &Db, id: EndpointId, actor: &str, now_ms: i64) -> Result<(), EventError> {
    let txn = db.begin().await?;
    if !store::remove(&txn, id).await? {
        return Err(EventError::NotFound(id));
    }
    audit::note(&*txn, actor, "webhook.remove", &id.to_string(), "", now_ms).await?;
    Ok(txn.commit().await?)
}

/// Sends an endpoint one event again, or all it was not told of because it failed or was disabled; returns how
/// many.
///
/// # Errors
/// When there is no such endpoint, it is disabled, or nothing is to be sent.
pub async fn resend(
    db: &Db,
    id: EndpointId,
    message: Option<&str>,
    actor: &str,
    now_ms: i64,
) -> Result<u64, EventError> {
    let txn = db.begin().await?;
    if !find(&txn, id).await?.is_active {
        return Err(EventError::Disabled(id));
    }
    let again = store::resend(&txn, id, message, now_ms).await?;
    if again == 0 {
        return Err(EventError::NothingToResend);
    }
    let which = message.unwrap_or("all that was not told");
    audit::note(
        &*txn,
        actor,
        "webhook.resend",
        &id.to_string(),
        which,
        now_ms,
    )
    .await?;
    txn.commit().await?;
    Ok(again)
}

/// Sends an endpoint an event that tells of nothing, now and once; returns what it answered.
///
/// # Errors
/// When there is no such endpoint, or events may not go there.
pub async fn send_test(
    db: &Db,
    keys: &Keys,
    settings: &Settings,
    id: EndpointId,
    now_ms: i64,
) -> Result<Answer, EventError> {
    let endpoint = store::by_id(&**db, id)
        .await?
        .ok_or(EventError::NotFound(id))?;
    let allow_loopback = settings.webhooks.allow_loopback;
    guard::read(&endpoint.url, allow_loopback)?;
    let message =
        json!({ "message": "This event tells of nothing: visavis tries this endpoint out." });
    let told = Post {
        url: &endpoint.url,
        message_id: &record::message_id()?,
        body: &record::body(EventKind::WebhookTest, &message, now_ms),
        secrets: &secrets(keys, &endpoint.signed, now_ms),
        now_ms,
    };
    let client = client(guard::system_lookup(), allow_loopback)
        .map_err(|cause| DbErr::Custom(cause.to_string()))?;
    Ok(post(&client, allow_loopback, &told).await)
}

/// The secrets that sign what an endpoint is told now, the newest first.
pub(super) fn secrets(keys: &Keys, signed: &Signed, now_ms: i64) -> Vec<[u8; 32]> {
    signing::generations(signed.generation, signed.renewed_at, now_ms)
        .into_iter()
        .map(|generation| keys.webhook_secret(&signed.salt, generation))
        .collect()
}

/// What the audit log says of an address: its path may hold a secret of the receiver's.
fn host_of(url: &reqwest::Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

async fn find(txn: &Txn, id: EndpointId) -> Result<Endpoint, EventError> {
    store::by_id(&**txn, id)
        .await?
        .ok_or(EventError::NotFound(id))
}
