//! Orders that say what earned them, coupons, answers by campaign code, and requests that come twice.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                // What the shop passed on with an order: a click's token, a coupon, a campaign's code.
                "ALTER TABLE orders ADD COLUMN token TEXT",
                "ALTER TABLE orders ADD COLUMN coupon TEXT",
                "ALTER TABLE orders ADD COLUMN campaign_code TEXT",
                // The rule by which wave_id and seq were found.
                "ALTER TABLE orders ADD COLUMN matched_by TEXT",
                // What the counters hold of it; NULL: nothing.
                "ALTER TABLE orders ADD COLUMN counted_cents BIGINT",
                "ALTER TABLE orders ADD COLUMN counted_currency TEXT",
                "ALTER TABLE orders ADD COLUMN counted_at BIGINT",
                "ALTER TABLE orders ADD COLUMN cancelled_at BIGINT",
                // When it is looked at (again); NULL: nothing can have changed. Whoever writes an order and
                // does not know of this leaves it due.
                "ALTER TABLE orders ADD COLUMN due_at BIGINT DEFAULT 0",
                "UPDATE orders SET counted_cents = amount_cents, counted_currency = currency, counted_at = ordered_at,
                    matched_by = 'click', due_at = NULL WHERE wave_id IS NOT NULL",
                // So that a cancellation takes back what was counted.
                "INSERT INTO wave_counters (wave_id, counter, value)
                 SELECT wave_id, 'orders.by.click', COUNT(*) FROM orders
                 WHERE wave_id IS NOT NULL AND amount_cents >= 0 GROUP BY wave_id",
                "INSERT INTO wave_counters (wave_id, counter, value)
                 SELECT o.wave_id, 'sms.orders.by.click', COUNT(*) FROM orders o
                 JOIN deliveries d ON d.wave_id = o.wave_id AND d.seq = o.seq
                 WHERE o.amount_cents >= 0 AND d.channel = 'sms' GROUP BY o.wave_id",
                "UPDATE orders SET due_at = NULL WHERE wave_id IS NULL AND campaign_id IS NULL
                    AND NOT EXISTS (SELECT 1 FROM waves WHERE launched_at <= orders.ordered_at + 86400000)",
                "CREATE INDEX orders_due ON orders (due_at, id) WHERE due_at IS NOT NULL",
                "CREATE INDEX orders_delivery ON orders (wave_id, seq) WHERE wave_id IS NOT NULL",
                // So that what comes late does not revive them.
                "CREATE TABLE cancelled_orders (
                    external_id TEXT PRIMARY KEY,
                    cancelled_at BIGINT NOT NULL
                )",
                // Orders of people whom the base does not have; addresses as fingerprints only.
                "CREATE TABLE unmatched_orders (
                    id {identity},
                    external_id TEXT UNIQUE,
                    customer_external_id TEXT,
                    email_fingerprint TEXT,
                    phone_fingerprint TEXT,
                    ordered_at BIGINT NOT NULL,
                    amount_cents BIGINT NOT NULL,
                    currency TEXT,
                    product TEXT,
                    category TEXT,
                    campaign_id BIGINT,
                    token TEXT,
                    coupon TEXT,
                    campaign_code TEXT,
                    reason TEXT NOT NULL,
                    received_at BIGINT NOT NULL,
                    looked_at BIGINT NOT NULL
                )",
                "CREATE INDEX unmatched_orders_looked ON unmatched_orders (looked_at, id)",
                "CREATE INDEX unmatched_orders_received ON unmatched_orders (received_at)",
                // The codes by which shop and telephone name an offer, frozen at launch.
                "CREATE TABLE offer_codes (
                    code_key TEXT NOT NULL,
                    wave_id BIGINT NOT NULL,
                    PRIMARY KEY (code_key, wave_id)
                )",
                "CREATE TABLE coupon_pools (
                    id {identity},
                    name TEXT NOT NULL UNIQUE,
                    size BIGINT NOT NULL,
                    next_place BIGINT NOT NULL,
                    created_at BIGINT NOT NULL
                )",
                // number: its place in the pool, 1 to size without a gap.
                "CREATE TABLE coupon_codes (
                    code_key TEXT PRIMARY KEY,
                    pool_id BIGINT NOT NULL,
                    number BIGINT NOT NULL,
                    code TEXT NOT NULL,
                    UNIQUE (pool_id, number)
                )",
                // The message at place seq has the code at place first_place + seq - first_seq of the pool; without
                // a pool, that of the signed series. deadline_at: the first instant after it.
                "CREATE TABLE coupon_spans (
                    wave_id BIGINT NOT NULL,
                    first_seq BIGINT NOT NULL,
                    last_seq BIGINT NOT NULL,
                    pool_id BIGINT,
                    first_place BIGINT,
                    last_place BIGINT,
                    deadline_at BIGINT,
                    PRIMARY KEY (wave_id, first_seq)
                )",
                "CREATE INDEX coupon_spans_pool ON coupon_spans (pool_id, first_place) WHERE pool_id IS NOT NULL",
                "CREATE TABLE coupon_redemptions (
                    wave_id BIGINT NOT NULL,
                    seq BIGINT NOT NULL,
                    redeemed_at BIGINT NOT NULL,
                    order_id BIGINT,
                    recorded_at BIGINT NOT NULL,
                    PRIMARY KEY (wave_id, seq)
                )",
                // kind: shop or phone. wave_id and seq: the message that is answered.
                "CREATE TABLE answers (
                    id {identity},
                    code_key TEXT NOT NULL,
                    kind TEXT NOT NULL,
                    note TEXT,
                    customer_id BIGINT REFERENCES customers (id) ON DELETE CASCADE,
                    wave_id BIGINT,
                    seq BIGINT,
                    answered_at BIGINT NOT NULL,
                    recorded_at BIGINT NOT NULL
                )",
                "CREATE INDEX answers_customer ON answers (customer_id)",
                "CREATE INDEX answers_code ON answers (code_key, recorded_at)",
                // So that what was noted of people nobody knows is found in its time.
                "CREATE INDEX answers_with_notes ON answers (customer_id, recorded_at) WHERE note IS NOT NULL",
                // Answers to requests that carried an Idempotency-Key, kept for a day.
                "CREATE TABLE api_requests (
                    token TEXT NOT NULL,
                    request_key TEXT NOT NULL,
                    digest TEXT NOT NULL,
                    status BIGINT,
                    body TEXT,
                    received_at BIGINT NOT NULL,
                    PRIMARY KEY (token, request_key)
                )",
                "CREATE INDEX api_requests_received ON api_requests (received_at)",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut statements = vec![
            "DROP TABLE api_requests".to_owned(),
            "DROP TABLE answers".to_owned(),
            "DROP TABLE coupon_redemptions".to_owned(),
            "DROP TABLE coupon_spans".to_owned(),
            "DROP TABLE coupon_codes".to_owned(),
            "DROP TABLE coupon_pools".to_owned(),
            "DROP TABLE offer_codes".to_owned(),
            "DROP TABLE unmatched_orders".to_owned(),
            "DROP TABLE cancelled_orders".to_owned(),
            "DROP INDEX orders_delivery".to_owned(),
            "DROP INDEX orders_due".to_owned(),
        ];
        for column in [
            "due_at",
            "cancelled_at",
            "counted_at",
            "counted_currency",
            "counted_cents",
            "matched_by",
            "campaign_code",
            "coupon",
            "token",
        ] {
            statements.push(format!("ALTER TABLE orders DROP COLUMN {column}"));
        }
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        crate::run(manager, &statements).await
    }
}
