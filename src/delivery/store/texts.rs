//! What is known of text messages, beside their rows of the ledger.

use std::collections::HashSet;

use sea_orm::DbErr;
use serde_json::{Value, json};

use super::wave::Counters;
use crate::config::provider_of;
use crate::delivery::model::{Lease, Settlement, Verdict};
use crate::storage::{Kind, Sql, Txn};

/// Keeps what is known of text messages that were taken, or may have been, and counts parts and cost of
/// those that were; of rows `settled` in this transaction only, each once.
pub(super) async fn keep(
    txn: &Txn,
    lease: &Lease,
    settlements: &[Settlement],
    settled: &HashSet<i64>,
    counters: &mut Counters,
) -> Result<(), DbErr> {
    let Some(provider) = provider_of(&lease.route) else {
        return Ok(());
    };
    let accepted: HashSet<i64> = settlements
        .iter()
        .filter(|settlement| settlement.verdict == Verdict::Accepted)
        .map(|settlement| settlement.seq)
        .collect();
    let rows: Vec<Value> = settlements
        .iter()
        .filter(|settlement| settled.contains(&settlement.seq))
        .filter_map(|settlement| {
            let text = settlement.text.as_ref()?;
            // What may have been taken may cost nothing: only what was is money spent.
            let cost = text
                .bill
                .filter(|_| accepted.contains(&settlement.seq))
                .and_then(|bill| bill.cost_micros);
            Some(json!([
                settlement.seq,
                text.message_id,
                text.country,
                text.bill.map(|bill| bill.parts),
                cost
            ]))
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let kept = txn
        .rows(
            format!(
                "INSERT INTO sms_messages (wave_id, seq, provider, message_id, country, parts, cost_micros)
                 SELECT $2, x.seq, $3, x.message_id, x.country, CAST(x.parts AS SMALLINT), x.cost_micros
                 FROM {} AS x WHERE TRUE ON CONFLICT (wave_id, seq) DO NOTHING RETURNING seq, parts, cost_micros",
                txn.dialect().recordset(
                    1,
                    &[
                        ("seq", Kind::Int),
                        ("message_id", Kind::Text),
                        ("country", Kind::Text),
                        ("parts", Kind::Int),
                        ("cost_micros", Kind::Int),
                    ],
                )
            ),
            [
                Value::from(rows).to_string().into(),
                lease.wave.0.into(),
                provider.into(),
            ],
        )
        .await?;
    let mut add = |counter: &str, n: i64| *counters.entry(counter.to_owned()).or_default() += n;
    for row in &kept {
        if !accepted.contains(&row.try_get("", "seq")?) {
            continue;
        }
        if let Some(parts) = row.try_get::<Option<i16>>("", "parts")? {
            add("parts", i64::from(parts));
            add(
                match parts {
                    1 => "texts.1",
                    2 => "texts.2",
                    _ => "texts.more",
                },
                1,
            );
        }
        match row.try_get::<Option<i64>>("", "cost_micros")? {
            Some(cost) => add("cost_micros", cost),
            None => add("unpriced", 1),
        }
    }
    Ok(())
}
