//! Who they are and what they allow: customers, tags, orders, permission evidence, permissions, suppressions.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                // One row, written at the first start: tells whether a secret is the one fingerprints were made with.
                "CREATE TABLE secret_check (id BIGINT PRIMARY KEY, value TEXT NOT NULL)",
                "CREATE TABLE customers (
                    id {identity},
                    external_id TEXT UNIQUE,
                    email TEXT,
                    email_key TEXT,
                    email_fingerprint TEXT,
                    email_state TEXT NOT NULL,
                    phone TEXT,
                    phone_fingerprint TEXT,
                    first_name TEXT,
                    first_name_key TEXT,
                    last_name TEXT,
                    last_name_key TEXT,
                    company TEXT,
                    company_key TEXT,
                    gender TEXT,
                    birth_date DATE,
                    language TEXT NOT NULL,
                    country TEXT NOT NULL,
                    region TEXT,
                    region_key TEXT,
                    postal_code TEXT,
                    city TEXT,
                    city_key TEXT,
                    time_zone TEXT,
                    stage TEXT NOT NULL,
                    attributes {json} NOT NULL,
                    attributes_key {json} NOT NULL,
                    tracking TEXT NOT NULL,
                    orders_count BIGINT NOT NULL,
                    revenue_cents BIGINT NOT NULL,
                    first_order_at BIGINT,
                    last_order_at BIGINT,
                    last_contact_at BIGINT,
                    last_response_at BIGINT,
                    engagement BIGINT NOT NULL,
                    created_at BIGINT NOT NULL,
                    updated_at BIGINT NOT NULL
                )",
                "CREATE INDEX customers_email_key ON customers (email_key)",
                "CREATE INDEX customers_phone ON customers (phone)",
                "CREATE INDEX customers_city_key ON customers (city_key)",
                "CREATE INDEX customers_last_order_at ON customers (last_order_at)",
                "CREATE TABLE customer_tags (
                    customer_id BIGINT NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
                    tag_key TEXT NOT NULL,
                    tag TEXT NOT NULL,
                    PRIMARY KEY (customer_id, tag_key)
                )",
                "CREATE INDEX customer_tags_tag_key ON customer_tags (tag_key, customer_id)",
                // An order may name the delivery that earned it (campaign_id, wave_id, seq).
                "CREATE TABLE orders (
                    id {identity},
                    external_id TEXT UNIQUE,
                    customer_id BIGINT NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
                    ordered_at BIGINT NOT NULL,
                    amount_cents BIGINT NOT NULL,
                    currency TEXT NOT NULL,
                    product TEXT,
                    category TEXT,
                    campaign_id BIGINT,
                    wave_id BIGINT,
                    seq BIGINT
                )",
                "CREATE INDEX orders_customer ON orders (customer_id, ordered_at)",
                "CREATE INDEX orders_ordered_at ON orders (ordered_at)",
                // Append-only. No foreign key: evidence outlives the customer it is about.
                "CREATE TABLE permission_evidence (
                    id {identity},
                    customer_id BIGINT NOT NULL,
                    channel TEXT NOT NULL,
                    topic TEXT NOT NULL,
                    action TEXT NOT NULL,
                    basis TEXT,
                    source TEXT NOT NULL,
                    wording TEXT,
                    fingerprint TEXT,
                    occurred_at BIGINT NOT NULL,
                    recorded_at BIGINT NOT NULL
                )",
                "CREATE INDEX permission_evidence_customer ON permission_evidence (customer_id)",
                // The current state, derived from the evidence it names.
                "CREATE TABLE permissions (
                    customer_id BIGINT NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
                    channel TEXT NOT NULL,
                    topic TEXT NOT NULL,
                    is_granted BOOLEAN NOT NULL,
                    basis TEXT,
                    since_at BIGINT NOT NULL,
                    evidence_id BIGINT NOT NULL,
                    PRIMARY KEY (customer_id, channel, topic)
                )",
                "CREATE INDEX permissions_topic ON permissions (channel, topic, is_granted, customer_id)",
                // scope is a topic, or * for the whole channel.
                "CREATE TABLE suppressions (
                    fingerprint TEXT NOT NULL,
                    channel TEXT NOT NULL,
                    scope TEXT NOT NULL,
                    reason TEXT NOT NULL,
                    suppressed_at BIGINT NOT NULL,
                    PRIMARY KEY (fingerprint, channel, scope)
                )",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                "DROP TABLE suppressions",
                "DROP TABLE permissions",
                "DROP TABLE permission_evidence",
                "DROP TABLE orders",
                "DROP TABLE customer_tags",
                "DROP TABLE customers",
                "DROP TABLE secret_check",
            ],
        )
        .await
    }
}
