//! Queries about customers.

pub(super) mod import;
pub(super) mod notes;
pub mod numbers;
pub(crate) mod orders;
pub(super) mod said;
pub(super) mod search;
pub mod spread;
pub(super) mod trial;
pub mod value;

use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use serde_json::Map;

use super::fading::Fading;
use super::model::{Customer, EmailState, PhoneState, Stage};
use super::number::PhoneKind;
use crate::consent::model::Tracking;
use crate::ids::CustomerId;
use crate::storage::{Db, Dialect, Kind, Sql};

/// The columns [`from_row`] reads; `attributes` stands apart, since it needs a cast, and the last contact,
/// which the contact history tells.
const COLUMNS: [&str; 32] = [
    "id",
    "external_id",
    "email",
    "email_state",
    "phone",
    "phone_kind",
    "phone_country",
    "phone_zone",
    "phone_state",
    "first_name",
    "last_name",
    "company",
    "gender",
    "birth_date",
    "language",
    "country",
    "region",
    "postal_code",
    "city",
    "time_zone",
    "stage",
    "tracking",
    "orders_count",
    "revenue_cents",
    "first_order_at",
    "last_order_at",
    "last_response_at",
    "last_response_kind",
    "engagement_weight",
    "preferred_channel",
    "preferred_hour",
    "created_at",
];

/// The select list of a customer from the table known as `alias`: `alias.id AS c_id, …`.
pub fn select_list(dialect: Dialect, alias: &str) -> String {
    let mut list = COLUMNS
        .map(|column| format!("{alias}.{column} AS c_{column}"))
        .join(", ");
    list.push_str(", ");
    list.push_str(&dialect.json_text(&format!("{alias}.attributes")));
    list.push_str(&format!(
        " AS c_attributes, (SELECT MAX(h.contacted_at) FROM contacts h WHERE h.customer_id = {alias}.id) \
         AS c_last_contact_at"
    ));
    list
}

/// Reads a customer selected by [`select_list`].
///
/// # Errors
/// When a column is missing or holds what it cannot.
pub fn from_row(row: &QueryResult) -> Result<Customer, DbErr> {
    let text = |column| row.try_get::<Option<String>>("c_", column);
    let attributes: String = row.try_get("c_", "attributes")?;
    Ok(Customer {
        id: CustomerId(row.try_get("c_", "id")?),
        external_id: text("external_id")?,
        email: text("email")?,
        email_state: match text("email_state")?.as_deref() {
            Some("malformed") => EmailState::Malformed,
            Some("refused") => EmailState::Refused,
            _ => EmailState::Ok,
        },
        phone: text("phone")?,
        phone_kind: text("phone_kind")?
            .as_deref()
            .and_then(PhoneKind::from_column),
        phone_country: text("phone_country")?,
        phone_zone: text("phone_zone")?,
        phone_state: match text("phone_state")?.as_deref() {
            Some("refused") => PhoneState::Refused,
            _ => PhoneState::Ok,
        },
        first_name: text("first_name")?,
        last_name: text("last_name")?,
        company: text("company")?,
        gender: text("gender")?,
        birth_date: row.try_get("c_", "birth_date")?,
        language: row.try_get("c_", "language")?,
        country: row.try_get("c_", "country")?,
        region: text("region")?,
        postal_code: text("postal_code")?,
        city: text("city")?,
        time_zone: text("time_zone")?,
        stage: {
            let stage = text("stage")?;
            Stage::ALL
                .into_iter()
                .find(|known| Some(known.as_str()) == stage.as_deref())
                .unwrap_or_default()
        },
        attributes: serde_json::from_str::<Map<_, _>>(&attributes)
            .map_err(|error| DbErr::Type(format!("customers.attributes: {error}")))?,
        tracking: Tracking::from_column(&text("tracking")?.unwrap_or_default()),
        orders_count: row.try_get("c_", "orders_count")?,
        revenue_cents: row.try_get("c_", "revenue_cents")?,
        first_order_at: row.try_get("c_", "first_order_at")?,
        last_order_at: row.try_get("c_", "last_order_at")?,
        last_contact_at: row.try_get("c_", "last_contact_at")?,
        last_response_at: row.try_get("c_", "last_response_at")?,
        last_response: text("last_response_kind")?,
        engagement: Fading(row.try_get("c_", "engagement_weight")?),
        preferred_channel: text("preferred_channel")?.and_then(|channel| channel.parse().ok()),
        preferred_hour: row.try_get("c_", "preferred_hour")?,
        created_at: row.try_get("c_", "created_at")?,
    })
}

/// The customer with this id.
///
/// # Errors
/// When the database is away.
pub async fn get(
    connection: &impl ConnectionTrait,
    dialect: Dialect,
    id: CustomerId,
) -> Result<Option<Customer>, DbErr> {
    let sql = format!(
        "SELECT {} FROM customers c WHERE c.id = $1",
        select_list(dialect, "c")
    );
    connection
        .row(sql, [id.0.into()])
        .await?
        .as_ref()
        .map(from_row)
        .transpose()
}

/// The customer a person means: by id, by the firm's own key, or by address.
///
/// # Errors
/// When the database is away.
pub async fn find(db: &Db, who: &str) -> Result<Option<Customer>, DbErr> {
    let key = super::normalise::email(who).map_or_else(|_| String::new(), |email| email.key);
    let row = db
        .row(
            "SELECT id FROM customers WHERE id = $1 OR external_id = $2 OR (email_key = $3 AND $3 <> '')
             ORDER BY CASE WHEN external_id = $2 THEN 0 WHEN id = $1 THEN 1 ELSE 2 END, id LIMIT 1",
            [
                who.parse::<i64>().unwrap_or(-1).into(),
                who.into(),
                key.into(),
            ],
        )
        .await?;
    match row {
        Some(row) => get(&**db, db.dialect(), CustomerId(row.try_get("", "id")?)).await,
        None => Ok(None),
    }
}

/// About `n` customers from all over the base.
///
/// # Errors
/// When the database is away.
pub async fn sample(db: &Db, n: u32) -> Result<Vec<Customer>, DbErr> {
    let step = (count(db).await? / u64::from(n.max(1))).max(1);
    let sql = format!(
        "SELECT {} FROM customers c WHERE c.id % $1 = 0 ORDER BY c.id LIMIT $2",
        select_list(db.dialect(), "c")
    );
    let step = i64::try_from(step).unwrap_or(i64::MAX);
    db.rows(sql, [step.into(), i64::from(n).into()])
        .await?
        .iter()
        .map(from_row)
        .collect()
}

/// The customers with these ids.
///
/// # Errors
/// When the database is away.
pub async fn with_ids(db: &Db, ids: &[i64]) -> Result<Vec<Customer>, DbErr> {
    let sql = format!(
        "SELECT {} FROM customers c WHERE c.id IN {} ORDER BY c.id",
        select_list(db.dialect(), "c"),
        db.dialect().list(1, Kind::Int)
    );
    db.rows(sql, [serde_json::json!(ids).to_string().into()])
        .await?
        .iter()
        .map(from_row)
        .collect()
}

/// Whether there are more customers than this; quicker than to count them all.
///
/// # Errors
/// When the database is away.
pub async fn are_more_than(db: &Db, few: u32) -> Result<bool, DbErr> {
    let sql = "SELECT 1 AS one FROM customers LIMIT 1 OFFSET $1";
    db.row(sql, [i64::from(few).into()])
        .await
        .map(|row| row.is_some())
}

/// The customers behind this id, in the order of their ids.
///
/// # Errors
/// When the database is away.
pub async fn after(db: &Db, id: i64, limit: i64) -> Result<Vec<Customer>, DbErr> {
    let sql = format!(
        "SELECT {} FROM customers c WHERE c.id > $1 ORDER BY c.id LIMIT $2",
        select_list(db.dialect(), "c")
    );
    db.rows(sql, [id.into(), limit.into()])
        .await?
        .iter()
        .map(from_row)
        .collect()
}

/// How many customers there are.
///
/// # Errors
/// When the database is away.
pub async fn count(db: &Db) -> Result<u64, DbErr> {
    let row = db.row("SELECT COUNT(*) AS n FROM customers", []).await?;
    let n: i64 = row
        .map(|row| row.try_get("", "n"))
        .transpose()?
        .unwrap_or(0);
    Ok(n.unsigned_abs())
}
