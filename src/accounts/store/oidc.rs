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

/// Notes that a journey was used; whether it was not before. It is forgotten when its ticket is over.
pub(in crate::accounts) async fn use_up(
    txn: &Txn,
    digest: &str,
    expires_at: i64,
    now_ms: i64,
) -> Result<bool, DbErr> {
    txn.run(
        "DELETE FROM used_journeys WHERE expires_at < $1",
        [now_ms.into()],
    )
    .await?;
    let done = txn
        .run(
            "INSERT INTO used_journeys (digest, expires_at) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING",
            [digest.into(), expires_at.into()],
        )
        .await?;
    Ok(done.rows_affected() == 1)
}
