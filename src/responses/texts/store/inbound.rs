//! Texts that people send us, and the answers that wait to go out.

use sea_orm::{ConnectionTrait, DbErr};
use serde_json::json;

use crate::ids::{CustomerId, DeliveryKey, WaveId};
use crate::responses::texts::model::TextKind;
use crate::responses::texts::replies::Reply;
use crate::storage::{Sql, Txn};

/// A text as it is kept.
#[derive(Debug)]
pub(in crate::responses::texts) struct NewText<'a> {
    pub provider: &'a str,
    pub message_id: &'a str,
    pub fingerprint: &'a str,
    pub number: &'a str,
    pub sent_to: Option<&'a str>,
    pub body: &'a str,
    pub kind: TextKind,
    pub customer: Option<CustomerId>,
    pub delivery: Option<DeliveryKey>,
    pub received_at: i64,
}

/// Keeps a text; `None` when it is there already.
pub(in crate::responses::texts) async fn insert(
    txn: &Txn,
    text: &NewText<'_>,
) -> Result<Option<i64>, DbErr> {
    let row = txn
        .row(
            "INSERT INTO inbound_texts (provider, message_id, fingerprint, number, sent_to, body, kind,
                customer_id, wave_id, seq, received_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
             ON CONFLICT (provider, message_id) DO NOTHING RETURNING id",
            [
                text.provider.into(),
                text.message_id.into(),
                text.fingerprint.into(),
                text.number.into(),
                text.sent_to.into(),
                text.body.into(),
                text.kind.as_str().into(),
                text.customer.map(|customer| customer.0).into(),
                text.delivery.map(|key| key.wave.0).into(),
                text.delivery.map(|key| key.seq).into(),
                text.received_at.into(),
            ],
        )
        .await?;
    row.map(|row| row.try_get("", "id")).transpose()
}

/// Somebody with the number.
#[derive(Debug, Clone)]
pub(in crate::responses::texts) struct Person {
    pub id: CustomerId,
    pub language: String,
}

/// Who has a number, by their numbers of ours.
pub(in crate::responses::texts) async fn people_at(
    connection: &impl ConnectionTrait,
    fingerprint: &str,
) -> Result<Vec<Person>, DbErr> {
    connection
        .rows(
            "SELECT id, language FROM customers WHERE phone_fingerprint = $1 ORDER BY id",
            [fingerprint.into()],
        )
        .await?
        .iter()
        .map(|row| {
            Ok(Person {
                id: CustomerId(row.try_get("", "id")?),
                language: row.try_get("", "language")?,
            })
        })
        .collect()
}

/// The last text message that went to one of these people, or is on its way.
pub(in crate::responses::texts) async fn last_message(
    connection: &impl ConnectionTrait,
    people: &[CustomerId],
) -> Result<Option<(CustomerId, DeliveryKey)>, DbErr> {
    let mut last: Option<(i64, CustomerId, DeliveryKey)> = None;
    for person in people {
        let row = connection
            .row(
                "SELECT contacted_at, wave_id, seq FROM contacts WHERE customer_id = $1 AND channel = 'sms'
                 ORDER BY contacted_at DESC LIMIT 1",
                [person.0.into()],
            )
            .await?;
        let Some(row) = row else { continue };
        let at: i64 = row.try_get("", "contacted_at")?;
        if last.as_ref().is_none_or(|(known, ..)| *known < at) {
            let delivery = DeliveryKey {
                wave: WaveId(row.try_get("", "wave_id")?),
                seq: row.try_get("", "seq")?,
            };
            last = Some((at, *person, delivery));
        }
    }
    Ok(last.map(|(_, person, delivery)| (person, delivery)))
}

/// Notes that these people did something themselves.
pub(in crate::responses::texts) async fn note_act(
    txn: &Txn,
    people: &[CustomerId],
    at: i64,
) -> Result<(), DbErr> {
    let sql = format!(
        "UPDATE customers SET last_response_at = $2 WHERE id {} AND COALESCE(last_response_at, 0) < $2",
        txn.dialect().is_one_of(1)
    );
    txn.run(sql, [json!(people).to_string().into(), at.into()])
        .await
        .map(drop)
}

/// Whether this number was given an answer of this kind since.
pub(in crate::responses::texts) async fn was_answered(
    txn: &Txn,
    fingerprint: &str,
    kind: TextKind,
    since_ms: i64,
) -> Result<bool, DbErr> {
    let row = txn
        .row(
            "SELECT 1 AS one FROM text_replies WHERE fingerprint = $1 AND kind = $2 AND queued_at > $3 LIMIT 1",
            [fingerprint.into(), kind.as_str().into(), since_ms.into()],
        )
        .await?;
    Ok(row.is_some())
}

/// An answer to be sent.
#[derive(Debug)]
pub(in crate::responses::texts) struct NewAnswer<'a> {
    pub inbound: i64,
    pub provider: &'a str,
    pub kind: TextKind,
    pub fingerprint: &'a str,
    pub number: &'a str,
    /// What the text was sent to.
    pub sender: Option<&'a str>,
    /// Who wrote to that number last.
    pub firm: Option<&'a str>,
    pub customer: Option<CustomerId>,
    pub language: &'a str,
    pub at: i64,
}

/// Puts an answer in line.
pub(in crate::responses::texts) async fn queue(
    txn: &Txn,
    answer: &NewAnswer<'_>,
) -> Result<(), DbErr> {
    txn.run(
        "INSERT INTO text_replies (inbound_id, provider, kind, fingerprint, number, sender, firm, customer_id,
            language, state, attempt, next_at, queued_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'waiting', 0, $10, $10)
         ON CONFLICT (inbound_id) DO NOTHING",
        [
            answer.inbound.into(),
            answer.provider.into(),
            answer.kind.as_str().into(),
            answer.fingerprint.into(),
            answer.number.into(),
            answer.sender.into(),
            answer.firm.into(),
            answer.customer.map(|customer| customer.0).into(),
            answer.language.into(),
            answer.at.into(),
        ],
    )
    .await
    .map(drop)
}

/// Replies for people to read, the newest first: those below `before`, but for the first `offset`.
pub(in crate::responses::texts) async fn replies(
    connection: &impl ConnectionTrait,
    is_open_only: bool,
    before: i64,
    offset: i64,
    limit: i64,
) -> Result<Vec<Reply>, DbErr> {
    let open = if is_open_only {
        "AND t.done_at IS NULL"
    } else {
        ""
    };
    connection
        .rows(
            format!(
                "SELECT t.id, t.provider, t.number, t.body, t.customer_id, c.first_name, c.last_name,
                    m.name AS campaign, t.received_at, t.done_at
                 FROM inbound_texts t LEFT JOIN customers c ON c.id = t.customer_id
                 LEFT JOIN waves w ON w.id = t.wave_id LEFT JOIN campaigns m ON m.id = w.campaign_id
                 WHERE t.kind = 'reply' {open} AND t.id < $3 ORDER BY t.id DESC LIMIT $1 OFFSET $2"
            ),
            [limit.into(), offset.into(), before.into()],
        )
        .await?
        .iter()
        .map(|row| {
            let first: Option<String> = row.try_get("", "first_name")?;
            let last: Option<String> = row.try_get("", "last_name")?;
            let name = [first, last].into_iter().flatten().collect::<Vec<_>>();
            Ok(Reply {
                id: row.try_get("", "id")?,
                provider: row.try_get("", "provider")?,
                number: row.try_get("", "number")?,
                text: row.try_get("", "body")?,
                customer: row
                    .try_get::<Option<i64>>("", "customer_id")?
                    .map(CustomerId),
                name: (!name.is_empty()).then(|| name.join(" ")),
                campaign: row.try_get("", "campaign")?,
                received_at: row.try_get("", "received_at")?,
                done_at: row.try_get("", "done_at")?,
            })
        })
        .collect()
}

/// How many replies there are, and how many of them nobody has dealt with.
pub(in crate::responses::texts) async fn count_replies(
    connection: &impl ConnectionTrait,
) -> Result<(u64, u64), DbErr> {
    let row = connection
        .row(
            "SELECT (SELECT COUNT(*) FROM inbound_texts WHERE kind = 'reply') AS n,
                (SELECT COUNT(*) FROM inbound_texts WHERE kind = 'reply' AND done_at IS NULL) AS open",
            [],
        )
        .await?;
    let Some(row) = row else { return Ok((0, 0)) };
    let (all, open): (i64, i64) = (row.try_get("", "n")?, row.try_get("", "open")?);
    Ok((all.unsigned_abs(), open.unsigned_abs()))
}

/// Marks a reply as dealt with; whether there is such a reply.
pub(in crate::responses::texts) async fn mark_done(
    txn: &Txn,
    id: i64,
    now_ms: i64,
) -> Result<bool, DbErr> {
    txn.run(
        "UPDATE inbound_texts SET done_at = COALESCE(done_at, $2) WHERE id = $1 AND kind = 'reply'",
        [id.into(), now_ms.into()],
    )
    .await
    .map(|result| result.rows_affected() == 1)
}
