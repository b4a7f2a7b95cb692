//! The plan: frozen template versions, campaigns and their due times.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                // source holds the whole template, so that links and "view in browser" work for ever.
                "CREATE TABLE template_versions (
                    id {identity},
                    name TEXT NOT NULL,
                    digest TEXT NOT NULL UNIQUE,
                    source TEXT NOT NULL,
                    frozen_at BIGINT NOT NULL
                )",
                // definition is the checked definition as JSON; template_version_id is what `apply` froze.
                "CREATE TABLE campaigns (
                    id {identity},
                    name TEXT NOT NULL UNIQUE,
                    definition TEXT NOT NULL,
                    template_version_id BIGINT NOT NULL REFERENCES template_versions (id),
                    status TEXT NOT NULL,
                    status_reason TEXT,
                    revision BIGINT NOT NULL,
                    created_at BIGINT NOT NULL,
                    updated_at BIGINT NOT NULL
                )",
                // due_key names the occurrence (its local date-time): launching it twice is impossible.
                "CREATE TABLE due_times (
                    campaign_id BIGINT NOT NULL REFERENCES campaigns (id) ON DELETE CASCADE,
                    due_key TEXT NOT NULL,
                    due_at BIGINT NOT NULL,
                    state TEXT NOT NULL,
                    PRIMARY KEY (campaign_id, due_key)
                )",
                "CREATE INDEX due_times_waiting ON due_times (due_at) WHERE state = 'waiting'",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                "DROP TABLE due_times",
                "DROP TABLE campaigns",
                "DROP TABLE template_versions",
            ],
        )
        .await
    }
}
