//! What people of the firm write down about a customer, for each other. It is data about him: it goes into his
//! export, and goes with him.

use sea_orm::DbErr;
use serde::Serialize;

use super::store::notes as store;
use crate::ids::{CustomerId, NoteId};
use crate::storage::{Db, Txn};

/// Characters of a note.
pub const MAX_NOTE: usize = 2_000;

/// A note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    pub id: NoteId,
    pub text: String,
    /// Who wrote it, by name.
    pub author: String,
    /// Milliseconds since the epoch.
    pub written_at: i64,
}

/// Why a note is not taken.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    #[error("the note is empty; write what the others should know")]
    Empty,
    #[error("the note is longer than {MAX_NOTE} characters; write the rest as a second one")]
    TooLong,
    #[error("there is no customer {0}")]
    NoSuchCustomer(CustomerId),
    #[error("the database failed: {0}; nothing was written")]
    Database(#[from] DbErr),
}

/// Writes a note about a customer.
///
/// # Errors
/// When it is empty or too long, there is no such customer, or the database is away.
pub async fn add(
    txn: &Txn,
    customer: CustomerId,
    text: &str,
    author: &str,
    now_ms: i64,
) -> Result<NoteId, NoteError> {
    // Line ends as browsers send them are one letter here; what no text may hold is left out.
    let text = text.replace("\r\n", "\n").replace('\0', "");
    let text = text.trim();
    if text.is_empty() {
        return Err(NoteError::Empty);
    }
    if text.chars().count() > MAX_NOTE {
        return Err(NoteError::TooLong);
    }
    store::add(txn, customer, text, author, now_ms)
        .await?
        .ok_or(NoteError::NoSuchCustomer(customer))
}

/// Takes a note away; whether it was there.
///
/// # Errors
/// When the database is away.
pub async fn remove(txn: &Txn, customer: CustomerId, note: NoteId) -> Result<bool, DbErr> {
    store::remove(txn, customer, note).await
}

/// The newest notes about a customer that were written before the note `before`, the newest first.
///
/// # Errors
/// When the database is away.
pub async fn newest(
    db: &Db,
    customer: CustomerId,
    before: Option<NoteId>,
    limit: i64,
) -> Result<Vec<Note>, DbErr> {
    store::newest(db, customer, before.unwrap_or(NoteId(i64::MAX)), limit).await
}
