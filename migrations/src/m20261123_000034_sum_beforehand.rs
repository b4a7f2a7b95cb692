//! What pages would have to sum or look through themselves: the grid by one property of people, the waves of a
//! campaign, the events an endpoint lost.

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
        // sums: of the facts, packed (reports/grid/margins.rs); a table of its own, since on SQLite a column behind
        // a megabyte is read through it. counted_at: as in grid_waves; of another time they hold no more.
        let sums = format!(
            "CREATE TABLE grid_sums (
                wave_id BIGINT NOT NULL REFERENCES waves (id),
                channel TEXT NOT NULL,
                cell TEXT NOT NULL,
                counted_at BIGINT NOT NULL,
                sums {bytes} NOT NULL,
                PRIMARY KEY (wave_id, channel, cell)
            )"
        );
        crate::run(
            manager,
            &[
                &sums,
                // What lists of campaigns ask of waves stands behind definitions of some kilobytes.
                "CREATE INDEX waves_campaign ON waves (campaign_id, id, launched_at, is_simulated)",
                "CREATE INDEX webhook_deliveries_lost ON webhook_deliveries (endpoint_id)
                    WHERE state IN ('failed', 'stopped')",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                "DROP INDEX webhook_deliveries_lost",
                "DROP INDEX waves_campaign",
                "DROP TABLE grid_sums",
            ],
        )
        .await
    }
}
