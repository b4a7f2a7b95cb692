//! Queries about telephone numbers: what they tell, and which of them reach nobody.

use std::collections::BTreeMap;

use sea_orm::DbErr;
use serde_json::{Value, json};

use crate::customers::number;
use crate::storage::{Db, Dialect, Kind, Sql, Txn};

/// Numbers read in one transaction.
const BATCH: usize = 2_000;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Reads the numbers that were written before numbers were read; returns how many. Where there are none it
/// is one look into an empty index.
///
/// # Errors
/// When the database is away.
pub async fn read_unread(db: &Db) -> Result<u64, DbErr> {
    let mut read = 0;
    let mut last = 0_i64;
    loop {
        let txn = db.begin().await?;
        let unread = unread(&txn, last).await?;
        let Some((id, _)) = unread.last() else {
            return Ok(read);
        };
        last = *id;
        read += write(&txn, &unread).await?;
        txn.commit().await?;
    }
}

/// The next ids with their numbers, locked: another node may be at it.
async fn unread(txn: &Txn, after: i64) -> Result<Vec<(i64, String)>, DbErr> {
    let lock = match txn.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => "FOR NO KEY UPDATE",
    };
    txn.rows(
        format!(
            "SELECT id, phone FROM customers WHERE phone IS NOT NULL AND phone_kind IS NULL AND id > $1 \
             ORDER BY id LIMIT {BATCH} {lock}"
        ),
        [after.into()],
    )
    .await?
    .iter()
    .map(|row| Ok((row.try_get("", "id")?, row.try_get("", "phone")?)))
    .collect()
}

async fn write(txn: &Txn, numbers: &[(i64, String)]) -> Result<u64, DbErr> {
    let rows: Vec<Value> = numbers
        .iter()
        .map(|(id, phone)| {
            let number = number::read(phone);
            json!([id, number.kind.as_str(), number.country, number.zone])
        })
        .collect();
    let columns = [
        ("customer_id", Kind::Int),
        ("kind", Kind::Text),
        ("country", Kind::Text),
        ("zone", Kind::Text),
    ];
    txn.run(
        format!(
            "UPDATE customers SET phone_kind = r.kind, phone_country = r.country, phone_zone = r.zone \
             FROM {} AS r WHERE customers.id = r.customer_id",
            txn.dialect().recordset(1, &columns)
        ),
        [Value::Array(rows).to_string().into()],
    )
    .await
    .map(|done| done.rows_affected())
}

/// Notes that receipts said for good that nobody has these numbers: fingerprints, each with the instant of
/// the receipt in milliseconds. The first day is noted; on a second one the number is refused, since
/// operators' receipts err and numbers are given out again (RULES §2.5). The same receipt twice is one day.
///
/// # Errors
/// When the database is away.
pub async fn note_refused(txn: &Txn, receipts: &[(String, i64)]) -> Result<(), DbErr> {
    let mut spans: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for (fingerprint, at) in receipts {
        let span = spans.entry(fingerprint).or_insert((*at, *at));
        *span = (span.0.min(*at), span.1.max(*at));
    }
    if spans.is_empty() {
        return Ok(());
    }
    let dialect = txn.dialect();
    let fingerprints: Vec<&&str> = spans.keys().collect();
    if dialect == Dialect::Postgres {
        // In order, so that two that note the same people cannot wait for each other.
        txn.rows(
            format!(
                "SELECT id FROM customers WHERE phone_fingerprint IN {} ORDER BY id FOR NO KEY UPDATE",
                dialect.list(1, Kind::Text)
            ),
            [json!(fingerprints).to_string().into()],
        )
        .await?;
    }
    let rows: Vec<Value> = spans
        .iter()
        .map(|(fingerprint, (first, last))| {
            let is_of_two_days = first.div_euclid(DAY_MS) != last.div_euclid(DAY_MS);
            json!([fingerprint, first, last, i64::from(is_of_two_days)])
        })
        .collect();
    let columns = [
        ("fingerprint", Kind::Text),
        ("first_at", Kind::Int),
        ("last_at", Kind::Int),
        ("is_of_two_days", Kind::Int),
    ];
    txn.run(
        format!(
            "UPDATE customers SET phone_refused_at = COALESCE(phone_refused_at, r.first_at), \
             phone_state = CASE WHEN r.is_of_two_days = 1 OR phone_refused_at / {DAY_MS} <> r.last_at / {DAY_MS} \
             OR phone_refused_at / {DAY_MS} <> r.first_at / {DAY_MS} THEN 'refused' ELSE phone_state END \
             FROM {} AS r WHERE customers.phone_fingerprint = r.fingerprint",
            dialect.recordset(1, &columns)
        ),
        [Value::Array(rows).to_string().into()],
    )
    .await
    .map(drop)
}

/// Forgets what was noted against numbers, by their fingerprints, since a message reached them.
///
/// # Errors
/// When the database is away.
pub async fn note_reached(txn: &Txn, fingerprints: &[String]) -> Result<(), DbErr> {
    if fingerprints.is_empty() {
        return Ok(());
    }
    let dialect = txn.dialect();
    let lock = match dialect {
        Dialect::Sqlite => "",
        Dialect::Postgres => "FOR NO KEY UPDATE",
    };
    txn.run(
        format!(
            "UPDATE customers SET phone_refused_at = NULL, phone_state = 'ok' WHERE id IN \
             (SELECT id FROM customers WHERE phone_fingerprint IN {} AND phone_refused_at IS NOT NULL \
             ORDER BY id {lock})",
            dialect.list(1, Kind::Text)
        ),
        [json!(fingerprints).to_string().into()],
    )
    .await
    .map(drop)
}
