//! Queries about requests that carry a key.

use sea_orm::DbErr;

use crate::responses::requests::{Reply, Request};
use crate::storage::{Sql, Txn};

/// Takes a key for this transaction; `false` when another had it. Waits for one that has it in hand.
pub(in crate::responses) async fn begin(
    txn: &Txn,
    request: &Request,
    now: i64,
) -> Result<bool, DbErr> {
    txn.run(
        "INSERT INTO api_requests (token, request_key, digest, received_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (token, request_key) DO NOTHING",
        [
            request.token.as_str().into(),
            request.key.as_str().into(),
            request.digest.as_str().into(),
            now.into(),
        ],
    )
    .await
    .map(|done| done.rows_affected() == 1)
}

/// What the first request with a key was, and what it was answered.
pub(in crate::responses) async fn answered(
    txn: &Txn,
    request: &Request,
) -> Result<(String, Reply), DbErr> {
    let row = txn
        .row(
            "SELECT digest, status, body FROM api_requests WHERE token = $1 AND request_key = $2",
            [request.token.as_str().into(), request.key.as_str().into()],
        )
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("api_requests".to_owned()))?;
    let status: i64 = row.try_get("", "status")?;
    let reply = Reply {
        status: u16::try_from(status).unwrap_or(200),
        body: row.try_get("", "body")?,
    };
    Ok((row.try_get("", "digest")?, reply))
}

/// Keeps the answer.
pub(in crate::responses) async fn finish(
    txn: &Txn,
    request: &Request,
    reply: &Reply,
) -> Result<(), DbErr> {
    txn.run(
        "UPDATE api_requests SET status = $3, body = $4 WHERE token = $1 AND request_key = $2",
        [
            request.token.as_str().into(),
            request.key.as_str().into(),
            i64::from(reply.status).into(),
            reply.body.as_str().into(),
        ],
    )
    .await
    .map(drop)
}

/// Forgets what was answered before an instant.
pub(in crate::responses) async fn forget(txn: &Txn, before: i64) -> Result<(), DbErr> {
    txn.run(
        "DELETE FROM api_requests WHERE received_at < $1",
        [before.into()],
    )
    .await
    .map(drop)
}
