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

/// The first request with a key.
#[derive(Debug)]
pub(in crate::responses) struct First {
    pub digest: String,
    /// `None`: it has no answer yet.
    pub reply: Option<Reply>,
    pub received_at: i64,
}

/// What the first request with a key was, and what it was answered.
pub(in crate::responses) async fn answered(txn: &Txn, request: &Request) -> Result<First, DbErr> {
    let row = txn
        .row(
            "SELECT digest, status, body, received_at FROM api_requests WHERE token = $1 AND request_key = $2",
            [request.token.as_str().into(), request.key.as_str().into()],
        )
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("api_requests".to_owned()))?;
    let status: Option<i64> = row.try_get("", "status")?;
    let body: Option<String> = row.try_get("", "body")?;
    Ok(First {
        digest: row.try_get("", "digest")?,
        reply: status.zip(body).map(|(status, body)| Reply {
            status: u16::try_from(status).unwrap_or(200),
            body,
        }),
        received_at: row.try_get("", "received_at")?,
    })
}

/// Takes the key of a request that was cut short; `false` when it was answered meanwhile.
pub(in crate::responses) async fn take_over(
    txn: &Txn,
    request: &Request,
    now: i64,
) -> Result<bool, DbErr> {
    txn.run(
        "UPDATE api_requests SET received_at = $3
         WHERE token = $1 AND request_key = $2 AND status IS NULL AND received_at < $3",
        [
            request.token.as_str().into(),
            request.key.as_str().into(),
            now.into(),
        ],
    )
    .await
    .map(|done| done.rows_affected() == 1)
}

/// Lets a key go whose request was refused.
pub(in crate::responses) async fn let_go(txn: &Txn, request: &Request) -> Result<(), DbErr> {
    txn.run(
        "DELETE FROM api_requests WHERE token = $1 AND request_key = $2 AND status IS NULL",
        [request.token.as_str().into(), request.key.as_str().into()],
    )
    .await
    .map(drop)
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
