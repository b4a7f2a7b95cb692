//! Requests of programs, each done once: whoever gets no answer may send it again under the same key
//! (Idempotency-Key, draft-ietf-httpapi-idempotency-key-header-07) and gets the answer of the first.
//!
//! The key is written in the transaction that does the work, so that both stand or neither does; a second
//! request with it waits for the first.

use super::ResponseError;
use super::store::requests as store;
use crate::storage::{Db, Txn, is_conflict};

/// How long an answer is kept, in milliseconds.
const KEPT_MS: i64 = 86_400_000;
/// After what time without an answer a request was cut short, in milliseconds.
const PATIENCE_MS: i64 = 60_000;
/// How often a transaction that lost a race is tried.
const TRIES: usize = 5;

/// A request that carries a key.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The name of the token it came with: keys of two programs have nothing to do with each other.
    pub token: String,
    pub key: String,
    /// Of path and body: another request under the same key is a mistake.
    pub digest: String,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub status: u16,
    /// JSON.
    pub body: String,
}

/// Why a request was not done.
#[derive(Debug)]
pub(crate) enum Failed<E> {
    /// The work itself says no; it may be sent again.
    Refused(E),
    /// The key was used for another request.
    KeyReused,
    /// The first request with the key is still being worked on, or was cut short a moment ago.
    Unanswered,
    Room(ResponseError),
}

impl<E> From<ResponseError> for Failed<E> {
    fn from(error: ResponseError) -> Self {
        Self::Room(error)
    }
}

impl<E> From<sea_orm::DbErr> for Failed<E> {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Room(error.into())
    }
}

/// Does `work` in a transaction, or gives back what the first request with this key was answered.
///
/// # Errors
/// When the work refuses or the database is away; nothing is then written.
pub(crate) async fn once<E>(
    db: &Db,
    request: Option<&Request>,
    now: i64,
    work: impl AsyncFn(&Txn) -> Result<Reply, Failed<E>>,
) -> Result<Reply, Failed<E>> {
    let mut tries = 0;
    loop {
        tries += 1;
        let txn = db.begin().await?;
        match in_transaction(&txn, request, now, &work).await {
            Ok(reply) => {
                txn.commit().await?;
                return Ok(reply);
            }
            Err(Failed::Room(ResponseError::Database(error)))
                if is_conflict(&error) && tries < TRIES =>
            {
                txn.rollback().await?;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn in_transaction<E>(
    txn: &Txn,
    request: Option<&Request>,
    now: i64,
    work: &impl AsyncFn(&Txn) -> Result<Reply, Failed<E>>,
) -> Result<Reply, Failed<E>> {
    let Some(request) = request else {
        return work(txn).await;
    };
    store::forget(txn, now - KEPT_MS).await?;
    if !store::begin(txn, request, now).await? {
        let first = store::answered(txn, request).await?;
        if first.digest != request.digest {
            return Err(Failed::KeyReused);
        }
        return first.reply.ok_or(Failed::Unanswered);
    }
    let reply = work(txn).await?;
    store::finish(txn, request, &reply).await?;
    Ok(reply)
}

/// As [`once`], of work that has transactions of its own: the key is taken before it and answered behind it. A
/// request that was cut short between leaves a key without an answer; after [`PATIENCE_MS`] it is done again, which
/// such work must bear.
///
/// # Errors
/// When the work refuses, the first request has no answer yet, or the database is away.
pub(crate) async fn around<E>(
    db: &Db,
    request: Option<&Request>,
    now: i64,
    work: impl AsyncFnOnce() -> Result<Reply, E>,
) -> Result<Reply, Failed<E>> {
    let Some(request) = request else {
        return work().await.map_err(Failed::Refused);
    };
    let txn = db.begin().await?;
    store::forget(&txn, now - KEPT_MS).await?;
    if !store::begin(&txn, request, now).await? {
        let first = store::answered(&txn, request).await?;
        if first.digest != request.digest {
            return Err(Failed::KeyReused);
        }
        if let Some(reply) = first.reply {
            return Ok(reply);
        }
        if first.received_at > now - PATIENCE_MS || !store::take_over(&txn, request, now).await? {
            return Err(Failed::Unanswered);
        }
    }
    txn.commit().await?;
    let done = work().await;
    let txn = db.begin().await?;
    match &done {
        Ok(reply) => store::finish(&txn, request, reply).await?,
        // It may be mended and sent again.
        Err(_) => store::let_go(&txn, request).await?,
    }
    txn.commit().await?;
    done.map_err(Failed::Refused)
}
