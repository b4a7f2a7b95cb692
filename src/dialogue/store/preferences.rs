//! Queries about what a person chose.

use sea_orm::{ConnectionTrait, DbErr};

use crate::consent::model::{Channel, Tracking};
use crate::consent::store::stands_against;
use crate::ids::CustomerId;
use crate::responses::feedback;
use crate::storage::{Dialect, Sql, Txn};

/// What the base knows of a person's wishes.
#[derive(Debug, Clone)]
pub(in crate::dialogue) struct Person {
    pub email: Option<String>,
    pub is_email_ok: bool,
    pub phone: Option<String>,
    pub email_fingerprint: Option<String>,
    pub phone_fingerprint: Option<String>,
    pub language: String,
    pub tracking: Tracking,
    pub frequency_days: Option<i64>,
    pub paused_until: Option<i64>,
    pub time_zone: Option<String>,
}

impl Person {
    pub(in crate::dialogue) fn fingerprint(&self, channel: Channel) -> Option<&str> {
        match channel {
            Channel::Email => self.email_fingerprint.as_deref(),
            Channel::Sms => self.phone_fingerprint.as_deref(),
        }
    }
}

/// What follows from the evidence and the suppressions for one channel and topic (`*`: the whole channel).
#[derive(Debug, Clone)]
pub(in crate::dialogue) struct Standing {
    pub channel: Channel,
    pub topic: String,
    pub is_granted: bool,
    /// Granted, not suppressed, not expired.
    pub is_on: bool,
    pub since_at: i64,
    pub evidence_id: i64,
}

/// The person, whose row is locked until the transaction ends; `None` when the base does not know him.
pub(in crate::dialogue) async fn hold(
    txn: &Txn,
    customer: CustomerId,
) -> Result<Option<Person>, DbErr> {
    let lock = match txn.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => "FOR UPDATE",
    };
    read(&**txn, customer, lock).await
}

/// The person; `None` when the base does not know him.
pub(in crate::dialogue) async fn person(
    connection: &impl ConnectionTrait,
    customer: CustomerId,
) -> Result<Option<Person>, DbErr> {
    read(connection, customer, "").await
}

async fn read(
    connection: &impl ConnectionTrait,
    customer: CustomerId,
    lock: &str,
) -> Result<Option<Person>, DbErr> {
    let sql = format!(
        "SELECT email, email_state, phone, email_fingerprint, phone_fingerprint, language, tracking, \
         frequency_days, paused_until, COALESCE(time_zone, phone_zone) AS time_zone FROM customers WHERE id = $1 {lock}"
    );
    let Some(row) = connection.row(sql, [customer.0.into()]).await? else {
        return Ok(None);
    };
    let tracking: String = row.try_get("", "tracking")?;
    let email_state: String = row.try_get("", "email_state")?;
    Ok(Some(Person {
        email: row.try_get("", "email")?,
        is_email_ok: email_state != "malformed",
        phone: row.try_get("", "phone")?,
        email_fingerprint: row.try_get("", "email_fingerprint")?,
        phone_fingerprint: row.try_get("", "phone_fingerprint")?,
        language: row.try_get("", "language")?,
        tracking: Tracking::from_column(&tracking),
        frequency_days: row.try_get("", "frequency_days")?,
        paused_until: row.try_get("", "paused_until")?,
        time_zone: row.try_get("", "time_zone")?,
    }))
}

/// How everything stands for a customer now.
pub(in crate::dialogue) async fn standings(
    connection: &impl ConnectionTrait,
    customer: CustomerId,
    now_ms: i64,
) -> Result<Vec<Standing>, DbErr> {
    let sql = format!(
        "SELECT p.channel, p.topic, p.is_granted, p.since_at, p.evidence_id, \
         p.is_granted AND COALESCE(p.expires_at > $2, TRUE) AND NOT EXISTS (SELECT 1 FROM suppressions s \
         WHERE s.fingerprint = CASE p.channel WHEN 'sms' THEN c.phone_fingerprint \
         ELSE c.email_fingerprint END \
         AND s.channel = p.channel AND s.scope IN (p.topic, '*') AND {}) AS is_on \
         FROM permissions p JOIN customers c ON c.id = p.customer_id \
         WHERE p.customer_id = $1 ORDER BY p.channel, p.topic",
        stands_against("s", "p")
    );
    let rows = connection
        .rows(sql, [customer.0.into(), now_ms.into()])
        .await?;
    rows.iter()
        .map(|row| {
            let channel: String = row.try_get("", "channel")?;
            Ok(Standing {
                channel: channel.parse().map_err(DbErr::Type)?,
                topic: row.try_get("", "topic")?,
                is_granted: row.try_get("", "is_granted")?,
                is_on: row.try_get("", "is_on")?,
                since_at: row.try_get("", "since_at")?,
                evidence_id: row.try_get("", "evidence_id")?,
            })
        })
        .collect()
}

/// When the address was last suppressed on this channel, for whatever scope.
pub(in crate::dialogue) async fn suppressed_at(
    connection: &impl ConnectionTrait,
    fingerprint: &str,
    channel: Channel,
) -> Result<Option<i64>, DbErr> {
    let row = connection
        .row(
            "SELECT MAX(suppressed_at) AS newest FROM suppressions WHERE fingerprint = $1 AND channel = $2",
            [fingerprint.into(), channel.as_str().into()],
        )
        .await?;
    row.map_or(Ok(None), |row| row.try_get("", "newest"))
}

/// Whether the whole channel is suppressed for the address.
pub(in crate::dialogue) async fn is_channel_suppressed(
    connection: &impl ConnectionTrait,
    fingerprint: &str,
    channel: Channel,
) -> Result<bool, DbErr> {
    let row = connection
        .row(
            "SELECT 1 AS one FROM suppressions WHERE fingerprint = $1 AND channel = $2 AND scope = '*'",
            [fingerprint.into(), channel.as_str().into()],
        )
        .await?;
    Ok(row.is_some())
}

/// Writes the wishes that are no permissions.
pub(in crate::dialogue) async fn write(
    txn: &Txn,
    customer: CustomerId,
    person: &Person,
    now_ms: i64,
) -> Result<(), DbErr> {
    txn.run(
        "UPDATE customers SET language = $2, tracking = $3, frequency_days = $4, paused_until = $5, \
         updated_at = $6 WHERE id = $1",
        [
            customer.0.into(),
            person.language.as_str().into(),
            person.tracking.as_str().into(),
            person.frequency_days.into(),
            person.paused_until.into(),
            now_ms.into(),
        ],
    )
    .await?;
    if person.tracking != Tracking::Full {
        feedback::forget(txn, &[customer]).await?;
    }
    Ok(())
}
