//! What came back.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                // kind: open, click, order, opt_out. link and part: which link of the template, for a click.
                "CREATE TABLE responses (
                    id {identity},
                    wave_id BIGINT NOT NULL,
                    seq BIGINT NOT NULL,
                    campaign_id BIGINT NOT NULL,
                    customer_id BIGINT NOT NULL,
                    kind TEXT NOT NULL,
                    is_machine BOOLEAN NOT NULL,
                    link BIGINT,
                    part TEXT,
                    amount_cents BIGINT,
                    responded_at BIGINT NOT NULL
                )",
                "CREATE INDEX responses_customer ON responses (customer_id)",
                "CREATE INDEX responses_kind ON responses (kind, campaign_id, responded_at)",
                "CREATE INDEX responses_delivery ON responses (wave_id, seq)",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, &["DROP TABLE responses"]).await
    }
}
