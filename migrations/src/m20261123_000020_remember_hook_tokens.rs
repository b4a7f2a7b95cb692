//! Tokens by which a provider proves one request each, so that none proves a second one.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                // token and body: SHA-256 in hex, of the token and of the request it came with.
                "CREATE TABLE hook_tokens (
                    token TEXT PRIMARY KEY,
                    body TEXT NOT NULL,
                    seen_at BIGINT NOT NULL
                )",
                "CREATE INDEX hook_tokens_seen ON hook_tokens (seen_at)",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, &["DROP TABLE hook_tokens"]).await
    }
}
