//! What is on record about one person and one campaign: the same rules as the gate, each with its facts.

use sea_orm::DbErr;

use crate::campaigns::audience::Audience;
use crate::campaigns::store as campaign_store;
use crate::consent::model::Channel;
use crate::delivery::model::State;
use crate::gate::model::Withheld;
use crate::gate::rules::Cap;
use crate::gate::store::{Question, address, address_key, fingerprint};
use crate::ids::{CampaignId, CustomerId, WaveId};
use crate::storage::{Db, Sql};

/// What the gate's query answers about one person, and what it goes by.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The reasons that hold, in the order of the waterfall.
    pub refusals: Vec<Withheld>,
    pub has_address: bool,
    pub permission: Option<PermissionFacts>,
    pub last_response_at: Option<i64>,
    pub last_order_at: Option<i64>,
    pub company: Option<String>,
    pub stage: String,
    pub paused_until: Option<i64>,
    pub frequency_days: Option<i64>,
    /// Another customer with the same address, known longer.
    pub same_address: Option<i64>,
    /// Another customer of the same household, known longer.
    pub same_household: Option<i64>,
}

/// A permission as the gate reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct PermissionFacts {
    pub is_granted: bool,
    pub basis: Option<String>,
    pub since_at: i64,
    pub source: Option<String>,
    /// It was not taken back, it ended by itself.
    pub has_ended: bool,
    pub level: i16,
    pub level_since_at: i64,
    pub standing: i16,
    pub expires_at: Option<i64>,
}

/// A suppression of the person's address that concerns the topic.
#[derive(Debug, Clone, PartialEq)]
pub struct SuppressionFacts {
    pub scope: String,
    pub reason: String,
    pub at: i64,
}

/// A message that counts against a cap.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    pub at: i64,
    /// `None`: it waits in a campaign of a higher priority, or its campaign is gone.
    pub campaign: Option<String>,
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerRow {
    pub wave: WaveId,
    pub channel: Channel,
    pub is_running: bool,
    pub state: State,
    pub reason: Option<String>,
    pub attempt: i16,
    pub due_at: i64,
    pub next_at: Option<i64>,
    pub settled_at: Option<i64>,
}

/// Asks the gate's question about one person.
///
/// # Errors
/// When the database is away.
pub async fn facts(
    db: &Db,
    question: &Question<'_>,
    customer: CustomerId,
) -> Result<Option<Facts>, DbErr> {
    let (c, p) = (question.c, question.p);
    let refusals = question.refusals();
    let asked: String = refusals
        .iter()
        .enumerate()
        .map(|(i, (_, holds))| format!("COALESCE(({holds}), FALSE) AS refusal_{i}, "))
        .collect();
    let other = |key: &str| {
        format!("(SELECT MIN(o.id) FROM customers o WHERE o.{key} = {c}.{key} AND o.id < {c}.id)")
    };
    let wished = |column: &str| {
        let same = question.shares_mailbox("m");
        format!("(SELECT MAX(m.{column}) FROM customers m WHERE {same})")
    };
    let sql = format!(
        "SELECT {asked} {c}.{address} IS NOT NULL AS has_address, {c}.last_response_at, {c}.last_order_at,
             {c}.company, {c}.stage, {paused_until} AS paused_until, {frequency_days} AS frequency_days,
             {p}.is_granted, {p}.basis, {p}.since_at, {p}.level, {p}.level_since_at, {p}.expires_at,
             {standing} AS standing, e.source, e.action,
             {same_address} AS same_address, {same_household} AS same_household
         FROM customers {c} LEFT JOIN permissions {p} ON {permission}
         LEFT JOIN permission_evidence e ON e.id = {p}.evidence_id
         WHERE {c}.id = $1",
        address = address(question.request.channel),
        standing = question.standing(),
        paused_until = wished("paused_until"),
        frequency_days = wished("frequency_days"),
        same_address = other(address_key(question.request.channel)),
        same_household = other("household_key"),
        permission = question.permission_join(),
    );
    let Some(row) = db.row(sql, [customer.0.into()]).await? else {
        return Ok(None);
    };
    let mut holding = Vec::new();
    for (i, (reason, _)) in refusals.iter().enumerate() {
        if row.try_get::<bool>("", &format!("refusal_{i}"))? {
            holding.push(*reason);
        }
    }
    let permission = match row.try_get::<Option<bool>>("", "is_granted")? {
        None => None,
        Some(is_granted) => Some(PermissionFacts {
            is_granted,
            basis: row.try_get("", "basis")?,
            since_at: row.try_get("", "since_at")?,
            source: row.try_get("", "source")?,
            has_ended: row.try_get::<Option<String>>("", "action")?.as_deref() == Some("expire"),
            level: row.try_get("", "level")?,
            level_since_at: row.try_get("", "level_since_at")?,
            standing: i16::try_from(row.try_get::<i32>("", "standing")?).unwrap_or_default(),
            expires_at: row.try_get("", "expires_at")?,
        }),
    };
    Ok(Some(Facts {
        refusals: holding,
        has_address: row.try_get("", "has_address")?,
        permission,
        last_response_at: row.try_get("", "last_response_at")?,
        last_order_at: row.try_get("", "last_order_at")?,
        company: row.try_get("", "company")?,
        stage: row.try_get("", "stage")?,
        paused_until: row.try_get("", "paused_until")?,
        frequency_days: row.try_get("", "frequency_days")?,
        same_address: row.try_get("", "same_address")?,
        same_household: row.try_get("", "same_household")?,
    }))
}

/// The suppressions of the person's address for this topic, the newest first.
///
/// # Errors
/// When the database is away.
pub async fn suppressions(
    db: &Db,
    question: &Question<'_>,
    customer: CustomerId,
) -> Result<Vec<SuppressionFacts>, DbErr> {
    let sql = format!(
        "SELECT x.scope, x.reason, x.suppressed_at FROM customers c
         JOIN suppressions x ON x.fingerprint = c.{} AND x.channel = $2 AND x.scope IN ($3, '*')
         WHERE c.id = $1 ORDER BY x.suppressed_at DESC",
        fingerprint(question.request.channel)
    );
    db.rows(
        sql,
        [
            customer.0.into(),
            question.request.channel.as_str().into(),
            question.request.topic.as_str().into(),
        ],
    )
    .await?
    .iter()
    .map(|row| {
        Ok(SuppressionFacts {
            scope: row.try_get("", "scope")?,
            reason: row.try_get("", "reason")?,
            at: row.try_get("", "suppressed_at")?,
        })
    })
    .collect()
}

/// The messages that count against a cap now, the oldest first.
///
/// # Errors
/// When the database is away.
pub async fn counted(
    db: &Db,
    question: &Question<'_>,
    cap: &Cap,
    customer: CustomerId,
) -> Result<Vec<Counted>, DbErr> {
    let c = question.c;
    // The same test as the gate's, of each message.
    let sql = format!(
        "SELECT k.contacted_at, g.name FROM customers {c}
         JOIN customers m ON {same} JOIN contacts k ON k.customer_id = m.id
         LEFT JOIN waves w ON w.id = k.wave_id LEFT JOIN campaigns g ON g.id = w.campaign_id
         WHERE {c}.id = $1 AND EXISTS (SELECT 1 FROM (SELECT k.contacted_at, k.channel, k.topic) AS h WHERE {counts})
         ORDER BY k.contacted_at",
        same = question.shares_mailbox("m"),
        counts = question.counts(cap),
    );
    db.rows(sql, [customer.0.into()])
        .await?
        .iter()
        .map(|row| {
            Ok(Counted {
                at: row.try_get("", "contacted_at")?,
                campaign: row.try_get("", "name")?,
            })
        })
        .collect()
}

/// How many messages count against a cap now, with what waits of a higher priority.
///
/// # Errors
/// When the database is away.
pub async fn count_against(
    db: &Db,
    question: &Question<'_>,
    cap: &Cap,
    customer: CustomerId,
) -> Result<usize, DbErr> {
    let c = question.c;
    let sql = format!(
        "SELECT (SELECT COUNT(CASE WHEN {counts} THEN 1 END) FROM {history}) AS n FROM customers {c} WHERE {c}.id = $1",
        counts = question.counts(cap),
        history = question.history(None),
    );
    let n: i64 = match db.row(sql, [customer.0.into()]).await? {
        Some(row) => row.try_get("", "n")?,
        None => 0,
    };
    Ok(usize::try_from(n).unwrap_or_default())
}

/// Whether the person had a message within the days of his own wish.
///
/// # Errors
/// When the database is away.
pub async fn had_his_wish(
    db: &Db,
    question: &Question<'_>,
    customer: CustomerId,
) -> Result<bool, DbErr> {
    let c = question.c;
    let sql = format!(
        "SELECT 1 AS one FROM customers {c} WHERE {c}.id = $1 AND {}",
        question.wish()
    );
    Ok(db.row(sql, [customer.0.into()]).await?.is_some())
}

/// What the audience query says of one person: due, wished and why not; `None` when the segment does not
/// select him.
///
/// # Errors
/// When the database is away.
pub async fn in_audience(
    db: &Db,
    audience: &Audience<'_>,
    customer: CustomerId,
) -> Result<Option<(i64, Option<Withheld>)>, DbErr> {
    let query = audience.select_one(db.dialect(), customer.0);
    let rows = campaign_store::ask_audience(db, &query).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let reason: Option<String> = row.try_get("", "reason")?;
    Ok(Some((
        row.try_get("", "due_at")?,
        reason.as_deref().and_then(Withheld::from_column),
    )))
}

/// When the ledger of a wave of this campaign was last let go, in milliseconds since the epoch.
///
/// # Errors
/// When the database is away.
pub async fn let_go_at(db: &Db, campaign: CampaignId) -> Result<Option<i64>, DbErr> {
    db.row(
        "SELECT MAX(cleaned_at) AS at FROM waves WHERE campaign_id = $1",
        [campaign.0.into()],
    )
    .await?
    .map_or(Ok(None), |row| row.try_get("", "at"))
}

/// The person's row in the latest wave of a campaign that has one.
///
/// # Errors
/// When the database is away.
pub async fn ledger_row(
    db: &Db,
    campaign: CampaignId,
    customer: CustomerId,
) -> Result<Option<LedgerRow>, DbErr> {
    let row = db
        .row(
            "SELECT d.wave_id, CAST(CASE WHEN d.state IN (0, 3) AND EXISTS (SELECT 1 FROM contacts k
                 WHERE k.customer_id = d.customer_id AND k.wave_id = d.wave_id) THEN 1 ELSE d.state END AS SMALLINT) AS state,
                 d.reason, d.attempt, d.due_at, d.next_at, d.settled_at, d.channel, w.status
             FROM deliveries d JOIN waves w ON w.id = d.wave_id
             WHERE d.customer_id = $1 AND w.campaign_id = $2 ORDER BY d.wave_id DESC LIMIT 1",
            [customer.0.into(), campaign.0.into()],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let state: i16 = row.try_get("", "state")?;
    let status: String = row.try_get("", "status")?;
    let channel: String = row.try_get("", "channel")?;
    Ok(Some(LedgerRow {
        channel: channel.parse().map_err(DbErr::Type)?,
        wave: WaveId(row.try_get("", "wave_id")?),
        is_running: status == "running",
        state: State::from_code(state)
            .ok_or_else(|| DbErr::Type(format!("deliveries.state: {state}")))?,
        reason: row.try_get("", "reason")?,
        attempt: row.try_get("", "attempt")?,
        due_at: row.try_get("", "due_at")?,
        next_at: row.try_get("", "next_at")?,
        settled_at: row.try_get("", "settled_at")?,
    }))
}
