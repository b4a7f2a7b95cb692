//! Tests within a campaign: which cell each person of a wave was given, what each cell gets, what came of
//! it by assignment, and when it is decided between them.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                // The cell whose rows it covers, so that all of a lease get one template.
                "ALTER TABLE leases ADD COLUMN cell TEXT NOT NULL DEFAULT 'all'",
                // The templates of a campaign's cells, as `apply` froze them.
                "CREATE TABLE campaign_cells (
                    campaign_id BIGINT NOT NULL REFERENCES campaigns (id) ON DELETE CASCADE,
                    cell TEXT NOT NULL,
                    template_version_id BIGINT NOT NULL REFERENCES template_versions (id),
                    PRIMARY KEY (campaign_id, cell)
                )",
                // kind: all, test, rest, control or global. weight: its share beside the others of its kind.
                // template_version_id: NULL where nothing is sent, or not before it is decided.
                // people: assigned at launch.
                "CREATE TABLE wave_cells (
                    wave_id BIGINT NOT NULL REFERENCES waves (id),
                    cell TEXT NOT NULL,
                    place SMALLINT NOT NULL,
                    kind TEXT NOT NULL,
                    weight BIGINT NOT NULL,
                    template_version_id BIGINT,
                    people BIGINT NOT NULL,
                    PRIMARY KEY (wave_id, cell)
                )",
                // Where the rows of a cell lie that are to be contacted: so a link tells its cell, and with it
                // its template, when the ledger has let its row go.
                "CREATE TABLE cell_spans (
                    wave_id BIGINT NOT NULL REFERENCES waves (id),
                    first_seq BIGINT NOT NULL,
                    last_seq BIGINT NOT NULL,
                    cell TEXT NOT NULL,
                    PRIMARY KEY (wave_id, first_seq)
                )",
                // When the winner of its test is chosen; NULL: there is nothing to choose, or it is chosen.
                "ALTER TABLE waves ADD COLUMN decide_at BIGINT",
                // What was chosen, when and why, as JSON.
                "ALTER TABLE waves ADD COLUMN decision TEXT",
                "CREATE INDEX waves_to_decide ON waves (decide_at) WHERE decide_at IS NOT NULL",
                // Orders of all who were assigned to a cell, from the launch to the end of the window, whether or
                // not a message earned them. spend_squares: the sum over people of their spend squared, in
                // cents squared.
                "CREATE TABLE wave_effects (
                    wave_id BIGINT NOT NULL REFERENCES waves (id),
                    cell TEXT NOT NULL,
                    buyers BIGINT NOT NULL,
                    orders BIGINT NOT NULL,
                    spend_cents BIGINT NOT NULL,
                    spend_squares DOUBLE PRECISION NOT NULL,
                    PRIMARY KEY (wave_id, cell)
                )",
                // When the effects were reckoned last, and up to which order; NULL: never.
                "ALTER TABLE waves ADD COLUMN effects_at BIGINT",
                "ALTER TABLE waves ADD COLUMN effects_order BIGINT",
                // The standing control groups, a row a period in which something was launched: what the group is
                // stays as it was then.
                "CREATE TABLE standing_controls (
                    period TEXT PRIMARY KEY,
                    percent SMALLINT NOT NULL,
                    salt BIGINT NOT NULL,
                    begun_at BIGINT NOT NULL,
                    until_at BIGINT NOT NULL
                )",
                // Orders of the base since a group began, in and outside it.
                "CREATE TABLE standing_effects (
                    period TEXT NOT NULL,
                    is_held_back BOOLEAN NOT NULL,
                    people BIGINT NOT NULL,
                    buyers BIGINT NOT NULL,
                    orders BIGINT NOT NULL,
                    spend_cents BIGINT NOT NULL,
                    spend_squares DOUBLE PRECISION NOT NULL,
                    reckoned_at BIGINT NOT NULL,
                    PRIMARY KEY (period, is_held_back)
                )",
                // What a bounce was about.
                "ALTER TABLE responses ADD COLUMN class TEXT",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                "ALTER TABLE responses DROP COLUMN class",
                "ALTER TABLE waves DROP COLUMN effects_order",
                "ALTER TABLE waves DROP COLUMN effects_at",
                "DROP TABLE standing_effects",
                "DROP TABLE standing_controls",
                "DROP TABLE wave_effects",
                "DROP INDEX waves_to_decide",
                "ALTER TABLE waves DROP COLUMN decision",
                "ALTER TABLE waves DROP COLUMN decide_at",
                "DROP TABLE cell_spans",
                "DROP TABLE wave_cells",
                "DROP TABLE campaign_cells",
                "ALTER TABLE leases DROP COLUMN cell",
            ],
        )
        .await
    }
}
