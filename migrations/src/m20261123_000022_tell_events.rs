//! Events that other programs want to be told of, and the keys of calendar feeds.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                // salt, generation: what the secret is derived from; the secret itself stands nowhere.
                // renewed_at: until a day after it the secret of the generation before signs too.
                // failing_since: the first failure since the last success. resume_at: until then it is left
                // alone. owner, until_at: which node sends to it now.
                "CREATE TABLE webhook_endpoints (
                    id {identity},
                    url TEXT NOT NULL,
                    description TEXT NOT NULL,
                    salt TEXT NOT NULL,
                    generation BIGINT NOT NULL,
                    renewed_at BIGINT,
                    is_active BOOLEAN NOT NULL,
                    created_by TEXT NOT NULL,
                    created_at BIGINT NOT NULL,
                    failures BIGINT NOT NULL,
                    failing_since BIGINT,
                    told_at BIGINT,
                    disabled_at BIGINT,
                    reason TEXT,
                    resume_at BIGINT NOT NULL,
                    owner TEXT,
                    until_at BIGINT
                )",
                "CREATE TABLE webhook_subscriptions (
                    kind TEXT NOT NULL,
                    endpoint_id BIGINT NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
                    PRIMARY KEY (kind, endpoint_id)
                )",
                "CREATE INDEX webhook_subscriptions_endpoint ON webhook_subscriptions (endpoint_id)",
                // message_id: what receivers tell repetitions by. body: what is sent, byte by byte.
                "CREATE TABLE webhook_events (
                    id {identity},
                    message_id TEXT NOT NULL,
                    kind TEXT NOT NULL,
                    body TEXT NOT NULL,
                    created_at BIGINT NOT NULL
                )",
                "CREATE INDEX webhook_events_created ON webhook_events (created_at)",
                // state: waiting, delivered, failed, stopped (its endpoint was disabled). lets_pass: later
                // events need not wait for it.
                "CREATE TABLE webhook_deliveries (
                    endpoint_id BIGINT NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
                    event_id BIGINT NOT NULL REFERENCES webhook_events (id) ON DELETE CASCADE,
                    state TEXT NOT NULL,
                    attempts BIGINT NOT NULL,
                    lets_pass BOOLEAN NOT NULL,
                    next_at BIGINT NOT NULL,
                    tried_at BIGINT,
                    last_status BIGINT,
                    last_error TEXT,
                    PRIMARY KEY (endpoint_id, event_id)
                )",
                "CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (endpoint_id, event_id)
                    WHERE state = 'waiting'",
                "CREATE INDEX webhook_deliveries_event ON webhook_deliveries (event_id)",
                // digest: SHA-256 in hex of the key in the address of a person's calendar feed.
                "CREATE TABLE calendar_keys (
                    user_id BIGINT PRIMARY KEY,
                    digest TEXT NOT NULL UNIQUE,
                    created_at BIGINT NOT NULL
                )",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                "DROP TABLE calendar_keys",
                "DROP TABLE webhook_deliveries",
                "DROP TABLE webhook_events",
                "DROP TABLE webhook_subscriptions",
                "DROP TABLE webhook_endpoints",
            ],
        )
        .await
    }
}
