//! By which browser somebody signed in, so that he knows his sessions apart.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &["ALTER TABLE user_sessions ADD COLUMN agent TEXT NOT NULL DEFAULT ''"],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, &["ALTER TABLE user_sessions DROP COLUMN agent"]).await
    }
}
