//! Text messages: what is known of one beyond its row of the ledger, and the route of each lease.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                "CREATE TABLE sms_messages (
                    wave_id BIGINT NOT NULL,
                    seq BIGINT NOT NULL,
                    provider TEXT NOT NULL,
                    message_id TEXT,
                    country TEXT,
                    parts SMALLINT,
                    cost_micros BIGINT,
                    receipt TEXT,
                    receipt_at BIGINT,
                    failure TEXT,
                    PRIMARY KEY (wave_id, seq)
                )",
                "CREATE INDEX sms_messages_id ON sms_messages (provider, message_id)",
                "ALTER TABLE leases ADD COLUMN relay TEXT NOT NULL DEFAULT ''",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                "ALTER TABLE leases DROP COLUMN relay",
                "DROP TABLE sms_messages",
            ],
        )
        .await
    }
}
