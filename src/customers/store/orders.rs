//! What an import reads and writes of orders, and what they add up to for a customer.

use std::collections::{BTreeSet, HashMap};

use sea_orm::DbErr;
use serde_json::{Value, json};

use crate::ids::{CampaignId, CustomerId};
use crate::storage::{Kind, Sql, Txn};

/// How an order names its customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Who {
    pub external_id: Option<String>,
    /// The key of an e-mail address.
    pub email: Option<String>,
    /// E.164.
    pub phone: Option<String>,
}

/// An order as an import has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OrderRow {
    /// `None` until it is written.
    pub id: Option<i64>,
    pub external_id: Option<String>,
    pub customer: Option<CustomerId>,
    pub ordered_at: i64,
    pub amount_cents: i64,
    /// `None` of a new order: EUR.
    pub currency: Option<String>,
    pub product: Option<String>,
    pub category: Option<String>,
    pub campaign: Option<CampaignId>,
}

impl OrderRow {
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
        self.campaign = row.campaign.or(self.campaign);
        *self != before
    }
}

/// Customers by what orders call them.
#[derive(Debug, Default)]
pub(crate) struct Customers {
    by_external_id: HashMap<String, CustomerId>,
    by_email: HashMap<String, CustomerId>,
    by_phone: HashMap<String, CustomerId>,
}

impl Customers {
    /// By the external id where the order has one, else by the address, else by the number; of several
    /// at one address, the one longest known.
    pub fn find(&self, who: &Who) -> Option<CustomerId> {
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
         campaign_id FROM orders WHERE id IN (SELECT id FROM orders WHERE external_id IN {} \
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
        })
    })
    .collect()
}

/// Writes the orders that are new or changed.
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
            order.currency.as_deref().unwrap_or("EUR"),
            order.product,
            order.category,
            order.campaign,
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
            "INSERT INTO orders ({names}) SELECT {names} FROM {recordset} AS r WHERE TRUE ORDER BY place"
        );
        txn.run(sql, [Value::Array(new).to_string().into()]).await?;
    }
    if !changed.is_empty() {
        let sets: Vec<String> = names
            .iter()
            .map(|name| format!("{name} = r.{name}"))
            .collect();
        let sql = format!(
            "UPDATE orders SET {} FROM {recordset} AS r WHERE orders.id = r.order_id",
            sets.join(", ")
        );
        txn.run(sql, [Value::Array(changed).to_string().into()])
            .await?;
    }
    Ok(())
}

/// Adds up the orders of these customers; whoever `has_bought` is a customer from now on.
///
/// Revenue is the sum of the amounts in cents, whatever their currency: nothing is converted.
pub(crate) async fn add_up(
    txn: &Txn,
    customers: &[CustomerId],
    has_bought: bool,
) -> Result<(), DbErr> {
    if customers.is_empty() {
        return Ok(());
    }
    let list = txn.dialect().list(1, Kind::Int);
    let stage = if has_bought { "'customer'" } else { "stage" };
    let sql = format!(
        "UPDATE customers SET stage = {stage}, orders_count = s.n, revenue_cents = s.revenue, \
         first_order_at = s.first_at, last_order_at = s.last_at FROM (\
         SELECT c.id AS customer_id, COUNT(o.id) AS n, CAST(COALESCE(SUM(o.amount_cents), 0) AS BIGINT) AS revenue, \
         MIN(o.ordered_at) AS first_at, MAX(o.ordered_at) AS last_at \
         FROM customers c LEFT JOIN orders o ON o.customer_id = c.id WHERE c.id IN {list} GROUP BY c.id) AS s \
         WHERE customers.id = s.customer_id"
    );
    txn.run(sql, [json!(customers).to_string().into()]).await?;
    Ok(())
}
