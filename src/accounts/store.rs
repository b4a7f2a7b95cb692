//! The rows of users, sessions, links, tokens and the audit log.

mod audit;
mod failures;
pub(super) mod networks;
pub(super) mod oidc;
mod sessions;
mod tokens;
mod two_factors;

pub(super) use audit::{entries, note};
pub(super) use failures::{Failures, failures, forget_failure, forget_failures, note_failure};
pub(super) use sessions::{end_session_of, sessions_of, set_agent};
pub(super) use tokens::{add_token, note_token_used, revoke_token, token, token_by_id, tokens};
pub(super) use two_factors::{
    lock_second_factor, recovery_codes, set_recovery_codes, set_second_factor, set_taken_step,
    take_recovery_code,
};

use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use super::links::Purpose;
use super::model::{Role, User, UserId};
use crate::storage::{Db, Dialect, Sql, Txn};

const USER: &str = "u.id, u.email, u.name, u.role, u.language, u.password, u.totp_secret, u.is_disabled, \
    u.created_at, u.signed_in_at";

fn user_of(row: &QueryResult) -> Result<User, DbErr> {
    let role: String = row.try_get("", "role")?;
    let password: Option<String> = row.try_get("", "password")?;
    let totp: Option<String> = row.try_get("", "totp_secret")?;
    Ok(User {
        id: UserId(row.try_get("", "id")?),
        email: row.try_get("", "email")?,
        name: row.try_get("", "name")?,
        role: Role::from_word(&role)
            .ok_or_else(|| DbErr::Type(format!("users.role is {role:?}")))?,
        language: row.try_get("", "language")?,
        has_password: password.is_some(),
        has_totp: totp.is_some(),
        is_disabled: row.try_get("", "is_disabled")?,
        created_at: row.try_get("", "created_at")?,
        signed_in_at: row.try_get("", "signed_in_at")?,
    })
}

pub(super) async fn add_user(
    txn: &Txn,
    email: &str,
    email_key: &str,
    name: &str,
    role: Role,
    language: &str,
    now_ms: i64,
) -> Result<Option<UserId>, DbErr> {
    let row = txn
        .row(
            "INSERT INTO users (email, email_key, name, role, language, is_disabled, created_at)
             VALUES ($1, $2, $3, $4, $5, FALSE, $6) ON CONFLICT (email_key) DO NOTHING RETURNING id",
            [
                email.into(),
                email_key.into(),
                name.into(),
                role.as_str().into(),
                language.into(),
                now_ms.into(),
            ],
        )
        .await?;
    row.map(|row| row.try_get("", "id").map(UserId)).transpose()
}

pub(super) async fn users(db: &Db) -> Result<Vec<User>, DbErr> {
    let sql = format!("SELECT {USER} FROM users u ORDER BY u.is_disabled, u.name, u.id");
    db.rows(sql, []).await?.iter().map(user_of).collect()
}

pub(super) async fn is_nobody_here(connection: &impl ConnectionTrait) -> Result<bool, DbErr> {
    let row = connection
        .row("SELECT 1 AS one FROM users LIMIT 1", [])
        .await?;
    Ok(row.is_none())
}

/// Whether nobody was ever added; if so, nobody is until the transaction ends.
pub(super) async fn lock_nobody(txn: &Txn) -> Result<bool, DbErr> {
    if txn.dialect() == Dialect::Postgres {
        txn.run("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE", [])
            .await?;
    }
    is_nobody_here(&**txn).await
}

pub(super) async fn user(
    connection: &impl ConnectionTrait,
    id: UserId,
) -> Result<Option<User>, DbErr> {
    let sql = format!("SELECT {USER} FROM users u WHERE u.id = $1");
    let row = connection.row(sql, [id.0.into()]).await?;
    row.as_ref().map(user_of).transpose()
}

/// A user with the hash of his password.
pub(super) async fn user_with_password(
    connection: &impl ConnectionTrait,
    email_key: &str,
) -> Result<Option<(User, Option<String>)>, DbErr> {
    let sql = format!("SELECT {USER} FROM users u WHERE u.email_key = $1");
    let row = connection.row(sql, [email_key.into()]).await?;
    row.as_ref()
        .map(|row| Ok((user_of(row)?, row.try_get("", "password")?)))
        .transpose()
}

pub(super) async fn set_password(txn: &Txn, user: UserId, hash: &str) -> Result<(), DbErr> {
    txn.run(
        "UPDATE users SET password = $2 WHERE id = $1",
        [user.0.into(), hash.into()],
    )
    .await
    .map(drop)
}

pub(super) async fn set_profile(
    txn: &Txn,
    user: UserId,
    name: &str,
    language: &str,
) -> Result<(), DbErr> {
    txn.run(
        "UPDATE users SET name = $2, language = $3 WHERE id = $1",
        [user.0.into(), name.into(), language.into()],
    )
    .await
    .map(drop)
}

pub(super) async fn set_role(txn: &Txn, user: UserId, role: Role) -> Result<bool, DbErr> {
    let done = txn
        .run(
            "UPDATE users SET role = $2 WHERE id = $1",
            [user.0.into(), role.as_str().into()],
        )
        .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn set_disabled(
    txn: &Txn,
    user: UserId,
    is_disabled: bool,
) -> Result<bool, DbErr> {
    let done = txn
        .run(
            "UPDATE users SET is_disabled = $2 WHERE id = $1",
            [user.0.into(), is_disabled.into()],
        )
        .await?;
    Ok(done.rows_affected() == 1)
}

/// The administrators who may come in, locked until the transaction ends.
pub(super) async fn lock_administrators(txn: &Txn) -> Result<Vec<UserId>, DbErr> {
    let lock = match txn.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => "FOR UPDATE",
    };
    let sql = format!(
        "SELECT id FROM users WHERE role = 'administrator' AND NOT is_disabled ORDER BY id {lock}"
    );
    txn.rows(sql, [])
        .await?
        .iter()
        .map(|row| row.try_get("", "id").map(UserId))
        .collect()
}

pub(super) async fn begin_session(
    txn: &Txn,
    digest: &str,
    user: UserId,
    now_ms: i64,
) -> Result<(), DbErr> {
    txn.run(
        "INSERT INTO user_sessions (digest, user_id, began_at, seen_at) VALUES ($1, $2, $3, $3)",
        [digest.into(), user.0.into(), now_ms.into()],
    )
    .await
    .map(drop)
}

pub(super) async fn note_sign_in(txn: &Txn, user: UserId, now_ms: i64) -> Result<(), DbErr> {
    txn.run(
        "UPDATE users SET signed_in_at = $2 WHERE id = $1",
        [user.0.into(), now_ms.into()],
    )
    .await
    .map(drop)
}

/// The user of a session, when it began, and when it was last in use.
pub(super) async fn session(db: &Db, digest: &str) -> Result<Option<(User, i64, i64)>, DbErr> {
    let sql = format!(
        "SELECT {USER}, s.began_at, s.seen_at FROM user_sessions s JOIN users u ON u.id = s.user_id \
         WHERE s.digest = $1"
    );
    let row = db.row(sql, [digest.into()]).await?;
    row.as_ref()
        .map(|row| {
            Ok((
                user_of(row)?,
                row.try_get("", "began_at")?,
                row.try_get("", "seen_at")?,
            ))
        })
        .transpose()
}

pub(super) async fn note_seen(db: &Db, digest: &str, now_ms: i64) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    txn.run(
        "UPDATE user_sessions SET seen_at = $2 WHERE digest = $1 AND seen_at < $2",
        [digest.into(), now_ms.into()],
    )
    .await?;
    txn.commit().await
}

pub(super) async fn end_session(txn: &Txn, digest: &str) -> Result<(), DbErr> {
    txn.run(
        "DELETE FROM user_sessions WHERE digest = $1",
        [digest.into()],
    )
    .await
    .map(drop)
}

/// Ends the sessions of a user but one, and whatever was begun to become one.
pub(super) async fn end_sessions(txn: &Txn, user: UserId, kept: &str) -> Result<(), DbErr> {
    txn.run(
        "UPDATE users SET sessions_ended = sessions_ended + 1 WHERE id = $1",
        [user.0.into()],
    )
    .await?;
    txn.run(
        "DELETE FROM user_sessions WHERE user_id = $1 AND digest <> $2",
        [user.0.into(), kept.into()],
    )
    .await
    .map(drop)
}

/// How many times the sessions of a user were ended.
pub(super) async fn sessions_ended(db: &Db, user: UserId) -> Result<i64, DbErr> {
    let row = db
        .row(
            "SELECT sessions_ended FROM users WHERE id = $1",
            [user.0.into()],
        )
        .await?;
    row.map_or(Ok(0), |row| row.try_get("", "sessions_ended"))
}

/// Ends what lets a user in, or shows him something, without a session: his links and the key of his calendar feed.
pub(super) async fn end_ways_in(txn: &Txn, user: UserId) -> Result<(), DbErr> {
    for sql in [
        "DELETE FROM one_time_links WHERE user_id = $1",
        "DELETE FROM calendar_keys WHERE user_id = $1",
    ] {
        txn.run(sql, [user.0.into()]).await?;
    }
    Ok(())
}

pub(super) async fn let_go(
    db: &Db,
    seen_before: i64,
    began_before: i64,
    now_ms: i64,
) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    txn.run(
        "DELETE FROM user_sessions WHERE seen_at < $1 OR began_at < $2",
        [seen_before.into(), began_before.into()],
    )
    .await?;
    txn.run(
        "DELETE FROM one_time_links WHERE expires_at < $1",
        [now_ms.into()],
    )
    .await?;
    txn.commit().await
}

pub(super) async fn end_links(
    txn: &Txn,
    purpose: Purpose,
    user: Option<UserId>,
) -> Result<(), DbErr> {
    txn.run(
        "DELETE FROM one_time_links WHERE purpose = $1 AND COALESCE(user_id, 0) = $2",
        [
            purpose.as_str().into(),
            user.map_or(0, |user| user.0).into(),
        ],
    )
    .await
    .map(drop)
}

pub(super) async fn add_link(
    txn: &Txn,
    digest: &str,
    purpose: Purpose,
    user: Option<UserId>,
    expires_at: i64,
) -> Result<(), DbErr> {
    txn.run(
        "INSERT INTO one_time_links (digest, purpose, user_id, expires_at) VALUES ($1, $2, $3, $4)",
        [
            digest.into(),
            purpose.as_str().into(),
            user.map(|user| user.0).into(),
            expires_at.into(),
        ],
    )
    .await
    .map(drop)
}

pub(super) async fn link(
    connection: &impl ConnectionTrait,
    digest: &str,
    now_ms: i64,
) -> Result<Option<(Purpose, Option<UserId>)>, DbErr> {
    let row = connection
        .row(
            "SELECT purpose, user_id FROM one_time_links WHERE digest = $1 AND expires_at > $2",
            [digest.into(), now_ms.into()],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let purpose: String = row.try_get("", "purpose")?;
    let user: Option<i64> = row.try_get("", "user_id")?;
    Ok(Purpose::from_column(&purpose).map(|purpose| (purpose, user.map(UserId))))
}

pub(super) async fn take_link(
    txn: &Txn,
    digest: &str,
    purpose: Purpose,
    now_ms: i64,
) -> Result<bool, DbErr> {
    let done = txn
        .run(
            "DELETE FROM one_time_links WHERE digest = $1 AND purpose = $2 AND expires_at > $3",
            [digest.into(), purpose.as_str().into(), now_ms.into()],
        )
        .await?;
    Ok(done.rows_affected() == 1)
}
