//! What was expected of a wave when it was launched.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // JSON; NULL: launched before there were forecasts.
        crate::run(manager, &["ALTER TABLE waves ADD COLUMN forecast TEXT"]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, &["ALTER TABLE waves DROP COLUMN forecast"]).await
    }
}
