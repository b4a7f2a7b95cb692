//! A copy of the data, and deletion: asked for in the preference centre, confirmed in the person's own mailbox.

use serde_json::json;

use crate::config::Settings;
use crate::consent::model::Channel;
use crate::delivery::in_flight;
use crate::dialogue::model::{Ask, Asked, Confirmation, Limits, Opened, Purpose};
use crate::dialogue::store::preferences as store;
use crate::dialogue::{DialogueError, confirmation, erase, export};
use crate::ids::CustomerId;
use crate::keys::Keys;
use crate::storage::{Db, Txn};

/// How long a link to a copy of the data, or to deletion, works.
const REQUEST_HOLDS_MS: i64 = 24 * 3_600_000;

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
        limit_key: fingerprint.clone(),
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

/// Takes a link of `purpose` while the person's row is locked. One that went to an address which is not his
/// any more has expired, and does not tell whom it was about.
async fn take(
    txn: &Txn,
    keys: &Keys,
    token: &str,
    purpose: Purpose,
    known: &Confirmation,
    now_ms: i64,
) -> Result<Opened, DialogueError> {
    let Some(customer) = known.customer.filter(|_| known.purpose == purpose) else {
        return Ok(Opened::Unknown);
    };
    let has_moved = match store::hold(txn, customer).await? {
        Some(person) => person.fingerprint(known.channel) != Some(known.fingerprint.as_str()),
        // Somebody else erased him meanwhile, and the link with him.
        None => false,
    };
    if has_moved {
        return Ok(Opened::Expired(Confirmation {
            customer: None,
            ..known.clone()
        }));
    }
    Ok(confirmation::take(txn, keys, token, now_ms).await?)
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
    let opened = confirmation::open(db, keys, token, now_ms).await?;
    let Opened::Fresh(known) = &opened else {
        return Ok(opened);
    };
    let txn = db.begin().await?;
    let opened = take(&txn, keys, token, Purpose::Erasure, known, now_ms).await?;
    let Opened::Fresh(confirmation) = &opened else {
        return Ok(opened);
    };
    let Some(customer) = confirmation.customer else {
        return Ok(Opened::Unknown);
    };
    let mailbox = match erase::erase_within(&txn, keys, customer, "person", "asked", now_ms).await {
        // Somebody else erased him meanwhile: what he wants is so.
        Err(DialogueError::NoSuchCustomer(_) | DialogueError::Erased { .. }) => vec![customer],
        erased => erased?,
    };
    txn.commit().await?;
    db.checkpoint().await;
    in_flight::settled(db, &mailbox, now_ms, in_flight::AT_MOST).await?;
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
    let Opened::Fresh(known) = &opened else {
        return Ok((opened, None));
    };
    let looked = db.begin().await?;
    let opened = take(&looked, keys, token, Purpose::Download, known, now_ms).await?;
    looked.rollback().await?;
    let Opened::Fresh(Confirmation {
        customer: Some(customer),
        ..
    }) = opened
    else {
        return Ok((opened, None));
    };
    // Made before the link is taken: who gets nothing may try again.
    let archive = export::archive(db, keys, customer, "person", now_ms).await?;
    let txn = db.begin().await?;
    let opened = take(&txn, keys, token, Purpose::Download, known, now_ms).await?;
    txn.commit().await?;
    let archive = matches!(opened, Opened::Fresh(_)).then_some(archive);
    Ok((opened, archive))
}
