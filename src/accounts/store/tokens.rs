//! The rows of API tokens that the console makes and ends.

use sea_orm::DbErr;

use super::token_of;
use crate::accounts::tokens::ApiToken;
use crate::storage::{Db, Sql, Txn};

/// Adds a token; `None`: its name is taken.
pub(in crate::accounts) async fn add_token(
    txn: &Txn,
    name: &str,
    digest: &str,
    scopes: &str,
    made_by: &str,
    expires_at: Option<i64>,
    now_ms: i64,
) -> Result<Option<i64>, DbErr> {
    let row = txn
        .row(
            "INSERT INTO api_tokens (name, digest, scopes, made_by, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO NOTHING RETURNING id",
            [
                name.into(),
                digest.into(),
                scopes.into(),
                made_by.into(),
                now_ms.into(),
                expires_at.into(),
            ],
        )
        .await?;
    row.map(|row| row.try_get("", "id")).transpose()
}

/// All tokens, those that work first, the newest first.
pub(in crate::accounts) async fn tokens(db: &Db) -> Result<Vec<ApiToken>, DbErr> {
    db.rows(
        "SELECT id, name, scopes, made_by, created_at, expires_at, used_at, revoked_at
         FROM api_tokens ORDER BY CASE WHEN revoked_at IS NULL THEN 0 ELSE 1 END, id DESC",
        [],
    )
    .await?
    .iter()
    .map(token_of)
    .collect()
}

/// Ends a token; its name, when it worked till now.
pub(in crate::accounts) async fn revoke_token(
    txn: &Txn,
    id: i64,
    now_ms: i64,
) -> Result<Option<String>, DbErr> {
    let row = txn
        .row(
            "UPDATE api_tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING name",
            [id.into(), now_ms.into()],
        )
        .await?;
    row.map(|row| row.try_get("", "name")).transpose()
}
