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
