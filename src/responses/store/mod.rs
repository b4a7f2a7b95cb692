//! Queries about responses.

mod orders;

pub(super) use orders::{Contact, OpenOrder, claim_orders, contacts, open_orders, terms};

use std::collections::{BTreeMap, HashMap};

use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};

use super::judge::BURST_MS;
use super::model::{Marks, Response, Terms, What};
use super::tally::{self, Delivery, EarlierClick, Feedback, Judged, Moves, RemainingClicks, Wave};
use crate::consent::model::{Channel, Tracking};
use crate::ids::{CampaignId, CustomerId, DeliveryKey, WaveId};
use crate::storage::{Db, Dialect, Sql, Txn};
use crate::templates::model::Part;

/// The ledger's state of a row that is being handed over.
const SENDING: i16 = 1;

/// The template version of a wave and its frozen source.
pub(super) async fn template_source(db: &Db, wave: WaveId) -> Result<Option<(i64, String)>, DbErr> {
    db.row(
        "SELECT t.id, t.source FROM waves w JOIN template_versions t ON t.id = w.template_version_id
         WHERE w.id = $1",
        [wave.0.into()],
    )
    .await?
    .map(|row| Ok((row.try_get("", "id")?, row.try_get("", "source")?)))
    .transpose()
}

/// The waves met so far: frozen at launch, so they are read once.
#[derive(Debug, Default)]
pub(super) struct Waves(HashMap<WaveId, Wave>);

/// Waves kept at once.
const KEPT_WAVES: usize = 1_000;

impl Waves {
    async fn read(
        &mut self,
        connection: &impl ConnectionTrait,
        ids: impl IntoIterator<Item = WaveId>,
    ) -> Result<(), DbErr> {
        if self.0.len() > KEPT_WAVES {
            self.0.clear();
        }
        for id in ids {
            if self.0.contains_key(&id) {
                continue;
            }
            let row = connection
                .row(
                    "SELECT campaign_id, is_simulated, definition FROM waves WHERE id = $1",
                    [id.0.into()],
                )
                .await?;
            if let Some(row) = row {
                let definition: String = row.try_get("", "definition")?;
                let wave = Wave {
                    campaign: CampaignId(row.try_get("", "campaign_id")?),
                    is_simulated: row.try_get("", "is_simulated")?,
                    terms: Terms::read(&definition),
                };
                self.0.insert(id, wave);
            }
        }
        Ok(())
    }
}

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
        let (Some(wave), Some(new)) = (
            waves.0.get(&delivery.key.wave),
            by_delivery.get(&delivery.key),
        ) else {
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
        moves.add_delivery(delivery.key, delivery.marks, after, judged);
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
    let mut deliveries = Vec::with_capacity(keys.len());
    let lock = match txn.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => "FOR UPDATE OF d",
    };
    for keys in keys.chunks(txn.dialect().rows_per_statement(2)) {
        let sql = format!(
            "WITH wanted (wave_id, seq) AS (VALUES {})
             SELECT d.wave_id, d.seq, d.customer_id, d.state, d.marks, d.settled_at, c.tracking
             FROM wanted
             JOIN deliveries d ON d.wave_id = wanted.wave_id AND d.seq = wanted.seq
             LEFT JOIN customers c ON c.id = d.customer_id
             ORDER BY d.wave_id, d.seq {lock}",
            txn.dialect().values(keys.len(), 2)
        );
        for row in txn.rows(sql, key_values(keys)).await? {
            let tracking: Option<String> = row.try_get("", "tracking")?;
            let state: i16 = row.try_get("", "state")?;
            deliveries.push(Delivery {
                key: key(&row)?,
                customer: CustomerId(row.try_get("", "customer_id")?),
                is_in_hand: state == SENDING,
                settled_at: row.try_get("", "settled_at")?,
                marks: Marks(row.try_get("", "marks")?),
                tracking: Tracking::from_column(&tracking.unwrap_or_default()),
            });
        }
    }
    Ok(deliveries)
}

fn key(row: &QueryResult) -> Result<DeliveryKey, DbErr> {
    Ok(DeliveryKey {
        wave: WaveId(row.try_get("", "wave_id")?),
        seq: row.try_get("", "seq")?,
    })
}

fn key_values(keys: &[DeliveryKey]) -> Vec<Value> {
    keys.iter()
        .flat_map(|key| [key.wave.0.into(), key.seq.into()])
        .collect()
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
    let mut keys: Vec<DeliveryKey> = clicks().map(|click| click.delivery).collect();
    keys.sort_unstable();
    keys.dedup();
    let (Some(first), Some(last)) = (
        clicks().map(|click| click.at).min(),
        clicks().map(|click| click.at).max(),
    ) else {
        return Ok(HashMap::new());
    };
    let mut found: HashMap<DeliveryKey, Vec<EarlierClick>> = HashMap::new();
    for keys in keys.chunks(txn.dialect().rows_per_statement(2) - 1) {
        let sql = format!(
            "WITH wanted (wave_id, seq) AS (VALUES {})
             SELECT r.id, r.wave_id, r.seq, r.link, r.responded_at, r.is_machine
             FROM wanted
             JOIN responses r ON r.wave_id = wanted.wave_id AND r.seq = wanted.seq
             WHERE r.kind = 'click' AND r.responded_at > ${} AND r.responded_at < ${}",
            txn.dialect().values(keys.len(), 2),
            keys.len() * 2 + 1,
            keys.len() * 2 + 2,
        );
        let mut values = key_values(keys);
        values.push((first - BURST_MS).into());
        values.push((last + BURST_MS).into());
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
    }
    Ok(found)
}

async fn insert(txn: &Txn, judged: &[(&Delivery, &Wave, Judged)]) -> Result<(), DbErr> {
    const COLUMNS: usize = 10;
    let mut rows: Vec<[Value; COLUMNS]> = Vec::new();
    for (delivery, wave, judged) in judged {
        for response in &judged.responses {
            let (link, part, amount) = match response.what {
                What::Click { link, part } => (Some(i64::from(link)), Some(part.as_str()), None),
                What::Order { amount_cents } => (None, None, Some(amount_cents)),
                What::Open | What::OptOut => (None, None, None),
            };
            rows.push([
                delivery.key.wave.0.into(),
                delivery.key.seq.into(),
                wave.campaign.0.into(),
                delivery.customer.0.into(),
                response.what.as_str().into(),
                response.is_machine.into(),
                link.into(),
                part.map(str::to_owned).into(),
                amount.into(),
                response.at.into(),
            ]);
        }
    }
    for rows in rows.chunks(txn.dialect().rows_per_statement(COLUMNS)) {
        let sql = format!(
            "INSERT INTO responses (wave_id, seq, campaign_id, customer_id, kind, is_machine, link, part, amount_cents, responded_at)
             VALUES {}",
            txn.dialect().values(rows.len(), COLUMNS)
        );
        txn.run(sql, rows.iter().flatten().cloned().collect::<Vec<_>>())
            .await?;
    }
    Ok(())
}

async fn mark_as_machine(txn: &Txn, ids: &[i64]) -> Result<(), DbErr> {
    for ids in ids.chunks(txn.dialect().rows_per_statement(1) - 1) {
        let sql = format!(
            "WITH taken_back (id) AS (VALUES {})
             UPDATE responses SET is_machine = ${} WHERE id IN (SELECT id FROM taken_back)",
            txn.dialect().values(ids.len(), 1),
            ids.len() + 1
        );
        let mut values: Vec<Value> = ids.iter().map(|id| (*id).into()).collect();
        values.push(true.into());
        txn.run(sql, values).await?;
    }
    Ok(())
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
    for marks in marks.chunks(txn.dialect().rows_per_statement(3)) {
        let sql = format!(
            "WITH new (wave_id, seq, marks) AS (VALUES {})
             UPDATE deliveries SET marks = new.marks FROM new
             WHERE deliveries.wave_id = new.wave_id AND deliveries.seq = new.seq",
            txn.dialect().values(marks.len(), 3)
        );
        let values: Vec<Value> = marks
            .iter()
            .flat_map(|(key, marks)| [key.wave.0.into(), key.seq.into(), marks.0.into()])
            .collect();
        txn.run(sql, values).await?;
    }
    Ok(())
}

async fn move_counters(txn: &Txn, moves: &Moves) -> Result<(), DbErr> {
    let moves: Vec<_> = moves.0.iter().filter(|(_, by)| **by != 0).collect();
    for moves in moves.chunks(txn.dialect().rows_per_statement(3)) {
        let sql = format!(
            "INSERT INTO wave_counters (wave_id, counter, value) VALUES {}
             ON CONFLICT (wave_id, counter) DO UPDATE SET value = wave_counters.value + excluded.value",
            txn.dialect().values(moves.len(), 3)
        );
        let values: Vec<Value> = moves
            .iter()
            .flat_map(|((wave, counter), by)| {
                [wave.0.into(), counter.as_str().into(), (**by).into()]
            })
            .collect();
        txn.run(sql, values).await?;
    }
    Ok(())
}

/// Feeds the customers; one who was erased meanwhile is fed nothing.
async fn feed_customers(txn: &Txn, feedback: impl Iterator<Item = Feedback>) -> Result<(), DbErr> {
    let feedback: Vec<Feedback> = feedback
        .filter(|f| f.points != 0 || f.responded_at.is_some() || f.has_ordered)
        .collect();
    for feedback in feedback.chunks(txn.dialect().rows_per_statement(4)) {
        let sql = format!(
            "WITH new (id, points, responded_at, has_ordered) AS (VALUES {})
             UPDATE customers SET
                engagement = customers.engagement + new.points,
                last_response_at = CASE
                    WHEN new.responded_at IS NULL THEN customers.last_response_at
                    WHEN customers.last_response_at IS NULL OR customers.last_response_at < new.responded_at
                    THEN new.responded_at
                    ELSE customers.last_response_at END,
                stage = CASE WHEN new.has_ordered THEN 'customer' ELSE customers.stage END
             FROM new WHERE customers.id = new.id",
            txn.dialect().values(feedback.len(), 4)
        );
        let values: Vec<Value> = feedback
            .iter()
            .flat_map(|f| {
                [
                    f.customer.0.into(),
                    f.points.into(),
                    f.responded_at.into(),
                    f.has_ordered.into(),
                ]
            })
            .collect();
        txn.run(sql, values).await?;
    }
    Ok(())
}

/// After clicks were taken back: when the customer last did something himself.
async fn restore_last_response(txn: &Txn, customer: CustomerId) -> Result<(), DbErr> {
    txn.run(
        "UPDATE customers SET last_response_at =
            (SELECT MAX(responded_at) FROM responses
             WHERE customer_id = $1 AND NOT is_machine AND kind <> 'open')
         WHERE id = $1",
        [customer.0.into()],
    )
    .await?;
    Ok(())
}

/// What an opt-out needs to know of a delivery.
#[derive(Debug)]
pub(super) struct Addressee {
    /// To whom the delivery went, also when he was erased.
    pub customer_id: CustomerId,
    pub channel: Channel,
    /// `None` when he was erased.
    pub customer: Option<Known>,
    pub terms: Terms,
}

/// A customer who is still in the base.
#[derive(Debug)]
pub(super) struct Known {
    pub id: CustomerId,
    pub language: String,
    /// Of the address of the delivery's channel.
    pub fingerprint: Option<String>,
}

/// Whom a delivery went to.
pub(super) async fn addressee(
    connection: &impl ConnectionTrait,
    key: DeliveryKey,
) -> Result<Option<Addressee>, DbErr> {
    let row = connection
        .row(
            "SELECT d.customer_id AS addressee, d.channel, w.definition, c.id AS customer_id, c.language, c.email_fingerprint, c.phone_fingerprint
             FROM deliveries d
             JOIN waves w ON w.id = d.wave_id
             LEFT JOIN customers c ON c.id = d.customer_id
             WHERE d.wave_id = $1 AND d.seq = $2",
            [key.wave.0.into(), key.seq.into()],
        )
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let channel: String = row.try_get("", "channel")?;
    let channel = channel.parse::<Channel>().map_err(DbErr::Type)?;
    let definition: String = row.try_get("", "definition")?;
    let customer = match row.try_get::<Option<i64>>("", "customer_id")? {
        None => None,
        Some(id) => Some(Known {
            id: CustomerId(id),
            language: row.try_get("", "language")?,
            fingerprint: match channel {
                Channel::Email => row.try_get("", "email_fingerprint")?,
                Channel::Sms => row.try_get("", "phone_fingerprint")?,
            },
        }),
    };
    Ok(Some(Addressee {
        customer_id: CustomerId(row.try_get("", "addressee")?),
        channel,
        customer,
        terms: Terms::read(&definition),
    }))
}

/// Writes an opt-out, unless one is on record for this delivery.
pub(super) async fn write_opt_out(
    txn: &Txn,
    waves: &mut Waves,
    response: Response,
) -> Result<(), DbErr> {
    let is_marked = lock_deliveries(txn, &[response.delivery])
        .await?
        .first()
        .is_some_and(|delivery| delivery.marks.has(Marks::OPTED_OUT));
    if !is_marked {
        write(txn, waves, &[response]).await?;
    }
    Ok(())
}
