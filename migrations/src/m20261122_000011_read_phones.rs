//! What a telephone number tells: whether it is a mobile one, its country and zone; and whether it is known
//! to reach nobody.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                // NULL: not read yet.
                "ALTER TABLE customers ADD COLUMN phone_kind TEXT",
                // IANA name; counts where the person has no zone of his own.
                "ALTER TABLE customers ADD COLUMN phone_zone TEXT",
                // ISO 3166-1; NULL where the number belongs to no country.
                "ALTER TABLE customers ADD COLUMN phone_country TEXT",
                "ALTER TABLE customers ADD COLUMN phone_state TEXT NOT NULL DEFAULT 'ok'",
                // When a receipt first said that nobody has the number.
                "ALTER TABLE customers ADD COLUMN phone_refused_at BIGINT",
                // Empty but after an upgrade: the start asks it for what is left to read.
                "CREATE INDEX customers_unread_phone ON customers (id) WHERE phone IS NOT NULL AND phone_kind IS NULL",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                "DROP INDEX customers_unread_phone",
                "ALTER TABLE customers DROP COLUMN phone_refused_at",
                "ALTER TABLE customers DROP COLUMN phone_state",
                "ALTER TABLE customers DROP COLUMN phone_country",
                "ALTER TABLE customers DROP COLUMN phone_zone",
                "ALTER TABLE customers DROP COLUMN phone_kind",
            ],
        )
        .await
    }
}
