//! Drafts: campaigns as they are being planned, before anything is applied.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                // definition: as campaigns.definition, with empty texts where nothing is chosen yet. standing:
                // open, asked, approved, sent_back. review: who asked, approved or sent back, and when. revision
                // counts the changes, so that who saves says which one he saw. checked: what the last look at
                // the audience found, for the definition of checked_digest.
                "CREATE TABLE campaign_drafts (
                    id {identity},
                    name TEXT NOT NULL UNIQUE,
                    definition TEXT NOT NULL,
                    step TEXT NOT NULL,
                    standing TEXT NOT NULL,
                    review TEXT NOT NULL,
                    revision BIGINT NOT NULL,
                    made_by TEXT NOT NULL,
                    made_by_name TEXT NOT NULL,
                    made_at BIGINT NOT NULL,
                    changed_at BIGINT NOT NULL,
                    checked TEXT,
                    checked_digest TEXT,
                    checked_at BIGINT
                )",
                "CREATE INDEX campaign_drafts_changed ON campaign_drafts (changed_at)",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, &["DROP TABLE campaign_drafts"]).await
    }
}
