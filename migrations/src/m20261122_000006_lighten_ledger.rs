//! A row of the ledger is written once after its launch: room for that on its page, and one index less.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// On SQLite too: the table is there under its name, or as it was before.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseBackend};
        match manager.get_connection().get_database_backend() {
            DatabaseBackend::Postgres => {
                crate::run(
                    manager,
                    &[
                        // All rows of a page are settled in few transactions, before any of their old versions
                        // can go: with half of it free every one stays (heap-only tuples), and no index is
                        // touched.
                        "ALTER TABLE deliveries SET (fillfactor = 50)",
                        // The person first: so it also serves who looks for all of his, and the planner,
                        // knowing no statistics, cannot take it for a way through a wave.
                        "CREATE UNIQUE INDEX deliveries_person ON deliveries (customer_id, wave_id)",
                        "ALTER TABLE deliveries DROP CONSTRAINT deliveries_wave_id_customer_id_key",
                        "DROP INDEX deliveries_customer",
                    ],
                )
                .await?;
            }
            // A constraint goes only with its table.
            _ => crate::run(manager, &SQLITE).await?,
        }
        // What was marked `sending` before the intent was its row of the contact history.
        crate::run(
            manager,
            &[
                "UPDATE deliveries SET state = 5, settled_at = due_at WHERE state = 1",
                "INSERT INTO wave_counters (wave_id, counter, value)
                 SELECT wave_id, 'unknown', value FROM wave_counters WHERE counter = 'sending' AND value <> 0
                 ON CONFLICT (wave_id, counter) DO UPDATE SET value = wave_counters.value + excluded.value",
                "UPDATE wave_counters SET value = 0 WHERE counter = 'sending' AND value <> 0",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseBackend};
        crate::run(
            manager,
            &[
                "CREATE INDEX deliveries_customer ON deliveries (customer_id)",
                "DROP INDEX deliveries_person",
                "CREATE UNIQUE INDEX deliveries_wave_id_customer_id_key ON deliveries (wave_id, customer_id)",
            ],
        )
        .await?;
        if manager.get_connection().get_database_backend() == DatabaseBackend::Postgres {
            crate::run(manager, &["ALTER TABLE deliveries SET (fillfactor = 70)"]).await?;
        }
        Ok(())
    }
}

const SQLITE: [&str; 6] = [
    "CREATE TABLE lighter (
        wave_id BIGINT NOT NULL,
        seq BIGINT NOT NULL,
        customer_id BIGINT NOT NULL,
        channel TEXT NOT NULL,
        cell TEXT NOT NULL,
        state SMALLINT NOT NULL,
        attempt SMALLINT NOT NULL,
        fence BIGINT NOT NULL,
        due_at BIGINT NOT NULL,
        next_at BIGINT,
        reason TEXT,
        marks BIGINT NOT NULL,
        settled_at BIGINT,
        PRIMARY KEY (wave_id, seq)
    )",
    "INSERT INTO lighter SELECT wave_id, seq, customer_id, channel, cell, state, attempt, fence, due_at,
         next_at, reason, marks, settled_at FROM deliveries",
    "DROP TABLE deliveries",
    "ALTER TABLE lighter RENAME TO deliveries",
    "CREATE UNIQUE INDEX deliveries_person ON deliveries (customer_id, wave_id)",
    "CREATE INDEX deliveries_deferred ON deliveries (wave_id, next_at) WHERE next_at IS NOT NULL",
];
