//! Objection (GDPR art. 21): a no that reached us otherwise than by a link, on the phone or by post.

use sea_orm::DbErr;
use serde_json::json;

use super::store::erasure::{self, Held};
use super::{DialogueError, gone};
use crate::consent::audit;
use crate::consent::model::{Channel, Scope};
use crate::consent::store::{self as consent, OPT_OUT, Suppression};
use crate::delivery::in_flight;
use crate::ids::CustomerId;
use crate::keys::Keys;
use crate::storage::{Db, Txn};

/// The action of the audit record.
pub const OBJECTION: &str = "objection";

/// What a person objects to.
#[derive(Debug, Clone)]
pub struct Objection {
    /// `None`: every channel.
    pub channel: Option<Channel>,
    pub scope: Scope,
    /// Where he said so: "letter of 3 March".
    pub source: String,
}

/// Withdraws and suppresses what a customer objects to, today's and former addresses alike, and waits for
/// what is being handed over to him.
///
/// # Errors
/// When there is no such customer (any more), or the database is away; then nothing is changed.
pub async fn object(
    db: &Db,
    keys: &Keys,
    customer: CustomerId,
    objection: &Objection,
    actor: &str,
    now_ms: i64,
) -> Result<(), DialogueError> {
    let txn = db.begin().await?;
    let Some(held) = erasure::hold(&txn, keys, customer).await? else {
        return Err(gone(&txn, customer).await);
    };
    for channel in [Channel::Email, Channel::Sms] {
        if objection.channel.is_none_or(|only| only == channel) {
            withdraw(&txn, customer, channel, objection, &held, now_ms).await?;
        }
    }
    let details = json!({
        "channel": objection.channel.map(Channel::as_str),
        "scope": objection.scope.as_str(),
    });
    audit::record(&*txn, now_ms, actor, OBJECTION, Some(customer), details).await?;
    txn.commit().await?;
    in_flight::settled(db, &held.mailbox, now_ms, in_flight::AT_MOST).await?;
    Ok(())
}

async fn withdraw(
    txn: &Txn,
    customer: CustomerId,
    channel: Channel,
    objection: &Objection,
    held: &Held,
    now_ms: i64,
) -> Result<(), DbErr> {
    let mut current = held.current.iter();
    let current = current.find(|(of, _)| *of == channel);
    consent::opt_out(
        &**txn,
        customer,
        current.map(|(_, print)| print.as_str()),
        channel,
        &objection.scope,
        &objection.source,
        now_ms,
    )
    .await?;
    let suppressions: Vec<Suppression> = held
        .fingerprints
        .iter()
        .filter(|(of, _)| *of == channel)
        .map(|(_, print)| Suppression {
            fingerprint: print.clone(),
            channel,
            scope: objection.scope.clone(),
            reason: OPT_OUT.to_owned(),
            suppressed_at: now_ms,
        })
        .collect();
    consent::suppress(&**txn, &suppressions).await
}
