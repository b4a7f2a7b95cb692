//! Queries about responses.

mod addressee;
pub(super) mod answers;
pub(super) mod coupons;
pub(super) mod effects;
pub(super) mod feedback;
mod journal;
pub(super) mod orders;
pub(super) mod requests;
pub(super) mod timeline;
pub(super) mod told;
mod waves;

pub(super) use addressee::{Addressee, addressee};
pub(super) use journal::{forget_journal, note_position, position};
pub(super) use waves::{Waves, texts};

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};

use sea_orm::{DbErr, QueryResult, Value};
use serde::Serialize;

use super::feedback::{self as fed, Feedback};
use super::judge::{BURST_MS, SCAN_MS};
use super::model::{MadeBy, Marks, Response, What};
use super::stages;
use super::tally::{self, Delivery, Earlier, EarlierClick, Judged, Moves, RemainingClicks, Wave};
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
    orders::make_due(txn, responses).await?;
    let deliveries = lock_deliveries(txn, &keys).await?;
    let mut earlier = earlier(txn, responses).await?;
    let with_clicks = responses
        .iter()
        .filter(|response| matches!(response.what, What::Click { .. } | What::Scan))
        .map(|response| response.delivery);
    waves.read_interests(&**txn, with_clicks).await?;

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

    let mut followed = feedback::followed_links(txn, &judged_all).await?;
    insert(txn, &judged_all).await?;
    told::tell(txn, &judged_all).await?;
    let taken_back: Vec<i64> = judged_all
        .iter()
        .flat_map(|(_, _, judged)| judged.taken_back.iter().map(|click| click.id))
        .collect();
    mark_as_scanner(txn, &taken_back).await?;

    let records = click_records(txn, &judged_all).await?;

    let mut moves = Moves::default();
    let mut marks = Vec::new();
    let mut by_customer: BTreeMap<CustomerId, Feedback> = BTreeMap::new();
    for (delivery, wave, judged) in &judged_all {
        let remaining = if judged.taken_back.is_empty() {
            None
        } else {
            Some(remaining_clicks(txn, delivery.key).await?)
        };
        let after = tally::marks_after(delivery, &wave.terms, judged, remaining.as_deref());
        let record = records.get(&delivery.key).copied();
        let clicks = stages::clicks(record, judged, remaining.as_deref());
        let after = stages::seen(after, delivery, wave.terms.goal, clicks);
        moves.add_delivery(delivery, after, judged);
        moves.add_stages(delivery, wave, after, judged);
        if after != delivery.marks {
            marks.push((delivery.key, after));
        }
        let new = fed::feedback(
            delivery,
            wave,
            after,
            judged,
            &followed.remove(&delivery.key).unwrap_or_default(),
            remaining.as_deref(),
        );
        match by_customer.entry(new.customer) {
            Entry::Occupied(mut sum) => sum.get_mut().add(new),
            Entry::Vacant(first) => {
                first.insert(new);
            }
        }
    }
    set_marks(txn, &marks).await?;
    feedback::feed_customers(txn, by_customer.into_values().collect()).await?;
    for (delivery, _, judged) in &judged_all {
        if !judged.taken_back.is_empty() {
            feedback::restore_last_response(txn, delivery.customer).await?;
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
        "SELECT d.wave_id, d.seq, d.customer_id, d.channel, d.cell, d.state, d.marks, d.settled_at, c.tracking,
                COALESCE(c.time_zone, c.phone_zone) AS zone
         FROM {} AS wanted CROSS JOIN deliveries d LEFT JOIN customers c ON c.id = d.customer_id
         WHERE d.wave_id = wanted.wave_id AND d.seq = wanted.seq
         ORDER BY d.wave_id, d.seq {lock}",
        txn.dialect().recordset(1, &KEY)
    );
    let rows = txn.rows(sql, [json(&key_values(keys))?]).await?;
    rows.iter()
        .map(|row| {
            let tracking: Option<String> = row.try_get("", "tracking")?;
            let zone: Option<String> = row.try_get("", "zone")?;
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
                zone: zone.and_then(|name| name.parse().ok()),
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

/// The clicks and scans on record close to the new ones in time, by delivery.
async fn earlier(
    txn: &Txn,
    responses: &[Response],
) -> Result<HashMap<DeliveryKey, Earlier>, DbErr> {
    // Only a click on another link can make a burst: of a link that is followed over and over no click is
    // read. A scan is no link, so all clicks beside it are.
    let mut wanted: Vec<(i64, i64, i32)> = Vec::new();
    let (mut first, mut last) = (i64::MAX, i64::MIN);
    for response in responses {
        let link = match response.what {
            What::Click { link, .. } => i32::from(link),
            What::Scan => SCAN,
            _ => continue,
        };
        let DeliveryKey { wave, seq } = response.delivery;
        wanted.push((wave.0, seq, link));
        first = first.min(response.at);
        last = last.max(response.at);
    }
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    wanted.sort_unstable();
    wanted.dedup();
    let sql = format!(
        "SELECT DISTINCT r.id, r.wave_id, r.seq, r.kind, r.link, r.responded_at, r.is_machine, r.is_scanner
         FROM {} AS wanted CROSS JOIN responses r
         WHERE r.wave_id = wanted.wave_id AND r.seq = wanted.seq
           AND ((r.kind = 'click' AND r.link <> wanted.link
                 AND r.responded_at > CASE WHEN wanted.link = {SCAN} THEN $4 ELSE $2 END
                 AND r.responded_at < CASE WHEN wanted.link = {SCAN} THEN $5 ELSE $3 END)
             OR (r.kind = 'scan' AND r.responded_at > $4 AND r.responded_at < $5))",
        txn.dialect()
            .recordset(1, &[KEY[0], KEY[1], ("link", Kind::Int)])
    );
    let values = [
        json(&wanted)?,
        (first - BURST_MS).into(),
        (last + BURST_MS).into(),
        (first - SCAN_MS - 1).into(),
        (last + SCAN_MS + 1).into(),
    ];
    let mut found: HashMap<DeliveryKey, Earlier> = HashMap::new();
    for row in txn.rows(sql, values).await? {
        let of_delivery = found.entry(key(&row)?).or_default();
        let at = row.try_get("", "responded_at")?;
        let kind: String = row.try_get("", "kind")?;
        if kind == What::Scan.as_str() {
            of_delivery.scans.push(at);
            continue;
        }
        let link: Option<i64> = row.try_get("", "link")?;
        of_delivery.clicks.push(EarlierClick {
            id: row.try_get("", "id")?,
            link: link
                .and_then(|link| u16::try_from(link).ok())
                .unwrap_or_default(),
            at,
            made_by: MadeBy::from_columns(
                row.try_get("", "is_machine")?,
                row.try_get("", "is_scanner")?,
            ),
        });
    }
    Ok(found)
}

/// What stands for a scan where a link's number is looked for.
const SCAN: i32 = -1;

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
                | What::Answer
                | What::Scan => (None, None, None, None),
            };
            rows.push((
                delivery.key.wave.0,
                delivery.key.seq,
                wave.campaign.0,
                delivery.customer.0,
                response.what.as_str(),
                !response.made_by.is_person(),
                response.made_by == MadeBy::Scanner,
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
        "INSERT INTO responses (wave_id, seq, campaign_id, customer_id, kind, is_machine, is_scanner, link, part, amount_cents, class, responded_at)
         SELECT wave_id, seq, campaign_id, customer_id, kind, is_machine, is_scanner, link, part, amount_cents, class, responded_at
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
                ("is_scanner", Kind::Bool),
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

async fn mark_as_scanner(txn: &Txn, ids: &[i64]) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "UPDATE responses SET is_machine = $2, is_scanner = $2 WHERE id IN {}",
        txn.dialect().list(1, Kind::Int)
    );
    txn.run(sql, [json(&ids)?, true.into()]).await.map(drop)
}

/// The first and the last human click of those who clicked before and again now, the new ones included.
async fn click_records(
    txn: &Txn,
    judged: &[(&Delivery, &Wave, Judged)],
) -> Result<HashMap<DeliveryKey, (i64, i64)>, DbErr> {
    let keys: Vec<DeliveryKey> = judged
        .iter()
        .filter(|(delivery, _, judged)| stages::may_have_returned(delivery.marks, judged))
        .map(|(delivery, _, _)| delivery.key)
        .collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = format!(
        "SELECT r.wave_id, r.seq, MIN(r.responded_at) AS first_at, MAX(r.responded_at) AS last_at
         FROM {} AS wanted CROSS JOIN responses r
         WHERE r.wave_id = wanted.wave_id AND r.seq = wanted.seq AND r.kind = 'click' AND NOT r.is_machine
         GROUP BY r.wave_id, r.seq",
        txn.dialect().recordset(1, &KEY)
    );
    let rows = txn.rows(sql, [json(&key_values(&keys))?]).await?;
    rows.iter()
        .map(|row| {
            let ends = (row.try_get("", "first_at")?, row.try_get("", "last_at")?);
            Ok((key(row)?, ends))
        })
        .collect()
}

async fn remaining_clicks(txn: &Txn, key: DeliveryKey) -> Result<Vec<RemainingClicks>, DbErr> {
    let rows = txn
        .rows(
            "SELECT link, part, MIN(responded_at) AS first_at, MAX(responded_at) AS last_at FROM responses
             WHERE wave_id = $1 AND seq = $2 AND kind = 'click' AND NOT is_machine GROUP BY link, part",
            [key.wave.0.into(), key.seq.into()],
        )
        .await?;
    let mut remaining = Vec::with_capacity(rows.len());
    for row in rows {
        let name: Option<String> = row.try_get("", "part")?;
        let part = Part::ALL
            .into_iter()
            .find(|part| Some(part.as_str()) == name.as_deref());
        let link: Option<i64> = row.try_get("", "link")?;
        if let Some(part) = part
            && let Some(link) = link.and_then(|link| u16::try_from(link).ok())
        {
            remaining.push(RemainingClicks {
                link,
                part,
                first_at: row.try_get("", "first_at")?,
                last_at: row.try_get("", "last_at")?,
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
