//! What an import reads and writes of orders, and what they add up to for a customer.

use std::collections::{BTreeSet, HashMap, HashSet};

use sea_orm::DbErr;
use serde_json::{Value, json};

use crate::customers::orders::Told;
use crate::ids::{CampaignId, CustomerId};
use crate::keys::Keys;
use crate::storage::{Dialect, Kind, Sql, Txn};

/// How an order names its customer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Who {
    /// Our own number of him.
    pub id: Option<CustomerId>,
    pub external_id: Option<String>,
    /// The key of an e-mail address.
    pub email: Option<String>,
    /// E.164.
    pub phone: Option<String>,
}

impl Who {
    /// Whether he is named by our own number: such a person either is in the base or will never be.
    pub fn is_of_ours(&self) -> bool {
        self.id.is_some()
    }

    /// Whether it says anything.
    pub fn names_somebody(&self) -> bool {
        self.id.is_some()
            || self.external_id.is_some()
            || self.email.is_some()
            || self.phone.is_some()
    }
}

/// An order as it is told and kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OrderRow {
    /// `None` until it is written.
    pub id: Option<i64>,
    pub external_id: Option<String>,
    pub customer: Option<CustomerId>,
    pub ordered_at: i64,
    pub amount_cents: i64,
    /// `None` of a new order: its `own_currency`.
    pub currency: Option<String>,
    /// That of whoever tells it; not laid over a known order.
    pub own_currency: String,
    pub product: Option<String>,
    pub category: Option<String>,
    pub campaign: Option<CampaignId>,
    /// What the shop passed on: a click's token, a coupon, a campaign's code.
    pub token: Option<String>,
    pub coupon: Option<String>,
    pub campaign_code: Option<String>,
    pub cancelled_at: Option<i64>,
}

impl OrderRow {
    /// Whether it names a message of ours, or says so.
    pub fn is_proved(&self) -> bool {
        self.token.is_some() || self.coupon.is_some()
    }

    /// Lays a row over the order; what is empty erases nothing. Returns whether anything changed.
    pub fn merge(&mut self, row: &Self) -> bool {
        let before = self.clone();
        self.customer = row.customer.or(self.customer);
        self.ordered_at = row.ordered_at;
        self.amount_cents = row.amount_cents;
        let lay = |known: &mut Option<String>, new: &Option<String>| {
            if new.is_some() {
                known.clone_from(new);
            }
        };
        lay(&mut self.currency, &row.currency);
        lay(&mut self.product, &row.product);
        lay(&mut self.category, &row.category);
        lay(&mut self.token, &row.token);
        lay(&mut self.coupon, &row.coupon);
        lay(&mut self.campaign_code, &row.campaign_code);
        self.campaign = row.campaign.or(self.campaign);
        *self != before
    }
}

/// Customers by what orders call them.
#[derive(Debug, Default)]
pub(crate) struct Customers {
    by_id: HashSet<CustomerId>,
    by_external_id: HashMap<String, CustomerId>,
    by_email: HashMap<String, CustomerId>,
    by_phone: HashMap<String, CustomerId>,
}

impl Customers {
    /// By our own number where the order has it, else by the external id, else by the address, else by the
    /// telephone number; of several at one address, the one longest known.
    pub fn find(&self, who: &Who) -> Option<CustomerId> {
        if let Some(id) = who.id {
            return self.by_id.get(&id).copied();
        }
        match (&who.external_id, &who.email, &who.phone) {
            (Some(id), _, _) => self.by_external_id.get(id),
            (None, Some(email), _) => self.by_email.get(email),
            (None, None, Some(phone)) => self.by_phone.get(phone),
            (None, None, None) => None,
        }
        .copied()
    }
}

/// The customers of these orders.
pub(crate) async fn customers(txn: &Txn, who: &[&Who]) -> Result<Customers, DbErr> {
    let external_ids: Vec<&String> = who
        .iter()
        .filter_map(|who| who.external_id.as_ref())
        .collect();
    let emails: Vec<&String> = who.iter().filter_map(|who| who.email.as_ref()).collect();
    let phones: Vec<&String> = who.iter().filter_map(|who| who.phone.as_ref()).collect();
    let mut found = Customers::default();
    let ids: Vec<CustomerId> = who.iter().filter_map(|who| who.id).collect();
    if !ids.is_empty() {
        let sql = format!(
            "SELECT id FROM customers WHERE id IN {}",
            txn.dialect().list(1, Kind::Int)
        );
        for row in txn.rows(sql, [json!(ids).to_string().into()]).await? {
            found.by_id.insert(CustomerId(row.try_get("", "id")?));
        }
    }
    for (column, names, map) in [
        ("external_id", external_ids, &mut found.by_external_id),
        ("email_key", emails, &mut found.by_email),
        ("phone", phones, &mut found.by_phone),
    ] {
        if names.is_empty() {
            continue;
        }
        let sql = format!(
            "SELECT {column} AS name, MIN(id) AS id FROM customers WHERE {column} IN {} GROUP BY {column}",
            txn.dialect().list(1, Kind::Text)
        );
        for row in txn.rows(sql, [json!(names).to_string().into()]).await? {
            map.insert(row.try_get("", "name")?, CustomerId(row.try_get("", "id")?));
        }
    }
    Ok(found)
}

/// The campaigns with these names.
pub(crate) async fn campaigns(
    txn: &Txn,
    names: &BTreeSet<&str>,
) -> Result<HashMap<String, CampaignId>, DbErr> {
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = format!(
        "SELECT name, id FROM campaigns WHERE name IN {}",
        txn.dialect().list(1, Kind::Text)
    );
    txn.rows(sql, [json!(names).to_string().into()])
        .await?
        .iter()
        .map(|row| Ok((row.try_get("", "name")?, CampaignId(row.try_get("", "id")?))))
        .collect()
}

/// The orders the base has already: with the same number; without one, of the same customer at the
/// same instant.
pub(crate) async fn matching(txn: &Txn, rows: &[OrderRow]) -> Result<Vec<OrderRow>, DbErr> {
    let dialect = txn.dialect();
    let numbers: Vec<&String> = rows
        .iter()
        .filter_map(|row| row.external_id.as_ref())
        .collect();
    let facts: Vec<Value> = rows
        .iter()
        .filter(|row| row.external_id.is_none())
        .map(|row| json!([row.customer, row.ordered_at]))
        .collect();
    let sql = format!(
        "SELECT id, external_id, customer_id, ordered_at, amount_cents, currency, product, category, \
         campaign_id, token, coupon, campaign_code, cancelled_at FROM orders WHERE id IN (SELECT id FROM orders WHERE external_id IN {} \
         UNION SELECT o.id FROM orders o JOIN {} AS r ON o.customer_id = r.customer_id \
         AND o.ordered_at = r.ordered_at WHERE o.external_id IS NULL) ORDER BY id",
        dialect.list(1, Kind::Text),
        dialect.recordset(2, &[("customer_id", Kind::Int), ("ordered_at", Kind::Int)]),
    );
    txn.rows(
        sql,
        [
            json!(numbers).to_string().into(),
            Value::Array(facts).to_string().into(),
        ],
    )
    .await?
    .iter()
    .map(|row| {
        Ok(OrderRow {
            id: Some(row.try_get("", "id")?),
            external_id: row.try_get("", "external_id")?,
            customer: Some(CustomerId(row.try_get("", "customer_id")?)),
            ordered_at: row.try_get("", "ordered_at")?,
            amount_cents: row.try_get("", "amount_cents")?,
            currency: row.try_get("", "currency")?,
            product: row.try_get("", "product")?,
            category: row.try_get("", "category")?,
            campaign: row
                .try_get::<Option<i64>>("", "campaign_id")?
                .map(CampaignId),
            own_currency: String::new(),
            token: row.try_get("", "token")?,
            coupon: row.try_get("", "coupon")?,
            campaign_code: row.try_get("", "campaign_code")?,
            cancelled_at: row.try_get("", "cancelled_at")?,
        })
    })
    .collect()
}

/// Writes the orders that are new or changed, and leaves them due; not a new one of before the first campaign
/// that names nothing, since nothing can have earned it.
pub(crate) async fn write(
    txn: &Txn,
    orders: &[OrderRow],
    is_changed: &[bool],
) -> Result<(), DbErr> {
    let columns = [
        ("external_id", Kind::Text),
        ("customer_id", Kind::Int),
        ("ordered_at", Kind::Int),
        ("amount_cents", Kind::Int),
        ("currency", Kind::Text),
        ("product", Kind::Text),
        ("category", Kind::Text),
        ("campaign_id", Kind::Int),
        ("token", Kind::Text),
        ("coupon", Kind::Text),
        ("campaign_code", Kind::Text),
        ("cancelled_at", Kind::Int),
        ("order_id", Kind::Int),
    ];
    let (names, _) = columns.split_at(columns.len() - 1);
    let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
    let recordset = txn.dialect().recordset(1, &columns);
    let (mut new, mut changed) = (Vec::new(), Vec::new());
    for (order, _) in orders
        .iter()
        .zip(is_changed)
        .filter(|(_, is_changed)| **is_changed)
    {
        let row = json!([
            order.external_id,
            order.customer,
            order.ordered_at,
            order.amount_cents,
            order.currency.as_deref().unwrap_or(&order.own_currency),
            order.product,
            order.category,
            order.campaign,
            order.token,
            order.coupon,
            order.campaign_code,
            order.cancelled_at,
            order.id,
        ]);
        if order.id.is_none() {
            new.push(row)
        } else {
            changed.push(row)
        }
    }
    if !new.is_empty() {
        let names = names.join(", ");
        let sql = format!(
            "INSERT INTO orders ({names}, due_at) SELECT {names},
                CASE WHEN campaign_id IS NULL AND token IS NULL AND coupon IS NULL AND campaign_code IS NULL
                     AND NOT EXISTS (SELECT 1 FROM waves WHERE launched_at <= r.ordered_at + 86400000) THEN NULL
                     ELSE 0 END
             FROM {recordset} AS r WHERE TRUE ORDER BY place"
        );
        txn.run(sql, [Value::Array(new).to_string().into()]).await?;
    }
    if !changed.is_empty() {
        let sets: Vec<String> = names
            .iter()
            .map(|name| format!("{name} = r.{name}"))
            .collect();
        let sql = format!(
            "UPDATE orders SET {}, due_at = 0 FROM {recordset} AS r WHERE orders.id = r.order_id",
            sets.join(", ")
        );
        txn.run(sql, [Value::Array(changed).to_string().into()])
            .await?;
    }
    Ok(())
}

/// Of the numbers of these orders, those that were cancelled.
pub(crate) async fn cancelled(txn: &Txn, told: &[Told]) -> Result<HashSet<String>, DbErr> {
    let ids = told.iter().filter_map(|one| one.order.external_id.as_ref());
    named(txn, "cancelled_orders", ids).await
}

/// Of the numbers of these orders, those that wait for their customer.
pub(crate) async fn unmatched(txn: &Txn, rows: &[OrderRow]) -> Result<HashSet<String>, DbErr> {
    let ids = rows.iter().filter_map(|row| row.external_id.as_ref());
    named(txn, "unmatched_orders", ids).await
}

async fn named(
    txn: &Txn,
    table: &str,
    ids: impl Iterator<Item = &String>,
) -> Result<HashSet<String>, DbErr> {
    let ids: Vec<&String> = ids.collect();
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let sql = format!(
        "SELECT external_id FROM {table} WHERE external_id IN {}",
        txn.dialect().list(1, Kind::Text)
    );
    txn.rows(sql, [json!(ids).to_string().into()])
        .await?
        .iter()
        .map(|row| row.try_get("", "external_id"))
        .collect()
}

/// Remembers orders that were cancelled.
pub(crate) async fn write_cancelled(
    txn: &Txn,
    ids: &BTreeSet<String>,
    now_ms: i64,
) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO cancelled_orders (external_id, cancelled_at)
         SELECT external_id, $2 FROM {} AS r WHERE TRUE ORDER BY place
         ON CONFLICT (external_id) DO NOTHING",
        txn.dialect().recordset(1, &[("external_id", Kind::Text)])
    );
    let rows: Vec<[&String; 1]> = ids.iter().map(|id| [id]).collect();
    txn.run(sql, [json!(rows).to_string().into(), now_ms.into()])
        .await
        .map(drop)
}

/// Keeps orders of people whom the base does not have, or what is new of them.
pub(crate) async fn keep_unmatched(
    txn: &Txn,
    keys: &Keys,
    orders: &[(&Who, &OrderRow)],
    now_ms: i64,
) -> Result<(), DbErr> {
    const COLUMNS: [(&str, Kind); 13] = [
        ("external_id", Kind::Text),
        ("customer_external_id", Kind::Text),
        ("email_fingerprint", Kind::Text),
        ("phone_fingerprint", Kind::Text),
        ("ordered_at", Kind::Int),
        ("amount_cents", Kind::Int),
        ("currency", Kind::Text),
        ("product", Kind::Text),
        ("category", Kind::Text),
        ("campaign_id", Kind::Int),
        ("token", Kind::Text),
        ("coupon", Kind::Text),
        ("campaign_code", Kind::Text),
    ];
    // A statement must not meet one number twice; the later word counts.
    let mut latest: Vec<&(&Who, &OrderRow)> = Vec::with_capacity(orders.len());
    let mut seen = HashSet::new();
    for order in orders.iter().rev() {
        if order
            .1
            .external_id
            .as_ref()
            .is_none_or(|id| seen.insert(id))
        {
            latest.push(order);
        }
    }
    if latest.is_empty() {
        return Ok(());
    }
    let rows: Vec<Value> = latest
        .iter()
        .rev()
        .map(|(who, order)| {
            json!([
                order.external_id,
                who.external_id,
                who.email.as_deref().map(|email| keys.fingerprint(email)),
                who.phone.as_deref().map(|phone| keys.fingerprint(phone)),
                order.ordered_at,
                order.amount_cents,
                order.currency.as_deref().unwrap_or(&order.own_currency),
                order.product,
                order.category,
                order.campaign,
                order.token,
                order.coupon,
                order.campaign_code,
            ])
        })
        .collect();
    let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    let sets: Vec<String> = names
        .iter()
        .map(|name| format!("{name} = COALESCE(excluded.{name}, unmatched_orders.{name})"))
        .collect();
    let names = names.join(", ");
    let sql = format!(
        "INSERT INTO unmatched_orders ({names}, reason, received_at, looked_at)
         SELECT {names}, 'unknown_customer', $2, 0 FROM {} AS r WHERE TRUE ORDER BY place
         ON CONFLICT (external_id) DO UPDATE SET {}, looked_at = 0",
        txn.dialect().recordset(1, &COLUMNS),
        sets.join(", ")
    );
    txn.run(sql, [Value::Array(rows).to_string().into(), now_ms.into()])
        .await
        .map(drop)
}

/// Forgets orders that waited.
pub(crate) async fn forget_unmatched(txn: &Txn, ids: &[&String]) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "DELETE FROM unmatched_orders WHERE external_id IN {}",
        txn.dialect().list(1, Kind::Text)
    );
    txn.run(sql, [json!(ids).to_string().into()])
        .await
        .map(drop)
}

/// Adds up the orders of these customers; whoever `has_bought` is a customer from now on.
///
/// Revenue is the sum of the amounts in our currency: nothing is converted, and cents of several moneys make no
/// sum by which people could be compared.
pub(crate) async fn add_up(
    txn: &Txn,
    customers: &[CustomerId],
    has_bought: bool,
    currency: &str,
) -> Result<(), DbErr> {
    if customers.is_empty() {
        return Ok(());
    }
    let list = txn.dialect().list(1, Kind::Int);
    if txn.dialect() == Dialect::Postgres {
        // Held before they are added up: the orders of a transaction that is waited for count too.
        // Not FOR UPDATE: of two that wrote an order of his each holds FOR KEY SHARE, by the foreign key, and they
        // would wait for each other.
        let sql =
            format!("SELECT id FROM customers WHERE id IN {list} ORDER BY id FOR NO KEY UPDATE");
        txn.rows(sql, [json!(customers).to_string().into()]).await?;
    }
    let stage = if has_bought { "'customer'" } else { "stage" };
    let sql = format!(
        "UPDATE customers SET stage = {stage}, orders_count = s.n, revenue_cents = s.revenue, \
         first_order_at = s.first_at, last_order_at = s.last_at FROM (\
         SELECT c.id AS customer_id, COUNT(o.id) AS n, CAST(COALESCE(SUM(CASE WHEN o.currency = $2 THEN o.amount_cents END), 0) AS BIGINT) AS revenue, \
         MIN(o.ordered_at) AS first_at, MAX(o.ordered_at) AS last_at \
         FROM customers c LEFT JOIN orders o ON o.customer_id = c.id WHERE c.id IN {list} GROUP BY c.id) AS s \
         WHERE customers.id = s.customer_id"
    );
    txn.run(sql, [json!(customers).to_string().into(), currency.into()])
        .await
        .map(drop)
}
