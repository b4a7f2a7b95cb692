//! Asking a person, over the channel itself, to confirm what was asked in his name.
//!
//! A token is the id and a MAC over the id and a random nonce of the row, under a key of its own. Who
//! reads the database can forge none, for he lacks the key; who has the key can forge none, for he lacks
//! the nonce. A link works once and not for long.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ring::rand::SecureRandom as _;
use sea_orm::DbErr;

use super::model::{Ask, Asked, Confirmation, Limits, Opened};
use super::store;
use crate::ids::ConfirmationId;
use crate::keys::{Keys, MAC_BYTES, Purpose as MacOf};
use crate::storage::{Db, Txn};

/// Bytes before the MAC.
const ID_BYTES: usize = 8;
/// The window of [`Limits::per_day`].
const DAY_MS: i64 = 86_400_000;

/// Asks for a confirmation: the message goes out once the transaction is committed. Requests about one
/// mailbox wait for each other, so that the limits hold. A request beyond them writes as much as one
/// within, so that the time it takes tells nothing; commit it all the same.
///
/// # Errors
/// When the database is away or the system gives no random bytes.
pub async fn ask(txn: &Txn, ask: &Ask, limits: Limits, now_ms: i64) -> Result<Asked, DbErr> {
    store::wait_for_turn(txn, &ask.limit_key).await?;
    let mut open = store::unanswered(txn, &ask.limit_key, now_ms - DAY_MS).await?;
    let is_about_permission = ask.purpose.is_about_permission();
    open.retain(|asked| asked.purpose.is_about_permission() == is_about_permission);
    let newest = open.first().map(|asked| asked.id);
    let is_too_soon = open.iter().any(|asked| {
        asked.purpose == ask.purpose
            && asked.fingerprint == ask.fingerprint
            && asked.requested_at > now_ms - limits.resend_after_ms
    });
    let is_too_many = open.len() >= usize::try_from(limits.per_day).unwrap_or(usize::MAX);
    match newest {
        Some(newest) if is_too_soon || is_too_many => {
            store::touch(txn, newest).await?;
            Ok(if is_too_soon {
                Asked::TooSoon
            } else {
                Asked::TooMany
            })
        }
        _ => store::insert(txn, ask, &nonce()?, now_ms)
            .await
            .map(Asked::Queued),
    }
}

/// What a link opens, changing nothing.
///
/// # Errors
/// When the database is away.
pub async fn open(db: &Db, keys: &Keys, token: &str, now_ms: i64) -> Result<Opened, DbErr> {
    let Some((id, mac)) = read(token) else {
        return Ok(Opened::Unknown);
    };
    match store::get(&**db, id).await? {
        Some((confirmation, nonce)) if is_authentic(keys, id, &nonce, &mac) => {
            Ok(standing(confirmation, now_ms))
        }
        _ => Ok(Opened::Unknown),
    }
}

/// Takes a link: [`Opened::Fresh`] to the one who is first, in whose transaction stands what confirming
/// does. Rolled back, the link stays fresh.
///
/// # Errors
/// When the database is away.
pub async fn take(txn: &Txn, keys: &Keys, token: &str, now_ms: i64) -> Result<Opened, DbErr> {
    let Some((id, mac)) = read(token) else {
        return Ok(Opened::Unknown);
    };
    let Some((confirmation, nonce)) = store::get(&**txn, id).await? else {
        return Ok(Opened::Unknown);
    };
    if !is_authentic(keys, id, &nonce, &mac) {
        return Ok(Opened::Unknown);
    }
    match standing(confirmation, now_ms) {
        Opened::Fresh(confirmation) => {
            if store::mark_used(txn, id, now_ms).await? {
                Ok(Opened::Fresh(confirmation))
            } else {
                // Somebody was first, between our reading and our writing.
                Ok(Opened::Used(confirmation))
            }
        }
        other => Ok(other),
    }
}

/// Deletes what was asked before `older_than_ms` and never confirmed, or was a deletion that is done, once
/// its link has expired too; returns how many there were.
///
/// # Errors
/// When the database is away.
pub async fn purge(db: &Db, older_than_ms: i64, now_ms: i64) -> Result<u64, DbErr> {
    let txn = db.begin().await?;
    let deleted = store::purge(&txn, older_than_ms, now_ms).await?;
    txn.commit().await?;
    Ok(deleted)
}

/// The token of a confirmation: 32 characters of `A-Za-z0-9-_`.
pub fn token(keys: &Keys, id: ConfirmationId, nonce: &str) -> String {
    let mut bytes = id.0.to_be_bytes().to_vec();
    bytes.extend_from_slice(&keys.mac(MacOf::Confirmation, &signed(id, nonce)));
    BASE64URL_NOPAD.encode(&bytes)
}

fn read(token: &str) -> Option<(ConfirmationId, [u8; MAC_BYTES])> {
    // Longer than any token: not worth decoding.
    if token.len() > 64 {
        return None;
    }
    let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).ok()?;
    let (id, mac) = bytes.split_first_chunk::<ID_BYTES>()?;
    Some((
        ConfirmationId(i64::from_be_bytes(*id)),
        mac.try_into().ok()?,
    ))
}

fn is_authentic(keys: &Keys, id: ConfirmationId, nonce: &str, mac: &[u8]) -> bool {
    keys.is_authentic(MacOf::Confirmation, &signed(id, nonce), mac)
}

fn signed(id: ConfirmationId, nonce: &str) -> Vec<u8> {
    [&id.0.to_be_bytes(), nonce.as_bytes()].concat()
}

fn standing(confirmation: Confirmation, now_ms: i64) -> Opened {
    if confirmation.used_at.is_some() {
        Opened::Used(confirmation)
    } else if confirmation.expires_at <= now_ms {
        Opened::Expired(confirmation)
    } else {
        Opened::Fresh(confirmation)
    }
}

/// 128 random bits in hexadecimal.
fn nonce() -> Result<String, DbErr> {
    let mut bytes = [0_u8; 16];
    ring::rand::SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|ring::error::Unspecified| {
            DbErr::Custom("the system gave no random bytes".to_owned())
        })?;
    Ok(HEXLOWER.encode(&bytes))
}
