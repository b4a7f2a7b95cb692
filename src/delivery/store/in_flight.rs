//! Whether something is being handed over to a mailbox.

use sea_orm::DbErr;
use serde_json::json;

use crate::ids::CustomerId;
use crate::storage::{Db, Sql};

/// Whether a message to one of the customers is in hand since later than `since_ms`: entered into the contact
/// history, and not settled.
///
/// # Errors
/// When the database is away.
pub async fn is_in_flight(db: &Db, customers: &[CustomerId], since_ms: i64) -> Result<bool, DbErr> {
    let row = db
        .row(
            format!(
                "SELECT 1 AS one FROM contacts k CROSS JOIN deliveries d
                 WHERE k.customer_id {} AND k.contacted_at > $2
                   AND d.wave_id = k.wave_id AND d.seq = k.seq AND d.state IN (0, 3) LIMIT 1",
                db.dialect().is_one_of(1)
            ),
            [json!(customers).to_string().into(), since_ms.into()],
        )
        .await?;
    Ok(row.is_some())
}
