//! What a trial of a file needs of the base, brought into a scratch base, where it is written as an import writes.
//!
//! The base itself is only read, so that nobody waits for a trial. What was brought once may have changed there
//! since; rows that the scratch base has stay as they are. None of the tables brought ever loses a row by an import.

use sea_orm::{DbErr, Value as Parameter};
use serde_json::json;

use crate::customers::orders::Told;
use crate::customers::profile::Row;
use crate::ids::CustomerId;
use crate::keys::Keys;
use crate::storage::{Db, Dialect, Kind, Sql, Txn};

/// The tables whose new rows must not take the numbers of rows that are brought later.
const NUMBERED: [&str; 4] = [
    "customers",
    "permission_evidence",
    "orders",
    "unmatched_orders",
];

/// Lets the scratch base number its rows behind those of the base.
pub(crate) async fn begin(db: &Db, scratch: &Txn) -> Result<(), DbErr> {
    for table in NUMBERED {
        let sql = format!("SELECT COALESCE(MAX(id), 0) AS last FROM {table}");
        let last: i64 = match db.row(sql, []).await? {
            Some(row) => row.try_get("", "last")?,
            None => 0,
        };
        scratch
            .run(
                "INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)",
                [table.into(), last.into()],
            )
            .await?;
    }
    Ok(())
}

/// Brings whom the rows of a batch may be about, with what they and these addresses allow.
pub(crate) async fn bring_customers(
    db: &Db,
    scratch: &Txn,
    keys: &Keys,
    rows: &[&Row],
) -> Result<(), DbErr> {
    let external_ids = rows.iter().filter_map(|row| row.external_id.as_ref());
    let emails = rows.iter().filter_map(|row| Some(&row.email.as_ref()?.key));
    let phones = rows.iter().filter_map(|row| row.phone.as_ref());
    let lists = [
        json!(external_ids.collect::<Vec<_>>()),
        json!(emails.clone().collect::<Vec<_>>()),
        json!(phones.clone().collect::<Vec<_>>()),
    ];
    let known = known(db, lists).await?;
    bring_known(db, scratch, &known).await?;
    for table in ["customer_tags", "permissions", "permission_evidence"] {
        let condition = format!("t.customer_id IN {}", db.dialect().list(1, Kind::Int));
        let list = json!(known.iter().map(|one| one.id).collect::<Vec<_>>());
        bring(db, scratch, table, &condition, vec![list]).await?;
    }
    let mut fingerprints: Vec<String> = emails
        .chain(phones)
        .map(|key| keys.fingerprint(key))
        .collect();
    fingerprints.extend(known.into_iter().flat_map(|one| one.fingerprints));
    let condition = format!("t.fingerprint IN {}", db.dialect().list(1, Kind::Text));
    bring(
        db,
        scratch,
        "suppressions",
        &condition,
        vec![json!(fingerprints)],
    )
    .await
}

/// Brings the orders of a batch that are known, and whom they may be of.
pub(crate) async fn bring_orders(db: &Db, scratch: &Txn, told: &[&Told]) -> Result<(), DbErr> {
    let who = || told.iter().map(|one| &one.who);
    let lists = [
        json!(
            who()
                .filter_map(|who| who.external_id.as_ref())
                .collect::<Vec<_>>()
        ),
        json!(
            who()
                .filter_map(|who| who.email.as_ref())
                .collect::<Vec<_>>()
        ),
        json!(
            who()
                .filter_map(|who| who.phone.as_ref())
                .collect::<Vec<_>>()
        ),
    ];
    let known = known(db, lists).await?;
    bring_known(db, scratch, &known).await?;
    let numbers = told.iter().filter_map(|one| one.order.external_id.as_ref());
    let numbers = json!(numbers.collect::<Vec<_>>());
    let condition = format!("t.external_id IN {}", db.dialect().list(1, Kind::Text));
    for table in ["orders", "cancelled_orders", "unmatched_orders"] {
        bring(db, scratch, table, &condition, vec![numbers.clone()]).await?;
    }
    let condition = format!(
        "t.customer_id IN {} AND t.ordered_at IN {}",
        db.dialect().list(1, Kind::Int),
        db.dialect().list(2, Kind::Int)
    );
    let values = vec![
        json!(known.iter().map(|one| one.id).collect::<Vec<_>>()),
        json!(
            told.iter()
                .map(|one| one.order.ordered_at)
                .collect::<Vec<_>>()
        ),
    ];
    bring(db, scratch, "orders", &condition, values).await?;
    let names = told.iter().filter_map(|one| one.campaign.as_ref());
    let condition = format!("t.name IN {}", db.dialect().list(1, Kind::Text));
    let names = vec![json!(names.collect::<Vec<_>>())];
    bring(db, scratch, "campaigns", &condition, names).await
}

/// A customer of the base, and his addresses.
struct Known {
    id: CustomerId,
    fingerprints: Vec<String>,
}

/// The customers with these external ids, e-mail keys or telephone numbers.
async fn known(db: &Db, lists: [serde_json::Value; 3]) -> Result<Vec<Known>, DbErr> {
    let dialect = db.dialect();
    let sql = format!(
        "SELECT id, email_fingerprint, phone_fingerprint FROM customers WHERE id IN (\
         SELECT id FROM customers WHERE external_id IN {} \
         UNION SELECT id FROM customers WHERE email_key IN {} \
         UNION SELECT id FROM customers WHERE phone IN {})",
        dialect.list(1, Kind::Text),
        dialect.list(2, Kind::Text),
        dialect.list(3, Kind::Text),
    );
    db.rows(sql, lists.map(|list| list.to_string().into()))
        .await?
        .iter()
        .map(|row| {
            let fingerprints = [
                row.try_get::<Option<String>>("", "email_fingerprint")?,
                row.try_get("", "phone_fingerprint")?,
            ];
            Ok(Known {
                id: CustomerId(row.try_get("", "id")?),
                fingerprints: fingerprints.into_iter().flatten().collect(),
            })
        })
        .collect()
}

async fn bring_known(db: &Db, scratch: &Txn, known: &[Known]) -> Result<(), DbErr> {
    let condition = format!("t.id IN {}", db.dialect().list(1, Kind::Int));
    let list = json!(known.iter().map(|one| one.id).collect::<Vec<_>>());
    bring(db, scratch, "customers", &condition, vec![list]).await
}

/// Brings the rows of a table that meet a condition on `t`, which reads `lists` in their order.
async fn bring(
    db: &Db,
    scratch: &Txn,
    table: &str,
    condition: &str,
    lists: Vec<serde_json::Value>,
) -> Result<(), DbErr> {
    if lists
        .iter()
        .any(|list| list.as_array().is_some_and(Vec::is_empty))
    {
        return Ok(());
    }
    let names: Vec<String> = scratch
        .rows("SELECT name FROM pragma_table_info($1)", [table.into()])
        .await?
        .iter()
        .map(|row| row.try_get("", "name"))
        .collect::<Result<_, _>>()?;
    let row = match db.dialect() {
        Dialect::Postgres => "row_to_json(t)::text".to_owned(),
        Dialect::Sqlite => {
            let pairs: Vec<String> = names
                .iter()
                .map(|name| format!("'{name}', t.{name}"))
                .collect();
            format!("json_object({})", pairs.join(", "))
        }
    };
    let sql = format!("SELECT {row} AS found FROM {table} t WHERE {condition}");
    let lists = lists.iter().map(|list| Parameter::from(list.to_string()));
    let found: Vec<String> = db
        .rows(sql, lists.collect::<Vec<_>>())
        .await?
        .iter()
        .map(|row| row.try_get("", "found"))
        .collect::<Result<_, _>>()?;
    if found.is_empty() {
        return Ok(());
    }
    let values: Vec<String> = names
        .iter()
        .map(|name| format!("json_extract(r.value, '$.{name}')"))
        .collect();
    let sql = format!(
        "INSERT OR IGNORE INTO {table} ({}) SELECT {} FROM json_each($1) AS r",
        names.join(", "),
        values.join(", ")
    );
    let found = format!("[{}]", found.join(","));
    scratch.run(sql, [found.into()]).await.map(drop)
}
