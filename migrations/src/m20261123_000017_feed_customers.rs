//! What responses tell about the person: engagement that fades, interests, habits; and who made a click.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, Statement};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                // Of those that is_machine says no person made: whether security software did.
                "ALTER TABLE responses ADD COLUMN is_scanner BOOLEAN NOT NULL DEFAULT FALSE",
                // Points, each times 2 to the number of half-lives between 2026 and when it was won. The column
                // engagement, without fading, is no longer written.
                "ALTER TABLE customers ADD COLUMN engagement_weight DOUBLE PRECISION NOT NULL DEFAULT 0",
                "ALTER TABLE customers ADD COLUMN last_response_kind TEXT",
                // Told by customer_acts when they are enough.
                "ALTER TABLE customers ADD COLUMN preferred_channel TEXT",
                "ALTER TABLE customers ADD COLUMN preferred_hour BIGINT",
                // weight as engagement_weight, one point a message.
                "CREATE TABLE customer_interests (
                    customer_id BIGINT NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
                    interest_key TEXT NOT NULL,
                    interest TEXT NOT NULL,
                    weight DOUBLE PRECISION NOT NULL,
                    last_at BIGINT NOT NULL,
                    PRIMARY KEY (customer_id, interest_key)
                )",
                "CREATE INDEX customer_interests_key ON customer_interests (interest_key, weight)",
                // What he did himself, by channel and by hour of his own day; clicks are of the acts.
                "CREATE TABLE customer_acts (
                    customer_id BIGINT NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
                    channel TEXT NOT NULL,
                    hour BIGINT NOT NULL,
                    acts BIGINT NOT NULL,
                    clicks BIGINT NOT NULL,
                    PRIMARY KEY (customer_id, channel, hour)
                )",
                // Where one fifth of the buyers ends and the next begins, and one value class.
                "CREATE TABLE value_breaks (
                    measure TEXT NOT NULL,
                    step BIGINT NOT NULL,
                    value BIGINT NOT NULL,
                    found_at BIGINT NOT NULL,
                    PRIMARY KEY (measure, step)
                )",
            ],
        )
        .await?;
        weigh_old_points(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                "DROP TABLE value_breaks",
                "DROP TABLE customer_acts",
                "DROP TABLE customer_interests",
                "ALTER TABLE customers DROP COLUMN preferred_hour",
                "ALTER TABLE customers DROP COLUMN preferred_channel",
                "ALTER TABLE customers DROP COLUMN last_response_kind",
                "ALTER TABLE customers DROP COLUMN engagement_weight",
                "ALTER TABLE responses DROP COLUMN is_scanner",
            ],
        )
        .await
    }
}

const DAY_MS: i64 = 86_400_000;
/// 2026-01-01 in UTC, in days since the epoch.
const FIRST_DAY: i64 = 20_454;
const HALF_LIFE_DAYS: f64 = 90.0;

/// Points of before count as won on the day of the last response, or else of the last change.
async fn weigh_old_points(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let connection = manager.get_connection();
    let day = format!("COALESCE(last_response_at, updated_at) / {DAY_MS}");
    let days = connection
        .query_all_raw(Statement::from_string(
            connection.get_database_backend(),
            format!("SELECT DISTINCT {day} AS day FROM customers WHERE engagement <> 0"),
        ))
        .await?;
    let mut rows = Vec::with_capacity(days.len());
    for row in days {
        let day: i64 = row.try_get("", "day")?;
        // A few thousand days: exact as a double.
        #[expect(clippy::cast_precision_loss, reason = "days are few")]
        let factor = ((day - FIRST_DAY) as f64 / HALF_LIFE_DAYS).exp2();
        rows.push(format!("({day}, {factor:e})"));
    }
    for rows in rows.chunks(400) {
        let sql = format!(
            "WITH weights (day, factor) AS (VALUES {})
             UPDATE customers SET engagement_weight = engagement * weights.factor
             FROM weights WHERE engagement <> 0 AND {day} = weights.day",
            rows.join(", ")
        );
        connection.execute_unprepared(&sql).await?;
    }
    Ok(())
}
