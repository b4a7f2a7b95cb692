//! The library of templates and their revisions.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                "CREATE TABLE templates (
                    id {identity},
                    name TEXT NOT NULL UNIQUE,
                    is_archived BOOLEAN NOT NULL,
                    -- The newest one.
                    revision BIGINT NOT NULL
                )",
                // The very texts of the files by their names, as JSON text: JSONB would take no U+0000.
                "CREATE TABLE template_revisions (
                    template_id BIGINT NOT NULL REFERENCES templates (id),
                    number BIGINT NOT NULL,
                    files TEXT NOT NULL,
                    -- Empty for what came from a folder or with the program.
                    saved_by TEXT NOT NULL,
                    saved_at BIGINT NOT NULL,
                    note TEXT NOT NULL,
                    PRIMARY KEY (template_id, number)
                )",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &["DROP TABLE template_revisions", "DROP TABLE templates"],
        )
        .await
    }
}
