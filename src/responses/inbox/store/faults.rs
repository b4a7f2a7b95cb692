//! What is held against addresses and waves.

use sea_orm::{DbErr, QueryResult};

use crate::channels::model::Class;
use crate::ids::{DeliveryKey, WaveId};
use crate::responses::inbox::model::{Blocks, Faults};
use crate::responses::inbox::warnings::Warning;
use crate::storage::{Db, Dialect, Kind, Sql, Txn};

/// Locks those who have an address today, in the order in which all do.
pub(in crate::responses::inbox) async fn hold_people(
    txn: &Txn,
    fingerprint: &str,
) -> Result<(), DbErr> {
    // SQLite has one writer.
    if txn.dialect() == Dialect::Postgres {
        txn.rows(
            "SELECT id FROM customers WHERE email_fingerprint = $1 ORDER BY id FOR NO KEY UPDATE",
            [fingerprint.into()],
        )
        .await?;
    }
    Ok(())
}

/// What is held against an address for one class, and which message bounced last.
pub(in crate::responses::inbox) async fn faults(
    txn: &Txn,
    fingerprint: &str,
    class: Class,
) -> Result<Option<(Faults, Option<DeliveryKey>)>, DbErr> {
    let row = txn
        .row(
            "SELECT count, first_at, last_at, wave_id, seq FROM address_faults
             WHERE fingerprint = $1 AND class = $2",
            [fingerprint.into(), class.as_str().into()],
        )
        .await?;
    row.map(|row| {
        let wave: Option<i64> = row.try_get("", "wave_id")?;
        let seq: Option<i64> = row.try_get("", "seq")?;
        let faults = Faults {
            count: row.try_get("", "count")?,
            first_at: row.try_get("", "first_at")?,
            last_at: row.try_get("", "last_at")?,
        };
        let last = wave.zip(seq).map(|(wave, seq)| DeliveryKey {
            wave: WaveId(wave),
            seq,
        });
        Ok((faults, last))
    })
    .transpose()
}

/// Writes what is held against an address.
pub(in crate::responses::inbox) async fn set_faults(
    txn: &Txn,
    fingerprint: &str,
    class: Class,
    faults: Faults,
    delivery: Option<DeliveryKey>,
) -> Result<(), DbErr> {
    txn.run(
        "INSERT INTO address_faults (fingerprint, class, count, first_at, last_at, wave_id, seq)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (fingerprint, class) DO UPDATE SET count = excluded.count, first_at = excluded.first_at,
            last_at = excluded.last_at, wave_id = excluded.wave_id, seq = excluded.seq",
        [
            fingerprint.into(),
            class.as_str().into(),
            faults.count.into(),
            faults.first_at.into(),
            faults.last_at.into(),
            delivery.map(|key| key.wave.0).into(),
            delivery.map(|key| key.seq).into(),
        ],
    )
    .await
    .map(drop)
}

/// Whether somebody at the address answered a message by email since: clicked, replied, or opted out.
pub(in crate::responses::inbox) async fn has_answered(
    txn: &Txn,
    fingerprint: &str,
    since_ms: i64,
) -> Result<bool, DbErr> {
    let row = txn
        .row(
            "SELECT 1 AS one FROM customers c CROSS JOIN responses r
             WHERE c.email_fingerprint = $1 AND r.customer_id = c.id AND r.responded_at > $2
               AND r.kind IN ('click', 'reply', 'opt_out') AND NOT r.is_machine LIMIT 1",
            [fingerprint.into(), since_ms.into()],
        )
        .await?;
    Ok(row.is_some())
}

/// Takes an address out of use, for everyone who has it; one that cannot be written to at all stays so.
pub(in crate::responses::inbox) async fn mark_refused(
    txn: &Txn,
    fingerprint: &str,
    now_ms: i64,
) -> Result<(), DbErr> {
    txn.run(
        "UPDATE customers SET email_state = 'refused', updated_at = $2
         WHERE email_fingerprint = $1 AND email_state = 'ok'",
        [fingerprint.into(), now_ms.into()],
    )
    .await
    .map(drop)
}

/// How a wave stands between its messages and what came back blocked.
#[derive(Debug)]
pub(in crate::responses::inbox) struct Standing {
    pub campaign: String,
    pub now: Blocks,
    pub at_last_alarm: Blocks,
}

/// The blocks of a wave; `None` when there is no such wave, or nothing runs that could be paused.
pub(in crate::responses::inbox) async fn blocks(
    db: &Db,
    wave: WaveId,
) -> Result<Option<Standing>, DbErr> {
    let row = db
        .row(
            "SELECT c.name,
                CAST(COALESCE((SELECT SUM(k.value) FROM wave_counters k WHERE k.wave_id = w.id
                    AND k.counter IN ('bounces.blocked', 'bounces.policy')), 0) AS BIGINT) AS bounces,
                COALESCE((SELECT k.value FROM wave_counters k WHERE k.wave_id = w.id AND k.counter = 'accepted'), 0) AS accepted,
                COALESCE(a.bounces, 0) AS former_bounces, COALESCE(a.accepted, 0) AS former_accepted
             FROM waves w JOIN campaigns c ON c.id = w.campaign_id LEFT JOIN wave_alarms a ON a.wave_id = w.id
             WHERE w.id = $1 AND w.status = 'running' AND c.status = 'running'",
            [wave.0.into()],
        )
        .await?;
    row.map(|row| {
        Ok(Standing {
            campaign: row.try_get("", "name")?,
            now: Blocks {
                bounces: row.try_get("", "bounces")?,
                accepted: row.try_get("", "accepted")?,
            },
            at_last_alarm: Blocks {
                bounces: row.try_get("", "former_bounces")?,
                accepted: row.try_get("", "former_accepted")?,
            },
        })
    })
    .transpose()
}

/// Notes how the counters stood when a campaign was paused.
pub(in crate::responses::inbox) async fn note_alarm(
    txn: &Txn,
    wave: WaveId,
    blocks: Blocks,
    now_ms: i64,
) -> Result<(), DbErr> {
    txn.run(
        "INSERT INTO wave_alarms (wave_id, bounces, accepted, raised_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (wave_id) DO UPDATE SET bounces = excluded.bounces, accepted = excluded.accepted,
            raised_at = excluded.raised_at",
        [
            wave.0.into(),
            blocks.bounces.into(),
            blocks.accepted.into(),
            now_ms.into(),
        ],
    )
    .await
    .map(drop)
}

/// How many messages of each wave launched since came back for these classes, the newest wave first.
pub(in crate::responses::inbox) async fn fault_counters(
    db: &Db,
    since_ms: i64,
    classes: &[Class],
) -> Result<Vec<Warning>, DbErr> {
    let names: Vec<String> = classes
        .iter()
        .map(|class| format!("bounces.{}", class.as_str()))
        .collect();
    let sql = format!(
        "SELECT c.name, w.launched_at, k.counter, k.value AS bounces,
            COALESCE((SELECT a.value FROM wave_counters a WHERE a.wave_id = w.id AND a.counter = 'accepted'), 0) AS accepted
         FROM waves w JOIN campaigns c ON c.id = w.campaign_id JOIN wave_counters k ON k.wave_id = w.id
         WHERE w.launched_at >= $2 AND NOT w.is_simulated AND k.counter IN {}
         ORDER BY w.id DESC, k.value DESC",
        db.dialect().list(1, Kind::Text)
    );
    db.rows(
        sql,
        [serde_json::json!(names).to_string().into(), since_ms.into()],
    )
    .await?
    .iter()
    .map(warning)
    .collect()
}

fn warning(row: &QueryResult) -> Result<Warning, DbErr> {
    let counter: String = row.try_get("", "counter")?;
    let class = counter.strip_prefix("bounces.").unwrap_or(&counter);
    Ok(Warning {
        campaign: row.try_get("", "name")?,
        launched_at: row.try_get("", "launched_at")?,
        class: class.to_owned(),
        bounces: row.try_get("", "bounces")?,
        accepted: row.try_get("", "accepted")?,
    })
}
