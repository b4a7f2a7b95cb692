//! Whether something is being handed over to a mailbox.

use sea_orm::DbErr;
use serde_json::json;

use crate::ids::CustomerId;
use crate::storage::{Db, Kind, Sql};

/// Whether a row of one of the customers is `sending`, marked later than `since_ms` by the contact history (a mark
/// that stands nowhere counts as fresh).
///
/// # Errors
/// When the database is away.
pub async fn is_in_flight(db: &Db, customers: &[CustomerId], since_ms: i64) -> Result<bool, DbErr> {
    let row = db
        .row(
            format!(
                "SELECT 1 AS one FROM deliveries d WHERE d.customer_id IN {} AND d.state = 1
                 AND COALESCE((SELECT MAX(h.contacted_at) FROM contacts h WHERE h.customer_id = d.customer_id
                     AND h.wave_id = d.wave_id AND h.seq = d.seq) > $2, TRUE) LIMIT 1",
                db.dialect().list(1, Kind::Int)
            ),
            [json!(customers).to_string().into(), since_ms.into()],
        )
        .await?;
    Ok(row.is_some())
}
