//! What a campaign's lots are drawn with, known before it has a number.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // NULL: its number, which was the salt of the campaigns of before.
        crate::run(manager, &["ALTER TABLE campaigns ADD COLUMN salt BIGINT"]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, &["ALTER TABLE campaigns DROP COLUMN salt"]).await
    }
}
