//! What was expected of a wave when it was launched, and whether it is counted how far its people went.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                // JSON; NULL: launched before there were forecasts.
                "ALTER TABLE waves ADD COLUMN forecast TEXT",
                // Waves of before have responses that no stage was counted of: to begin with them would only take
                // away what was never there.
                "ALTER TABLE waves ADD COLUMN counts_stages BOOLEAN NOT NULL DEFAULT TRUE",
                "UPDATE waves SET counts_stages = FALSE",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                "ALTER TABLE waves DROP COLUMN counts_stages",
                "ALTER TABLE waves DROP COLUMN forecast",
            ],
        )
        .await
    }
}
