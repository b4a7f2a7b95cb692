//! Queries about our answers to STOP, START and HELP.

use sea_orm::{DbErr, QueryResult};

use crate::responses::texts::model::TextKind;
use crate::storage::{Db, Dialect, Sql, Txn};

/// An answer in hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::dialogue) struct Claimed {
    pub id: i64,
    pub provider: String,
    pub kind: TextKind,
    /// `None` when it was erased.
    pub number: Option<String>,
    /// What the text was sent to.
    pub sender: Option<String>,
    /// Who wrote to that number last.
    pub firm: Option<String>,
    pub language: String,
    pub attempt: i16,
    /// Whether an earlier attempt was never settled.
    pub was_in_hand: bool,
    pub queued_at: i64,
}

/// Takes at most `n` answers that are due and gives each its next attempt number; they come back at `until_ms`
/// unless they are settled before, as what was in hand.
pub(in crate::dialogue) async fn claim(
    db: &Db,
    n: u32,
    now_ms: i64,
    until_ms: i64,
) -> Result<Vec<Claimed>, DbErr> {
    // Most of the time nothing is due: then no writer need wait for this look.
    let is_due = db
        .row(
            "SELECT 1 AS one FROM text_replies WHERE next_at <= $1 LIMIT 1",
            [now_ms.into()],
        )
        .await?
        .is_some();
    if !is_due {
        return Ok(Vec::new());
    }
    let lock = match db.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => "FOR UPDATE SKIP LOCKED",
    };
    let sql = format!(
        "UPDATE text_replies SET attempt = attempt + 1, next_at = $2,
            state = CASE state WHEN 'waiting' THEN 'sending' ELSE 'doubtful' END WHERE id IN (
         SELECT id FROM text_replies WHERE next_at <= $1 ORDER BY next_at, id LIMIT {n} {lock})
         RETURNING id, provider, kind, number, sender, firm, language, state, attempt, queued_at"
    );
    let txn = db.begin().await?;
    let claimed = txn
        .rows(sql, [now_ms.into(), until_ms.into()])
        .await?
        .iter()
        .map(read)
        .collect::<Result<_, DbErr>>()?;
    txn.commit().await?;
    Ok(claimed)
}

fn read(row: &QueryResult) -> Result<Claimed, DbErr> {
    let kind: String = row.try_get("", "kind")?;
    let state: String = row.try_get("", "state")?;
    Ok(Claimed {
        id: row.try_get("", "id")?,
        provider: row.try_get("", "provider")?,
        kind: TextKind::from_column(&kind)
            .ok_or_else(|| DbErr::Type(format!("text_replies.kind {kind:?}")))?,
        number: row.try_get("", "number")?,
        sender: row.try_get("", "sender")?,
        firm: row.try_get("", "firm")?,
        language: row.try_get("", "language")?,
        attempt: row.try_get("", "attempt")?,
        was_in_hand: state == "doubtful",
        queued_at: row.try_get("", "queued_at")?,
    })
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialogue) enum Sent {
    Yes,
    Never,
    /// It may have been taken: never sent again.
    Unknown,
    /// Not before this instant.
    Later(i64),
}

/// Notes how an attempt ended; what is settled needs the number no more.
pub(in crate::dialogue) async fn settle(
    db: &Db,
    claimed: &Claimed,
    sent: Sent,
    now_ms: i64,
) -> Result<(), DbErr> {
    let (state, next_at) = match sent {
        Sent::Yes => ("sent", None),
        Sent::Never => ("failed", None),
        Sent::Unknown => ("unknown", None),
        Sent::Later(at) => ("waiting", Some(at)),
    };
    let txn = db.begin().await?;
    txn.run(
        "UPDATE text_replies SET state = $3, next_at = CASE WHEN number IS NULL THEN NULL ELSE $4 END,
            number = CASE WHEN $3 = 'waiting' THEN number END,
            settled_at = CASE WHEN $3 = 'waiting' THEN NULL ELSE $5 END
         WHERE id = $1 AND attempt = $2",
        [
            claimed.id.into(),
            claimed.attempt.into(),
            state.into(),
            next_at.into(),
            now_ms.into(),
        ],
    )
    .await?;
    txn.commit().await
}

/// Takes away what texts say of a person: numbers and words, of him and of his numbers, and what waits to be
/// answered. What stays shows that there was a text, and the fingerprint which keeps us from writing.
pub(in crate::dialogue) async fn take_away(
    txn: &Txn,
    customer: crate::ids::CustomerId,
    prints: &str,
) -> Result<(), DbErr> {
    use crate::storage::Kind;
    let whose = format!(
        // What another customer with the same number said stays his.
        "(customer_id = $1 OR (customer_id IS NULL AND fingerprint IN {}))",
        txn.dialect().list(2, Kind::Text)
    );
    for sql in [
        format!("UPDATE inbound_texts SET number = NULL, body = NULL WHERE {whose}"),
        format!(
            "UPDATE text_replies SET number = NULL, next_at = NULL,
                state = CASE WHEN state IN ('waiting', 'sending', 'doubtful') THEN 'failed' ELSE state END WHERE {whose}"
        ),
        format!("DELETE FROM text_stops WHERE {whose}"),
    ] {
        txn.run(sql, [customer.0.into(), prints.into()]).await?;
    }
    Ok(())
}
