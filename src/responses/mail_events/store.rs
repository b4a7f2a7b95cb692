//! Queries about what providers post.

use data_encoding::HEXLOWER;
use sea_orm::DbErr;

use super::fields::OLDEST_MS;
use super::model::OneTime;
use crate::storage::{Db, Sql};

/// How long a token is remembered: longer than its signature is good for.
const KEPT_MS: i64 = 2 * OLDEST_MS;

/// Whether a token proves this request: it is new, or came with the same body before.
pub(super) async fn is_first_use(db: &Db, once: OneTime, now_ms: i64) -> Result<bool, DbErr> {
    let token = HEXLOWER.encode(&once.token);
    let body = HEXLOWER.encode(&once.body);
    let txn = db.begin().await?;
    // What is older proves nothing any more, since its signature is too old.
    txn.run(
        "DELETE FROM hook_tokens WHERE seen_at < $1",
        [now_ms.saturating_sub(KEPT_MS).into()],
    )
    .await?;
    txn.run(
        "INSERT INTO hook_tokens (token, body, seen_at) VALUES ($1, $2, $3) ON CONFLICT (token) DO NOTHING",
        [token.clone().into(), body.clone().into(), now_ms.into()],
    )
    .await?;
    let row = txn
        .row(
            "SELECT body FROM hook_tokens WHERE token = $1",
            [token.into()],
        )
        .await?;
    txn.commit().await?;
    let known: Option<String> = row.map(|row| row.try_get("", "body")).transpose()?;
    Ok(known == Some(body))
}
