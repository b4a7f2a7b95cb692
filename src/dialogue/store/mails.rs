//! Mails that came back, as far as they are a person's.

use sea_orm::DbErr;

use crate::ids::CustomerId;
use crate::storage::{Kind, Sql, Txn};

/// Takes away what mails say of a person: who wrote, the subject and the words, and what is held against his
/// addresses. What stays shows that there was a mail, and keeps it from being taken in again.
pub(in crate::dialogue) async fn take_away(
    txn: &Txn,
    customer: CustomerId,
    prints: &str,
) -> Result<(), DbErr> {
    let list = |place| txn.dialect().list(place, Kind::Text);
    txn.run(
        format!(
            "UPDATE received_mails SET fingerprint = NULL, sender = NULL, subject = NULL, body = NULL
             WHERE customer_id = $1 OR (customer_id IS NULL AND fingerprint IN {})",
            list(2)
        ),
        [customer.0.into(), prints.into()],
    )
    .await?;
    txn.run(
        format!(
            "DELETE FROM address_faults WHERE fingerprint IN {}",
            list(1)
        ),
        [prints.into()],
    )
    .await
    .map(drop)
}
