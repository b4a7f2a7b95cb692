//! Queries about responses.

mod addressee;
pub(super) mod effects;
mod journal;
mod orders;
mod waves;

pub(super) use addressee::{Addressee, addressee};
pub(super) use journal::{forget_journal, note_position, position};
pub(super) use orders::{Contact, OpenOrder, claim_orders, contacts, open_orders, terms};
pub(super) use waves::{Waves, texts};

use std::collections::{BTreeMap, HashMap};

use sea_orm::{DbErr, QueryResult, Value};
use serde::Serialize;

use super::judge::BURST_MS;
use super::model::{Marks, Response, What};
use super::tally::{self, Delivery, EarlierClick, Feedback, Judged, Moves, RemainingClicks, Wave};
use crate::consent::model::{Channel, Tracking};
use crate::ids::{CustomerId, DeliveryKey, WaveId};
use crate::storage::{Dialect, Kind, Sql, Txn};
use crate::templates::model::Part;

/// The ledger's states of a row that no server has answered for: pending, sending, deferred. Whoever has the
/// link of such a message has it from the hand-over that goes on.
const IN_HAND: [i16; 3] = [0, 1, 3];
/// The ledger's state of a row that the next server took.
const ACCEPTED: i16 = 2;

/// Writes responses with all that they change: raw events, marks, counters, customers. Responses to a
/// delivery that does not exist are left out; returns how many were.
pub(super) async fn write(
    txn: &Txn,
    waves: &mut Waves,
    responses: &[Response],
) -> Result<usize, DbErr> {
    let mut by_delivery: BTreeMap<DeliveryKey, Vec<Response>> = BTreeMap::new();
    for response in responses {
        by_delivery
            .entry(response.delivery)
            .or_default()
            .push(*response);
    }
    let keys: Vec<DeliveryKey> = by_delivery.keys().copied().collect();
    let mut wave_ids: Vec<WaveId> = keys.iter().map(|key| key.wave).collect();
    wave_ids.dedup();
    waves.read(&**txn, wave_ids).await?;
    let deliveries = lock_deliveries(txn, &keys).await?;
    let mut earlier = earlier_clicks(txn, responses).await?;

    let mut known = 0;
    let mut judged_all: Vec<(&Delivery, &Wave, Judged)> = Vec::with_capacity(deliveries.len());
    for delivery in &deliveries {
        let (Some(wave), Some(new)) =
            (waves.get(delivery.key.wave), by_delivery.get(&delivery.key))
        else {
            continue;
        };
        known += new.len();
        let earlier = earlier.remove(&delivery.key).unwrap_or_default();
        judged_all.push((delivery, wave, tally::judge(delivery, wave, &earlier, new)));
    }

    insert(txn, &judged_all).await?;
    let taken_back: Vec<i64> = judged_all
        .iter()
        .flat_map(|(_, _, judged)| judged.taken_back.iter().map(|click| click.id))
        .collect();
    mark_as_machine(txn, &taken_back).await?;

    let mut moves = Moves::default();
    let mut marks = Vec::new();
    let mut fed: BTreeMap<CustomerId, Feedback> = BTreeMap::new();
    for (delivery, wave, judged) in &judged_all {
        let remaining = if judged.taken_back.is_empty() {
            None
        } else {
            Some(remaining_clicks(txn, delivery.key).await?)
        };
        let after = tally::marks_after(delivery, &wave.terms, judged, remaining.as_deref());
        moves.add_delivery(delivery, after, judged);
        if after != delivery.marks {
            marks.push((delivery.key, after));
        }
        let feedback = tally::feedback(delivery, after, judged);
        fed.entry(feedback.customer)
            .and_modify(|sum| sum.add(feedback))
            .or_insert(feedback);
    }
    set_marks(txn, &marks).await?;
    feed_customers(txn, fed.into_values()).await?;
    for (delivery, _, judged) in &judged_all {
        if !judged.taken_back.is_empty() {
            restore_last_response(txn, delivery.customer).await?;
        }
    }
    // The counters last: every writer of a wave wants the same few rows, so they are held briefly.
    move_counters(txn, &moves).await?;
    Ok(responses.len() - known)
}

/// The deliveries, locked until the transaction ends, in the order of their keys.
async fn lock_deliveries(txn: &Txn, keys: &[DeliveryKey]) -> Result<Vec<Delivery>, DbErr> {
    let lock = match txn.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => "FOR UPDATE OF d",
    };
    let sql = format!(
        "SELECT d.wave_id, d.seq, d.customer_id, d.channel, d.cell, d.state, d.marks, d.settled_at, c.tracking
         FROM {} AS wanted CROSS JOIN deliveries d LEFT JOIN customers c ON c.id = d.customer_id
         WHERE d.wave_id = wanted.wave_id AND d.seq = wanted.seq
         ORDER BY d.wave_id, d.seq {lock}",
        txn.dialect().recordset(1, &KEY)
    );
    let rows = txn.rows(sql, [json(&key_values(keys))?]).await?;
    rows.iter()
        .map(|row| {
            let tracking: Option<String> = row.try_get("", "tracking")?;
            let state: i16 = row.try_get("", "state")?;
            let channel: String = row.try_get("", "channel")?;
            Ok(Delivery {
                key: key(row)?,
                customer: CustomerId(row.try_get("", "customer_id")?),
                channel: channel.parse::<Channel>().map_err(DbErr::Type)?,
                is_in_hand: IN_HAND.contains(&state),
                is_accepted: state == ACCEPTED,
                cell: row.try_get("", "cell")?,
                settled_at: row.try_get("", "settled_at")?,
                marks: Marks(row.try_get("", "marks")?),
                tracking: Tracking::from_column(&tracking.unwrap_or_default()),
            })
        })
        .collect()
}

/// The columns of a key, as a recordset.
const KEY: [(&str, Kind); 2] = [("wave_id", Kind::Int), ("seq", Kind::Int)];

/// Rows as the one JSON parameter of a statement: its text then does not change with their number, so that
/// the database keeps it prepared.
fn json(rows: &impl Serialize) -> Result<Value, DbErr> {
    serde_json::to_string(rows)
        .map(Value::from)
        .map_err(|error| DbErr::Json(error.to_string()))
}

fn key(row: &QueryResult) -> Result<DeliveryKey, DbErr> {
    Ok(DeliveryKey {
        wave: WaveId(row.try_get("", "wave_id")?),
        seq: row.try_get("", "seq")?,
    })
}

fn key_values(keys: &[DeliveryKey]) -> Vec<(i64, i64)> {
    keys.iter().map(|key| (key.wave.0, key.seq)).collect()
}

/// The clicks on record close to the new ones in time, by delivery.
async fn earlier_clicks(
    txn: &Txn,
    responses: &[Response],
) -> Result<HashMap<DeliveryKey, Vec<EarlierClick>>, DbErr> {
    let clicks = || {
        responses
            .iter()
            .filter(|response| matches!(response.what, What::Click { .. }))
    };
    // Only a click on another link can make a burst: of a link that is followed over and over nothing is read.
    let mut wanted: Vec<(i64, i64, u16)> = responses
        .iter()
        .filter_map(|response| match response.what {
            What::Click { link, .. } => {
                Some((response.delivery.wave.0, response.delivery.seq, link))
            }
            _ => None,
        })
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    let (Some(first), Some(last)) = (
        clicks().map(|click| click.at).min(),
        clicks().map(|click| click.at).max(),
    ) else {
        return Ok(HashMap::new());
    };
    let sql = format!(
        "SELECT DISTINCT r.id, r.wave_id, r.seq, r.link, r.responded_at, r.is_machine
         FROM {} AS wanted CROSS JOIN responses r
         WHERE r.wave_id = wanted.wave_id AND r.seq = wanted.seq
           AND r.kind = 'click' AND r.link <> wanted.link
           AND r.responded_at > $2 AND r.responded_at < $3",
        txn.dialect()
            .recordset(1, &[KEY[0], KEY[1], ("link", Kind::Int)])
    );
    let values = [
        json(&wanted)?,
        (first - BURST_MS).into(),
        (last + BURST_MS).into(),
    ];
    let mut found: HashMap<DeliveryKey, Vec<EarlierClick>> = HashMap::new();
    for row in txn.rows(sql, values).await? {
        let link: Option<i64> = row.try_get("", "link")?;
        found.entry(key(&row)?).or_default().push(EarlierClick {
            id: row.try_get("", "id")?,
            link: link
                .and_then(|link| u16::try_from(link).ok())
                .unwrap_or_default(),
            at: row.try_get("", "responded_at")?,
            is_machine: row.try_get("", "is_machine")?,
        });
    }
    Ok(found)
}

async fn insert(txn: &Txn, judged: &[(&Delivery, &Wave, Judged)]) -> Result<(), DbErr> {
    let mut rows = Vec::new();
    for (delivery, wave, judged) in judged {
        for response in &judged.responses {
            let (link, part, amount, class) = match response.what {
                What::Click { link, part } => (Some(link), Some(part.as_str()), None, None),
                What::Order { amount_cents } => (None, None, Some(amount_cents), None),
                What::Bounce { class } => (None, None, None, Some(class.as_str())),
                What::Open
                | What::OptOut
                | What::Reply
                | What::Complaint
                | What::Redeem
                | What::Answer => (None, None, None, None),
            };
            rows.push((
                delivery.key.wave.0,
                delivery.key.seq,
                wave.campaign.0,
                delivery.customer.0,
                response.what.as_str(),
                response.is_machine,
                link,
                part,
                amount,
                class,
                response.at,
            ));
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO responses (wave_id, seq, campaign_id, customer_id, kind, is_machine, link, part, amount_cents, class, responded_at)
         SELECT wave_id, seq, campaign_id, customer_id, kind, is_machine, link, part, amount_cents, class, responded_at
         FROM {} AS new ORDER BY place",
        txn.dialect().recordset(
            1,
            &[
                ("wave_id", Kind::Int),
                ("seq", Kind::Int),
                ("campaign_id", Kind::Int),
                ("customer_id", Kind::Int),
                ("kind", Kind::Text),
                ("is_machine", Kind::Bool),
                ("link", Kind::Int),
                ("part", Kind::Text),
                ("amount_cents", Kind::Int),
                ("class", Kind::Text),
                ("responded_at", Kind::Int),
            ]
        )
    );
    txn.run(sql, [json(&rows)?]).await.map(drop)
}

async fn mark_as_machine(txn: &Txn, ids: &[i64]) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "UPDATE responses SET is_machine = $2 WHERE id IN {}",
        txn.dialect().list(1, Kind::Int)
    );
    txn.run(sql, [json(&ids)?, true.into()]).await.map(drop)
}

async fn remaining_clicks(txn: &Txn, key: DeliveryKey) -> Result<Vec<RemainingClicks>, DbErr> {
    let rows = txn
        .rows(
            "SELECT part, MIN(responded_at) AS first_at FROM responses
             WHERE wave_id = $1 AND seq = $2 AND kind = 'click' AND NOT is_machine GROUP BY part",
            [key.wave.0.into(), key.seq.into()],
        )
        .await?;
    let mut remaining = Vec::with_capacity(rows.len());
    for row in rows {
        let name: Option<String> = row.try_get("", "part")?;
        let part = Part::ALL
            .into_iter()
            .find(|part| Some(part.as_str()) == name.as_deref());
        if let Some(part) = part {
            remaining.push(RemainingClicks {
                part,
                first_at: row.try_get("", "first_at")?,
            });
        }
    }
    Ok(remaining)
}

async fn set_marks(txn: &Txn, marks: &[(DeliveryKey, Marks)]) -> Result<(), DbErr> {
    if marks.is_empty() {
        return Ok(());
    }
    let columns = [KEY[0], KEY[1], ("marks", Kind::Int)];
    let sql = format!(
        "UPDATE deliveries SET marks = new.marks FROM {} AS new
         WHERE deliveries.wave_id = new.wave_id AND deliveries.seq = new.seq",
        txn.dialect().recordset(1, &columns)
    );
    let rows: Vec<(i64, i64, i64)> = marks
        .iter()
        .map(|(key, marks)| (key.wave.0, key.seq, marks.0))
        .collect();
    txn.run(sql, [json(&rows)?]).await.map(drop)
}

async fn move_counters(txn: &Txn, moves: &Moves) -> Result<(), DbErr> {
    add_to_counters(txn, &moves.0).await
}

/// Moves counters of waves, in the order in which all do.
pub(super) async fn add_to_counters(
    txn: &Txn,
    moves: &BTreeMap<(WaveId, String), i64>,
) -> Result<(), DbErr> {
    let rows: Vec<(i64, &str, i64)> = moves
        .iter()
        .filter(|(_, by)| **by != 0)
        .map(|((wave, counter), by)| (wave.0, counter.as_str(), *by))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let columns = [
        ("wave_id", Kind::Int),
        ("counter", Kind::Text),
        ("value", Kind::Int),
    ];
    let sql = format!(
        "INSERT INTO wave_counters (wave_id, counter, value)
         SELECT wave_id, counter, value FROM {} AS moved WHERE TRUE ORDER BY place
         ON CONFLICT (wave_id, counter) DO UPDATE SET value = wave_counters.value + excluded.value",
        txn.dialect().recordset(1, &columns)
    );
    txn.run(sql, [json(&rows)?]).await.map(drop)
}

/// Feeds the customers; one who was erased meanwhile is fed nothing.
async fn feed_customers(txn: &Txn, feedback: impl Iterator<Item = Feedback>) -> Result<(), DbErr> {
    let rows: Vec<(i64, i64, Option<i64>, bool)> = feedback
        .filter(|f| f.points != 0 || f.responded_at.is_some() || f.has_ordered)
        .map(|f| (f.customer.0, f.points, f.responded_at, f.has_ordered))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let columns = [
        ("id", Kind::Int),
        ("points", Kind::Int),
        ("responded_at", Kind::Int),
        ("has_ordered", Kind::Bool),
    ];
    let sql = format!(
        "UPDATE customers SET
            engagement = customers.engagement + new.points,
            last_response_at = CASE
                WHEN new.responded_at IS NULL THEN customers.last_response_at
                WHEN customers.last_response_at IS NULL OR customers.last_response_at < new.responded_at
                THEN new.responded_at
                ELSE customers.last_response_at END,
            stage = CASE WHEN new.has_ordered THEN 'customer' ELSE customers.stage END
         FROM {} AS new WHERE customers.id = new.id",
        txn.dialect().recordset(1, &columns)
    );
    txn.run(sql, [json(&rows)?]).await.map(drop)
}

/// After clicks were taken back: when the customer last did something himself.
async fn restore_last_response(txn: &Txn, customer: CustomerId) -> Result<(), DbErr> {
    txn.run(
        "UPDATE customers SET last_response_at =
            (SELECT MAX(responded_at) FROM responses
             WHERE customer_id = $1 AND NOT is_machine AND kind NOT IN ('open', 'bounce'))
         WHERE id = $1",
        [customer.0.into()],
    )
    .await?;
    Ok(())
}

/// Writes an opt-out, unless one is on record for this delivery.
pub(super) async fn write_opt_out(
    txn: &Txn,
    waves: &mut Waves,
    response: Response,
) -> Result<(), DbErr> {
    write_once(txn, waves, response, Marks::OPTED_OUT).await
}

/// Writes a response, unless the delivery has its mark already.
pub(super) async fn write_once(
    txn: &Txn,
    waves: &mut Waves,
    response: Response,
    mark: Marks,
) -> Result<(), DbErr> {
    let is_marked = lock_deliveries(txn, &[response.delivery])
        .await?
        .first()
        .is_some_and(|delivery| delivery.marks.has(mark));
    if !is_marked {
        write(txn, waves, &[response]).await?;
    }
    Ok(())
}
