//! The rows of API tokens that the console makes and ends.

use sea_orm::{ConnectionTrait, DbErr, QueryResult};

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

fn token_of(row: &QueryResult) -> Result<ApiToken, DbErr> {
    Ok(ApiToken {
        id: row.try_get("", "id")?,
        name: row.try_get("", "name")?,
        scopes: row.try_get("", "scopes")?,
        made_by: row.try_get("", "made_by")?,
        created_at: row.try_get("", "created_at")?,
        expires_at: row.try_get("", "expires_at")?,
        used_at: row.try_get("", "used_at")?,
        revoked_at: row.try_get("", "revoked_at")?,
    })
}

pub(in crate::accounts) async fn token(db: &Db, digest: &str) -> Result<Option<ApiToken>, DbErr> {
    let row = db
        .row(
            "SELECT id, name, scopes, made_by, created_at, expires_at, used_at, revoked_at
             FROM api_tokens WHERE digest = $1",
            [digest.into()],
        )
        .await?;
    row.as_ref().map(token_of).transpose()
}

pub(in crate::accounts) async fn token_by_id(
    connection: &impl ConnectionTrait,
    id: i64,
) -> Result<Option<ApiToken>, DbErr> {
    let row = connection
        .row(
            "SELECT id, name, scopes, made_by, created_at, expires_at, used_at, revoked_at
             FROM api_tokens WHERE id = $1",
            [id.into()],
        )
        .await?;
    row.as_ref().map(token_of).transpose()
}

pub(in crate::accounts) async fn note_token_used(
    db: &Db,
    id: i64,
    now_ms: i64,
) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    txn.run(
        "UPDATE api_tokens SET used_at = $2 WHERE id = $1",
        [id.into(), now_ms.into()],
    )
    .await?;
    txn.commit().await
}
