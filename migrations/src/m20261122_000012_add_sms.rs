//! Text messages: each lease has its own route, so that a wave may go by several channels, and what is
//! known of a text message stands beside its row of the ledger.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                // The route of the second channel, for who cannot be reached by the first.
                "ALTER TABLE waves ADD COLUMN next_relay TEXT",
                "ALTER TABLE leases ADD COLUMN relay TEXT NOT NULL DEFAULT ''",
                "UPDATE leases SET relay = (SELECT w.relay FROM waves w WHERE w.id = leases.wave_id)",
                // receipt: sent, undelivered or delivered, the furthest that was told. failure: its class.
                // cost_micros: millionths of the configured currency; NULL: not known.
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
                "CREATE INDEX sms_messages_name ON sms_messages (provider, message_id) WHERE message_id IS NOT NULL",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                "DROP TABLE sms_messages",
                "ALTER TABLE leases DROP COLUMN relay",
                "ALTER TABLE waves DROP COLUMN next_relay",
            ],
        )
        .await
    }
}
