//! Who works here: users, their sessions, one-time links, the tokens of programs, and the audit log.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                // email_key: in small letters, by which one signs in. password: argon2id in its own notation; NULL:
                // none was set yet. totp_step: the last step whose code was taken, so that none is taken twice.
                "CREATE TABLE users (
                    id {identity},
                    email TEXT NOT NULL,
                    email_key TEXT NOT NULL UNIQUE,
                    name TEXT NOT NULL,
                    role TEXT NOT NULL,
                    language TEXT NOT NULL,
                    password TEXT,
                    totp_secret TEXT,
                    totp_step BIGINT,
                    oidc_subject TEXT UNIQUE,
                    is_disabled BOOLEAN NOT NULL DEFAULT FALSE,
                    created_at BIGINT NOT NULL,
                    signed_in_at BIGINT
                )",
                // digest here and below: SHA-256 in hex of what was given out, so that who reads the database can
                // not use it.
                "CREATE TABLE user_sessions (
                    digest TEXT PRIMARY KEY,
                    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
                    began_at BIGINT NOT NULL,
                    seen_at BIGINT NOT NULL
                )",
                "CREATE INDEX user_sessions_user ON user_sessions (user_id)",
                "CREATE TABLE recovery_codes (
                    digest TEXT PRIMARY KEY,
                    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE
                )",
                "CREATE INDEX recovery_codes_user ON recovery_codes (user_id)",
                // user_id NULL: makes the first administrator.
                "CREATE TABLE one_time_links (
                    digest TEXT PRIMARY KEY,
                    purpose TEXT NOT NULL,
                    user_id BIGINT REFERENCES users (id) ON DELETE CASCADE,
                    expires_at BIGINT NOT NULL
                )",
                // account and network: keyed fingerprints.
                "CREATE TABLE sign_in_failures (
                    id {identity},
                    account TEXT NOT NULL,
                    network TEXT NOT NULL,
                    failed_at BIGINT NOT NULL
                )",
                "CREATE INDEX sign_in_failures_account ON sign_in_failures (account, failed_at)",
                "CREATE INDEX sign_in_failures_network ON sign_in_failures (network, failed_at)",
                "CREATE INDEX sign_in_failures_time ON sign_in_failures (failed_at)",
                // scopes: separated by spaces.
                "CREATE TABLE api_tokens (
                    id {identity},
                    name TEXT NOT NULL UNIQUE,
                    digest TEXT NOT NULL UNIQUE,
                    scopes TEXT NOT NULL,
                    made_by TEXT NOT NULL,
                    created_at BIGINT NOT NULL,
                    expires_at BIGINT,
                    used_at BIGINT,
                    revoked_at BIGINT
                )",
                "CREATE TABLE audit_log (
                    id {identity},
                    at BIGINT NOT NULL,
                    actor TEXT NOT NULL,
                    action TEXT NOT NULL,
                    subject TEXT NOT NULL,
                    detail TEXT NOT NULL
                )",
                "CREATE INDEX audit_log_subject ON audit_log (subject, id)",
                "CREATE INDEX audit_log_actor ON audit_log (actor, id)",
                "CREATE INDEX audit_log_action ON audit_log (action, id)",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(
            manager,
            &[
                "DROP TABLE audit_log",
                "DROP TABLE api_tokens",
                "DROP TABLE sign_in_failures",
                "DROP TABLE one_time_links",
                "DROP TABLE recovery_codes",
                "DROP TABLE user_sessions",
                "DROP TABLE users",
            ],
        )
        .await
    }
}
