//! A base to try something in.

use std::sync::Arc;

use sea_orm::{ConnectOptions, Database, DbErr};
use tokio::sync::Mutex;
use visavis_migrations::{Migrator, MigratorTrait};

use super::{Db, Dialect};

impl Db {
    /// An empty base of the present schema for one transaction: SQLite keeps what outgrows its memory in a file
    /// without a name, which is gone when the base is closed, however that comes. Rows may name others that are not
    /// there.
    ///
    /// # Errors
    /// When no temporary file can be written.
    pub async fn scratch() -> Result<Self, DbErr> {
        // A file without a name belongs to one connection.
        let mut options = ConnectOptions::new("sqlite://");
        options
            .min_connections(1)
            .max_connections(1)
            .sqlx_logging(false)
            .map_sqlx_sqlite_opts(|sqlite| {
                sqlite
                    .pragma("foreign_keys", "OFF")
                    .pragma("synchronous", "OFF")
                    .pragma("temp_store", "FILE")
            });
        let connection = Database::connect(options).await?;
        Migrator::up(&connection, None).await?;
        Ok(Self {
            connection,
            dialect: Dialect::Sqlite,
            writer: Arc::new(Mutex::new(())),
        })
    }
}
