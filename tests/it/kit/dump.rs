//! Everything that stands in a database, as text.

use std::collections::BTreeMap;

use visavis::storage::{Db, Dialect, Sql};

/// The rows of every table, each as one text, in no order that matters.
pub async fn tables(db: &Db) -> BTreeMap<String, Vec<String>> {
    let names = match db.dialect() {
        Dialect::Sqlite => {
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        }
        Dialect::Postgres => {
            "SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'public'"
        }
    };
    let mut tables = BTreeMap::new();
    for row in db.rows(names, []).await.unwrap() {
        let name: String = row.try_get("", "name").unwrap();
        let text = match db.dialect() {
            Dialect::Postgres => "t::text".to_owned(),
            Dialect::Sqlite => {
                let columns = db
                    .rows(
                        "SELECT name FROM pragma_table_info($1)",
                        [name.as_str().into()],
                    )
                    .await
                    .unwrap();
                let columns: Vec<String> = columns
                    .iter()
                    .map(|row| {
                        let column: String = row.try_get("", "name").unwrap();
                        format!("COALESCE(CAST({column} AS TEXT), '')")
                    })
                    .collect();
                columns.join(" || '|' || ")
            }
        };
        let mut rows: Vec<String> = db
            .rows(format!("SELECT {text} AS row_text FROM {name} AS t"), [])
            .await
            .unwrap()
            .iter()
            .map(|row| row.try_get("", "row_text").unwrap())
            .collect();
        rows.sort_unstable();
        tables.insert(name, rows);
    }
    tables
}

/// The tables in which `text` stands, whatever its case.
pub async fn holders(db: &Db, text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    tables(db)
        .await
        .into_iter()
        .filter(|(_, rows)| rows.iter().any(|row| row.to_lowercase().contains(&text)))
        .map(|(name, _)| name)
        .collect()
}
