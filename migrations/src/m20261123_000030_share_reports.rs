//! Links by which a report is read without an account.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                // digest: SHA-256 in hex of what was given out, so that who reads the database cannot use it.
                "CREATE TABLE report_shares (
                    id {identity},
                    digest TEXT NOT NULL UNIQUE,
                    campaign_id BIGINT NOT NULL REFERENCES campaigns (id) ON DELETE CASCADE,
                    made_by TEXT NOT NULL,
                    created_at BIGINT NOT NULL,
                    expires_at BIGINT NOT NULL,
                    revoked_at BIGINT
                )",
                "CREATE INDEX report_shares_campaign ON report_shares (campaign_id, id)",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, &["DROP TABLE report_shares"]).await
    }
}
