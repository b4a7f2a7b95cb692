//! Queries of the ledger for the grid: deliveries with what came of them and whom they were for.

use std::collections::HashMap;

use sea_orm::{DbErr, QueryResult, Value};

use crate::ids::{CustomerId, DeliveryKey, WaveId};
use crate::reports::grid::attributes::Person;
use crate::reports::grid::cube::Counts;
use crate::responses::model::Marks;
use crate::storage::{Db, Sql};

/// The last place of a wave's audience.
pub(in crate::reports) async fn last_seq(db: &Db, wave: WaveId) -> Result<i64, DbErr> {
    let sql = "SELECT MAX(seq) AS last FROM deliveries WHERE wave_id = $1";
    let row = db.row(sql, [wave.0.into()]).await?;
    let last = row
        .map(|row| row.try_get::<Option<i64>>("", "last"))
        .transpose()?;
    Ok(last.flatten().unwrap_or(0))
}

/// A delivery with what came of it and whom it was for.
#[derive(Debug, Clone)]
pub(in crate::reports) struct Row {
    pub key: DeliveryKey,
    pub customer: CustomerId,
    pub channel: String,
    pub cell: String,
    pub counts: Counts,
    pub person: Person,
    pub name: Option<String>,
}

/// Some rows of a wave.
#[derive(Debug, Clone, Copy)]
pub(in crate::reports) struct Span {
    pub wave: WaveId,
    pub launched_at: i64,
    /// Those after this place,
    pub after: i64,
    /// up to this one.
    pub last: i64,
}

impl Span {
    fn values(self) -> [Value; 3] {
        [self.wave.0.into(), self.after.into(), self.last.into()]
    }
}

/// The deliveries of a span that arrived or brought something, with their people as they stood at the launch.
/// Other than the address nothing is left out here.
pub(in crate::reports) async fn rows(
    db: &Db,
    span: Span,
    only_responders: bool,
) -> Result<Vec<Row>, DbErr> {
    let wanted = if only_responders {
        format!("(d.marks & {}) <> 0", Marks::RESPONDED.0)
    } else {
        "(d.state = 2 OR d.marks <> 0)".to_owned()
    };
    let found = db
        .rows(
            format!(
                "SELECT d.seq, d.customer_id, d.channel, d.cell, d.state, d.marks,
                        c.first_name, c.last_name, c.birth_date, c.gender, c.country, c.region, c.language,
                        c.stage, c.orders_count, c.revenue_cents, c.last_order_at
                 FROM deliveries d LEFT JOIN customers c ON c.id = d.customer_id
                 WHERE d.wave_id = $1 AND d.seq > $2 AND d.seq <= $3 AND {wanted}
                 ORDER BY d.seq"
            ),
            span.values(),
        )
        .await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let earned = earned(db, span).await?;
    let undelivered = undelivered(db, span).await?;
    let since = since_launch(db, span, &wanted).await?;
    let clickers = clickers(db, span, &wanted).await?;
    found
        .iter()
        .map(|row| {
            let seq: i64 = row.try_get("", "seq")?;
            let customer: i64 = row.try_get("", "customer_id")?;
            let state: i16 = row.try_get("", "state")?;
            let marks = Marks(row.try_get("", "marks")?);
            let (orders, revenue_cents) = earned.get(&seq).copied().unwrap_or_default();
            // 2 is accepted.
            let is_delivered =
                state == 2 && !marks.has(Marks::BOUNCED) && !undelivered.contains_key(&seq);
            let mut person = person(row)?;
            person.has_clicked = clickers.contains_key(&customer);
            if let Some(since) = since.get(&customer) {
                person.orders = person.orders.map(|orders| (orders - since.orders).max(0));
                person.revenue_cents = (person.revenue_cents - since.cents).max(0);
                person.last_order_at = since.last_before;
            }
            Ok(Row {
                key: DeliveryKey {
                    wave: span.wave,
                    seq,
                },
                customer: CustomerId(customer),
                channel: row.try_get("", "channel")?,
                cell: row.try_get("", "cell")?,
                counts: Counts {
                    delivered: u64::from(is_delivered),
                    responders: u64::from(marks.has(Marks::RESPONDED)),
                    orders,
                    revenue_cents,
                },
                person,
                name: name(row)?,
            })
        })
        .collect()
}

fn person(row: &QueryResult) -> Result<Person, DbErr> {
    Ok(Person {
        birth_date: row.try_get("", "birth_date")?,
        gender: row.try_get("", "gender")?,
        country: row.try_get("", "country")?,
        region: row.try_get("", "region")?,
        language: row.try_get("", "language")?,
        stage: row.try_get("", "stage")?,
        orders: row.try_get("", "orders_count")?,
        revenue_cents: row
            .try_get::<Option<i64>>("", "revenue_cents")?
            .unwrap_or(0),
        last_order_at: row.try_get("", "last_order_at")?,
        has_clicked: false,
    })
}

fn name(row: &QueryResult) -> Result<Option<String>, DbErr> {
    let first: Option<String> = row.try_get("", "first_name")?;
    let last: Option<String> = row.try_get("", "last_name")?;
    let name = [first, last]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ");
    Ok((!name.trim().is_empty()).then_some(name))
}

/// The orders that deliveries of the span earned, and their sum, by place.
async fn earned(db: &Db, span: Span) -> Result<HashMap<i64, (u64, i64)>, DbErr> {
    let rows = db
        .rows(
            "SELECT seq, COUNT(*) AS orders, CAST(SUM(amount_cents) AS BIGINT) AS cents
             FROM responses
             WHERE wave_id = $1 AND seq > $2 AND seq <= $3 AND kind = 'order'
             GROUP BY seq",
            span.values(),
        )
        .await?;
    rows.iter()
        .map(|row| {
            let orders: i64 = row.try_get("", "orders")?;
            let cents: Option<i64> = row.try_get("", "cents")?;
            let earned = (orders.unsigned_abs(), cents.unwrap_or(0));
            Ok((row.try_get("", "seq")?, earned))
        })
        .collect()
}

/// The text messages of the span that a receipt calls undelivered.
async fn undelivered(db: &Db, span: Span) -> Result<HashMap<i64, ()>, DbErr> {
    let rows = db
        .rows(
            "SELECT seq FROM sms_messages
             WHERE wave_id = $1 AND seq > $2 AND seq <= $3 AND receipt = 'undelivered'",
            span.values(),
        )
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get("", "seq")?, ())))
        .collect()
}

/// What a customer ordered since the launch.
#[derive(Debug, Clone, Copy)]
struct Since {
    orders: i64,
    cents: i64,
    /// When he had ordered last before it.
    last_before: Option<i64>,
}

/// `wanted`: of which deliveries `d`.
async fn since_launch(db: &Db, span: Span, wanted: &str) -> Result<HashMap<i64, Since>, DbErr> {
    let [wave, after, last] = span.values();
    let rows = db
        .rows(
            // Asked person by person, through the index: as a join PostgreSQL reads all orders since the launch
            // for every page.
            format!(
            "SELECT x.customer_id, x.orders,
                    (SELECT CAST(SUM(o.amount_cents) AS BIGINT) FROM orders o
                     WHERE o.customer_id = x.customer_id AND o.ordered_at >= $4) AS cents,
                    (SELECT MAX(o.ordered_at) FROM orders o
                     WHERE o.customer_id = x.customer_id AND o.ordered_at < $4) AS last_before
             FROM (SELECT d.customer_id,
                          (SELECT COUNT(*) FROM orders o
                           WHERE o.customer_id = d.customer_id AND o.ordered_at >= $4) AS orders
                   FROM deliveries d WHERE d.wave_id = $1 AND d.seq > $2 AND d.seq <= $3 AND {wanted}) AS x
             WHERE x.orders > 0"),
            [wave, after, last, span.launched_at.into()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let since = Since {
                orders: row.try_get("", "orders")?,
                cents: row.try_get::<Option<i64>>("", "cents")?.unwrap_or(0),
                last_before: row.try_get("", "last_before")?,
            };
            Ok((row.try_get("", "customer_id")?, since))
        })
        .collect()
}

/// The customers of the span who had clicked a message before the launch.
async fn clickers(db: &Db, span: Span, wanted: &str) -> Result<HashMap<i64, ()>, DbErr> {
    let [wave, after, last] = span.values();
    let rows = db
        .rows(
            format!(
                "SELECT d.customer_id FROM deliveries d
             WHERE d.wave_id = $1 AND d.seq > $2 AND d.seq <= $3 AND {wanted}
               AND (SELECT 1 FROM responses r
                    WHERE r.customer_id = d.customer_id AND r.kind = 'click' AND NOT r.is_machine
                      AND r.responded_at < $4 LIMIT 1) = 1"
            ),
            [wave, after, last, span.launched_at.into()],
        )
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get("", "customer_id")?, ())))
        .collect()
}
