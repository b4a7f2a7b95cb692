//! Queries about answers that name the code of an offer.

use sea_orm::DbErr;

use super::key;
use crate::ids::{CustomerId, DeliveryKey, WaveId};
use crate::responses::answers::Answer;
use crate::storage::{Db, Sql, Txn};

/// The newest wave with an offer of this code.
pub(in crate::responses) async fn newest_wave(
    txn: &Txn,
    code: &str,
) -> Result<Option<WaveId>, DbErr> {
    let row = txn
        .row(
            "SELECT MAX(wave_id) AS wave_id FROM offer_codes WHERE code_key = $1",
            [code.into()],
        )
        .await?;
    let wave: Option<i64> = row.map_or(Ok(None), |row| row.try_get("", "wave_id"))?;
    Ok(wave.map(WaveId))
}

/// The messages with an offer of this code that a customer got until an instant, the last one first, and when
/// each was handed over.
pub(in crate::responses) async fn contacts(
    txn: &Txn,
    code: &str,
    customer: CustomerId,
    until: i64,
) -> Result<Vec<(DeliveryKey, i64)>, DbErr> {
    txn.rows(
        "SELECT d.wave_id, d.seq, d.settled_at FROM deliveries d
         WHERE d.customer_id = $1 AND d.state IN (2, 5) AND d.settled_at <= $3
           AND EXISTS (SELECT 1 FROM offer_codes c WHERE c.code_key = $2 AND c.wave_id = d.wave_id)
         ORDER BY d.settled_at DESC, d.wave_id DESC",
        [customer.0.into(), code.into(), until.into()],
    )
    .await?
    .iter()
    .map(|row| Ok((key(row)?, row.try_get("", "settled_at")?)))
    .collect()
}

/// Keeps an answer.
pub(in crate::responses) async fn insert(
    txn: &Txn,
    told: &Answer<'_>,
    code: &str,
    customer: Option<CustomerId>,
    message: Option<DeliveryKey>,
    at: i64,
    now: i64,
) -> Result<(), DbErr> {
    txn.run(
        "INSERT INTO answers (code_key, kind, note, customer_id, wave_id, seq, answered_at, recorded_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        [
            code.into(),
            told.place.as_str().into(),
            told.note.into(),
            customer.map(|customer| customer.0).into(),
            message.map(|key| key.wave.0).into(),
            message.map(|key| key.seq).into(),
            at.into(),
            now.into(),
        ],
    )
    .await
    .map(drop)
}

/// Notes of people nobody knows, of answers that were told before an instant.
const OF_STRANGERS: &str = "customer_id IS NULL AND note IS NOT NULL AND recorded_at < $1";

/// Whether such a note is kept.
pub(in crate::responses) async fn has_notes_of_strangers(
    db: &Db,
    before: i64,
) -> Result<bool, DbErr> {
    db.row(
        format!("SELECT 1 AS one FROM answers WHERE {OF_STRANGERS} LIMIT 1"),
        [before.into()],
    )
    .await
    .map(|row| row.is_some())
}

/// Empties these notes; that somebody answered stays.
pub(in crate::responses) async fn empty_notes_of_strangers(
    txn: &Txn,
    before: i64,
) -> Result<(), DbErr> {
    txn.run(
        format!("UPDATE answers SET note = NULL WHERE {OF_STRANGERS}"),
        [before.into()],
    )
    .await
    .map(drop)
}
