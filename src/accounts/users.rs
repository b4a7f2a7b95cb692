//! Adding, changing and ending users.

use sea_orm::DbErr;

use super::links::{self, Purpose};
use super::model::{Role, User, UserId, is_address};
use super::sign_in::key_of;
use super::{AccountError, audit, passwords, sessions, store};
use crate::storage::{Db, Txn};

/// Somebody new.
#[derive(Debug, Clone, Copy)]
pub struct NewUser<'a> {
    pub email: &'a str,
    pub name: &'a str,
    pub role: Role,
    /// ISO 639-1.
    pub language: &'a str,
}

/// Adds a user, without a password. From now on no setup link works: it would make another administrator.
///
/// # Errors
/// When address or name cannot be one, or there is such a user.
pub async fn add(
    txn: &Txn,
    new: NewUser<'_>,
    actor: &str,
    now_ms: i64,
) -> Result<UserId, AccountError> {
    let email = new.email.trim();
    if !is_address(email) {
        return Err(AccountError::Email);
    }
    let name: String = new.name.trim().chars().take(100).collect();
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(AccountError::Name);
    }
    let id = store::add_user(
        txn,
        email,
        &key_of(email),
        &name,
        new.role,
        new.language,
        now_ms,
    )
    .await?
    .ok_or(AccountError::Taken)?;
    store::end_links(txn, Purpose::Setup, None).await?;
    let detail = format!("role {}", new.role);
    audit::note(&**txn, actor, "user.add", &id.to_string(), &detail, now_ms).await?;
    Ok(id)
}

/// Uses a setup link up and adds its administrator. Nobody is added beside, also not by who comes at the same time:
/// of all of them one is the first.
///
/// # Errors
/// [`AccountError::Link`] when the link does not work any more or somebody is here; as [`add`].
pub async fn add_first(
    txn: &Txn,
    token: &str,
    new: NewUser<'_>,
    now_ms: i64,
) -> Result<UserId, AccountError> {
    if !store::lock_nobody(txn).await? {
        return Err(AccountError::Link);
    }
    links::take(txn, token, Purpose::Setup, now_ms).await?;
    add(txn, new, "setup link", now_ms).await
}

/// Makes a setup link where nobody was ever added; an earlier one ends.
///
/// # Errors
/// When the database or chance is away.
pub async fn setup_link(txn: &Txn, now_ms: i64) -> Result<Option<String>, AccountError> {
    if !store::lock_nobody(txn).await? {
        return Ok(None);
    }
    links::make(txn, Purpose::Setup, None, now_ms)
        .await
        .map(Some)
}

/// All users, by name.
///
/// # Errors
/// When the database is away.
pub async fn list(db: &Db) -> Result<Vec<User>, DbErr> {
    store::users(db).await
}

/// Whether nobody was ever added.
///
/// # Errors
/// When the database is away.
pub async fn is_nobody_here(db: &Db) -> Result<bool, DbErr> {
    store::is_nobody_here(&**db).await
}

/// The user of a number.
///
/// # Errors
/// When the database is away.
pub async fn find(db: &Db, id: UserId) -> Result<Option<User>, DbErr> {
    store::user(&**db, id).await
}

/// The user of an address.
///
/// # Errors
/// When the database is away.
pub async fn by_email(db: &Db, email: &str) -> Result<Option<User>, DbErr> {
    let found = store::user_with_password(&**db, &key_of(email)).await?;
    Ok(found.map(|(user, _)| user))
}

/// Sets a password that was hashed by [`passwords::hash`], and ends the sessions of the old one but `kept`.
///
/// # Errors
/// When the database is away.
pub async fn set_password(
    txn: &Txn,
    user: UserId,
    hash: &str,
    kept: Option<&str>,
    actor: &str,
    now_ms: i64,
) -> Result<(), AccountError> {
    store::set_password(txn, user, hash).await?;
    sessions::end_others(txn, user, kept).await?;
    audit::note(
        &**txn,
        actor,
        "user.password",
        &user.to_string(),
        "",
        now_ms,
    )
    .await?;
    Ok(())
}

/// Whether this is the password of a user.
///
/// # Errors
/// When the database is away.
pub async fn has_password(db: &Db, user: &User, password: &str) -> Result<bool, AccountError> {
    let found = store::user_with_password(&**db, &key_of(&user.email)).await?;
    let hash = found.and_then(|(_, hash)| hash);
    passwords::is_right(password, hash.as_deref()).await
}

/// Sets name and language, which everybody may for himself.
///
/// # Errors
/// When the name cannot be one.
pub async fn set_profile(
    txn: &Txn,
    user: UserId,
    name: &str,
    language: &str,
    actor: &str,
    now_ms: i64,
) -> Result<(), AccountError> {
    let name: String = name.trim().chars().take(100).collect();
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(AccountError::Name);
    }
    store::set_profile(txn, user, &name, language).await?;
    audit::note(
        &**txn,
        actor,
        "user.profile",
        &user.to_string(),
        language,
        now_ms,
    )
    .await?;
    Ok(())
}

/// Gives a user another role.
///
/// # Errors
/// When he is the only administrator.
pub async fn set_role(
    txn: &Txn,
    user: UserId,
    role: Role,
    actor: &str,
    now_ms: i64,
) -> Result<(), AccountError> {
    if role != Role::Administrator {
        require_another_administrator(txn, user).await?;
    }
    if !store::set_role(txn, user, role).await? {
        return Err(AccountError::NoSuchUser);
    }
    audit::note(
        &**txn,
        actor,
        "user.role",
        &user.to_string(),
        role.as_str(),
        now_ms,
    )
    .await?;
    Ok(())
}

/// Shuts a user out, or lets him in again; shut out, his sessions, links and calendar key end at once and for good.
///
/// # Errors
/// When he is the only administrator.
pub async fn set_disabled(
    txn: &Txn,
    user: UserId,
    is_disabled: bool,
    actor: &str,
    now_ms: i64,
) -> Result<(), AccountError> {
    if is_disabled {
        require_another_administrator(txn, user).await?;
    }
    if !store::set_disabled(txn, user, is_disabled).await? {
        return Err(AccountError::NoSuchUser);
    }
    if is_disabled {
        sessions::end_others(txn, user, None).await?;
        store::end_ways_in(txn, user).await?;
    }
    let action = if is_disabled {
        "user.disable"
    } else {
        "user.enable"
    };
    audit::note(&**txn, actor, action, &user.to_string(), "", now_ms).await?;
    Ok(())
}

async fn require_another_administrator(txn: &Txn, user: UserId) -> Result<(), AccountError> {
    // Locked, so that two who leave at once do not leave none.
    let administrators = store::lock_administrators(txn).await?;
    if administrators == [user] {
        return Err(AccountError::LastAdministrator);
    }
    Ok(())
}
