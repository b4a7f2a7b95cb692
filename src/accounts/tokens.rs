//! The tokens of programs that the console makes; those of the settings file stand beside them.

use std::collections::BTreeSet;

use data_encoding::HEXLOWER;
use ring::rand::SecureRandom as _;
use sea_orm::DbErr;

use super::{AccountError, audit, digest_of, store};
use crate::config::Scope;
use crate::storage::{Db, Txn};

/// A program that may ask us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    pub id: i64,
    pub name: String,
    /// What it may do, separated by spaces.
    pub scopes: String,
    pub made_by: String,
    /// Milliseconds since the epoch, as below.
    pub created_at: i64,
    pub expires_at: Option<i64>,
    pub used_at: Option<i64>,
    pub revoked_at: Option<i64>,
}

impl ApiToken {
    /// Whether it is neither revoked nor expired.
    pub fn works_at(&self, now_ms: i64) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| at > now_ms)
    }
}

/// A token that was just made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    pub id: i64,
    /// What its bearer shows; it is not kept.
    pub secret: String,
}

/// What a token begins with, so that one that leaks is recognised.
const PREFIX: &str = "vv_";
/// Random bytes of a token.
const BYTES: usize = 24;
/// Hexadecimal digits that tell whether a token was copied whole.
const CHECK: usize = 8;

/// Makes a token. Its last digits are the beginning of the SHA-256 of what stands
/// before them.
///
/// # Errors
/// When its name cannot be one or is taken, or it may do nothing.
pub async fn make(
    txn: &Txn,
    name: &str,
    scopes: &BTreeSet<Scope>,
    expires_at: Option<i64>,
    actor: &str,
    now_ms: i64,
) -> Result<Made, AccountError> {
    let name = name.trim();
    let is_plain = (1..=60).contains(&name.chars().count())
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    if !is_plain {
        return Err(AccountError::TokenName);
    }
    if scopes.is_empty() {
        return Err(AccountError::NoScope);
    }
    let words: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
    let words = words.join(" ");
    let mut bytes = [0_u8; BYTES];
    ring::rand::SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|ring::error::Unspecified| AccountError::NoRandom)?;
    let body = format!("{PREFIX}{}", HEXLOWER.encode(&bytes));
    let token = format!("{body}{}", check_of(&body));
    let id = store::add_token(
        txn,
        name,
        &digest_of(&token),
        &words,
        actor,
        expires_at,
        now_ms,
    )
    .await?
    .ok_or(AccountError::TokenTaken)?;
    audit::note(&**txn, actor, "token.make", name, &words, now_ms).await?;
    Ok(Made { id, secret: token })
}

fn check_of(body: &str) -> String {
    digest_of(body).chars().take(CHECK).collect()
}

/// Whether a text is a whole token of the console's kind; what is none need not be looked up.
pub fn is_whole(token: &str) -> bool {
    let body = PREFIX.len() + 2 * BYTES;
    token.is_ascii()
        && token.len() == body + CHECK
        && token.starts_with(PREFIX)
        && token
            .split_at_checked(body)
            .is_some_and(|(body, check)| check_of(body) == check)
}

/// All tokens, those that work first.
///
/// # Errors
/// When the database is away.
pub async fn list(db: &Db) -> Result<Vec<ApiToken>, DbErr> {
    store::tokens(db).await
}

/// Ends a token at once.
///
/// # Errors
/// [`AccountError::NoSuchToken`] when there is none that works.
pub async fn revoke(txn: &Txn, id: i64, actor: &str, now_ms: i64) -> Result<(), AccountError> {
    let name = store::revoke_token(txn, id, now_ms)
        .await?
        .ok_or(AccountError::NoSuchToken)?;
    audit::note(&**txn, actor, "token.revoke", &name, "", now_ms).await?;
    Ok(())
}

/// The token of a digest ([`super::digest_of`]), if it is neither revoked nor expired; that it was used is noted
/// once an hour.
///
/// # Errors
/// When the database is away.
pub async fn find(db: &Db, digest: &str, now_ms: i64) -> Result<Option<ApiToken>, DbErr> {
    let Some(token) = store::token(db, digest).await? else {
        return Ok(None);
    };
    if !token.works_at(now_ms) {
        return Ok(None);
    }
    if token.used_at.is_none_or(|at| now_ms - at > 3_600_000) {
        store::note_token_used(db, token.id, now_ms).await?;
    }
    Ok(Some(token))
}
