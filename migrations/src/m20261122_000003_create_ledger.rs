//! The work: waves, their counters, the ledger of deliveries and the leases on it.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseBackend};
        crate::run(
            manager,
            &[
                "CREATE TABLE waves (
                    id {identity},
                    campaign_id BIGINT NOT NULL REFERENCES campaigns (id),
                    due_key TEXT NOT NULL,
                    template_version_id BIGINT NOT NULL REFERENCES template_versions (id),
                    definition TEXT NOT NULL,
                    status TEXT NOT NULL,
                    is_simulated BOOLEAN NOT NULL,
                    launched_at BIGINT NOT NULL,
                    finished_at BIGINT,
                    UNIQUE (campaign_id, due_key)
                )",
                "CREATE TABLE wave_counters (
                    wave_id BIGINT NOT NULL REFERENCES waves (id),
                    counter TEXT NOT NULL,
                    value BIGINT NOT NULL,
                    PRIMARY KEY (wave_id, counter)
                )",
                // state: 0 pending, 1 sending, 2 accepted, 3 deferred, 4 failed, 5 unknown, 6 withheld.
                // reason: why withheld, or the class of the last error. fence: the lease that marked it sending.
                // marks: bits of what came back, so that each is counted once a delivery.
                "CREATE TABLE deliveries (
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
                    PRIMARY KEY (wave_id, seq),
                    UNIQUE (wave_id, customer_id)
                )",
                "CREATE INDEX deliveries_customer ON deliveries (customer_id)",
                // Neither state nor fence stands in an index: on PostgreSQL their updates stay on the page.
                "CREATE INDEX deliveries_deferred ON deliveries (wave_id, next_at) WHERE next_at IS NOT NULL",
                // kind: first (a chunk of the audience) or retry (the deferred rows of a wave).
                "CREATE TABLE leases (
                    id {identity},
                    wave_id BIGINT NOT NULL REFERENCES waves (id),
                    kind TEXT NOT NULL,
                    from_seq BIGINT NOT NULL,
                    to_seq BIGINT NOT NULL,
                    due_at BIGINT NOT NULL,
                    owner TEXT,
                    fence BIGINT NOT NULL,
                    until_at BIGINT,
                    is_done BOOLEAN NOT NULL
                )",
                "CREATE INDEX leases_open ON leases (due_at, id) WHERE NOT is_done",
                "CREATE INDEX leases_wave ON leases (wave_id)",
                // One row: the last fence given out. It only grows, over all waves and nodes.
                "CREATE TABLE fences (id BIGINT PRIMARY KEY, last BIGINT NOT NULL)",
                "INSERT INTO fences (id, last) VALUES (1, 0)",
            ],
        )
        .await?;
        if manager.get_connection().get_database_backend() == DatabaseBackend::Postgres {
            // Room on each page, so that an update of state stays on it (heap-only tuples).
            crate::run(manager, &["ALTER TABLE deliveries SET (fillfactor = 70)"]).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                "DROP TABLE fences",
                "DROP TABLE leases",
                "DROP TABLE deliveries",
                "DROP TABLE wave_counters",
                "DROP TABLE waves",
            ],
        )
        .await
    }
}
