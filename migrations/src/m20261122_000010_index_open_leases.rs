//! Giving a lease back asks whether the wave has another and plans its retry: neither may walk over the
//! leases that are done, of which a wave of a million has thousands.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                "CREATE INDEX leases_kind ON leases (wave_id, kind)",
                "DROP INDEX leases_wave",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                "CREATE INDEX leases_wave ON leases (wave_id)",
                "DROP INDEX leases_kind",
            ],
        )
        .await
    }
}
