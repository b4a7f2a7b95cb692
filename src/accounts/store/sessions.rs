//! The rows of a user's own sessions.

use sea_orm::DbErr;

use crate::accounts::model::UserId;
use crate::accounts::sessions::Session;
use crate::storage::{Db, Sql, Txn};

/// The sessions of a user that have not ended, the last used first.
pub(in crate::accounts) async fn sessions_of(
    db: &Db,
    user: UserId,
    seen_after: i64,
    began_after: i64,
) -> Result<Vec<Session>, DbErr> {
    db.rows(
        "SELECT digest, agent, began_at, seen_at FROM user_sessions
         WHERE user_id = $1 AND seen_at >= $2 AND began_at >= $3 ORDER BY seen_at DESC, digest",
        [user.0.into(), seen_after.into(), began_after.into()],
    )
    .await?
    .iter()
    .map(|row| {
        Ok(Session {
            digest: row.try_get("", "digest")?,
            agent: row.try_get("", "agent")?,
            began_at: row.try_get("", "began_at")?,
            seen_at: row.try_get("", "seen_at")?,
        })
    })
    .collect()
}

/// Ends one session of a user; whether he had it.
pub(in crate::accounts) async fn end_session_of(
    txn: &Txn,
    user: UserId,
    digest: &str,
) -> Result<bool, DbErr> {
    let done = txn
        .run(
            "DELETE FROM user_sessions WHERE user_id = $1 AND digest = $2",
            [user.0.into(), digest.into()],
        )
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes by which browser a session was begun.
pub(in crate::accounts) async fn set_agent(
    txn: &Txn,
    digest: &str,
    agent: &str,
) -> Result<(), DbErr> {
    txn.run(
        "UPDATE user_sessions SET agent = $2 WHERE digest = $1",
        [digest.into(), agent.into()],
    )
    .await
    .map(drop)
}
