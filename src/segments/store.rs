//! Who a rule means, and one customer's profile.

pub(super) mod analysis;
pub(super) mod library;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, PostgresQueryBuilder, Query, SelectStatement, SqliteQueryBuilder};
use sea_orm::{DbErr, QueryResult, Value};

use super::model::{
    HeldPermission, HeldSuppression, Interest, Name, PastDelivery, PastOrder, PastResponse,
    Profile, Rule,
};
use crate::customers;
use crate::customers::fading::Fading;
use crate::ids::CustomerId;
use crate::storage::text::fold;
use crate::storage::{Db, Dialect, Sql, Unanswered, rows_within};

/// How many customers the rule means.
///
/// # Errors
/// When the database is away.
pub async fn count(db: &Db, rule: &Rule, now: DateTime<Utc>) -> Result<u64, DbErr> {
    let (sql, values) = counting(rule, db.dialect(), now);
    counted(db.row(sql, values).await?.as_ref())
}

/// As [`count`], given up after `patience`.
///
/// # Errors
/// When it took too long or the database is away.
pub async fn count_within(
    db: &Db,
    rule: &Rule,
    now: DateTime<Utc>,
    patience: Duration,
) -> Result<u64, Unanswered> {
    let (sql, values) = counting(rule, db.dialect(), now);
    let rows = rows_within(db, sql, values, patience).await?;
    Ok(counted(rows.first())?)
}

fn counting(rule: &Rule, dialect: Dialect, now: DateTime<Utc>) -> (String, Vec<Value>) {
    let mut query = Query::select();
    query
        .expr_as(Expr::cust("COUNT(*)"), "n")
        .from("customers")
        .cond_where(rule.condition(dialect, now));
    build(&query, dialect)
}

fn counted(row: Option<&QueryResult>) -> Result<u64, DbErr> {
    let n: i64 = row.map_or(Ok(0), |row| row.try_get("", "n"))?;
    Ok(n.unsigned_abs())
}

/// How many of the customers who satisfy `rule` read each language.
///
/// # Errors
/// When the database is away.
pub async fn languages(
    db: &Db,
    rule: &Rule,
    now: DateTime<Utc>,
) -> Result<BTreeMap<String, u64>, DbErr> {
    let mut query = Query::select();
    query
        .expr_as(Expr::cust("customers.language"), "language")
        .expr_as(Expr::cust("COUNT(*)"), "n")
        .from("customers")
        .cond_where(rule.condition(db.dialect(), now))
        .add_group_by([Expr::cust("customers.language")]);
    let (sql, values) = build(&query, db.dialect());
    db.rows(sql, values)
        .await?
        .iter()
        .map(|row| {
            let n: i64 = row.try_get("", "n")?;
            Ok((row.try_get("", "language")?, n.unsigned_abs()))
        })
        .collect()
}

/// Whether something in the base bears this name.
///
/// # Errors
/// When the database is away.
pub(super) async fn is_known(db: &Db, name: &Name) -> Result<bool, DbErr> {
    let (sql, value) = name_query(db.dialect(), name);
    db.row(sql, [value.into()]).await.map(|row| row.is_some())
}

/// SQL that has a row where something in the base bears the name, and its parameter.
fn name_query(dialect: Dialect, name: &Name) -> (&'static str, String) {
    match name {
        Name::Campaign(name) => (
            "SELECT 1 AS one FROM campaigns WHERE LOWER(name) = $1 LIMIT 1",
            name.to_ascii_lowercase(),
        ),
        Name::Tag(tag) => (
            "SELECT 1 AS one FROM customer_tags WHERE tag_key = $1 LIMIT 1",
            fold(tag),
        ),
        Name::Interest(name) => (
            "SELECT 1 AS one FROM customer_interests WHERE interest_key = $1 LIMIT 1",
            fold(name),
        ),
        Name::Topic(topic) => (
            "SELECT 1 AS one FROM permissions WHERE topic = $1 LIMIT 1",
            topic.clone(),
        ),
        Name::Attribute(name) => match dialect {
            Dialect::Sqlite => (
                "SELECT 1 AS one FROM customers WHERE EXISTS
                 (SELECT 1 FROM json_each(customers.attributes) WHERE key = $1) LIMIT 1",
                name.clone(),
            ),
            Dialect::Postgres => (
                "SELECT 1 AS one FROM customers WHERE jsonb_exists(attributes, $1) LIMIT 1",
                name.clone(),
            ),
        },
    }
}

/// The first `limit` customers the rule means, by id.
///
/// # Errors
/// When the database is away.
pub async fn ids(
    db: &Db,
    rule: &Rule,
    now: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<CustomerId>, DbErr> {
    let mut query = selection(rule, db.dialect(), now);
    query
        .order_by(("customers", "id"), sea_orm::sea_query::Order::Asc)
        .limit(limit.min(i64::MAX.unsigned_abs()));
    let (sql, values) = build(&query, db.dialect());
    db.rows(sql, values)
        .await?
        .iter()
        .map(|row| row.try_get("", "id").map(CustomerId))
        .collect()
}

/// As [`ids`], of those behind `after`.
///
/// # Errors
/// When the database is away.
pub async fn ids_after(
    db: &Db,
    rule: &Rule,
    now: DateTime<Utc>,
    after: i64,
    limit: u64,
) -> Result<Vec<CustomerId>, DbErr> {
    let mut query = selection(rule, db.dialect(), now);
    query
        .and_where(sea_orm::sea_query::ExprTrait::gt(
            Expr::col(("customers", "id")),
            after,
        ))
        .order_by(("customers", "id"), sea_orm::sea_query::Order::Asc)
        .limit(limit.min(i64::MAX.unsigned_abs()));
    let (sql, values) = build(&query, db.dialect());
    db.rows(sql, values)
        .await?
        .iter()
        .map(|row| row.try_get("", "id").map(CustomerId))
        .collect()
}

/// `SELECT customers.id AS id FROM customers WHERE …` as text with its values, to stand in a larger
/// statement. On PostgreSQL its placeholders are `$1` to `$n` for n values, on SQLite as many `?`; put it
/// before all other placeholders and number those from n + 1, and both understand it.
pub fn selection_sql(rule: &Rule, dialect: Dialect, now: DateTime<Utc>) -> (String, Vec<Value>) {
    build(&selection(rule, dialect, now), dialect)
}

fn selection(rule: &Rule, dialect: Dialect, now: DateTime<Utc>) -> SelectStatement {
    let mut query = Query::select();
    query
        .expr_as(Expr::col(("customers", "id")), "id")
        .from("customers")
        .cond_where(rule.condition(dialect, now));
    query
}

fn build(query: &SelectStatement, dialect: Dialect) -> (String, Vec<Value>) {
    let (sql, values) = match dialect {
        Dialect::Sqlite => query.build(SqliteQueryBuilder),
        Dialect::Postgres => query.build(PostgresQueryBuilder),
    };
    (sql, values.0)
}

/// Everything a rule may ask about one customer; none if there is no such customer.
///
/// # Errors
/// When the database is away or a row holds what it cannot.
pub async fn profile(db: &Db, id: CustomerId) -> Result<Option<Profile>, DbErr> {
    let Some(customer) = customers::store::get(&**db, db.dialect(), id).await? else {
        return Ok(None);
    };
    let Some(keys) = db
        .row(
            "SELECT email_key, email_fingerprint, phone_fingerprint FROM customers WHERE id = $1",
            [id.0.into()],
        )
        .await?
    else {
        return Ok(None);
    };
    let email_fingerprint: Option<String> = keys.try_get("", "email_fingerprint")?;
    let phone_fingerprint: Option<String> = keys.try_get("", "phone_fingerprint")?;
    Ok(Some(Profile {
        interests: interests(db, id).await?,
        worth: customers::value::breaks(&**db).await?.worth(&customer),
        customer,
        email_key: keys.try_get("", "email_key")?,
        tags: tags(db, id).await?,
        orders: orders(db, id).await?,
        responses: responses(db, id).await?,
        deliveries: deliveries(db, id).await?,
        permissions: permissions(db, id).await?,
        suppressions: suppressions(db, email_fingerprint, phone_fingerprint).await?,
    }))
}

async fn tags(db: &Db, id: CustomerId) -> Result<Vec<String>, DbErr> {
    let sql = "SELECT tag FROM customer_tags WHERE customer_id = $1 ORDER BY tag_key";
    let rows = db.rows(sql, [id.0.into()]).await?;
    rows.iter().map(|row| row.try_get("", "tag")).collect()
}

async fn interests(db: &Db, id: CustomerId) -> Result<Vec<Interest>, DbErr> {
    let sql = "SELECT interest, weight, last_at FROM customer_interests
        WHERE customer_id = $1 ORDER BY weight DESC, interest_key";
    let rows = db.rows(sql, [id.0.into()]).await?;
    rows.iter()
        .map(|row| {
            Ok(Interest {
                name: row.try_get("", "interest")?,
                score: Fading(row.try_get("", "weight")?),
                last_at: row.try_get("", "last_at")?,
            })
        })
        .collect()
}

async fn orders(db: &Db, id: CustomerId) -> Result<Vec<PastOrder>, DbErr> {
    let sql = "SELECT o.ordered_at, o.amount_cents, o.product, o.category, c.name AS campaign
        FROM orders o LEFT JOIN campaigns c ON c.id = o.campaign_id
        WHERE o.customer_id = $1 ORDER BY o.ordered_at, o.id";
    let rows = db.rows(sql, [id.0.into()]).await?;
    rows.iter()
        .map(|row| {
            Ok(PastOrder {
                ordered_at: row.try_get("", "ordered_at")?,
                amount_cents: row.try_get("", "amount_cents")?,
                product: row.try_get("", "product")?,
                category: row.try_get("", "category")?,
                campaign: row.try_get("", "campaign")?,
            })
        })
        .collect()
}

async fn responses(db: &Db, id: CustomerId) -> Result<Vec<PastResponse>, DbErr> {
    let sql = "SELECT r.kind, r.responded_at, r.is_machine, c.name AS campaign
        FROM responses r LEFT JOIN campaigns c ON c.id = r.campaign_id
        WHERE r.customer_id = $1 ORDER BY r.responded_at, r.id";
    let rows = db.rows(sql, [id.0.into()]).await?;
    rows.iter()
        .map(|row| {
            Ok(PastResponse {
                kind: row.try_get("", "kind")?,
                campaign: row.try_get("", "campaign")?,
                responded_at: row.try_get("", "responded_at")?,
                is_machine: row.try_get("", "is_machine")?,
            })
        })
        .collect()
}

async fn deliveries(db: &Db, id: CustomerId) -> Result<Vec<PastDelivery>, DbErr> {
    // 2 is accepted.
    let sql = "SELECT d.settled_at, c.name AS campaign
        FROM deliveries d
        LEFT JOIN waves w ON w.id = d.wave_id
        LEFT JOIN campaigns c ON c.id = w.campaign_id
        WHERE d.customer_id = $1 AND d.state = 2 ORDER BY d.settled_at, d.wave_id, d.seq";
    let rows = db.rows(sql, [id.0.into()]).await?;
    rows.iter()
        .map(|row| {
            Ok(PastDelivery {
                campaign: row.try_get("", "campaign")?,
                settled_at: row.try_get("", "settled_at")?,
            })
        })
        .collect()
}

async fn permissions(db: &Db, id: CustomerId) -> Result<Vec<HeldPermission>, DbErr> {
    let sql = "SELECT p.channel, p.topic, p.is_granted, p.basis, p.since_at, e.fingerprint
        FROM permissions p LEFT JOIN permission_evidence e ON e.id = p.evidence_id
        WHERE p.customer_id = $1 ORDER BY p.channel, p.topic";
    let rows = db.rows(sql, [id.0.into()]).await?;
    rows.iter()
        .map(|row| {
            Ok(HeldPermission {
                channel: row.try_get("", "channel")?,
                topic: row.try_get("", "topic")?,
                is_granted: row.try_get("", "is_granted")?,
                basis: row.try_get("", "basis")?,
                since_at: row.try_get("", "since_at")?,
                fingerprint: row.try_get("", "fingerprint")?,
            })
        })
        .collect()
}

async fn suppressions(
    db: &Db,
    email_fingerprint: Option<String>,
    phone_fingerprint: Option<String>,
) -> Result<Vec<HeldSuppression>, DbErr> {
    let sql = "SELECT fingerprint, channel, scope, suppressed_at FROM suppressions
        WHERE (fingerprint = $1 AND channel = 'email') OR (fingerprint = $2 AND channel = 'sms')
        ORDER BY channel, scope";
    let rows = db
        .rows(sql, [email_fingerprint.into(), phone_fingerprint.into()])
        .await?;
    rows.iter()
        .map(|row| {
            Ok(HeldSuppression {
                fingerprint: row.try_get("", "fingerprint")?,
                channel: row.try_get("", "channel")?,
                scope: row.try_get("", "scope")?,
                suppressed_at: row.try_get("", "suppressed_at")?,
            })
        })
        .collect()
}
