//! Queries about orders: those that are due, what may have earned them, and what the counters hold of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use serde_json::json;

use super::feedback::{feed_customers, restore_last_response};
use super::{KEY, Waves, key, key_values, lock_deliveries, move_counters, set_marks};
use crate::customers::store::orders as customer_orders;
use crate::ids::{CampaignId, CustomerId, DeliveryKey, WaveId};
use crate::responses::attribution::{Claim, MatchedBy};
use crate::responses::model::{Response, Terms, What};
use crate::responses::orders::UnmatchedOrder;
use crate::responses::tally::{self, Judged, Moves};
use crate::responses::{feedback, stages};
use crate::storage::{Db, Dialect, Kind, Sql, Txn};
use crate::tokens::coupon_key;

/// SQL for the last instant at which order `o` may have been made: one given to the day or to the second
/// was made within it, and a click of that day or second came before.
const LATEST: &str = "(o.ordered_at + CASE WHEN o.ordered_at % 86400000 = 0 THEN 86399999 \
     WHEN o.ordered_at % 1000 = 0 THEN 999 ELSE 0 END)";

const DAY_MS: i64 = 86_400_000;
/// No window is longer: a click before that earns nothing.
const LONGEST_WINDOW_MS: i64 = 366 * DAY_MS;

/// What the counters hold of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::responses) struct Counted {
    pub cents: i64,
    pub currency: String,
    pub at: i64,
}

/// An order to be looked at.
#[derive(Debug, Clone)]
pub(in crate::responses) struct DueOrder {
    pub id: i64,
    pub external_id: Option<String>,
    pub customer: CustomerId,
    pub ordered_at: i64,
    /// The last instant at which it may have been made.
    pub latest: i64,
    pub amount_cents: i64,
    pub currency: String,
    pub campaign: Option<CampaignId>,
    pub token: Option<String>,
    pub coupon: Option<String>,
    pub campaign_code: Option<String>,
    pub delivery: Option<(DeliveryKey, MatchedBy)>,
    pub counted: Option<Counted>,
    pub cancelled_at: Option<i64>,
}

impl DueOrder {
    /// Whether nothing is known to have earned it.
    pub fn is_open(&self) -> bool {
        self.delivery.is_none() && self.cancelled_at.is_none()
    }

    /// What the counters hold of it.
    pub fn sale(&self) -> Option<Sale> {
        let (key, by) = self.delivery?;
        Some(Sale {
            key,
            by,
            counted: self.counted.clone()?,
        })
    }
}

/// An order that a delivery earned, as it is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::responses) struct Sale {
    pub key: DeliveryKey,
    pub by: MatchedBy,
    pub counted: Counted,
}

/// What is to be known of an order from now on.
#[derive(Debug, Clone)]
pub(in crate::responses) struct Ruling {
    pub order: i64,
    pub campaign: Option<CampaignId>,
    pub delivery: Option<(DeliveryKey, MatchedBy)>,
    pub counted: Option<Counted>,
    /// When it is looked at again by itself.
    pub due_at: Option<i64>,
}

impl Ruling {
    /// All stays as it is, and the order is no longer due.
    pub fn of(order: &DueOrder) -> Self {
        Self {
            order: order.id,
            campaign: order.campaign,
            delivery: order.delivery,
            counted: order.counted.clone(),
            due_at: None,
        }
    }
}

/// A message that went out.
#[derive(Debug, Clone, Copy)]
pub(in crate::responses) struct Sent {
    pub campaign: CampaignId,
    pub customer: CustomerId,
    pub settled_at: Option<i64>,
}

fn text(value: &serde_json::Value) -> sea_orm::Value {
    value.to_string().into()
}

/// The columns of a due order; the transaction holds what it reads.
fn select(dialect: Dialect, condition: &str, end: &str) -> String {
    let lock = match dialect {
        Dialect::Sqlite => "",
        Dialect::Postgres => "FOR UPDATE OF o",
    };
    format!(
        "SELECT o.id, o.external_id, o.customer_id, o.ordered_at, {LATEST} AS latest, o.amount_cents, o.currency,
            o.campaign_id, o.token, o.coupon, o.campaign_code, o.wave_id, o.seq, o.matched_by, o.counted_cents,
            o.counted_currency, o.counted_at, o.cancelled_at
         FROM orders o WHERE {condition} {lock} {end}"
    )
}

fn due_order(row: &QueryResult) -> Result<DueOrder, DbErr> {
    let cents: Option<i64> = row.try_get("", "counted_cents")?;
    let counted = match cents {
        None => None,
        Some(cents) => Some(Counted {
            cents,
            currency: row.try_get("", "counted_currency")?,
            at: row.try_get("", "counted_at")?,
        }),
    };
    let wave: Option<i64> = row.try_get("", "wave_id")?;
    let delivery = match wave {
        None => None,
        Some(wave) => {
            let by: Option<String> = row.try_get("", "matched_by")?;
            let by = by.as_deref().and_then(MatchedBy::from_column);
            let key = DeliveryKey {
                wave: WaveId(wave),
                seq: row.try_get("", "seq")?,
            };
            Some((key, by.unwrap_or(MatchedBy::Click)))
        }
    };
    Ok(DueOrder {
        id: row.try_get("", "id")?,
        external_id: row.try_get("", "external_id")?,
        customer: CustomerId(row.try_get("", "customer_id")?),
        ordered_at: row.try_get("", "ordered_at")?,
        latest: row.try_get("", "latest")?,
        amount_cents: row.try_get("", "amount_cents")?,
        currency: row.try_get("", "currency")?,
        campaign: row
            .try_get::<Option<i64>>("", "campaign_id")?
            .map(CampaignId),
        token: row.try_get("", "token")?,
        coupon: row.try_get("", "coupon")?,
        campaign_code: row.try_get("", "campaign_code")?,
        delivery,
        counted,
        cancelled_at: row.try_get("", "cancelled_at")?,
    })
}

/// Whether an order is due.
pub(in crate::responses) async fn has_due(db: &Db, now: i64) -> Result<bool, DbErr> {
    db.row(
        "SELECT 1 AS one FROM orders WHERE due_at IS NOT NULL AND due_at <= $1 LIMIT 1",
        [now.into()],
    )
    .await
    .map(|row| row.is_some())
}

/// Whether an order waits for its customer.
pub(in crate::responses) async fn has_unmatched(db: &Db) -> Result<bool, DbErr> {
    db.row("SELECT 1 AS one FROM unmatched_orders LIMIT 1", [])
        .await
        .map(|row| row.is_some())
}

/// The next orders that are due, held until the transaction ends; those that another holds are left to it.
pub(in crate::responses) async fn due(
    txn: &Txn,
    now: i64,
    limit: i64,
) -> Result<Vec<DueOrder>, DbErr> {
    // Taken first, then held: with a lock in one step PostgreSQL would sort what it locks.
    let order = "o.due_at IS NOT NULL AND o.due_at <= $1 ORDER BY o.due_at, o.id LIMIT $2";
    let sql = match txn.dialect() {
        Dialect::Sqlite => select(Dialect::Sqlite, order, ""),
        Dialect::Postgres => select(Dialect::Postgres, order, "SKIP LOCKED"),
    };
    let rows = txn.rows(sql, [now.into(), limit.into()]).await?;
    rows.iter().map(due_order).collect()
}

/// Of the orders with these numbers, those that are due, held until the transaction ends.
pub(in crate::responses) async fn due_named(
    txn: &Txn,
    ids: &[&String],
) -> Result<Vec<DueOrder>, DbErr> {
    let condition = format!(
        "o.due_at IS NOT NULL AND o.external_id IN {} ORDER BY o.id",
        txn.dialect().list(1, Kind::Text)
    );
    let sql = select(txn.dialect(), &condition, "");
    let rows = txn.rows(sql, [text(&json!(ids))]).await?;
    rows.iter().map(due_order).collect()
}

/// The orders with these numbers, and by which rule each was given to a message.
pub(in crate::responses) async fn matched_named(
    txn: &Txn,
    ids: &[&String],
) -> Result<HashMap<String, Option<MatchedBy>>, DbErr> {
    let sql = format!(
        "SELECT external_id, matched_by FROM orders WHERE external_id IN {}",
        txn.dialect().list(1, Kind::Text)
    );
    txn.rows(sql, [text(&json!(ids))])
        .await?
        .iter()
        .map(|row| {
            let by: Option<String> = row.try_get("", "matched_by")?;
            let by = by.as_deref().and_then(MatchedBy::from_column);
            Ok((row.try_get("", "external_id")?, by))
        })
        .collect()
}

/// What may have earned each of these orders: contacts of the named campaign, contacts with the named offer,
/// and clicks, all before the order and of messages that went out.
pub(in crate::responses) async fn contacts(
    txn: &Txn,
    orders: &[&DueOrder],
) -> Result<Vec<(i64, Claim)>, DbErr> {
    let mut claims = Vec::new();
    let named: Vec<_> = orders
        .iter()
        .filter_map(|order| {
            Some(json!([
                order.id,
                order.customer,
                order.latest,
                order.campaign?.0
            ]))
        })
        .collect();
    let dialect = txn.dialect();
    let columns = |last: Option<(&'static str, Kind)>| {
        let mut columns = vec![
            ("order_id", Kind::Int),
            ("customer_id", Kind::Int),
            ("latest", Kind::Int),
        ];
        columns.extend(last);
        dialect.recordset(1, &columns)
    };
    if !named.is_empty() {
        let sql = format!(
            "SELECT wanted.order_id, d.wave_id, d.seq, w.campaign_id, d.settled_at, d.settled_at AS touched_at
             FROM {} AS wanted CROSS JOIN deliveries d CROSS JOIN waves w
             WHERE d.customer_id = wanted.customer_id AND w.id = d.wave_id AND w.campaign_id = wanted.campaign_id
               AND d.state IN (2, 5) AND d.settled_at <= wanted.latest",
            columns(Some(("campaign_id", Kind::Int)))
        );
        claims.extend(read_claims(txn, sql, named, MatchedBy::Campaign).await?);
    }
    let coded: Vec<_> = orders
        .iter()
        .filter_map(|order| {
            let code = coupon_key(order.campaign_code.as_deref()?);
            Some(json!([order.id, order.customer, order.latest, code]))
        })
        .collect();
    if !coded.is_empty() {
        let sql = format!(
            "SELECT wanted.order_id, d.wave_id, d.seq, w.campaign_id, d.settled_at, d.settled_at AS touched_at
             FROM {} AS wanted CROSS JOIN deliveries d CROSS JOIN offer_codes c CROSS JOIN waves w
             WHERE d.customer_id = wanted.customer_id AND c.code_key = wanted.code_key AND c.wave_id = d.wave_id
               AND w.id = d.wave_id AND d.state IN (2, 5) AND d.settled_at <= wanted.latest",
            columns(Some(("code_key", Kind::Text)))
        );
        claims.extend(read_claims(txn, sql, coded, MatchedBy::Code).await?);
    }
    let all: Vec<_> = orders
        .iter()
        .map(|order| json!([order.id, order.customer, order.latest]))
        .collect();
    if !all.is_empty() {
        // The click may be on record before the answer of the server that took the message.
        let sql = format!(
            "SELECT wanted.order_id, d.wave_id, d.seq, w.campaign_id, d.settled_at, MAX(r.responded_at) AS touched_at
             FROM {} AS wanted CROSS JOIN responses r CROSS JOIN deliveries d CROSS JOIN waves w
             WHERE r.customer_id = wanted.customer_id AND r.kind = 'click' AND NOT r.is_machine
               AND r.responded_at <= wanted.latest AND r.responded_at > wanted.latest - {LONGEST_WINDOW_MS}
               AND d.wave_id = r.wave_id AND d.seq = r.seq AND w.id = d.wave_id
             GROUP BY wanted.order_id, d.wave_id, d.seq, w.campaign_id, d.settled_at",
            columns(None)
        );
        claims.extend(read_claims(txn, sql, all, MatchedBy::Click).await?);
    }
    Ok(claims)
}

async fn read_claims(
    txn: &Txn,
    sql: String,
    wanted: Vec<serde_json::Value>,
    by: MatchedBy,
) -> Result<Vec<(i64, Claim)>, DbErr> {
    txn.rows(sql, [text(&json!(wanted))])
        .await?
        .iter()
        .map(|row| {
            let claim = Claim {
                by,
                key: key(row)?,
                campaign: CampaignId(row.try_get("", "campaign_id")?),
                settled_at: row.try_get("", "settled_at")?,
                touched_at: row.try_get("", "touched_at")?,
            };
            Ok((row.try_get("", "order_id")?, claim))
        })
        .collect()
}

/// Of these messages, those that went out or are on their way.
pub(in crate::responses) async fn sent(
    txn: &Txn,
    keys: &BTreeSet<DeliveryKey>,
) -> Result<HashMap<DeliveryKey, Sent>, DbErr> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let keys: Vec<DeliveryKey> = keys.iter().copied().collect();
    let sql = format!(
        "SELECT d.wave_id, d.seq, d.customer_id, d.settled_at, w.campaign_id
         FROM {} AS wanted CROSS JOIN deliveries d CROSS JOIN waves w
         WHERE d.wave_id = wanted.wave_id AND d.seq = wanted.seq AND w.id = d.wave_id AND d.state IN (1, 2, 5)",
        txn.dialect().recordset(1, &KEY)
    );
    txn.rows(sql, [text(&json!(key_values(&keys)))])
        .await?
        .iter()
        .map(|row| {
            let sent = Sent {
                campaign: CampaignId(row.try_get("", "campaign_id")?),
                customer: CustomerId(row.try_get("", "customer_id")?),
                settled_at: row.try_get("", "settled_at")?,
            };
            Ok((key(row)?, sent))
        })
        .collect()
}

/// The terms of waves.
pub(in crate::responses) async fn terms(
    connection: &impl ConnectionTrait,
    waves: &mut Waves,
    ids: impl IntoIterator<Item = WaveId>,
) -> Result<HashMap<WaveId, Terms>, DbErr> {
    let ids: BTreeSet<WaveId> = ids.into_iter().collect();
    waves.read(connection, ids.iter().copied()).await?;
    Ok(ids
        .into_iter()
        .filter_map(|id| Some((id, waves.get(id)?.terms.clone())))
        .collect())
}

/// Writes what is known of orders from now on.
pub(in crate::responses) async fn write_rulings(
    txn: &Txn,
    rulings: &[Ruling],
) -> Result<(), DbErr> {
    const COLUMNS: [(&str, Kind); 8] = [
        ("campaign_id", Kind::Int),
        ("wave_id", Kind::Int),
        ("seq", Kind::Int),
        ("matched_by", Kind::Text),
        ("counted_cents", Kind::Int),
        ("counted_currency", Kind::Text),
        ("counted_at", Kind::Int),
        ("due_at", Kind::Int),
    ];
    if rulings.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = rulings
        .iter()
        .map(|ruling| {
            let counted = ruling.counted.as_ref();
            json!([
                ruling.campaign.map(|campaign| campaign.0),
                ruling.delivery.map(|(key, _)| key.wave.0),
                ruling.delivery.map(|(key, _)| key.seq),
                ruling.delivery.map(|(_, by)| by.as_str()),
                counted.map(|counted| counted.cents),
                counted.map(|counted| &counted.currency),
                counted.map(|counted| counted.at),
                ruling.due_at,
                ruling.order,
            ])
        })
        .collect();
    let sets: Vec<String> = COLUMNS
        .iter()
        .map(|(name, _)| format!("{name} = new.{name}"))
        .collect();
    let mut columns = COLUMNS.to_vec();
    columns.push(("order_id", Kind::Int));
    let sql = format!(
        "UPDATE orders SET {} FROM {} AS new WHERE orders.id = new.order_id",
        sets.join(", "),
        txn.dialect().recordset(1, &columns)
    );
    txn.run(sql, [text(&json!(rows))]).await.map(drop)
}

/// Takes cancelled orders out of the base, and remembers their numbers; [`add_up`] is to follow for those who had
/// made them.
pub(in crate::responses) async fn delete_cancelled(
    txn: &Txn,
    orders: &[&DueOrder],
    now: i64,
) -> Result<(), DbErr> {
    if orders.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = orders.iter().map(|order| order.id).collect();
    let sql = format!(
        "DELETE FROM orders WHERE id IN {}",
        txn.dialect().list(1, Kind::Int)
    );
    txn.run(sql, [text(&json!(ids))]).await?;
    let numbers: BTreeSet<String> = orders
        .iter()
        .filter_map(|order| order.external_id.clone())
        .collect();
    customer_orders::write_cancelled(txn, &numbers, now).await
}

/// Adds up what is left of the orders of these customers, `currency` being ours.
pub(in crate::responses) async fn add_up(
    txn: &Txn,
    customers: &BTreeSet<CustomerId>,
    currency: &str,
) -> Result<(), DbErr> {
    let customers: Vec<CustomerId> = customers.iter().copied().collect();
    customer_orders::add_up(txn, &customers, false, currency).await
}

/// Takes sales back: raw events, marks, counters and what they told of the customer. The orders must have been
/// written before, as they are to be from now on.
pub(in crate::responses) async fn take_back(
    txn: &Txn,
    waves: &mut Waves,
    sales: &[Sale],
    own_currency: &str,
) -> Result<(), DbErr> {
    if sales.is_empty() {
        return Ok(());
    }
    let keys: BTreeSet<DeliveryKey> = sales.iter().map(|sale| sale.key).collect();
    let keys: Vec<DeliveryKey> = keys.into_iter().collect();
    let touched: Vec<WaveId> = keys.iter().map(|key| key.wave).collect();
    waves.read(&**txn, touched).await?;
    let deliveries = lock_deliveries(txn, &keys).await?;
    delete_events(txn, sales, own_currency).await?;
    let first = first_orders(txn, &keys).await?;
    let mut moves = Moves::default();
    let mut marks = Vec::new();
    let mut fed = Vec::new();
    for delivery in &deliveries {
        let Some(wave) = waves.get(delivery.key.wave) else {
            continue;
        };
        let first_at = first.get(&delivery.key).copied();
        let judged = Judged {
            orders_gone: sales
                .iter()
                .filter(|sale| sale.key == delivery.key)
                .map(|sale| sale.counted.at)
                .collect(),
            ..Judged::default()
        };
        let after = tally::marks_without_orders(delivery, &wave.terms, first_at);
        let after = stages::seen(after, delivery, wave.terms.goal, None);
        moves.add_delivery(delivery, after, &judged);
        moves.add_stages(delivery, wave, after, &judged);
        for sale in sales.iter().filter(|sale| sale.key == delivery.key) {
            for (counter, by) in counters(sale, own_currency) {
                moves.add_of(delivery, counter, -by);
            }
        }
        if after != delivery.marks {
            marks.push((delivery.key, after));
        }
        fed.push(feedback::feedback(
            delivery,
            wave,
            after,
            &judged,
            &BTreeSet::new(),
            None,
        ));
    }
    set_marks(txn, &marks).await?;
    feed_customers(txn, fed).await?;
    let customers: BTreeSet<CustomerId> = deliveries
        .iter()
        .map(|delivery| delivery.customer)
        .collect();
    for customer in customers {
        restore_last_response(txn, customer).await?;
    }
    move_counters(txn, &moves).await
}

/// Moves the counters of sales that [`super::write`] does not know of.
pub(in crate::responses) async fn count_sales(
    txn: &Txn,
    sales: &[Sale],
    own_currency: &str,
) -> Result<(), DbErr> {
    let keys: BTreeSet<DeliveryKey> = sales.iter().map(|sale| sale.key).collect();
    let keys: Vec<DeliveryKey> = keys.into_iter().collect();
    let deliveries = lock_deliveries(txn, &keys).await?;
    let mut moves = Moves::default();
    for sale in sales {
        let delivery = deliveries
            .binary_search_by_key(&sale.key, |delivery| delivery.key)
            .ok()
            .and_then(|at| deliveries.get(at));
        let Some(delivery) = delivery else { continue };
        for (counter, by) in counters(sale, own_currency) {
            if counter != "orders" && counter != "revenue_cents" {
                moves.add_of(delivery, counter, by);
            }
        }
    }
    move_counters(txn, &moves).await
}

/// The counters of a sale: how many, how much in which currency, and by which rule. A credit note is no order.
fn counters(sale: &Sale, own_currency: &str) -> Vec<(String, i64)> {
    let Counted {
        cents, currency, ..
    } = &sale.counted;
    let is_order = i64::from(*cents >= 0);
    let revenue = if currency == own_currency {
        "revenue_cents".to_owned()
    } else {
        format!("revenue.{currency}_cents")
    };
    vec![
        ("orders".to_owned(), is_order),
        (format!("orders.by.{}", sale.by.as_str()), is_order),
        (revenue, *cents),
    ]
}

/// Deletes the raw events of sales; of events that are alike any will do.
async fn delete_events(txn: &Txn, sales: &[Sale], own_currency: &str) -> Result<(), DbErr> {
    let mut times: BTreeMap<(i64, i64, i64, i64), i64> = BTreeMap::new();
    for sale in sales {
        let cents = if sale.counted.currency == own_currency {
            sale.counted.cents
        } else {
            0
        };
        let event = (sale.key.wave.0, sale.key.seq, cents, sale.counted.at);
        *times.entry(event).or_default() += 1;
    }
    let rows: Vec<_> = times
        .into_iter()
        .map(|((wave, seq, cents, at), times)| json!([wave, seq, cents, at, times]))
        .collect();
    let columns = [
        KEY[0],
        KEY[1],
        ("amount_cents", Kind::Int),
        ("at", Kind::Int),
        ("times", Kind::Int),
    ];
    let sql = format!(
        "DELETE FROM responses WHERE id IN (SELECT id FROM (
            SELECT r.id, wanted.times, ROW_NUMBER() OVER
                (PARTITION BY r.wave_id, r.seq, r.amount_cents, r.responded_at ORDER BY r.id) AS n
            FROM {} AS wanted CROSS JOIN responses r
            WHERE r.wave_id = wanted.wave_id AND r.seq = wanted.seq AND r.kind = 'order'
              AND r.amount_cents = wanted.amount_cents AND r.responded_at = wanted.at) AS alike
         WHERE n <= times)",
        txn.dialect().recordset(1, &columns)
    );
    txn.run(sql, [text(&json!(rows))]).await.map(drop)
}

/// When the first order that these deliveries earned, and that counts, was made.
async fn first_orders(txn: &Txn, keys: &[DeliveryKey]) -> Result<HashMap<DeliveryKey, i64>, DbErr> {
    let sql = format!(
        "SELECT o.wave_id, o.seq, MIN(o.counted_at) AS first_at
         FROM {} AS wanted CROSS JOIN orders o
         WHERE o.wave_id = wanted.wave_id AND o.seq = wanted.seq AND o.counted_cents >= 0
         GROUP BY o.wave_id, o.seq",
        txn.dialect().recordset(1, &KEY)
    );
    txn.rows(sql, [text(&json!(key_values(keys)))])
        .await?
        .iter()
        .map(|row| Ok((key(row)?, row.try_get("", "first_at")?)))
        .collect()
}

/// Makes orders due again that clicks may have led to: those of the same customers, not before the click. Before
/// any delivery is locked, as whoever settles orders holds the orders first.
pub(super) async fn make_due(txn: &Txn, responses: &[Response]) -> Result<(), DbErr> {
    let mut first: BTreeMap<DeliveryKey, i64> = BTreeMap::new();
    for response in responses {
        if matches!(response.what, What::Click { .. }) && response.made_by.is_person() {
            let at = first.entry(response.delivery).or_insert(response.at);
            *at = response.at.min(*at);
        }
    }
    if first.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = first
        .iter()
        .map(|(key, at)| json!([key.wave.0, key.seq, at - DAY_MS]))
        .collect();
    let sql = format!(
        "UPDATE orders SET due_at = 0 WHERE due_at IS NULL AND wave_id IS NULL AND id IN (
            SELECT o.id FROM {} AS click CROSS JOIN deliveries d CROSS JOIN orders o
            WHERE d.wave_id = click.wave_id AND d.seq = click.seq
              AND o.customer_id = d.customer_id AND o.ordered_at >= click.at)",
        txn.dialect()
            .recordset(1, &[KEY[0], KEY[1], ("at", Kind::Int)])
    );
    txn.run(sql, [text(&json!(rows))]).await.map(drop)
}

/// An order that waits for its customer.
#[derive(Debug, Clone)]
pub(in crate::responses) struct Waiting {
    pub id: i64,
    pub external_id: Option<String>,
    pub customer_external_id: Option<String>,
    pub email_fingerprint: Option<String>,
    pub phone_fingerprint: Option<String>,
    pub ordered_at: i64,
    pub amount_cents: i64,
    pub currency: Option<String>,
    pub product: Option<String>,
    pub category: Option<String>,
    pub campaign: Option<CampaignId>,
    pub token: Option<String>,
    pub coupon: Option<String>,
    pub campaign_code: Option<String>,
}

async fn waiting(
    connection: &impl ConnectionTrait,
    condition: String,
    values: impl IntoIterator<Item = sea_orm::Value> + Send,
) -> Result<Vec<Waiting>, DbErr> {
    connection
        .rows(
            format!(
                "SELECT id, external_id, customer_external_id, email_fingerprint, phone_fingerprint, ordered_at,
                    amount_cents, currency, product, category, campaign_id, token, coupon, campaign_code
                 FROM unmatched_orders WHERE {condition}"
            ),
            values,
        )
        .await?
        .iter()
        .map(|row| {
            Ok(Waiting {
                id: row.try_get("", "id")?,
                external_id: row.try_get("", "external_id")?,
                customer_external_id: row.try_get("", "customer_external_id")?,
                email_fingerprint: row.try_get("", "email_fingerprint")?,
                phone_fingerprint: row.try_get("", "phone_fingerprint")?,
                ordered_at: row.try_get("", "ordered_at")?,
                amount_cents: row.try_get("", "amount_cents")?,
                currency: row.try_get("", "currency")?,
                product: row.try_get("", "product")?,
                category: row.try_get("", "category")?,
                campaign: row
                    .try_get::<Option<i64>>("", "campaign_id")?
                    .map(CampaignId),
                token: row.try_get("", "token")?,
                coupon: row.try_get("", "coupon")?,
                campaign_code: row.try_get("", "campaign_code")?,
            })
        })
        .collect()
}

/// Those that were looked at longest ago.
pub(in crate::responses) async fn unmatched_next(
    txn: &Txn,
    limit: i64,
) -> Result<Vec<Waiting>, DbErr> {
    let end = match txn.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => " FOR UPDATE SKIP LOCKED",
    };
    let condition = format!("TRUE ORDER BY looked_at, id LIMIT $1{end}");
    waiting(&**txn, condition, [limit.into()]).await
}

/// The next after an id.
pub(in crate::responses) async fn unmatched_after(
    txn: &Txn,
    after: i64,
    limit: i64,
) -> Result<Vec<Waiting>, DbErr> {
    let condition = "id > $1 ORDER BY id LIMIT $2".to_owned();
    waiting(&**txn, condition, [after.into(), limit.into()]).await
}

/// Those with these numbers.
pub(in crate::responses) async fn unmatched_named(
    txn: &Txn,
    ids: &[&String],
) -> Result<Vec<Waiting>, DbErr> {
    let list = txn.dialect().list(1, Kind::Text);
    let condition = format!("external_id IN {list} ORDER BY id");
    waiting(&**txn, condition, [text(&json!(ids))]).await
}

/// The customers these orders name, by the place of the order: by the shop's number, else by the address,
/// else by the telephone number.
pub(in crate::responses) async fn customers_of(
    txn: &Txn,
    orders: &[Waiting],
) -> Result<HashMap<usize, CustomerId>, DbErr> {
    type Name = fn(&Waiting) -> Option<&String>;
    let ways: [(&str, Name); 3] = [
        ("phone_fingerprint", |order| {
            order.phone_fingerprint.as_ref()
        }),
        ("email_fingerprint", |order| {
            order.email_fingerprint.as_ref()
        }),
        ("external_id", |order| order.customer_external_id.as_ref()),
    ];
    let mut found = HashMap::new();
    for (column, name) in ways {
        let names: Vec<&String> = orders.iter().filter_map(name).collect();
        if names.is_empty() {
            continue;
        }
        let sql = format!(
            "SELECT {column} AS name, MIN(id) AS id FROM customers WHERE {column} IN {} GROUP BY {column}",
            txn.dialect().list(1, Kind::Text)
        );
        let mut known: HashMap<String, CustomerId> = HashMap::new();
        for row in txn.rows(sql, [text(&json!(names))]).await? {
            known.insert(row.try_get("", "name")?, CustomerId(row.try_get("", "id")?));
        }
        for (place, order) in orders.iter().enumerate() {
            if let Some(customer) = name(order).and_then(|name| known.get(name)) {
                found.insert(place, *customer);
            }
        }
    }
    Ok(found)
}

/// Notes that these were looked at.
pub(in crate::responses) async fn looked_at(txn: &Txn, ids: &[i64], now: i64) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "UPDATE unmatched_orders SET looked_at = $2 WHERE id IN {}",
        txn.dialect().list(1, Kind::Int)
    );
    txn.run(sql, [text(&json!(ids)), now.into()])
        .await
        .map(drop)
}

/// Forgets those that wait no longer.
pub(in crate::responses) async fn delete_unmatched(txn: &Txn, ids: &[i64]) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "DELETE FROM unmatched_orders WHERE id IN {}",
        txn.dialect().list(1, Kind::Int)
    );
    txn.run(sql, [text(&json!(ids))]).await.map(drop)
}

/// Forgets those that came before an instant.
pub(in crate::responses) async fn forget_old_unmatched(
    txn: &Txn,
    before: i64,
) -> Result<(), DbErr> {
    txn.run(
        "DELETE FROM unmatched_orders WHERE received_at < $1",
        [before.into()],
    )
    .await
    .map(drop)
}

/// How many wait, and the newest of them.
pub(in crate::responses) async fn list_unmatched(
    db: &Db,
    limit: i64,
) -> Result<(i64, Vec<UnmatchedOrder>), DbErr> {
    let count = db
        .row("SELECT COUNT(*) AS n FROM unmatched_orders", [])
        .await?
        .map_or(Ok(0), |row| row.try_get("", "n"))?;
    let orders = db
        .rows(
            "SELECT id, external_id, customer_external_id, ordered_at, amount_cents, currency, reason, received_at
             FROM unmatched_orders ORDER BY received_at DESC, id DESC LIMIT $1",
            [limit.into()],
        )
        .await?
        .iter()
        .map(|row| {
            Ok(UnmatchedOrder {
                id: row.try_get("", "id")?,
                external_id: row.try_get("", "external_id")?,
                customer_external_id: row.try_get("", "customer_external_id")?,
                ordered_at: row.try_get("", "ordered_at")?,
                amount_cents: row.try_get("", "amount_cents")?,
                currency: row.try_get("", "currency")?,
                reason: row.try_get("", "reason")?,
                received_at: row.try_get("", "received_at")?,
            })
        })
        .collect::<Result<_, DbErr>>()?;
    Ok((count, orders))
}
