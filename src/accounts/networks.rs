//! From where people sign in: who guesses from elsewhere does not lock them out there.

use sea_orm::DbErr;

use super::store::networks as rows;
use crate::clock::DAY_MS;
use crate::storage::Db;

/// Milliseconds for which a network is known after a sign-in.
const KNOWN_MS: i64 = 30 * DAY_MS;

/// Whether somebody signed in to the account from this network lately; both are fingerprints.
///
/// # Errors
/// When the database is away.
pub(super) async fn is_known(
    db: &Db,
    account: &str,
    network: &str,
    now_ms: i64,
) -> Result<bool, DbErr> {
    rows::is_known(db, account, network, now_ms - KNOWN_MS).await
}

/// Notes that somebody signed in to the account from this network.
///
/// # Errors
/// When the database is away.
pub(super) async fn note(db: &Db, account: &str, network: &str, now_ms: i64) -> Result<(), DbErr> {
    rows::note(db, account, network, now_ms - KNOWN_MS, now_ms).await
}
