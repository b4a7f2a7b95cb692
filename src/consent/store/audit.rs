//! Audit records: append-only, without a foreign key, so that they survive the customer.

use sea_orm::{ConnectionTrait, DbErr};
use serde_json::json;

use crate::consent::audit::Record;
use crate::ids::CustomerId;
use crate::storage::{self, Dialect, Kind, Sql};

pub(in crate::consent) async fn insert(
    connection: &impl ConnectionTrait,
    at: i64,
    actor: &str,
    action: &str,
    customer: Option<CustomerId>,
    details: &serde_json::Value,
) -> Result<(), DbErr> {
    let sql = format!(
        "INSERT INTO audit_records (at, actor, action, customer_id, details) VALUES ($1, $2, $3, $4, {})",
        Dialect::of(connection).json(5)
    );
    let values = [
        at.into(),
        actor.into(),
        action.into(),
        customer.map(|id| id.0).into(),
        details.to_string().into(),
    ];
    connection.run(sql, values).await?;
    Ok(())
}

/// The same about each of these customers, without details.
pub(in crate::consent) async fn insert_each(
    connection: &impl ConnectionTrait,
    at: i64,
    actor: &str,
    action: &str,
    customers: &[CustomerId],
) -> Result<(), DbErr> {
    let columns = [
        ("at", Kind::Int),
        ("actor", Kind::Text),
        ("action", Kind::Text),
        ("customer_id", Kind::Int),
        ("details", Kind::Json),
    ];
    let rows = customers
        .iter()
        .map(|id| {
            vec![
                json!(at),
                json!(actor),
                json!(action),
                json!(id),
                json!("{}"),
            ]
        })
        .collect();
    storage::insert(connection, "audit_records", &columns, rows, "").await
}

pub(in crate::consent) async fn of_customer(
    connection: &impl ConnectionTrait,
    customer: CustomerId,
) -> Result<Vec<Record>, DbErr> {
    let sql = format!(
        "SELECT at, actor, action, {} AS details FROM audit_records WHERE customer_id = $1 ORDER BY id",
        Dialect::of(connection).json_text("details")
    );
    let mut records = Vec::new();
    for row in connection.rows(sql, [customer.0.into()]).await? {
        let details: String = row.try_get("", "details")?;
        records.push(Record {
            at: row.try_get("", "at")?,
            actor: row.try_get("", "actor")?,
            action: row.try_get("", "action")?,
            details: serde_json::from_str(&details)
                .map_err(|error| DbErr::Type(format!("audit_records.details: {error}")))?,
        });
    }
    Ok(records)
}
