//! A row of the ledger is written once after its launch: room for that on its page.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseBackend};
        if manager.get_connection().get_database_backend() == DatabaseBackend::Postgres {
            // All rows of a page are settled in few transactions, before any of their old versions can go:
            // with half of it free every one stays (heap-only tuples), and no index is touched.
            crate::run(manager, &["ALTER TABLE deliveries SET (fillfactor = 50)"]).await?;
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
        if manager.get_connection().get_database_backend() == DatabaseBackend::Postgres {
            crate::run(manager, &["ALTER TABLE deliveries SET (fillfactor = 70)"]).await?;
        }
        Ok(())
    }
}
