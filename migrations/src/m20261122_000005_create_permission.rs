//! What permission rests on and what limits contact: sealed evidence, levels, confirmations, contact
//! history, households, frequency wishes, audit records.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseBackend};
        let is_postgres =
            manager.get_connection().get_database_backend() == DatabaseBackend::Postgres;
        crate::run(
            manager,
            &[
                // Rung of the ladder a grant gave (0 stranger to 5 intravenous); NULL: what its basis gives.
                "ALTER TABLE permission_evidence ADD COLUMN level SMALLINT",
                "ALTER TABLE permission_evidence ADD COLUMN expires_at BIGINT",
                "ALTER TABLE permission_evidence ADD COLUMN locale TEXT",
                // Who recorded it: the person himself, an operator, an import, the system.
                "ALTER TABLE permission_evidence ADD COLUMN actor TEXT",
                "ALTER TABLE permission_evidence ADD COLUMN confirmation_id BIGINT",
                // SHA-256 of the salted details: stays when they are erased.
                "ALTER TABLE permission_evidence ADD COLUMN details_digest TEXT",
                "CREATE INDEX permission_evidence_fingerprint ON permission_evidence (fingerprint)",
                // The personal part of evidence (IP address, browser, page), which erasure may take away.
                "CREATE TABLE evidence_details (
                    evidence_id BIGINT PRIMARY KEY,
                    salt TEXT NOT NULL,
                    details TEXT NOT NULL
                )",
                // Evidence waits here, in the transaction that appends it, to be given its place in the chain.
                "CREATE TABLE unsealed_evidence (evidence_id BIGINT PRIMARY KEY)",
                "INSERT INTO unsealed_evidence (evidence_id) SELECT id FROM permission_evidence",
                // Each link holds the MAC of its evidence and of the link before.
                "CREATE TABLE evidence_chain (
                    position BIGINT PRIMARY KEY,
                    evidence_id BIGINT NOT NULL UNIQUE,
                    link TEXT NOT NULL,
                    sealed_at BIGINT NOT NULL
                )",
                "ALTER TABLE permissions ADD COLUMN level SMALLINT NOT NULL DEFAULT 2",
                "ALTER TABLE permissions ADD COLUMN level_since_at BIGINT NOT NULL DEFAULT 0",
                "ALTER TABLE permissions ADD COLUMN expires_at BIGINT",
                "UPDATE permissions SET level_since_at = since_at,
                    level = CASE WHEN NOT is_granted THEN 0 WHEN basis = 'contract' THEN 1 ELSE 2 END",
                "ALTER TABLE customers ADD COLUMN household TEXT",
                "ALTER TABLE customers ADD COLUMN household_key TEXT",
                // The person's own wishes: a message every so many days at most, none until an instant.
                "ALTER TABLE customers ADD COLUMN frequency_days BIGINT",
                "ALTER TABLE customers ADD COLUMN paused_until BIGINT",
                "ALTER TABLE waves ADD COLUMN priority BIGINT NOT NULL DEFAULT 0",
                // The gate looks for running waves of a higher priority at every batch.
                "CREATE INDEX waves_running ON waves (priority) WHERE status = 'running'",
                "CREATE INDEX customers_household ON customers (household_key) WHERE household_key IS NOT NULL",
                // Who shares a mailbox: a no, a pause and a wish from it are of all of them.
                "CREATE INDEX customers_email_fingerprint ON customers (email_fingerprint)",
                "CREATE INDEX customers_phone_fingerprint ON customers (phone_fingerprint)",
                "CREATE INDEX customers_email_wish ON customers (email_key) WHERE paused_until IS NOT NULL OR frequency_days IS NOT NULL",
                "CREATE INDEX customers_phone_wish ON customers (phone) WHERE paused_until IS NOT NULL OR frequency_days IS NOT NULL",
                // What a person asked for and has not confirmed yet, and what we asked him to confirm.
                // purpose: opt_in, re_permission, download, erasure. payload: what confirming does.
                // send_state: waiting, sent, failed, refused (no such address). next_at: when it is (re)sent; NULL: not to be sent.
                "CREATE TABLE confirmations (
                    id {identity},
                    purpose TEXT NOT NULL,
                    nonce TEXT NOT NULL,
                    channel TEXT NOT NULL,
                    address TEXT,
                    fingerprint TEXT NOT NULL,
                    customer_id BIGINT,
                    language TEXT NOT NULL,
                    payload {json} NOT NULL,
                    requested_at BIGINT NOT NULL,
                    expires_at BIGINT NOT NULL,
                    send_state TEXT NOT NULL,
                    attempt SMALLINT NOT NULL,
                    next_at BIGINT,
                    sent_at BIGINT,
                    used_at BIGINT,
                    limit_key TEXT NOT NULL
                )",
                // Fingerprint of the mailbox (the address without its +tag): what limits count by.
                "CREATE INDEX confirmations_limit_key ON confirmations (limit_key, requested_at)",
                "CREATE INDEX confirmations_fingerprint ON confirmations (fingerprint, requested_at)",
                "CREATE INDEX confirmations_customer ON confirmations (customer_id)",
                "CREATE INDEX confirmations_waiting ON confirmations (next_at) WHERE next_at IS NOT NULL",
                // What was done to a person's data, by whom; append-only, survives erasure.
                "CREATE TABLE audit_records (
                    id {identity},
                    at BIGINT NOT NULL,
                    actor TEXT NOT NULL,
                    action TEXT NOT NULL,
                    customer_id BIGINT,
                    details {json} NOT NULL
                )",
                "CREATE INDEX audit_records_customer ON audit_records (customer_id)",
                // What each scheduled upkeep did.
                "CREATE TABLE upkeep_runs (
                    id {identity},
                    at BIGINT NOT NULL,
                    report {json} NOT NULL
                )",
            ],
        )
        .await?;
        // The contact history: one row a message handed over or in hand, found by customer and time.
        let (without_rowid, topic) = if is_postgres {
            ("", "w.definition::jsonb->>'topic'")
        } else {
            (" WITHOUT ROWID", "w.definition->>'topic'")
        };
        let contacts = format!(
            "CREATE TABLE contacts (
                customer_id BIGINT NOT NULL,
                contacted_at BIGINT NOT NULL,
                wave_id BIGINT NOT NULL,
                seq BIGINT NOT NULL,
                channel TEXT NOT NULL,
                topic TEXT NOT NULL,
                PRIMARY KEY (customer_id, contacted_at, wave_id, seq)
            ){without_rowid}"
        );
        let history = format!(
            "INSERT INTO contacts (customer_id, contacted_at, wave_id, seq, channel, topic)
             SELECT d.customer_id, COALESCE(d.settled_at, d.due_at), d.wave_id, d.seq, d.channel, COALESCE({topic}, '')
             FROM deliveries d JOIN waves w ON w.id = d.wave_id WHERE d.state IN (1, 2, 5)"
        );
        crate::run(manager, &[&contacts, &history]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                "DROP TABLE contacts",
                "DROP TABLE upkeep_runs",
                "DROP TABLE audit_records",
                "DROP TABLE confirmations",
                "DROP INDEX waves_running",
                "DROP INDEX customers_household",
                "DROP INDEX customers_phone_wish",
                "DROP INDEX customers_email_wish",
                "DROP INDEX customers_phone_fingerprint",
                "DROP INDEX customers_email_fingerprint",
                "ALTER TABLE waves DROP COLUMN priority",
                "ALTER TABLE customers DROP COLUMN paused_until",
                "ALTER TABLE customers DROP COLUMN frequency_days",
                "ALTER TABLE customers DROP COLUMN household_key",
                "ALTER TABLE customers DROP COLUMN household",
                "ALTER TABLE permissions DROP COLUMN expires_at",
                "ALTER TABLE permissions DROP COLUMN level_since_at",
                "ALTER TABLE permissions DROP COLUMN level",
                "DROP TABLE evidence_chain",
                "DROP TABLE unsealed_evidence",
                "DROP TABLE evidence_details",
                "DROP INDEX permission_evidence_fingerprint",
                "ALTER TABLE permission_evidence DROP COLUMN details_digest",
                "ALTER TABLE permission_evidence DROP COLUMN confirmation_id",
                "ALTER TABLE permission_evidence DROP COLUMN actor",
                "ALTER TABLE permission_evidence DROP COLUMN locale",
                "ALTER TABLE permission_evidence DROP COLUMN expires_at",
                "ALTER TABLE permission_evidence DROP COLUMN level",
            ],
        )
        .await
    }
}
