//! What comes back by mail: which mails were taken in, what is held against addresses, and how far mailboxes
//! are read.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                // digest: what tells a mail from all others, by whichever way it came. fingerprint: of who wrote,
                // of what is kept for a person; sender, subject and body of that alone, and they can be erased.
                "CREATE TABLE received_mails (
                    id {identity},
                    digest TEXT NOT NULL UNIQUE,
                    way TEXT NOT NULL,
                    kind TEXT NOT NULL,
                    class TEXT,
                    rule TEXT,
                    wave_id BIGINT,
                    seq BIGINT,
                    notice_id BIGINT,
                    customer_id BIGINT,
                    is_kept BOOLEAN NOT NULL,
                    fingerprint TEXT,
                    sender TEXT,
                    subject TEXT,
                    body TEXT,
                    received_at BIGINT NOT NULL,
                    done_at BIGINT
                )",
                "CREATE INDEX received_mails_kept ON received_mails (id) WHERE is_kept",
                "CREATE INDEX received_mails_open ON received_mails (id) WHERE is_kept AND done_at IS NULL",
                "CREATE INDEX received_mails_customer ON received_mails (customer_id) WHERE customer_id IS NOT NULL",
                "CREATE INDEX received_mails_fingerprint ON received_mails (fingerprint) WHERE fingerprint IS NOT NULL",
                "CREATE INDEX received_mails_received ON received_mails (received_at)",
                // Bounces of one class in a row; wave_id and seq: of the last message that bounced, which counts
                // once however many mails tell of it.
                "CREATE TABLE address_faults (
                    fingerprint TEXT NOT NULL,
                    class TEXT NOT NULL,
                    count BIGINT NOT NULL,
                    first_at BIGINT NOT NULL,
                    last_at BIGINT NOT NULL,
                    wave_id BIGINT,
                    seq BIGINT,
                    PRIMARY KEY (fingerprint, class)
                )",
                "CREATE INDEX address_faults_last ON address_faults (last_at)",
                // How the counters stood when the wave's campaign was paused for its bounces last.
                "CREATE TABLE wave_alarms (
                    wave_id BIGINT PRIMARY KEY,
                    bounces BIGINT NOT NULL,
                    accepted BIGINT NOT NULL,
                    raised_at BIGINT NOT NULL
                )",
                // Up to which mail of an IMAP folder everything was taken in.
                "CREATE TABLE mailbox_positions (
                    mailbox TEXT PRIMARY KEY,
                    uid_validity BIGINT NOT NULL,
                    last_uid BIGINT NOT NULL
                )",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                "DROP TABLE mailbox_positions",
                "DROP TABLE wave_alarms",
                "DROP TABLE address_faults",
                "DROP TABLE received_mails",
            ],
        )
        .await
    }
}
