//! What bounds who guesses and who tries: from where people sign in, how often all sessions of a user were ended,
//! which ways back from a provider were used, and how many test sends there were.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                // How many times: what was begun before the last of them does not hold.
                "ALTER TABLE users ADD COLUMN sessions_ended BIGINT NOT NULL DEFAULT 0",
                // account and network: keyed fingerprints, as in sign_in_failures.
                "CREATE TABLE sign_in_networks (
                    account TEXT NOT NULL,
                    network TEXT NOT NULL,
                    signed_in_at BIGINT NOT NULL,
                    PRIMARY KEY (account, network)
                )",
                "CREATE INDEX sign_in_networks_time ON sign_in_networks (signed_in_at)",
                // digest: SHA-256 in hex of the state that came back from a provider of OpenID Connect.
                "CREATE TABLE used_journeys (
                    digest TEXT PRIMARY KEY,
                    expires_at BIGINT NOT NULL
                )",
                "CREATE INDEX used_journeys_time ON used_journeys (expires_at)",
                // sender: a user or a token.
                "CREATE TABLE trials (
                    id {identity},
                    sender TEXT NOT NULL,
                    addresses BIGINT NOT NULL,
                    sent_at BIGINT NOT NULL
                )",
                "CREATE INDEX trials_sender ON trials (sender, sent_at)",
                "CREATE INDEX trials_time ON trials (sent_at)",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                "DROP TABLE trials",
                "DROP TABLE used_journeys",
                "DROP TABLE sign_in_networks",
                "ALTER TABLE users DROP COLUMN sessions_ended",
            ],
        )
        .await
    }
}
