//! The actions of the audit log by their bytes: the begin of one is a range only then.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        replace(manager, r#"action COLLATE "C", id"#).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        replace(manager, "action, id").await
    }
}

/// SQLite orders by bytes already.
async fn replace(manager: &SchemaManager<'_>, columns: &str) -> Result<(), DbErr> {
    if manager.get_connection().get_database_backend() != DatabaseBackend::Postgres {
        return Ok(());
    }
    let create = format!("CREATE INDEX audit_log_action ON audit_log ({columns})");
    crate::run(manager, &["DROP INDEX audit_log_action", &create]).await
}
