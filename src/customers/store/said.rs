//! What is on record beside a yes that an import brings.

use sea_orm::DbErr;
use serde_json::{Value, json};

use crate::consent::model::{Basis, Channel};
use crate::ids::CustomerId;
use crate::storage::{Kind, Sql, Txn};

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// A yes as a row states it.
#[derive(Debug, Clone)]
pub(crate) struct Yes<'a> {
    /// The caller's number for it.
    pub place: usize,
    pub customer: CustomerId,
    pub channel: Channel,
    pub topic: &'a str,
    pub basis: Option<Basis>,
    pub source: &'a str,
    pub wording: Option<&'a str>,
    /// Of the address it is about.
    pub fingerprint: Option<String>,
    /// Milliseconds since the epoch.
    pub stated_at: i64,
}

const COLUMNS: [(&str, Kind); 9] = [
    ("n", Kind::Int),
    ("customer_id", Kind::Int),
    ("channel", Kind::Text),
    ("topic", Kind::Text),
    ("basis", Kind::Text),
    ("source", Kind::Text),
    ("wording", Kind::Text),
    ("fingerprint", Kind::Text),
    ("stated_at", Kind::Int),
];

/// When each of these customers, or whoever had the address, last said no to the topic or the channel, or
/// his permission ended; only those where that is so.
pub(crate) async fn newest_no(txn: &Txn, yeses: &[Yes<'_>]) -> Result<Vec<(usize, i64)>, DbErr> {
    let sql = format!(
        "SELECT n, MAX(no_at) AS at FROM (SELECT r.n, p.since_at AS no_at FROM {recordset} AS r \
         JOIN permissions p ON p.customer_id = r.customer_id AND p.channel = r.channel \
         AND p.topic IN (r.topic, '*') AND NOT p.is_granted \
         UNION ALL SELECT r.n, s.suppressed_at AS no_at FROM {recordset} AS r \
         JOIN suppressions s ON s.fingerprint = r.fingerprint AND s.channel = r.channel \
         AND s.scope IN (r.topic, '*')) AS noes GROUP BY n",
        recordset = txn.dialect().recordset(1, &COLUMNS),
    );
    read(txn, sql, yeses).await
}

/// From when those of them count that an earlier import took in before their stated time: it recorded the
/// same words on that day, and dated them to the beginning of a day.
pub(crate) async fn taken_ahead(txn: &Txn, yeses: &[Yes<'_>]) -> Result<Vec<(usize, i64)>, DbErr> {
    let sql = format!(
        "SELECT r.n, MIN(e.occurred_at) AS at FROM {recordset} AS r \
         JOIN permission_evidence e ON e.customer_id = r.customer_id AND e.channel = r.channel \
         AND e.topic = r.topic AND e.action = 'grant' AND e.basis = r.basis AND e.source = r.source \
         AND e.wording IS NOT DISTINCT FROM r.wording AND e.actor = 'import' \
         AND e.recorded_at <= r.stated_at AND e.recorded_at / {DAY_MS} = r.stated_at / {DAY_MS} \
         AND e.occurred_at % {DAY_MS} = 0 AND e.occurred_at < r.stated_at GROUP BY r.n",
        recordset = txn.dialect().recordset(1, &COLUMNS),
    );
    read(txn, sql, yeses).await
}

async fn read(txn: &Txn, sql: String, yeses: &[Yes<'_>]) -> Result<Vec<(usize, i64)>, DbErr> {
    if yeses.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<Value> = yeses
        .iter()
        .map(|yes| {
            json!([
                yes.place,
                yes.customer,
                yes.channel.as_str(),
                yes.topic,
                yes.basis.map(Basis::as_str),
                yes.source,
                yes.wording,
                yes.fingerprint,
                yes.stated_at,
            ])
        })
        .collect();
    txn.rows(sql, [Value::Array(rows).to_string().into()])
        .await?
        .iter()
        .map(|row| {
            let place: i64 = row.try_get("", "n")?;
            Ok((
                usize::try_from(place).unwrap_or(usize::MAX),
                row.try_get("", "at")?,
            ))
        })
        .collect()
}
