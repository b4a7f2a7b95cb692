//! Sessions: who is signed in, until he leaves, does nothing for long, or the session is old.

use sea_orm::DbErr;

use super::model::{User, UserId};
use super::{AccountError, audit, digest_of, random_token, store};
use crate::clock::DAY_MS;
use crate::config::AccountSettings;
use crate::storage::{Db, Txn};

/// How long a session lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// Milliseconds without a request.
    pub idle_ms: i64,
    /// Milliseconds in all.
    pub whole_ms: i64,
}

impl Lifetime {
    /// What the settings say.
    pub fn of(settings: &AccountSettings) -> Self {
        Self {
            idle_ms: i64::from(settings.session_idle_hours) * 3_600_000,
            whole_ms: i64::from(settings.session_days) * DAY_MS,
        }
    }
}

/// One session of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub digest: String,
    /// The browser, as it named itself.
    pub agent: String,
    /// Milliseconds since the epoch, as below.
    pub began_at: i64,
    pub seen_at: i64,
}

/// How often it is written that a session is in use.
const NOTED_EVERY_MS: i64 = 60_000;

/// Begins a session; what is returned goes to the browser and is not kept.
///
/// # Errors
/// When the database or chance is away.
pub async fn begin(txn: &Txn, user: UserId, now_ms: i64) -> Result<String, AccountError> {
    let token = random_token()?;
    store::begin_session(txn, &digest_of(&token), user, now_ms).await?;
    store::note_sign_in(txn, user, now_ms).await?;
    Ok(token)
}

/// The user of a session, if it has not ended and he may still come in.
///
/// # Errors
/// When the database is away.
pub async fn find(
    db: &Db,
    token: &str,
    lifetime: Lifetime,
    now_ms: i64,
) -> Result<Option<User>, DbErr> {
    // What is no token of ours is not looked up.
    if token.len() != 43 {
        return Ok(None);
    }
    let digest = digest_of(token);
    let Some((user, began_at, seen_at)) = store::session(db, &digest).await? else {
        return Ok(None);
    };
    let is_over = now_ms - seen_at > lifetime.idle_ms || now_ms - began_at > lifetime.whole_ms;
    if is_over || user.is_disabled {
        return Ok(None);
    }
    if now_ms - seen_at > NOTED_EVERY_MS {
        // Not waited for: on SQLite an import holds the one writer for as long as it takes.
        let db = db.clone();
        tokio::spawn(async move {
            if let Err(error) = store::note_seen(&db, &digest, now_ms).await {
                tracing::warn!(%error, "that a session is in use was not written");
            }
        });
    }
    Ok(Some(user))
}

/// Ends a session.
///
/// # Errors
/// When the database is away.
pub async fn end(db: &Db, token: &str) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    store::end_session(&txn, &digest_of(token)).await?;
    txn.commit().await
}

/// Ends all sessions of a user but the one of `kept`, as after a new password.
///
/// # Errors
/// When the database is away.
pub async fn end_others(txn: &Txn, user: UserId, kept: Option<&str>) -> Result<(), DbErr> {
    let kept = kept.map(digest_of).unwrap_or_default();
    store::end_sessions(txn, user, &kept).await
}

/// How many times all sessions of a user were ended, as by a new password: what was begun before does not hold.
///
/// # Errors
/// When the database is away.
pub async fn times_ended(db: &Db, user: UserId) -> Result<i64, DbErr> {
    store::sessions_ended(db, user).await
}

/// The sessions of a user that have not ended, the last used first.
///
/// # Errors
/// When the database is away.
pub async fn list(
    db: &Db,
    user: UserId,
    lifetime: Lifetime,
    now_ms: i64,
) -> Result<Vec<Session>, DbErr> {
    let (idle, whole) = (now_ms - lifetime.idle_ms, now_ms - lifetime.whole_ms);
    store::sessions_of(db, user, idle, whole).await
}

/// Ends one session of a user, by its digest.
///
/// # Errors
/// [`AccountError::NoSuchSession`] when he has none of this digest.
pub async fn end_one(
    txn: &Txn,
    user: UserId,
    digest: &str,
    actor: &str,
    now_ms: i64,
) -> Result<(), AccountError> {
    if !store::end_session_of(txn, user, digest).await? {
        return Err(AccountError::NoSuchSession);
    }
    audit::note(
        &**txn,
        actor,
        "user.session.end",
        &user.to_string(),
        "",
        now_ms,
    )
    .await?;
    Ok(())
}

/// Notes by which browser a session was begun, as it names itself.
///
/// # Errors
/// When the database is away.
pub async fn set_agent(txn: &Txn, token: &str, agent: &str) -> Result<(), DbErr> {
    let agent: String = agent
        .chars()
        .filter(|c| !c.is_control())
        .take(300)
        .collect();
    store::set_agent(txn, &digest_of(token), &agent).await
}

/// Lets sessions and links go that are over.
///
/// # Errors
/// When the database is away.
pub async fn let_go(db: &Db, lifetime: Lifetime, now_ms: i64) -> Result<(), DbErr> {
    store::let_go(
        db,
        now_ms - lifetime.idle_ms,
        now_ms - lifetime.whole_ms,
        now_ms,
    )
    .await
}
