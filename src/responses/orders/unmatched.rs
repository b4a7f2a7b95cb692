//! Orders of people whom the base does not have, for people to look at.

use serde::Serialize;

use crate::responses::ResponseError;
use crate::responses::store::orders as store;
use crate::storage::Db;

/// An order that waits for its customer. Of him only fingerprints are kept, beside the shop's own number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnmatchedOrder {
    pub id: i64,
    pub external_id: Option<String>,
    pub customer_external_id: Option<String>,
    /// Milliseconds since the epoch.
    pub ordered_at: i64,
    pub amount_cents: i64,
    pub currency: Option<String>,
    pub reason: String,
    /// Milliseconds since the epoch.
    pub received_at: i64,
}

/// How many there are, and the first `limit` of them, the newest first.
///
/// # Errors
/// When the database is away.
pub async fn unmatched(db: &Db, limit: i64) -> Result<(i64, Vec<UnmatchedOrder>), ResponseError> {
    Ok(store::list_unmatched(db, limit).await?)
}
