//! What was done to personal data, by whom: appended in the transaction of what it tells of, never
//! edited, and kept when the person is erased.

use sea_orm::{ConnectionTrait, DbErr};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::store::audit as store;
use crate::ids::CustomerId;

/// The action that lets evidence lose its details and a base its row.
pub const ERASURE: &str = "erasure";

/// One audit record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Milliseconds since the epoch.
    pub at: i64,
    /// `person`, `operator`, `import`, `system`.
    pub actor: String,
    /// A word: [`ERASURE`], `suppression_import` …
    pub action: String,
    pub details: Value,
}

/// Records that `actor` did `action` at `at` (milliseconds since the epoch). The details outlive the
/// person: they hold no address, number or name.
///
/// # Errors
/// When the database is away.
pub async fn record(
    connection: &impl ConnectionTrait,
    at: i64,
    actor: &str,
    action: &str,
    customer: Option<CustomerId>,
    details: Value,
) -> Result<(), DbErr> {
    store::insert(connection, at, actor, action, customer, &details).await
}

/// Records the same about each of several people.
///
/// # Errors
/// When the database is away.
pub async fn record_each(
    connection: &impl ConnectionTrait,
    at: i64,
    actor: &str,
    action: &str,
    customers: &[CustomerId],
) -> Result<(), DbErr> {
    store::insert_each(connection, at, actor, action, customers).await
}

/// What was done to one person's data, oldest first; also of one who was erased.
///
/// # Errors
/// When the database is away.
pub async fn of_customer(
    connection: &impl ConnectionTrait,
    customer: CustomerId,
) -> Result<Vec<Record>, DbErr> {
    store::of_customer(connection, customer).await
}
