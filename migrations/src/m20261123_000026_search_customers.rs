//! What finds a person by the begin of a name, an address or a place; and what the firm notes about him.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseBackend};
        let notes = [
            "CREATE TABLE customer_notes (
                id {identity},
                customer_id BIGINT NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
                body TEXT NOT NULL,
                author TEXT NOT NULL,
                written_at BIGINT NOT NULL
            )",
            "CREATE INDEX customer_notes_customer ON customer_notes (customer_id, written_at)",
        ];
        crate::run(manager, &notes).await?;
        match manager.get_connection().get_database_backend() {
            // The begin of a text is a range only where texts are ordered by their bytes.
            DatabaseBackend::Postgres => crate::run(
                manager,
                &[
                    r#"CREATE INDEX customers_last_name ON customers
                        (last_name_key COLLATE "C", (COALESCE(first_name_key, '')) COLLATE "C", id)"#,
                    r#"CREATE INDEX customers_first_name ON customers
                        (first_name_key COLLATE "C", (COALESCE(last_name_key, '')) COLLATE "C", id)"#,
                    r#"CREATE INDEX customers_company ON customers (company_key COLLATE "C", id)
                        WHERE company_key IS NOT NULL"#,
                    r#"CREATE INDEX customers_postal_code ON customers (postal_code COLLATE "C", id)"#,
                    r#"CREATE INDEX customers_email_begin ON customers (email_key COLLATE "C", id)"#,
                    r#"CREATE INDEX customers_city_begin ON customers (city_key COLLATE "C", id)"#,
                ],
            )
            .await,
            // Addresses and cities have such an index already, and every index ends with the row's number.
            _ => {
                crate::run(
                    manager,
                    &[
                        "CREATE INDEX customers_last_name ON customers (last_name_key, COALESCE(first_name_key, ''))",
                        "CREATE INDEX customers_first_name ON customers (first_name_key, COALESCE(last_name_key, ''))",
                        "CREATE INDEX customers_company ON customers (company_key) WHERE company_key IS NOT NULL",
                        "CREATE INDEX customers_postal_code ON customers (postal_code)",
                    ],
                )
                .await
            }
        }
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                "DROP INDEX IF EXISTS customers_city_begin",
                "DROP INDEX IF EXISTS customers_email_begin",
                "DROP INDEX customers_postal_code",
                "DROP INDEX customers_company",
                "DROP INDEX customers_first_name",
                "DROP INDEX customers_last_name",
                "DROP TABLE customer_notes",
            ],
        )
        .await
    }
}
