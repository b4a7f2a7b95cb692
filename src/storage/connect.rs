//! Opens the database named by a URL and brings its schema up to date.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DbErr};
use tokio::sync::Mutex;
use visavis_migrations::{Migrator, MigratorTrait};

use super::{Db, Dialect};

/// Why the database could not be had.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    #[error(
        "the database URL must begin with sqlite: or postgres://, not {0:?}; mend [database] url or DATABASE_URL"
    )]
    UnknownScheme(String),
    #[error(
        "cannot open the database: {0}; check [database] url or DATABASE_URL, that the server runs and that the folder is writable"
    )]
    Connect(DbErr),
    #[error("cannot bring the schema up to date: {0}")]
    Migrate(DbErr),
    #[error("the schema is {pending} migrations behind; run `visavis migrate`")]
    Behind { pending: usize },
}

/// A database URL; its password is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct DbUrl(String);

impl DbUrl {
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The SQLite file `path`, made if it is not there.
    pub fn sqlite_file(path: &Path) -> Self {
        Self(format!("sqlite://{}?mode=rwc", path.display()))
    }

    /// The URL with its password; do not print it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn dialect(&self) -> Result<Dialect, StorageError> {
        if self.0.starts_with("sqlite:") {
            Ok(Dialect::Sqlite)
        } else if self.0.starts_with("postgres://") || self.0.starts_with("postgresql://") {
            Ok(Dialect::Postgres)
        } else {
            let scheme = self.0.split(':').next().unwrap_or_default();
            Err(StorageError::UnknownScheme(scheme.to_owned()))
        }
    }
}

impl fmt::Debug for DbUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for DbUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.find("://"), self.0.rfind('@')) {
            (Some(start), Some(at)) if start + 3 < at => {
                let (scheme, _) = self.0.split_at(start + 3);
                let (_, host) = self.0.split_at(at);
                write!(f, "{scheme}***{host}")
            }
            _ => f.write_str(&self.0),
        }
    }
}

impl<'de> serde::Deserialize<'de> for DbUrl {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

/// How long a statement waits for another process's lock on SQLite, in milliseconds.
const BUSY_TIMEOUT_MS: &str = "120000";
/// The same for what can wait until the next time, and holds writers up meanwhile.
const CHECKPOINT_PATIENCE_MS: &str = "1000";

/// How long PostgreSQL waits for the next statement of a transaction: the locks of a node that sleeps, or
/// whose machine is gone, would hold up all others for as long. Less than a lease holds by default.
const IDLE_IN_TRANSACTION: (&str, &str) = ("idle_in_transaction_session_timeout", "60s");

/// What SQLite keeps of the database for each connection, in KiB, negated. The pages live in the page cache of
/// the system, which all connections share: a copy of our own in each saved no time that could be measured.
const CACHE_SIZE: &str = "-4096";

/// The key of the advisory lock that lets one process migrate at a time.
const MIGRATION_LOCK: i64 = 0x7669_7361_7669_7301;

impl Db {
    /// Opens the database without looking at its schema.
    ///
    /// # Errors
    /// When the URL is not one of ours or the database cannot be reached.
    pub async fn open(url: &DbUrl, max_connections: u32) -> Result<Self, StorageError> {
        let dialect = url.dialect()?;
        let mut options = ConnectOptions::new(url.0.clone());
        options
            .max_connections(max_connections)
            .acquire_timeout(Duration::from_secs(30))
            .test_before_acquire(dialect == Dialect::Postgres)
            .sqlx_logging(false);
        options.map_sqlx_sqlite_opts(|sqlite| {
            sqlite
                .pragma("journal_mode", "WAL")
                // A commit must survive a power cut: an intent that is lost would be sent twice.
                .pragma("synchronous", "FULL")
                .pragma("busy_timeout", BUSY_TIMEOUT_MS)
                .pragma("foreign_keys", "ON")
                .pragma("cache_size", CACHE_SIZE)
                // A sort of a whole audience goes to a file where it outgrows the cache.
                .pragma("temp_store", "FILE")
                // What is deleted is overwritten where its page is written anyhow.
                .pragma("secure_delete", "FAST")
        });
        // A URL may name another: `?options[idle_in_transaction_session_timeout]=20s`.
        if !url.0.contains(IDLE_IN_TRANSACTION.0) {
            options.map_sqlx_postgres_opts(|postgres| postgres.options([IDLE_IN_TRANSACTION]));
        }
        let connection = Database::connect(options)
            .await
            .map_err(StorageError::Connect)?;
        Ok(Self {
            connection,
            dialect,
            writer: Arc::new(Mutex::new(())),
        })
    }

    /// Applies the pending migrations, one process at a time; returns how many there were.
    ///
    /// # Errors
    /// When a migration fails; on PostgreSQL nothing of it then stays.
    pub async fn migrate(&self) -> Result<usize, StorageError> {
        // The lock lives in a transaction of its own, so it is released however this ends.
        let lock = self.begin_lock().await.map_err(StorageError::Migrate)?;
        let pending = Migrator::get_pending_migrations(&self.connection)
            .await
            .map_err(StorageError::Migrate)?
            .len();
        if pending > 0 {
            Migrator::up(&self.connection, None)
                .await
                .map_err(StorageError::Migrate)?;
        }
        if let Some(lock) = lock {
            lock.commit().await.map_err(StorageError::Migrate)?;
        }
        Ok(pending)
    }

    /// Fails when the schema is behind this program.
    ///
    /// # Errors
    /// [`StorageError::Behind`] with the number of pending migrations.
    pub async fn require_current_schema(&self) -> Result<(), StorageError> {
        let pending = Migrator::get_pending_migrations(&self.connection)
            .await
            .map_err(StorageError::Migrate)?
            .len();
        if pending == 0 {
            Ok(())
        } else {
            Err(StorageError::Behind { pending })
        }
    }

    /// Empties SQLite's write-ahead log, where what was deleted may still stand; PostgreSQL recycles its own.
    /// Best effort: it gives way to whoever reads for long, and what it did not do the next one does.
    pub async fn checkpoint(&self) {
        if self.dialect == Dialect::Postgres {
            return;
        }
        let _turn = self.writer.lock().await;
        // One string, so that it runs on one connection, whose patience is given back.
        let checkpoint = format!(
            "PRAGMA busy_timeout = {CHECKPOINT_PATIENCE_MS}; PRAGMA wal_checkpoint(TRUNCATE); \
             PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}"
        );
        if let Err(error) = self.connection.execute_unprepared(&checkpoint).await {
            tracing::warn!(%error, "the write-ahead log was not emptied");
        }
    }

    async fn begin_lock(&self) -> Result<Option<super::Txn>, DbErr> {
        if self.dialect == Dialect::Sqlite {
            return Ok(None);
        }
        let lock = self.begin().await?;
        // It is idle for as long as the migrations take.
        lock.execute_unprepared("SET LOCAL idle_in_transaction_session_timeout = 0")
            .await?;
        lock.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
            .await?;
        Ok(Some(lock))
    }
}
