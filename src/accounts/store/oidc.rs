//! The rows of users that sign in elsewhere.

use sea_orm::DbErr;

use super::{USER, user_of};
use crate::accounts::model::{User, UserId};
use crate::storage::{Sql, Txn};

/// The user of a subject of the provider.
pub(in crate::accounts) async fn user_of_subject(
    txn: &Txn,
    subject: &str,
) -> Result<Option<User>, DbErr> {
    let sql = format!("SELECT {USER} FROM users u WHERE u.oidc_subject = $1");
    let row = txn.row(sql, [subject.into()]).await?;
    row.as_ref().map(user_of).transpose()
}

/// The user of an address whom no subject belongs to yet.
pub(in crate::accounts) async fn user_without_subject(
    txn: &Txn,
    email_key: &str,
) -> Result<Option<User>, DbErr> {
    let sql =
        format!("SELECT {USER} FROM users u WHERE u.email_key = $1 AND u.oidc_subject IS NULL");
    let row = txn.row(sql, [email_key.into()]).await?;
    row.as_ref().map(user_of).transpose()
}

pub(in crate::accounts) async fn set_subject(
    txn: &Txn,
    user: UserId,
    subject: &str,
) -> Result<(), DbErr> {
    txn.run(
        "UPDATE users SET oidc_subject = $2 WHERE id = $1",
        [user.0.into(), subject.into()],
    )
    .await
    .map(drop)
}
