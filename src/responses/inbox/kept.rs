//! Mails that a person must read: replies, and what nobody could tell.

use sea_orm::DbErr;
use serde::Serialize;

use super::store::kept as store;
use crate::ids::CustomerId;
use crate::storage::Db;

/// A mail that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptMail {
    pub id: i64,
    /// `reply`, `opt_out` (of whom is not known) or `unknown`.
    pub kind: String,
    /// Of a bounce that proves nothing.
    pub class: Option<String>,
    /// As the mail says: anybody's claim. `None` when it says nothing, or was erased.
    pub sender: Option<String>,
    pub subject: Option<String>,
    /// `None` when it was erased.
    pub text: Option<String>,
    /// Whose message it answers, as its reference proves.
    pub customer: Option<CustomerId>,
    pub name: Option<String>,
    pub campaign: Option<String>,
    /// Milliseconds since the epoch.
    pub received_at: i64,
    /// When somebody had dealt with it.
    pub done_at: Option<i64>,
}

/// One page of kept mails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page {
    /// How many there are.
    pub count: u64,
    /// How many of them nobody has dealt with.
    pub open: u64,
    /// The newest first.
    pub mails: Vec<KeptMail>,
    /// Whether there are older ones.
    pub has_more: bool,
}

/// Kept mails below `before`, the newest first; `is_open_only`: those nobody has dealt with.
///
/// # Errors
/// When the database is away.
pub async fn page(
    db: &Db,
    is_open_only: bool,
    before: Option<i64>,
    limit: i64,
) -> Result<Page, DbErr> {
    let (count, open) = store::count(db).await?;
    let before = before.unwrap_or(i64::MAX);
    let mut mails = store::page(db, is_open_only, before, limit.saturating_add(1)).await?;
    let length = usize::try_from(limit).unwrap_or_default();
    let has_more = mails.len() > length;
    mails.truncate(length);
    Ok(Page {
        count,
        open,
        mails,
        has_more,
    })
}

/// One kept mail.
///
/// # Errors
/// When the database is away.
pub async fn mail(db: &Db, id: i64) -> Result<Option<KeptMail>, DbErr> {
    store::mail(db, id).await
}

/// Marks a mail as dealt with; whether there is such a mail.
///
/// # Errors
/// When the database is away.
pub async fn mark_done(db: &Db, id: i64, now_ms: i64) -> Result<bool, DbErr> {
    let txn = db.begin().await?;
    let is_known = store::mark_done(&txn, id, now_ms).await?;
    txn.commit().await?;
    Ok(is_known)
}
