//! An import beside the time in which the database itself takes the same rows.
//!
//! People are imported with all checks on. What the import wrote is then put into an empty copy of the
//! schema, with the same indexes, the way the database does it fastest: by COPY on PostgreSQL, by
//! prepared statements of 50 rows in one transaction on SQLite. Reading the rows is not timed. The same
//! file is then imported again.

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use sea_orm::ConnectionTrait as _;
use sea_orm::sqlx::postgres::PgPoolCopyExt as _;
use sea_orm::sqlx::{self, Row as _, TypeInfo as _, ValueRef as _};
use visavis::app::Parts;
use visavis::customers::import::{self, ImportKind, ImportRequest};
use visavis::customers::sample;
use visavis::storage::{Db, DbUrl};

use crate::Bench;
use crate::house;
use crate::table::Line;

/// People where the command line does not ask for more, and with `--quick`.
const PEOPLE: u32 = 200_000;
const FEW: u32 = 5_000;

/// What an import writes, in an order that foreign keys allow.
const TABLES: [&str; 6] = [
    "customers",
    "customer_tags",
    "permission_evidence",
    "unsealed_evidence",
    "permissions",
    "suppressions",
];

/// Rows of a prepared statement, and rows read at a time.
const ROWS: usize = 50;
const PAGE: usize = 10_000;

/// Imports people and prints each run.
pub async fn run(bench: &Bench) -> Vec<Line> {
    let people = if bench.is_quick {
        FEW
    } else {
        bench.people.max(PEOPLE)
    };
    let (mut beside, mut again) = (Vec::new(), Vec::new());
    let mut last = String::new();
    for run in 1..=bench.runs {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let written = house(bench, folder.path(), "written").await;
        let empty = house(bench, folder.path(), "empty").await;
        let file = folder.path().join("customers.csv");
        sample::write_customers(&file, people, 1, written.clock.now().date_naive())
            .expect("a file");
        let first = import_file(&written, &file).await;
        let bulk = load(bench, &written.db, &empty.db, folder.path()).await;
        let second = import_file(&written, &file).await;
        let rate = |time: Duration| f64::from(people) / time.as_secs_f64();
        last = format!(
            "{people} people: {:.0}/s, again {:.0}/s, bulk path {:.0}/s",
            rate(first),
            rate(second),
            rate(bulk)
        );
        println!(
            "import, run {run}: {last}; ratio {:.2}",
            rate(first) / rate(bulk)
        );
        beside.push(rate(first) / rate(bulk));
        again.push(rate(second) / rate(first));
        for (parts, name) in [(written, "written"), (empty, "empty")] {
            parts.db.close().await;
            discard(bench, name).await;
        }
    }
    vec![
        Line {
            what: "import beside the bulk path".to_owned(),
            promised: "at least 0.50".to_owned(),
            values: beside,
            note: last,
        },
        Line {
            what: "the same file again, beside the first time".to_owned(),
            promised: "above 1.00".to_owned(),
            values: again,
            note: String::new(),
        },
    ]
}

async fn import_file(parts: &Parts, file: &Path) -> Duration {
    let begin = Instant::now();
    import::run(
        &parts.db,
        &parts.keys,
        parts.clock.now_ms(),
        ImportRequest::new(file, ImportKind::Customers),
        |_| {},
    )
    .await
    .expect("it is imported");
    begin.elapsed()
}

/// An empty house of its own: on PostgreSQL another database beside the one of the bench.
async fn house(bench: &Bench, folder: &Path, name: &str) -> Parts {
    discard(bench, name).await;
    let mut own = bench.clone();
    if let Some(url) = &bench.database {
        own.database = Some(beside(url, name));
        let db = Db::open(&DbUrl::new(url), 1).await.expect("the database");
        db.execute_unprepared(&format!("CREATE DATABASE {}", database(name)))
            .await
            .expect("a database may be made");
        db.close().await;
    }
    let folder = folder.join(name);
    std::fs::create_dir(&folder).expect("a folder");
    house::open(&own, &folder).await
}

async fn discard(bench: &Bench, name: &str) {
    if let Some(url) = &bench.database {
        let db = Db::open(&DbUrl::new(url), 1).await.expect("the database");
        db.execute_unprepared(&format!(
            "DROP DATABASE IF EXISTS {} WITH (FORCE)",
            database(name)
        ))
        .await
        .expect("a database may be dropped");
        db.close().await;
    }
}

fn database(name: &str) -> String {
    format!("visavis_bench_{name}")
}

/// The URL of another database of the same server.
fn beside(url: &str, name: &str) -> String {
    let (path, query) = url
        .split_once('?')
        .map_or((url, None), |(path, query)| (path, Some(query)));
    let server = path.rsplit_once('/').map_or(path, |(server, _)| server);
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    format!("{server}/{}{query}", database(name))
}

/// Puts the rows of one database into the empty tables of another; how long that took.
async fn load(bench: &Bench, from: &Db, to: &Db, folder: &Path) -> Duration {
    let took = if bench.database.is_some() {
        copy(from, to, folder).await
    } else {
        put(from, to).await
    };
    for table in TABLES {
        assert_eq!(count(from, table).await, count(to, table).await, "{table}");
    }
    took
}

async fn count(db: &Db, table: &str) -> i64 {
    use visavis::storage::Sql as _;
    db.row(format!("SELECT COUNT(*) AS n FROM {table}"), [])
        .await
        .expect("it counts")
        .expect("a row")
        .try_get("", "n")
        .expect("a number")
}

/// By COPY, all tables in one transaction.
async fn copy(from: &Db, to: &Db, folder: &Path) -> Duration {
    for table in TABLES {
        let sql = format!("COPY {table} TO STDOUT");
        let mut stream = from
            .get_postgres_connection_pool()
            .copy_out_raw(&sql)
            .await
            .expect("it is read");
        let file = tokio::fs::File::create(folder.join(table))
            .await
            .expect("a file");
        let mut file = tokio::io::BufWriter::new(file);
        while let Some(bytes) = stream.try_next().await.expect("it is read") {
            tokio::io::AsyncWriteExt::write_all(&mut file, &bytes)
                .await
                .expect("it is written");
        }
        tokio::io::AsyncWriteExt::flush(&mut file)
            .await
            .expect("it is written");
    }
    let pool = to.get_postgres_connection_pool();
    let begin = Instant::now();
    let mut transaction = pool.begin().await.expect("a transaction");
    for table in TABLES {
        let sql = format!("COPY {table} FROM STDIN");
        let mut copy = transaction.copy_in_raw(&sql).await.expect("it begins");
        let file = tokio::fs::File::open(folder.join(table))
            .await
            .expect("the file");
        copy.read_from(file).await.expect("it is read");
        copy.finish().await.expect("it is taken");
    }
    transaction.commit().await.expect("it is written");
    begin.elapsed()
}

/// By prepared statements of many rows, in one transaction.
async fn put(from: &Db, to: &Db) -> Duration {
    let source = from.get_sqlite_connection_pool();
    let mut target = to
        .get_sqlite_connection_pool()
        .begin_with("BEGIN IMMEDIATE")
        .await
        .expect("a transaction");
    let mut took = Duration::ZERO;
    for table in TABLES {
        let select = format!("SELECT * FROM {table} ORDER BY rowid");
        let mut rows = sqlx::query::<sqlx::Sqlite>(sqlx::AssertSqlSafe(select)).fetch(source);
        let mut is_end = false;
        while !is_end {
            let mut page = Vec::with_capacity(PAGE);
            while page.len() < PAGE && !is_end {
                match rows.try_next().await.expect("it is read") {
                    Some(row) => page.push(cells(&row)),
                    None => is_end = true,
                }
            }
            let begin = Instant::now();
            for rows in page.chunks(ROWS) {
                let marks = vec!["?"; rows.first().map_or(0, Vec::len)].join(", ");
                let rows_of_marks = vec![format!("({marks})"); rows.len()].join(", ");
                let sql = format!("INSERT INTO {table} VALUES {rows_of_marks}");
                let mut query = sqlx::query::<sqlx::Sqlite>(sqlx::AssertSqlSafe(sql));
                for cell in rows.iter().flatten() {
                    query = match cell {
                        Cell::Null => query.bind(None::<&str>),
                        Cell::Int(number) => query.bind(*number),
                        Cell::Text(text) => query.bind(text.as_str()),
                    };
                }
                query.execute(&mut *target).await.expect("it is taken");
            }
            took += begin.elapsed();
        }
    }
    let begin = Instant::now();
    target.commit().await.expect("it is written");
    took + begin.elapsed()
}

enum Cell {
    Null,
    Int(i64),
    Text(String),
}

fn cells(row: &sqlx::sqlite::SqliteRow) -> Vec<Cell> {
    (0..row.len())
        .map(|n| {
            let value = row.try_get_raw(n).expect("a column");
            if value.is_null() {
                return Cell::Null;
            }
            match value.type_info().name() {
                "INTEGER" | "BOOLEAN" => Cell::Int(row.try_get_unchecked(n).expect("a number")),
                _ => Cell::Text(row.try_get_unchecked(n).expect("a text")),
            }
        })
        .collect()
}
