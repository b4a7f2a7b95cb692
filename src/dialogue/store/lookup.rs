//! Finding a person by what he tells of himself.

use sea_orm::DbErr;

use crate::ids::CustomerId;
use crate::storage::{Db, Sql};

/// What is looked up; normalised as the base keeps it.
#[derive(Debug, Clone, Copy)]
pub(in crate::dialogue) enum By {
    Email,
    Phone,
    ExternalId,
}

/// The customers of whom it is so, oldest first.
pub(in crate::dialogue) async fn find(
    db: &Db,
    by: By,
    value: &str,
) -> Result<Vec<CustomerId>, DbErr> {
    let column = match by {
        By::Email => "email_key",
        By::Phone => "phone",
        By::ExternalId => "external_id",
    };
    let sql = format!("SELECT id FROM customers WHERE {column} = $1 ORDER BY id");
    db.rows(sql, [value.into()])
        .await?
        .iter()
        .map(|row| row.try_get("", "id").map(CustomerId))
        .collect()
}

/// Whether another customer has this external id.
pub(in crate::dialogue) async fn is_taken(
    txn: &crate::storage::Txn,
    external_id: &str,
    but: CustomerId,
) -> Result<bool, DbErr> {
    let row = txn
        .row(
            "SELECT 1 AS one FROM customers WHERE external_id = $1 AND id <> $2",
            [external_id.into(), but.0.into()],
        )
        .await?;
    Ok(row.is_some())
}

/// Whether there is a customer of this number.
pub(in crate::dialogue) async fn is_there(db: &Db, customer: CustomerId) -> Result<bool, DbErr> {
    db.row(
        "SELECT 1 AS one FROM customers WHERE id = $1",
        [customer.0.into()],
    )
    .await
    .map(|row| row.is_some())
}

/// Other customers with the e-mail address or the telephone number of this one, oldest first.
pub(in crate::dialogue) async fn sharing(
    db: &Db,
    customer: CustomerId,
) -> Result<Vec<CustomerId>, DbErr> {
    db.rows(
        "SELECT o.id FROM customers c JOIN customers o ON o.email_key = c.email_key
             WHERE c.id = $1 AND o.id <> c.id
         UNION SELECT o.id FROM customers c JOIN customers o ON o.phone = c.phone
             WHERE c.id = $1 AND o.id <> c.id
         ORDER BY 1",
        [customer.0.into()],
    )
    .await?
    .iter()
    .map(|row| row.try_get("", "id").map(CustomerId))
    .collect()
}

/// How many sign-ups at this address nobody confirmed.
pub(in crate::dialogue) async fn count_waiting(db: &Db, fingerprint: &str) -> Result<u64, DbErr> {
    let row = db
        .row(
            "SELECT COUNT(*) AS n FROM confirmations
             WHERE fingerprint = $1 AND purpose = 'opt_in' AND used_at IS NULL",
            [fingerprint.into()],
        )
        .await?;
    let n: i64 = row.map_or(Ok(0), |row| row.try_get("", "n"))?;
    Ok(n.unsigned_abs())
}

/// Deletes them.
pub(in crate::dialogue) async fn delete_waiting(
    txn: &crate::storage::Txn,
    fingerprint: &str,
) -> Result<u64, DbErr> {
    let deleted = txn
        .rows(
            "DELETE FROM confirmations WHERE fingerprint = $1 AND purpose = 'opt_in' AND used_at IS NULL
             RETURNING id",
            [fingerprint.into()],
        )
        .await?;
    Ok(u64::try_from(deleted.len()).unwrap_or_default())
}
