//! The tokens of programs that the console makes; those of the settings file stand beside them.

use sea_orm::DbErr;

use super::store;
use crate::storage::Db;

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

/// The token of a digest ([`super::digest_of`]), if it is neither revoked nor expired; that it was used is noted
/// once an hour.
///
/// # Errors
/// When the database is away.
pub async fn find(db: &Db, digest: &str, now_ms: i64) -> Result<Option<ApiToken>, DbErr> {
    let Some(token) = store::token(db, digest).await? else {
        return Ok(None);
    };
    let is_over = token.revoked_at.is_some() || token.expires_at.is_some_and(|at| at <= now_ms);
    if is_over {
        return Ok(None);
    }
    if token.used_at.is_none_or(|at| now_ms - at > 3_600_000) {
        store::note_token_used(db, token.id, now_ms).await?;
    }
    Ok(Some(token))
}
