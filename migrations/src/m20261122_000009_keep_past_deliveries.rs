//! What stays of old waves when their ledger is let go, and how far journals of responses are written.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseBackend};
        let without_rowid = match manager.get_connection().get_database_backend() {
            DatabaseBackend::Postgres => "",
            _ => " WITHOUT ROWID",
        };
        // Whom a link in an old message belongs to: an opt-out must work for as long as the message exists.
        let past_deliveries = format!(
            "CREATE TABLE past_deliveries (
                wave_id BIGINT NOT NULL,
                seq BIGINT NOT NULL,
                customer_id BIGINT NOT NULL,
                channel TEXT NOT NULL,
                PRIMARY KEY (wave_id, seq)
            ){without_rowid}"
        );
        // The sum of the contacts that are no longer listed.
        let past_contacts = format!(
            "CREATE TABLE past_contacts (
                customer_id BIGINT NOT NULL,
                channel TEXT NOT NULL,
                topic TEXT NOT NULL,
                contacts BIGINT NOT NULL,
                first_at BIGINT NOT NULL,
                last_at BIGINT NOT NULL,
                PRIMARY KEY (customer_id, channel, topic)
            ){without_rowid}"
        );
        crate::run(
            manager,
            &[
                &past_deliveries,
                "CREATE INDEX past_deliveries_customer ON past_deliveries (customer_id)",
                &past_contacts,
                // When the ledger of the wave was let go.
                "ALTER TABLE waves ADD COLUMN cleaned_at BIGINT",
                // position: how many entries of the journal with this id are in the database.
                "CREATE TABLE response_journals (id TEXT PRIMARY KEY, position BIGINT NOT NULL)",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                "DROP TABLE response_journals",
                "ALTER TABLE waves DROP COLUMN cleaned_at",
                "DROP TABLE past_contacts",
                "DROP TABLE past_deliveries",
            ],
        )
        .await
    }
}
