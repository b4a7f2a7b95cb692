//! The ground floor: one connection for both databases, and what differs between them.
//!
//! SQL is written once, with `$1` placeholders, which both dialects understand; where they part, the
//! words come from [`Dialect`]. A write goes through [`Db::begin`]: on SQLite that takes the one write
//! lock at the start (`BEGIN IMMEDIATE`), behind a queue of our own, so that writers wait in line
//! instead of failing with "database is locked". Inside a transaction nothing else may use the `Db`.

mod bulk;
pub mod chance;
mod connect;
mod dialect;
mod patience;
mod scratch;
mod secret;
pub mod text;
mod turns;

pub use bulk::{Kind, insert, take_numbers};
pub use connect::{DbUrl, StorageError};
pub use dialect::Dialect;
pub use patience::{Unanswered, rows_within};
pub use turns::Turns;

use std::ops::Deref;
use std::sync::Arc;

use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, ExecResult,
    QueryResult, RuntimeErr, SqlErr, SqliteTransactionMode, Statement, TransactionOptions,
    TransactionTrait, Value,
};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// The database, cheap to clone.
#[derive(Debug, Clone)]
pub struct Db {
    connection: DatabaseConnection,
    dialect: Dialect,
    /// SQLite has one writer: ours wait here, in order.
    writer: Arc<Mutex<()>>,
}

impl Db {
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Begins a transaction that may write.
    ///
    /// # Errors
    /// When no connection is free in time or the database is away.
    pub async fn begin(&self) -> Result<Txn, DbErr> {
        let guard = match self.dialect {
            Dialect::Sqlite => Some(Arc::clone(&self.writer).lock_owned().await),
            Dialect::Postgres => None,
        };
        let options = TransactionOptions {
            isolation_level: None,
            access_mode: (self.dialect == Dialect::Postgres).then_some(AccessMode::ReadWrite),
            sqlite_transaction_mode: (self.dialect == Dialect::Sqlite)
                .then_some(SqliteTransactionMode::Immediate),
        };
        let transaction = self.connection.begin_with_options(options).await?;
        Ok(Txn {
            transaction,
            dialect: self.dialect,
            _guard: guard,
        })
    }

    /// Closes the pool; on SQLite this folds the write-ahead log back into the file.
    pub async fn close(self) {
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "closing the database");
        }
    }
}

impl Deref for Db {
    type Target = DatabaseConnection;

    fn deref(&self) -> &DatabaseConnection {
        &self.connection
    }
}

/// A transaction that may write; dropped without [`Txn::commit`] it leaves no trace.
#[derive(Debug)]
pub struct Txn {
    transaction: DatabaseTransaction,
    dialect: Dialect,
    // Released after the transaction has ended: fields drop in order.
    _guard: Option<OwnedMutexGuard<()>>,
}

impl Txn {
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Makes the writes durable.
    ///
    /// # Errors
    /// When the database refuses or is away; whether the writes stand is then unknown.
    pub async fn commit(self) -> Result<(), DbErr> {
        self.transaction.commit().await
    }

    /// Takes the writes back.
    ///
    /// # Errors
    /// When the database is away (it then takes them back itself).
    pub async fn rollback(self) -> Result<(), DbErr> {
        self.transaction.rollback().await
    }
}

impl Deref for Txn {
    type Target = DatabaseTransaction;

    fn deref(&self) -> &DatabaseTransaction {
        &self.transaction
    }
}

/// Whether PostgreSQL ended a transaction because it and another waited for each other (SQLSTATE 40P01):
/// nothing of it was done, and the other is through when it is tried again.
pub fn is_deadlock(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause))) =
        error
    else {
        return false;
    };
    cause
        .as_database_error()
        .and_then(|cause| cause.code())
        .is_some_and(|code| code == "40P01")
}

/// Whether a transaction lost a race with another: it wrote a row first, or both waited for each other. Nothing
/// of it was done, and it comes out right when it is tried again.
pub fn is_conflict(error: &DbErr) -> bool {
    is_deadlock(error) || matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}

/// Raw SQL with `$n` placeholders, on a connection or in a transaction.
pub trait Sql: ConnectionTrait {
    /// Runs a statement.
    fn run(
        &self,
        sql: impl Into<String> + Send,
        values: impl IntoIterator<Item = Value> + Send,
    ) -> impl Future<Output = Result<ExecResult, DbErr>> + Send {
        let statement = Statement::from_sql_and_values(self.get_database_backend(), sql, values);
        self.execute_raw(statement)
    }

    /// All rows of a query.
    fn rows(
        &self,
        sql: impl Into<String> + Send,
        values: impl IntoIterator<Item = Value> + Send,
    ) -> impl Future<Output = Result<Vec<QueryResult>, DbErr>> + Send {
        let statement = Statement::from_sql_and_values(self.get_database_backend(), sql, values);
        self.query_all_raw(statement)
    }

    /// The first row of a query, if there is one.
    fn row(
        &self,
        sql: impl Into<String> + Send,
        values: impl IntoIterator<Item = Value> + Send,
    ) -> impl Future<Output = Result<Option<QueryResult>, DbErr>> + Send {
        let statement = Statement::from_sql_and_values(self.get_database_backend(), sql, values);
        self.query_one_raw(statement)
    }
}

impl<C: ConnectionTrait> Sql for C {}
