//! Questions that may take long, and are given up after a while: a count over the whole base that a person
//! waits for.
//!
//! PostgreSQL ends the statement itself. SQLite is asked to look at the time every few thousand steps, and
//! whether anybody still waits: a future that is dropped would leave it at work on a connection of the pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sea_orm::sqlx::sqlite::SqliteArguments;
use sea_orm::sqlx::{Arguments as _, AssertSqlSafe};
use sea_orm::{DbErr, QueryResult, RuntimeErr, Value};

use super::{Db, Dialect, Sql as _};

/// Steps of SQLite's machine between two looks at the time: about a millisecond.
const STEPS: i32 = 20_000;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    #[error("it takes longer than {} seconds, and was given up", .0.as_secs())]
    TooLong(Duration),
    #[error("it was given up, since the same was asked anew")]
    Replaced,
    #[error("the database failed: {0}")]
    Database(#[from] DbErr),
}

/// The rows of a query that only reads, or [`Unanswered::TooLong`] after `patience`.
///
/// # Errors
/// When it took too long or the database is away.
pub async fn rows_within(
    db: &Db,
    sql: String,
    values: Vec<Value>,
    patience: Duration,
) -> Result<Vec<QueryResult>, Unanswered> {
    match db.dialect() {
        Dialect::Postgres => on_postgres(db, sql, values, patience).await,
        Dialect::Sqlite => on_sqlite(db, sql, values, patience).await,
    }
}

async fn on_postgres(
    db: &Db,
    sql: String,
    values: Vec<Value>,
    patience: Duration,
) -> Result<Vec<QueryResult>, Unanswered> {
    let txn = db.begin().await?;
    let limit = patience.as_millis().max(1);
    txn.run(format!("SET LOCAL statement_timeout = {limit}"), [])
        .await?;
    // Compiling many cases to machine code takes longer than they do; and a set of customers that a CASE looks
    // into must fit the memory, or each row would search it from the start.
    txn.run("SET LOCAL jit = off", []).await?;
    txn.run("SET LOCAL work_mem = '256MB'", []).await?;
    let rows = txn.rows(sql, values).await;
    match rows {
        Ok(rows) => {
            txn.commit().await?;
            Ok(rows)
        }
        Err(error) if is_code(&error, "57014") => Err(Unanswered::TooLong(patience)),
        Err(error) => Err(error.into()),
    }
}

async fn on_sqlite(
    db: &Db,
    sql: String,
    values: Vec<Value>,
    patience: Duration,
) -> Result<Vec<QueryResult>, Unanswered> {
    let mut arguments = SqliteArguments::default();
    for value in values {
        bind(&mut arguments, value)?;
    }
    let pool = db.get_sqlite_connection_pool().clone();
    let watch = Watch(Arc::new(AtomicBool::new(true)));
    let (is_wanted, begin) = (Arc::clone(&watch.0), Instant::now());
    // A task of its own, so that it ends in order and gives its connection back as it was, also where nobody waits
    // for it any more.
    let asking = tokio::spawn(async move {
        let mut connection = pool.acquire().await?;
        connection
            .lock_handle()
            .await?
            .set_progress_handler(STEPS, move || {
                is_wanted.load(Ordering::Relaxed) && begin.elapsed() < patience
            });
        let query = sea_orm::sqlx::query_with(AssertSqlSafe(sql), arguments);
        let rows = query.fetch_all(&mut *connection).await;
        connection.lock_handle().await?.remove_progress_handler();
        rows
    });
    let rows = asking
        .await
        .map_err(|error| DbErr::Custom(error.to_string()))?;
    drop(watch);
    match rows {
        Ok(rows) => Ok(rows.into_iter().map(QueryResult::from).collect()),
        // SQLITE_INTERRUPT
        Err(error) if code_of(&error).as_deref() == Some("9") => Err(Unanswered::TooLong(patience)),
        Err(error) => Err(DbErr::Query(RuntimeErr::SqlxError(Arc::new(error))).into()),
    }
}

/// Whether somebody waits; no longer once it is dropped.
struct Watch(Arc<AtomicBool>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

fn bind(arguments: &mut SqliteArguments, value: Value) -> Result<(), DbErr> {
    let bound = match value {
        Value::String(text) => arguments.add(text),
        Value::BigInt(number) => arguments.add(number),
        // A LIMIT.
        Value::BigUnsigned(Some(number)) => {
            arguments.add(i64::try_from(number).unwrap_or(i64::MAX))
        }
        Value::Int(number) => arguments.add(number),
        Value::Bool(boolean) => arguments.add(boolean),
        Value::Double(number) => arguments.add(number),
        Value::ChronoDate(date) => arguments.add(date),
        other => {
            return Err(DbErr::Type(format!(
                "a question that is given up in time takes no {other:?}"
            )));
        }
    };
    bound.map_err(|error| DbErr::Type(error.to_string()))
}

fn is_code(error: &DbErr, code: &str) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause))) =
        error
    else {
        return false;
    };
    code_of(cause).as_deref() == Some(code)
}

fn code_of(error: &sea_orm::sqlx::Error) -> Option<String> {
    error
        .as_database_error()
        .and_then(|cause| cause.code())
        .map(|code| code.into_owned())
}
