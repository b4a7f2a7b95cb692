//! Texts that no keyword explains, for people to read.

use sea_orm::DbErr;
use serde::Serialize;

use super::store::inbound as store;
use crate::ids::CustomerId;
use crate::storage::Db;

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reply {
    pub id: i64,
    pub provider: String,
    /// Of who wrote; `None` when it was erased.
    pub number: Option<String>,
    /// `None` when it was erased.
    pub text: Option<String>,
    /// `None` when nobody we know has the number.
    pub customer: Option<CustomerId>,
    pub name: Option<String>,
    /// Whose message came to that number last.
    pub campaign: Option<String>,
    /// Milliseconds since the epoch.
    pub received_at: i64,
    /// When somebody had dealt with it.
    pub done_at: Option<i64>,
}

/// One page of replies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page {
    /// How many there are.
    pub count: u64,
    /// How many of them nobody has dealt with.
    pub open: u64,
    pub replies: Vec<Reply>,
}

/// Replies, the newest first; `is_open_only`: those nobody has dealt with.
///
/// # Errors
/// When the database is away.
pub async fn page(db: &Db, is_open_only: bool, offset: i64, limit: i64) -> Result<Page, DbErr> {
    let (count, open) = store::count_replies(&**db).await?;
    Ok(Page {
        count,
        open,
        replies: store::replies(&**db, is_open_only, i64::MAX, offset, limit).await?,
    })
}

/// Replies below `before`, the newest first; `is_open_only`: those nobody has dealt with.
///
/// # Errors
/// When the database is away.
pub async fn before(
    db: &Db,
    is_open_only: bool,
    before: i64,
    limit: i64,
) -> Result<Vec<Reply>, DbErr> {
    store::replies(&**db, is_open_only, before, 0, limit).await
}

/// Marks a reply as dealt with; whether there is such a reply.
///
/// # Errors
/// When the database is away.
pub async fn mark_done(db: &Db, id: i64, now_ms: i64) -> Result<bool, DbErr> {
    let txn = db.begin().await?;
    let is_known = store::mark_done(&txn, id, now_ms).await?;
    txn.commit().await?;
    Ok(is_known)
}
