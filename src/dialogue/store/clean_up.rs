//! Queries that let the ledger of old waves go.

use std::collections::BTreeMap;

use sea_orm::DbErr;
use serde_json::json;

use crate::delivery::model::State;
use crate::ids::WaveId;
use crate::storage::{Db, Kind, Sql, Txn};

/// A wave that has ended.
#[derive(Debug)]
pub(in crate::dialogue) struct Ended {
    pub id: WaveId,
    pub definition: String,
    pub ended_at: i64,
}

/// The waves that ended before `before` and still have their ledger, the oldest first.
pub(in crate::dialogue) async fn ended_before(db: &Db, before: i64) -> Result<Vec<Ended>, DbErr> {
    db.rows(
        "SELECT id, definition, COALESCE(finished_at, launched_at) AS ended_at FROM waves
         WHERE status <> 'running' AND cleaned_at IS NULL AND COALESCE(finished_at, launched_at) < $1
         ORDER BY id",
        [before.into()],
    )
    .await?
    .iter()
    .map(|row| {
        Ok(Ended {
            id: WaveId(row.try_get("", "id")?),
            definition: row.try_get("", "definition")?,
            ended_at: row.try_get("", "ended_at")?,
        })
    })
    .collect()
}

/// How many deliveries these waves have.
pub(in crate::dialogue) async fn count(db: &Db, waves: &[WaveId]) -> Result<u64, DbErr> {
    let sql = format!(
        "SELECT COUNT(*) AS n FROM deliveries WHERE wave_id IN {}",
        db.dialect().list(1, Kind::Int)
    );
    let waves: Vec<i64> = waves.iter().map(|wave| wave.0).collect();
    let row = db.row(sql, [json!(waves).to_string().into()]).await?;
    let n: i64 = row.map_or(Ok(0), |row| row.try_get("", "n"))?;
    Ok(n.unsigned_abs())
}

/// Lets the next deliveries of a wave go, with their contacts, responses and what is known of their text
/// messages, in one transaction; at most
/// `limit`, in the order of their places. Returns how many, 0 when none is left.
pub(in crate::dialogue) async fn let_go(db: &Db, wave: WaveId, limit: i64) -> Result<u64, DbErr> {
    let txn = db.begin().await?;
    // One at a time per wave: an upkeep by hand may run beside the daily one.
    txn.run(
        "UPDATE waves SET status = status WHERE id = $1",
        [wave.0.into()],
    )
    .await?;
    let first = txn
        .row(
            "SELECT MIN(seq) AS seq FROM deliveries WHERE wave_id = $1",
            [wave.0.into()],
        )
        .await?
        .map_or(Ok(None), |row| row.try_get::<Option<i64>>("", "seq"))?;
    let Some(first) = first else {
        txn.rollback().await?;
        return Ok(0);
    };
    let range = || [wave.0.into(), first.into(), (first + limit - 1).into()];
    // What was withheld never left: nobody has a link of it.
    txn.run(
        format!(
            "INSERT INTO past_deliveries (wave_id, seq, customer_id, channel)
             SELECT wave_id, seq, customer_id, channel FROM deliveries
             WHERE wave_id = $1 AND seq BETWEEN $2 AND $3 AND state <> {}",
            State::Withheld.code()
        ),
        range(),
    )
    .await?;
    sum_up_contacts(&txn, range()).await?;
    // Before the responses: whoever is writing one holds its delivery, and is waited for here.
    let gone = txn
        .run(
            "DELETE FROM deliveries WHERE wave_id = $1 AND seq BETWEEN $2 AND $3",
            range(),
        )
        .await?
        .rows_affected();
    txn.run(
        "DELETE FROM responses WHERE wave_id = $1 AND seq BETWEEN $2 AND $3",
        range(),
    )
    .await?;
    txn.run(
        "DELETE FROM sms_messages WHERE wave_id = $1 AND seq BETWEEN $2 AND $3",
        range(),
    )
    .await?;
    txn.commit().await?;
    Ok(gone)
}

/// The contacts of one person by one channel about one topic: how many, the first, the last.
type Sum = (i64, i64, i64);

/// Takes the contacts of a range of deliveries out of the history, except for each person's newest, and adds
/// them to the sums.
async fn sum_up_contacts(txn: &Txn, range: [sea_orm::Value; 3]) -> Result<(), DbErr> {
    let rows = txn
        .rows(
            "DELETE FROM contacts
             WHERE customer_id IN (SELECT customer_id FROM deliveries WHERE wave_id = $1 AND seq BETWEEN $2 AND $3)
               AND wave_id = $1 AND seq BETWEEN $2 AND $3
               AND EXISTS (SELECT 1 FROM contacts newer WHERE newer.customer_id = contacts.customer_id
                   AND newer.contacted_at > contacts.contacted_at)
             RETURNING customer_id, channel, topic, contacted_at",
            range,
        )
        .await?;
    let mut sums: BTreeMap<(i64, String, String), Sum> = BTreeMap::new();
    for row in rows {
        let key = (
            row.try_get("", "customer_id")?,
            row.try_get("", "channel")?,
            row.try_get("", "topic")?,
        );
        let at: i64 = row.try_get("", "contacted_at")?;
        let (n, first, last) = sums.entry(key).or_insert((0, at, at));
        *n += 1;
        *first = at.min(*first);
        *last = at.max(*last);
    }
    if sums.is_empty() {
        return Ok(());
    }
    let columns = [
        ("customer_id", Kind::Int),
        ("channel", Kind::Text),
        ("topic", Kind::Text),
        ("contacts", Kind::Int),
        ("first_at", Kind::Int),
        ("last_at", Kind::Int),
    ];
    let sql = format!(
        "INSERT INTO past_contacts (customer_id, channel, topic, contacts, first_at, last_at)
         SELECT customer_id, channel, topic, contacts, first_at, last_at FROM {} AS gone WHERE TRUE ORDER BY place
         ON CONFLICT (customer_id, channel, topic) DO UPDATE SET
             contacts = past_contacts.contacts + excluded.contacts,
             first_at = CASE WHEN excluded.first_at < past_contacts.first_at THEN excluded.first_at ELSE past_contacts.first_at END,
             last_at = CASE WHEN excluded.last_at > past_contacts.last_at THEN excluded.last_at ELSE past_contacts.last_at END",
        txn.dialect().recordset(1, &columns)
    );
    let rows: Vec<_> = sums
        .iter()
        .map(|((customer, channel, topic), (n, first, last))| {
            json!([customer, channel, topic, n, first, last])
        })
        .collect();
    txn.run(sql, [json!(rows).to_string().into()])
        .await
        .map(drop)
}

/// Takes the leases of a wave without deliveries away, and notes that its ledger is gone.
pub(in crate::dialogue) async fn finish(db: &Db, wave: WaveId, now_ms: i64) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    txn.run("DELETE FROM leases WHERE wave_id = $1", [wave.0.into()])
        .await?;
    txn.run(
        "UPDATE waves SET cleaned_at = $2 WHERE id = $1",
        [wave.0.into(), now_ms.into()],
    )
    .await?;
    txn.commit().await
}
