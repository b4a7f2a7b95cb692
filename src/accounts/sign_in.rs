//! Signing in by address and password, slowed down for who guesses.

use sea_orm::DbErr;

use super::model::User;
use super::{AccountError, networks, passwords, store};
use crate::keys::Keys;
use crate::storage::Db;

/// Milliseconds for which a failure counts.
const WINDOW_MS: i64 = 15 * 60_000;
/// Failures of one account from one network.
const PER_PAIR: i64 = 5;
/// Failures of one account from everywhere; more than of a pair, so that nobody can lock another out alone. It does
/// not hold where he signed in lately: nobody else can lock him out there.
const PER_ACCOUNT: i64 = 50;
/// Codes of one account that are looked at: a code has six digits, three of them hold at a time (RFC 4226
/// section 7.3).
const CODES_PER_ACCOUNT: i64 = 10;
/// Failures from one network, whichever the account.
const PER_NETWORK: i64 = 50;

/// What became of a try.
#[derive(Debug)]
pub enum SignIn {
    /// The password is right; who has two factors is asked for the second now.
    Right(User),
    Wrong,
    /// Too many tries; the next one is looked at in a quarter of an hour.
    TooOften,
}

/// Checks address and password; `network` is where the try comes from.
///
/// # Errors
/// When the database is away.
pub async fn check(
    db: &Db,
    keys: &Keys,
    email: &str,
    password: &str,
    network: &str,
    now_ms: i64,
) -> Result<SignIn, AccountError> {
    let (account, network) = fingerprints(keys, email, network);
    let is_known = networks::is_known(db, &account, &network, now_ms).await?;
    if is_too_often(db, &account, &network, is_known, now_ms).await? {
        return Ok(SignIn::TooOften);
    }
    let found = store::user_with_password(&**db, &key_of(email)).await?;
    let (user, hash) = match found {
        Some((user, hash)) => (Some(user), hash),
        None => (None, None),
    };
    // Noted before the work, so that many tries at once count.
    store::note_failure(db, &account, &network, now_ms).await?;
    let is_right = passwords::is_right(password, hash.as_deref()).await?;
    match user {
        Some(user) if is_right && !user.is_disabled => {
            store::forget_failures(db, &account, &network).await?;
            networks::note(db, &account, &network, now_ms).await?;
            Ok(SignIn::Right(user))
        }
        _ => Ok(SignIn::Wrong),
    }
}

/// Whether a code may be looked at; that it was is noted, before it is. Codes are counted apart from passwords:
/// who knows the password could else begin anew by signing in again.
///
/// # Errors
/// When the database is away.
pub async fn is_code_allowed(
    db: &Db,
    keys: &Keys,
    email: &str,
    network: &str,
    now_ms: i64,
) -> Result<bool, DbErr> {
    let account = keys.fingerprint(&format!("code\n{}", key_of(email)));
    let (_, network) = fingerprints(keys, email, network);
    let (_, of_account, of_network) =
        store::failures(db, &account, &network, now_ms - WINDOW_MS).await?;
    if of_account >= CODES_PER_ACCOUNT || of_network >= PER_NETWORK {
        return Ok(false);
    }
    store::note_failure(db, &account, &network, now_ms).await?;
    Ok(true)
}

async fn is_too_often(
    db: &Db,
    account: &str,
    network: &str,
    is_known: bool,
    now_ms: i64,
) -> Result<bool, DbErr> {
    let (pair, of_account, of_network) =
        store::failures(db, account, network, now_ms - WINDOW_MS).await?;
    Ok(pair >= PER_PAIR || (of_account >= PER_ACCOUNT && !is_known) || of_network >= PER_NETWORK)
}

fn fingerprints(keys: &Keys, email: &str, network: &str) -> (String, String) {
    (
        keys.fingerprint(&format!("sign-in\n{}", key_of(email))),
        keys.fingerprint(&format!("network\n{network}")),
    )
}

/// The form of an address by which a user is found.
pub(super) fn key_of(email: &str) -> String {
    email.trim().to_lowercase()
}
