//! Notices that mail came back about.

use sea_orm::DbErr;

use crate::ids::{ConfirmationId, CustomerId};
use crate::storage::{Sql, Txn};

/// A notice as far as what comes back concerns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::responses::inbox) struct Notice {
    pub id: ConfirmationId,
    /// `None`: it went to somebody the base does not know.
    pub customer: Option<CustomerId>,
    /// Of the address it went to.
    pub fingerprint: String,
}

/// A notice; `None` when it is gone.
pub(in crate::responses::inbox) async fn notice(
    txn: &Txn,
    id: ConfirmationId,
) -> Result<Option<Notice>, DbErr> {
    let row = txn
        .row(
            "SELECT customer_id, fingerprint FROM confirmations WHERE id = $1 AND channel = 'email'",
            [id.0.into()],
        )
        .await?;
    row.map(|row| {
        let customer: Option<i64> = row.try_get("", "customer_id")?;
        Ok(Notice {
            id,
            customer: customer.map(CustomerId),
            fingerprint: row.try_get("", "fingerprint")?,
        })
    })
    .transpose()
}

/// Notes that there is no such address, as if its server had said so at once: it is not sent again.
pub(in crate::responses::inbox) async fn note_refused(
    txn: &Txn,
    id: ConfirmationId,
) -> Result<(), DbErr> {
    txn.run(
        "UPDATE confirmations SET send_state = 'refused', next_at = NULL WHERE id = $1 AND used_at IS NULL",
        [id.0.into()],
    )
    .await
    .map(drop)
}
