//! Segments by name: their rules with every earlier form, and what was counted last.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                // rule: the canonical text. counted_*: of the rule as it stands; the reach is for counted_topic.
                // study: all that was found, as JSON, without anything personal but numbers of customers.
                "CREATE TABLE segments (
                    id {identity},
                    name TEXT NOT NULL,
                    name_key TEXT NOT NULL UNIQUE,
                    rule TEXT NOT NULL,
                    description TEXT NOT NULL,
                    revision BIGINT NOT NULL,
                    is_archived BOOLEAN NOT NULL,
                    created_by TEXT NOT NULL,
                    created_at BIGINT NOT NULL,
                    updated_by TEXT NOT NULL,
                    updated_at BIGINT NOT NULL,
                    counted_at BIGINT,
                    counted_topic TEXT,
                    people BIGINT,
                    base BIGINT,
                    reach_email BIGINT,
                    reach_sms BIGINT,
                    study TEXT
                )",
                // A campaign keeps the rule it was planned with: an earlier form tells which campaigns it was of.
                "CREATE TABLE segment_revisions (
                    segment_id BIGINT NOT NULL REFERENCES segments (id) ON DELETE CASCADE,
                    revision BIGINT NOT NULL,
                    rule TEXT NOT NULL,
                    saved_by TEXT NOT NULL,
                    saved_at BIGINT NOT NULL,
                    PRIMARY KEY (segment_id, revision)
                )",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &["DROP TABLE segment_revisions", "DROP TABLE segments"],
        )
        .await
    }
}
