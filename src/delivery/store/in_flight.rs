//! Whether something is being handed over to a person.

use sea_orm::DbErr;

use crate::ids::CustomerId;
use crate::storage::{Db, Sql};

/// Whether a row of the customer is `sending`, marked later than `since_ms` by the contact history (a mark
/// that stands nowhere counts as fresh).
///
/// # Errors
/// When the database is away.
pub async fn is_in_flight(db: &Db, customer: CustomerId, since_ms: i64) -> Result<bool, DbErr> {
    let row = db
        .row(
            "SELECT 1 AS one FROM deliveries d WHERE d.customer_id = $1 AND d.state = 1
             AND COALESCE((SELECT MAX(h.contacted_at) FROM contacts h WHERE h.customer_id = d.customer_id
                 AND h.wave_id = d.wave_id AND h.seq = d.seq) > $2, TRUE) LIMIT 1",
            [customer.0.into(), since_ms.into()],
        )
        .await?;
    Ok(row.is_some())
}
