//! What receipts change, and those that wait for their message.

use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use serde_json::json;

use crate::channels::sms::model::ReceiptState;
use crate::delivery::model::State;
use crate::ids::{CustomerId, DeliveryKey, WaveId};
use crate::responses::texts::model::Standing;
use crate::storage::{Dialect, Kind, Sql, Txn};

/// Our messages with these names of a provider's.
pub(in crate::responses::texts) async fn by_message_id(
    connection: &impl ConnectionTrait,
    provider: &str,
    ids: &[&str],
) -> Result<Vec<(String, DeliveryKey)>, DbErr> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT message_id, wave_id, seq FROM sms_messages WHERE provider = $2 AND message_id IN {}",
        Dialect::of(connection).list(1, Kind::Text)
    );
    connection
        .rows(sql, [json!(ids).to_string().into(), provider.into()])
        .await?
        .iter()
        .map(|row| Ok((row.try_get("", "message_id")?, key(row)?)))
        .collect()
}

/// A message with its receipts.
pub(in crate::responses::texts) struct Received {
    pub standing: Option<Standing>,
    /// Whether the provider is known to have taken it; of one in doubt nothing is counted.
    pub is_accepted: bool,
    /// The cell the person was given at launch; `None` where the ledger has let the row go.
    pub cell: Option<String>,
}

/// What is known of a message, locked until the transaction ends; `None`: there is no such message, or not
/// yet.
pub(in crate::responses::texts) async fn standing(
    txn: &Txn,
    delivery: DeliveryKey,
) -> Result<Option<Received>, DbErr> {
    let lock = match txn.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => "FOR UPDATE OF m",
    };
    let row = txn
        .row(
            format!(
                "SELECT m.receipt, m.receipt_at, m.failure, d.state, d.cell
                 FROM sms_messages m LEFT JOIN deliveries d ON d.wave_id = m.wave_id AND d.seq = m.seq
                 WHERE m.wave_id = $1 AND m.seq = $2 {lock}"
            ),
            [delivery.wave.0.into(), delivery.seq.into()],
        )
        .await?;
    row.map(|row| {
        let word: Option<String> = row.try_get("", "receipt")?;
        let at: Option<i64> = row.try_get("", "receipt_at")?;
        let failure = row.try_get("", "failure")?;
        let state: Option<i16> = row.try_get("", "state")?;
        Ok(Received {
            cell: row.try_get("", "cell")?,
            standing: word
                .and_then(|word| ReceiptState::from_column(&word))
                .map(|state| Standing {
                    state,
                    at: at.unwrap_or_default(),
                    failure,
                }),
            is_accepted: state.and_then(State::from_code) == Some(State::Accepted),
        })
    })
    .transpose()
}

/// Writes what is known of a message.
pub(in crate::responses::texts) async fn set_standing(
    txn: &Txn,
    delivery: DeliveryKey,
    standing: &Standing,
) -> Result<(), DbErr> {
    txn.run(
        "UPDATE sms_messages SET receipt = $3, receipt_at = $4, failure = $5 WHERE wave_id = $1 AND seq = $2",
        [
            delivery.wave.0.into(),
            delivery.seq.into(),
            standing.state.as_str().into(),
            standing.at.into(),
            standing.failure.clone().into(),
        ],
    )
    .await
    .map(drop)
}

/// To whom a message went, and at which number he is reached now; `None`: nowhere, or he was erased.
pub(in crate::responses::texts) async fn addressee(
    txn: &Txn,
    delivery: DeliveryKey,
) -> Result<Option<(CustomerId, Option<String>)>, DbErr> {
    let row = txn
        .row(
            "SELECT d.customer_id, c.phone_fingerprint FROM deliveries d
             LEFT JOIN customers c ON c.id = d.customer_id WHERE d.wave_id = $1 AND d.seq = $2",
            [delivery.wave.0.into(), delivery.seq.into()],
        )
        .await?;
    row.map(|row| {
        Ok((
            CustomerId(row.try_get("", "customer_id")?),
            row.try_get("", "phone_fingerprint")?,
        ))
    })
    .transpose()
}

/// A receipt whose message is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::responses::texts) struct Unmatched {
    pub delivery: Option<DeliveryKey>,
    pub message_id: Option<String>,
    pub standing: Standing,
}

/// Keeps receipts until their messages are settled.
pub(in crate::responses::texts) async fn keep(
    txn: &Txn,
    provider: &str,
    receipts: &[Unmatched],
    now_ms: i64,
) -> Result<(), DbErr> {
    for one in receipts {
        txn.run(
            "INSERT INTO unmatched_receipts (provider, message_id, wave_id, seq, state, failure, at, received_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            [
                provider.into(),
                one.message_id.clone().into(),
                one.delivery.map(|key| key.wave.0).into(),
                one.delivery.map(|key| key.seq).into(),
                one.standing.state.as_str().into(),
                one.standing.failure.clone().into(),
                one.standing.at.into(),
                now_ms.into(),
            ],
        )
        .await?;
    }
    Ok(())
}

/// Kept receipts whose message is there by now: their numbers, with the message; those received since.
pub(in crate::responses::texts) async fn matched(
    connection: &impl ConnectionTrait,
    since_ms: i64,
    limit: i64,
) -> Result<Vec<(i64, DeliveryKey, Standing)>, DbErr> {
    // Two looks by an index each, rather than one that could use neither.
    let rows = connection
        .rows(
            "SELECT u.id, m.wave_id, m.seq, u.state, u.at, u.failure FROM unmatched_receipts u
             CROSS JOIN sms_messages m
             WHERE u.received_at >= $1 AND m.provider = u.provider AND m.message_id = u.message_id
             UNION
             SELECT u.id, m.wave_id, m.seq, u.state, u.at, u.failure FROM unmatched_receipts u
             CROSS JOIN sms_messages m
             WHERE u.received_at >= $1 AND m.wave_id = u.wave_id AND m.seq = u.seq
             ORDER BY 2, 3, 1 LIMIT $2",
            [since_ms.into(), limit.into()],
        )
        .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let state: String = row.try_get("", "state")?;
        if let Some(state) = ReceiptState::from_column(&state) {
            let standing = Standing {
                state,
                at: row.try_get("", "at")?,
                failure: row.try_get("", "failure")?,
            };
            found.push((row.try_get("", "id")?, key(&row)?, standing));
        }
    }
    Ok(found)
}

/// Takes kept receipts out; those that were still there.
pub(in crate::responses::texts) async fn take(txn: &Txn, ids: &[i64]) -> Result<Vec<i64>, DbErr> {
    let sql = format!(
        "DELETE FROM unmatched_receipts WHERE id IN {} RETURNING id",
        txn.dialect().list(1, Kind::Int)
    );
    txn.rows(sql, [json!(ids).to_string().into()])
        .await?
        .iter()
        .map(|row| row.try_get("", "id"))
        .collect()
}

/// Lets go of kept receipts received before; how many.
pub(in crate::responses::texts) async fn forget_unmatched(
    txn: &Txn,
    before_ms: i64,
) -> Result<u64, DbErr> {
    txn.run(
        "DELETE FROM unmatched_receipts WHERE received_at < $1",
        [before_ms.into()],
    )
    .await
    .map(|result| result.rows_affected())
}

fn key(row: &QueryResult) -> Result<DeliveryKey, DbErr> {
    Ok(DeliveryKey {
        wave: WaveId(row.try_get("", "wave_id")?),
        seq: row.try_get("", "seq")?,
    })
}
