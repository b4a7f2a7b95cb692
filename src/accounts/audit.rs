//! The audit log: who changed what, and when. It is only ever added to.

use sea_orm::{ConnectionTrait, DbErr};
use serde::Serialize;

use super::store;
use crate::storage::Db;

/// Who does what nobody asked for: what was due, or had to be stopped.
pub const PROGRAM: &str = "visavis";

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    pub id: i64,
    /// Milliseconds since the epoch.
    pub at: i64,
    /// `user 3 Anne Petit`, `token shop`, `command line`, [`PROGRAM`].
    pub actor: String,
    /// `campaign.launch`, `segment.save` …
    pub action: String,
    /// The name or number of what was changed.
    pub subject: String,
    pub detail: String,
}

/// Which entries are asked for; empty texts ask for all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub actor: String,
    /// An action, or the beginning of one such as `campaign.`.
    pub action: String,
    pub subject: String,
    /// Only those with a smaller number.
    pub before: Option<i64>,
}

/// Notes a change; to be called in the transaction that makes it. No addresses in `detail`.
///
/// # Errors
/// When the database is away.
pub async fn note(
    connection: &impl ConnectionTrait,
    actor: &str,
    action: &str,
    subject: &str,
    detail: &str,
    now_ms: i64,
) -> Result<(), DbErr> {
    store::note(connection, actor, action, subject, detail, now_ms).await
}

/// The newest entries that fit, at most `limit`.
///
/// # Errors
/// When the database is away.
pub async fn list(db: &Db, filter: &Filter, limit: i64) -> Result<Vec<Entry>, DbErr> {
    store::entries(db, filter, limit).await
}
