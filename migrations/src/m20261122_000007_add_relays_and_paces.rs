//! Several relays: the way a wave goes, the limits that nodes share, who is resting, and how fast it went
//! of late.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                // The relay a wave goes through, chosen at launch.
                "ALTER TABLE waves ADD COLUMN relay TEXT NOT NULL DEFAULT 'default'",
                // What a claim asks of each running wave: its next lease, how many are in hand, and when it was
                // served last (fences only grow). Done leases stand in neither of the first two.
                "CREATE INDEX leases_next ON leases (wave_id, due_at, id) WHERE NOT is_done",
                "CREATE INDEX leases_held ON leases (wave_id, until_at) WHERE until_at IS NOT NULL",
                "CREATE INDEX leases_served ON leases (wave_id, fence)",
                "DROP INDEX leases_open",
                // A limit that nodes share: when its next slot is, in microseconds by the database's clock.
                "CREATE TABLE paces (name TEXT PRIMARY KEY, next_us BIGINT NOT NULL)",
                // A node that gives a relay no work for a while; a relay that works has no row.
                "CREATE TABLE relay_rests (
                    relay TEXT NOT NULL,
                    node TEXT NOT NULL,
                    reason TEXT NOT NULL,
                    failures BIGINT NOT NULL,
                    since_at BIGINT NOT NULL,
                    until_at BIGINT NOT NULL,
                    PRIMARY KEY (relay, node)
                )",
                // Hand-overs of the latest minutes of a running wave, a ring: slot is the minute's remainder.
                "CREATE TABLE wave_minutes (
                    wave_id BIGINT NOT NULL REFERENCES waves (id),
                    slot SMALLINT NOT NULL,
                    minute BIGINT NOT NULL,
                    handed_over BIGINT NOT NULL,
                    PRIMARY KEY (wave_id, slot)
                )",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                "DROP TABLE wave_minutes",
                "DROP TABLE relay_rests",
                "DROP TABLE paces",
                "CREATE INDEX leases_open ON leases (due_at, id) WHERE NOT is_done",
                "DROP INDEX leases_served",
                "DROP INDEX leases_held",
                "DROP INDEX leases_next",
                "ALTER TABLE waves DROP COLUMN relay",
            ],
        )
        .await
    }
}
