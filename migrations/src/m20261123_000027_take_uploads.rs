//! Files that came in through the console, and what became of them.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                // name: what the person called the file; stored: what it is called in our folder.
                // state: uploaded, running, done, failed. plan: kind, columns and defaults of the last run.
                // report: what that run did. is_imported: a run that was no trial is done.
                "CREATE TABLE imports (
                    id {identity},
                    name TEXT NOT NULL,
                    stored TEXT NOT NULL UNIQUE,
                    bytes BIGINT NOT NULL,
                    state TEXT NOT NULL,
                    plan {json} NOT NULL,
                    is_dry_run BOOLEAN NOT NULL,
                    is_imported BOOLEAN NOT NULL,
                    report {json},
                    problem TEXT,
                    actor TEXT NOT NULL,
                    uploaded_at BIGINT NOT NULL,
                    began_at BIGINT,
                    ended_at BIGINT
                )",
                "CREATE INDEX imports_uploaded_at ON imports (uploaded_at)",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, &["DROP TABLE imports"]).await
    }
}
