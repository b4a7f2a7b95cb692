//! The rows of the audit log.

use sea_orm::{ConnectionTrait, DbErr, Value};

use crate::accounts::audit::{Entry, Filter};
use crate::storage::{Db, Dialect, Sql};

pub(in crate::accounts) async fn note(
    connection: &impl ConnectionTrait,
    actor: &str,
    action: &str,
    subject: &str,
    detail: &str,
    now_ms: i64,
) -> Result<(), DbErr> {
    connection
        .run(
            "INSERT INTO audit_log (at, actor, action, subject, detail) VALUES ($1, $2, $3, $4, $5)",
            [
                now_ms.into(),
                actor.into(),
                action.into(),
                subject.into(),
                detail.into(),
            ],
        )
        .await
        .map(drop)
}

/// The conditions of what a filter names alone: an index serves them then.
fn audited(filter: &Filter, dialect: Dialect) -> (String, Vec<Value>) {
    let mut values = vec![filter.before.unwrap_or(i64::MAX).into()];
    let mut conditions = vec!["id < $1".to_owned()];
    let mut add = |condition: &str, value: Value| {
        values.push(value);
        conditions.push(format!("{condition} ${}", values.len()));
    };
    for (column, text) in [("actor", &filter.actor), ("subject", &filter.subject)] {
        if !text.is_empty() {
            add(&format!("{column} ="), text.as_str().into());
        }
    }
    if !filter.action.is_empty() {
        // By their bytes: other orders put a mark behind, before or between the letters.
        let action = match dialect {
            Dialect::Sqlite => "action",
            Dialect::Postgres => "action COLLATE \"C\"",
        };
        add(&format!("{action} >="), filter.action.as_str().into());
        // The end of what begins with the action: no action has a character beyond.
        add(&format!("{action} <"), format!("{}~", filter.action).into());
    }
    (conditions.join(" AND "), values)
}

pub(in crate::accounts) async fn entries(
    db: &Db,
    filter: &Filter,
    limit: i64,
) -> Result<Vec<Entry>, DbErr> {
    let (conditions, values) = audited(filter, db.dialect());
    let sql = format!(
        "SELECT id, at, actor, action, subject, detail FROM audit_log
         WHERE {conditions} ORDER BY id DESC LIMIT {limit}"
    );
    db.rows(sql, values)
        .await?
        .iter()
        .map(|row| {
            Ok(Entry {
                id: row.try_get("", "id")?,
                at: row.try_get("", "at")?,
                actor: row.try_get("", "actor")?,
                action: row.try_get("", "action")?,
                subject: row.try_get("", "subject")?,
                detail: row.try_get("", "detail")?,
            })
        })
        .collect()
}
