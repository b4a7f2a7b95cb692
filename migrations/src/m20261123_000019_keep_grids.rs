//! What the grid of responses reads: each wave counted by who its people are; and summaries by email.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseBackend};
        let bytes = match manager.get_connection().get_database_backend() {
            DatabaseBackend::Postgres => "BYTEA",
            _ => "BLOB",
        };
        // facts: the counts by every combination of what is known of a person, packed (reports/grid/cube.rs):
        // as rows they would be a hundred thousand a wave. entries: how many combinations there are.
        let facts = format!(
            "CREATE TABLE grid_facts (
                wave_id BIGINT NOT NULL REFERENCES waves (id),
                channel TEXT NOT NULL,
                cell TEXT NOT NULL,
                delivered BIGINT NOT NULL,
                responders BIGINT NOT NULL,
                orders BIGINT NOT NULL,
                revenue_cents BIGINT NOT NULL,
                entries BIGINT NOT NULL,
                facts {bytes} NOT NULL,
                PRIMARY KEY (wave_id, channel, cell)
            )"
        );
        crate::run(
            manager,
            &[
                // figures: the wave's counters as they stood when it was counted. busy_until: who counts it
                // now has it until then. is_final: it is not counted again.
                "CREATE TABLE grid_waves (
                    wave_id BIGINT PRIMARY KEY REFERENCES waves (id),
                    figures TEXT NOT NULL,
                    counted_at BIGINT,
                    took_ms BIGINT NOT NULL,
                    busy_until BIGINT NOT NULL,
                    is_final BOOLEAN NOT NULL
                )",
                &facts,
                // One row for each period and reader, so that none gets a summary twice. reader: a digest of
                // the address. state: waiting, sent, failed.
                "CREATE TABLE summaries (
                    id {identity},
                    period TEXT NOT NULL,
                    reader TEXT NOT NULL,
                    since_at BIGINT NOT NULL,
                    until_at BIGINT NOT NULL,
                    state TEXT NOT NULL,
                    attempt SMALLINT NOT NULL,
                    next_at BIGINT NOT NULL,
                    UNIQUE (period, reader)
                )",
                "CREATE INDEX summaries_waiting ON summaries (next_at) WHERE state = 'waiting'",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                "DROP TABLE summaries",
                "DROP TABLE grid_facts",
                "DROP TABLE grid_waves",
            ],
        )
        .await
    }
}
