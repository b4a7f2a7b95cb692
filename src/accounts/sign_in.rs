//! Signing in by address and password, slowed down for who guesses.

use sea_orm::DbErr;

use super::model::User;
use super::store::Failures;
use super::{AccountError, networks, passwords, store};
use crate::keys::Keys;
use crate::storage::{Db, Txn};

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
    let is_too_often = |failures: &Failures| {
        failures.of_pair > PER_PAIR
            || (failures.of_account > PER_ACCOUNT && !is_known)
            || failures.of_network > PER_NETWORK
    };
    if begin_try(db, &account, &network, is_too_often, now_ms)
        .await?
        .is_none()
    {
        return Ok(SignIn::TooOften);
    }
    let found = store::user_with_password(&**db, &key_of(email)).await?;
    let (user, hash) = match found {
        Some((user, hash)) => (Some(user), hash),
        None => (None, None),
    };
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

/// A try at a code that may be looked at. It counts as a failure until it is [`forgiven`](forgive).
#[derive(Debug)]
pub struct CodeTry(i64);

/// Begins a try at a code; `None` when there were too many. Codes are counted apart from passwords: who knows the
/// password could else begin anew by signing in again.
///
/// # Errors
/// When the database is away.
pub async fn try_code(
    db: &Db,
    keys: &Keys,
    email: &str,
    network: &str,
    now_ms: i64,
) -> Result<Option<CodeTry>, DbErr> {
    let account = keys.fingerprint(&format!("code\n{}", key_of(email)));
    let (_, network) = fingerprints(keys, email, network);
    let is_too_often = |failures: &Failures| {
        failures.of_account > CODES_PER_ACCOUNT || failures.of_network > PER_NETWORK
    };
    let begun = begin_try(db, &account, &network, is_too_often, now_ms).await?;
    Ok(begun.map(CodeTry))
}

/// The code was right: the try is no failure. To be called in the transaction that takes the code.
///
/// # Errors
/// When the database is away.
pub async fn forgive(txn: &Txn, code: CodeTry) -> Result<(), DbErr> {
    store::forget_failure(txn, code.0).await
}

/// Whether a browser of this network may be sent to the sign-in provider, or come back from it; that it asked is
/// noted. Each such request makes us ask the provider, so they count as tries until one of them succeeds.
///
/// # Errors
/// When the database is away.
pub async fn is_provider_allowed(
    db: &Db,
    keys: &Keys,
    network: &str,
    now_ms: i64,
) -> Result<bool, DbErr> {
    let (journeys, network) = journeys_of(keys, network);
    let is_too_often = |failures: &Failures| failures.of_network > PER_NETWORK;
    let begun = begin_try(db, &journeys, &network, is_too_often, now_ms).await?;
    Ok(begun.is_some())
}

/// Somebody of this network came back from the sign-in provider as one whom we know.
///
/// # Errors
/// When the database is away.
pub async fn came_from_provider(db: &Db, keys: &Keys, network: &str) -> Result<(), DbErr> {
    let (journeys, network) = journeys_of(keys, network);
    store::forget_failures(db, &journeys, &network).await
}

fn journeys_of(keys: &Keys, network: &str) -> (String, String) {
    (
        keys.fingerprint(&format!("journeys\n{network}")),
        keys.fingerprint(&format!("network\n{network}")),
    )
}

/// Notes a try as a failure and counts it with those before it; `None`: there are too many. It is noted before it is
/// counted, so that of many at once each sees those it came after. A try that is refused does not count: who waits
/// is let in when the window is over, however often he knocked.
async fn begin_try(
    db: &Db,
    account: &str,
    network: &str,
    is_too_often: impl Fn(&Failures) -> bool,
    now_ms: i64,
) -> Result<Option<i64>, DbErr> {
    let since = now_ms - WINDOW_MS;
    // Who is refused anyway has nothing written for him.
    let mut failures = store::failures(db, account, network, since).await?;
    failures.of_pair += 1;
    failures.of_account += 1;
    failures.of_network += 1;
    if is_too_often(&failures) {
        return Ok(None);
    }
    let noted = store::note_failure(db, account, network, now_ms).await?;
    let failures = store::failures(db, account, network, since).await?;
    if !is_too_often(&failures) {
        return Ok(Some(noted));
    }
    let txn = db.begin().await?;
    store::forget_failure(&txn, noted).await?;
    txn.commit().await?;
    Ok(None)
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
