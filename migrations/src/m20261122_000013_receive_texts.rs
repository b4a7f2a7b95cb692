//! What people and providers send us by SMS: receipts that come too early, texts, our answers to them.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                // Receipts of messages that are not settled yet, or that we do not know.
                "CREATE TABLE unmatched_receipts (
                    id {identity},
                    provider TEXT NOT NULL,
                    message_id TEXT,
                    wave_id BIGINT,
                    seq BIGINT,
                    state TEXT NOT NULL,
                    failure TEXT,
                    at BIGINT NOT NULL,
                    received_at BIGINT NOT NULL
                )",
                "CREATE INDEX unmatched_receipts_received ON unmatched_receipts (received_at)",
                // kind: stop, start, help, reply. number and body can be erased; the fingerprint stays.
                // wave_id and seq: the last message to that number.
                "CREATE TABLE inbound_texts (
                    id {identity},
                    provider TEXT NOT NULL,
                    message_id TEXT NOT NULL,
                    fingerprint TEXT NOT NULL,
                    number TEXT,
                    sent_to TEXT,
                    body TEXT,
                    kind TEXT NOT NULL,
                    customer_id BIGINT,
                    wave_id BIGINT,
                    seq BIGINT,
                    received_at BIGINT NOT NULL,
                    done_at BIGINT,
                    UNIQUE (provider, message_id)
                )",
                "CREATE INDEX inbound_texts_fingerprint ON inbound_texts (fingerprint)",
                "CREATE INDEX inbound_texts_customer ON inbound_texts (customer_id)",
                "CREATE INDEX inbound_texts_replies ON inbound_texts (id) WHERE kind = 'reply'",
                "CREATE INDEX inbound_texts_open ON inbound_texts (id) WHERE kind = 'reply' AND done_at IS NULL",
                "CREATE INDEX inbound_texts_kept ON inbound_texts (received_at) WHERE number IS NOT NULL",
                // What a STOP disabled, and START may restore: topics that could be written about before it.
                "CREATE TABLE text_stops (
                    fingerprint TEXT NOT NULL,
                    customer_id BIGINT NOT NULL,
                    topic TEXT NOT NULL,
                    level SMALLINT NOT NULL,
                    expires_at BIGINT,
                    stopped_at BIGINT NOT NULL,
                    PRIMARY KEY (fingerprint, customer_id, topic)
                )",
                "CREATE INDEX text_stops_customer ON text_stops (customer_id)",
                // Our answers to STOP, START and HELP. state: waiting, sending, sent, failed, unknown (never sent
                // again), doubtful (being settled as unknown).
                // next_at: when it is (re)sent; NULL: not to be sent. number goes when it is settled.
                "CREATE TABLE text_replies (
                    id {identity},
                    inbound_id BIGINT NOT NULL UNIQUE,
                    provider TEXT NOT NULL,
                    kind TEXT NOT NULL,
                    fingerprint TEXT NOT NULL,
                    number TEXT,
                    sender TEXT,
                    firm TEXT,
                    customer_id BIGINT,
                    language TEXT NOT NULL,
                    state TEXT NOT NULL,
                    attempt SMALLINT NOT NULL,
                    next_at BIGINT,
                    queued_at BIGINT NOT NULL,
                    settled_at BIGINT
                )",
                "CREATE INDEX text_replies_waiting ON text_replies (next_at) WHERE next_at IS NOT NULL",
                "CREATE INDEX text_replies_fingerprint ON text_replies (fingerprint, kind, queued_at)",
                "CREATE INDEX text_replies_customer ON text_replies (customer_id)",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                "DROP TABLE text_replies",
                "DROP TABLE text_stops",
                "DROP TABLE inbound_texts",
                "DROP TABLE unmatched_receipts",
            ],
        )
        .await
    }
}
