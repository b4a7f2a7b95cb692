//! Permission evidence, the permissions derived from it, and suppression.
//!
//! A permission is a function of the set of evidence, whatever the order in which it was recorded: of
//! what concerns a topic (its own evidence and withdrawals of the whole channel) the newest counts, and
//! of equally new the withdrawal. A suppression row is never deleted; it blocks where it is as new as
//! the permission, or where the permission does not rest on consent.

pub(super) mod audit;

use std::collections::{HashMap, HashSet};

use sea_orm::{ConnectionTrait, DbErr};
use serde_json::{Value, json};

use super::ladder::Level;
use super::model::{Action, Basis, Channel, Evidence, Permission, Scope};
use crate::ids::CustomerId;
use crate::storage::{Dialect, Kind, Sql};

/// Rows that go into one statement.
const CHUNK: usize = 1_000;

/// Why a withdrawal suppresses: the customer's own word.
pub const OPT_OUT: &str = "opt_out";

/// An address that must not be contacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// From [`crate::keys::Keys::fingerprint`].
    pub fingerprint: String,
    pub channel: Channel,
    pub scope: Scope,
    /// A word for reports: [`OPT_OUT`], `"refused"`, `"complaint"` …
    pub reason: String,
    /// Milliseconds since the epoch.
    pub suppressed_at: i64,
}

/// Appends one piece of evidence and derives the permissions that follow; a withdrawal also suppresses
/// the `fingerprint` of the address. Evidence that is already there word for word is not repeated.
///
/// # Errors
/// [`DbErr::Custom`] when a grant has no basis or names no topic (it would prove nothing);
/// otherwise when the database is away.
pub async fn record(
    connection: &impl ConnectionTrait,
    evidence: &Evidence,
    fingerprint: Option<&str>,
    recorded_at: i64,
) -> Result<(), DbErr> {
    let one = (evidence.clone(), fingerprint.map(str::to_owned));
    record_all(connection, &[one], recorded_at).await?;
    Ok(())
}

/// [`record`] for many pieces of evidence, each with the fingerprint of the address, in few statements.
/// Returns the customers about whom something new was recorded.
///
/// # Errors
/// As [`record`]; nothing is then to be committed.
pub async fn record_all(
    connection: &impl ConnectionTrait,
    evidence: &[(Evidence, Option<String>)],
    recorded_at: i64,
) -> Result<HashSet<CustomerId>, DbErr> {
    let mut concerned = HashSet::new();
    let mut suppressions = Vec::new();
    let mut seen: HashSet<&Evidence> = HashSet::new();
    let mut unique = Vec::with_capacity(evidence.len());
    for (piece, fingerprint) in evidence {
        require_proof(piece)?;
        if let (Action::Withdraw, Some(fingerprint)) = (piece.action, fingerprint) {
            suppressions.push(Suppression {
                fingerprint: fingerprint.clone(),
                channel: piece.channel,
                scope: piece.scope.clone(),
                reason: OPT_OUT.to_owned(),
                suppressed_at: piece.occurred_at,
            });
        }
        if seen.insert(piece) {
            unique.push((piece, fingerprint.as_deref()));
        }
    }
    // Before the permissions: whoever waits for them on PostgreSQL finds the address blocked already.
    suppress(connection, &suppressions).await?;
    for chunk in unique.chunks(CHUNK) {
        concerned.extend(append(connection, chunk, recorded_at).await?);
    }
    let mut customers: Vec<CustomerId> = concerned.iter().copied().collect();
    customers.sort_unstable();
    for chunk in customers.chunks(CHUNK) {
        derive(connection, chunk).await?;
    }
    Ok(concerned)
}

fn require_proof(evidence: &Evidence) -> Result<(), DbErr> {
    let is_proof = evidence.action != Action::Grant
        || (evidence.basis.is_some() && matches!(evidence.scope, Scope::Topic(_)));
    if is_proof {
        Ok(())
    } else {
        Err(DbErr::Custom(
            "a grant of permission needs a legal basis and a topic".to_owned(),
        ))
    }
}

/// Appends what is not yet there; returns the customers it is about.
async fn append(
    connection: &impl ConnectionTrait,
    evidence: &[(&Evidence, Option<&str>)],
    recorded_at: i64,
) -> Result<Vec<CustomerId>, DbErr> {
    let rows: Vec<Value> = evidence
        .iter()
        .map(|(piece, fingerprint)| {
            json!([
                piece.customer,
                piece.channel.as_str(),
                piece.scope.as_str(),
                piece.action.as_str(),
                piece.basis.map(Basis::as_str),
                piece.source,
                piece.wording,
                fingerprint,
                piece.occurred_at,
            ])
        })
        .collect();
    let recordset = Dialect::of(connection).recordset(
        1,
        &[
            ("customer_id", Kind::Int),
            ("channel", Kind::Text),
            ("topic", Kind::Text),
            ("action", Kind::Text),
            ("basis", Kind::Text),
            ("source", Kind::Text),
            ("wording", Kind::Text),
            ("fingerprint", Kind::Text),
            ("occurred_at", Kind::Int),
        ],
    );
    let sql = format!(
        "INSERT INTO permission_evidence (customer_id, channel, topic, action, basis, source, wording, \
         fingerprint, occurred_at, recorded_at) \
         SELECT r.customer_id, r.channel, r.topic, r.action, r.basis, r.source, r.wording, \
         r.fingerprint, r.occurred_at, $2 FROM {recordset} AS r \
         WHERE NOT EXISTS (SELECT 1 FROM permission_evidence e WHERE e.customer_id = r.customer_id \
         AND e.channel = r.channel AND e.topic = r.topic AND e.action = r.action \
         AND e.basis IS NOT DISTINCT FROM r.basis AND e.source = r.source \
         AND e.wording IS NOT DISTINCT FROM r.wording AND e.occurred_at = r.occurred_at) \
         ORDER BY r.place RETURNING customer_id"
    );
    connection
        .rows(sql, [as_text(rows).into(), recorded_at.into()])
        .await?
        .iter()
        .map(|row| row.try_get("", "customer_id").map(CustomerId))
        .collect()
}

/// Sets the permissions of these customers to what their evidence says.
///
/// The condition of the update lets a permission only move forward in the order of evidence, so that a
/// transaction that did not see another's evidence yet cannot undo what follows from it.
async fn derive(connection: &impl ConnectionTrait, customers: &[CustomerId]) -> Result<(), DbErr> {
    let list = Dialect::of(connection).list(1, Kind::Int);
    let sql = format!(
        "INSERT INTO permissions (customer_id, channel, topic, is_granted, basis, since_at, evidence_id, \
         level, level_since_at, expires_at) \
         SELECT customer_id, channel, topic, action = 'grant', CASE action WHEN 'grant' THEN basis END, \
         occurred_at, id, \
         CASE WHEN action <> 'grant' THEN 0 WHEN level IS NOT NULL THEN level \
         WHEN basis = 'contract' THEN 1 ELSE 2 END, occurred_at, \
         CASE action WHEN 'grant' THEN expires_at END FROM ( \
           SELECT t.customer_id, t.channel, t.topic, e.action, e.basis, e.occurred_at, e.id, e.level, \
           e.expires_at, \
           ROW_NUMBER() OVER (PARTITION BY t.customer_id, t.channel, t.topic ORDER BY e.occurred_at DESC, \
           CASE e.action WHEN 'withdraw' THEN 0 WHEN 'expire' THEN 1 ELSE 2 END, \
           CASE e.basis WHEN 'consent' THEN 0 WHEN 'soft_opt_in' THEN 1 \
           WHEN 'b2b_legitimate_interest' THEN 2 ELSE 3 END, e.id) AS place \
           FROM (SELECT DISTINCT customer_id, channel, topic FROM permission_evidence \
           WHERE customer_id IN {list}) AS t \
           JOIN permission_evidence e ON e.customer_id = t.customer_id AND e.channel = t.channel \
           AND (e.topic = t.topic OR e.topic = '*') \
         ) AS ranked \
         WHERE place = 1 AND EXISTS (SELECT 1 FROM customers c WHERE c.id = ranked.customer_id) \
         ORDER BY customer_id, channel, topic \
         ON CONFLICT (customer_id, channel, topic) DO UPDATE SET is_granted = excluded.is_granted, \
         basis = excluded.basis, since_at = excluded.since_at, evidence_id = excluded.evidence_id, \
         level = excluded.level, level_since_at = excluded.level_since_at, expires_at = excluded.expires_at \
         WHERE excluded.since_at > permissions.since_at \
         OR (excluded.since_at = permissions.since_at AND permissions.is_granted)"
    );
    let ids = customers.iter().map(|id| json!(id)).collect();
    connection.run(sql, [as_text(ids).into()]).await?;
    Ok(())
}

/// Suppresses addresses; where one is suppressed already, the newest date and its reason stay.
///
/// # Errors
/// When the database is away.
pub async fn suppress(
    connection: &impl ConnectionTrait,
    suppressions: &[Suppression],
) -> Result<(), DbErr> {
    // One statement cannot touch a row twice.
    let mut newest: HashMap<(&str, Channel, &str), &Suppression> = HashMap::new();
    for one in suppressions {
        newest
            .entry((&one.fingerprint, one.channel, one.scope.as_str()))
            .and_modify(|known| {
                if known.suppressed_at < one.suppressed_at {
                    *known = one;
                }
            })
            .or_insert(one);
    }
    let mut newest: Vec<&Suppression> = newest.into_values().collect();
    // Always in the same order, so that two transactions cannot wait for each other.
    newest.sort_unstable_by_key(|one| (&one.fingerprint, one.channel, one.scope.as_str()));
    let recordset = Dialect::of(connection).recordset(
        1,
        &[
            ("fingerprint", Kind::Text),
            ("channel", Kind::Text),
            ("scope", Kind::Text),
            ("reason", Kind::Text),
            ("suppressed_at", Kind::Int),
        ],
    );
    let sql = format!(
        "INSERT INTO suppressions (fingerprint, channel, scope, reason, suppressed_at) \
         SELECT r.fingerprint, r.channel, r.scope, r.reason, r.suppressed_at FROM {recordset} AS r \
         WHERE TRUE ORDER BY r.place \
         ON CONFLICT (fingerprint, channel, scope) DO UPDATE SET reason = excluded.reason, \
         suppressed_at = excluded.suppressed_at \
         WHERE excluded.suppressed_at > suppressions.suppressed_at"
    );
    for chunk in newest.chunks(CHUNK) {
        let rows = chunk
            .iter()
            .map(|one| {
                json!([
                    one.fingerprint,
                    one.channel.as_str(),
                    one.scope.as_str(),
                    one.reason,
                    one.suppressed_at,
                ])
            })
            .collect();
        connection.run(sql.as_str(), [as_text(rows).into()]).await?;
    }
    Ok(())
}

/// Takes a customer's "no" from a link in a message: evidence of withdrawal and a suppression of the
/// address. Returns whether that changed anything; saying no again, or after a newer consent that this
/// "no" precedes, changes nothing and is no error. Of a customer who is gone only the suppression is
/// kept.
///
/// # Errors
/// When the database is away.
pub async fn opt_out(
    connection: &impl ConnectionTrait,
    customer: CustomerId,
    fingerprint: Option<&str>,
    channel: Channel,
    scope: &Scope,
    source: &str,
    at: i64,
) -> Result<bool, DbErr> {
    // The customer's row first, as an import takes it: two who take them the other way round would
    // wait for each other.
    let lock = match Dialect::of(connection) {
        Dialect::Sqlite => "",
        Dialect::Postgres => "FOR UPDATE",
    };
    let is_known = connection
        .row(
            format!("SELECT 1 AS one FROM customers WHERE id = $1 {lock}"),
            [customer.0.into()],
        )
        .await?
        .is_some();
    let permissions = permissions_of(connection, customer).await?;
    // A live "no" is newer than whatever is on record, also where that came from a faster clock.
    let at = permissions
        .iter()
        .filter(|permission| permission.channel == channel)
        .map(|permission| permission.since_at)
        .fold(at, i64::max);
    let was_suppressed = match fingerprint {
        Some(fingerprint) => has_suppression(connection, fingerprint, channel, scope).await?,
        None => true,
    };
    let was_out = !is_known || is_out(&permissions, channel, scope);
    if is_known && !was_out {
        let evidence = Evidence::withdrawal(customer, channel, scope.clone(), source, at);
        record(connection, &evidence, fingerprint, at).await?;
        return Ok(true);
    }
    if let Some(fingerprint) = fingerprint {
        let suppression = Suppression {
            fingerprint: fingerprint.to_owned(),
            channel,
            scope: scope.clone(),
            reason: OPT_OUT.to_owned(),
            suppressed_at: at,
        };
        suppress(connection, &[suppression]).await?;
    }
    Ok(!was_suppressed)
}

/// Whether these permissions already say no to all of `scope`.
fn is_out(permissions: &[Permission], channel: Channel, scope: &Scope) -> bool {
    let mut on_channel = permissions.iter().filter(|p| p.channel == channel);
    let has_no_to_all = permissions
        .iter()
        .any(|p| p.channel == channel && p.scope == Scope::All);
    match scope {
        Scope::All => has_no_to_all && on_channel.all(|p| !p.is_granted),
        Scope::Topic(_) => on_channel
            .find(|p| p.scope == *scope)
            .map_or(has_no_to_all, |p| !p.is_granted),
    }
}

async fn has_suppression(
    connection: &impl ConnectionTrait,
    fingerprint: &str,
    channel: Channel,
    scope: &Scope,
) -> Result<bool, DbErr> {
    let row = connection
        .row(
            "SELECT 1 AS one FROM suppressions WHERE fingerprint = $1 AND channel = $2 AND scope = $3",
            [fingerprint.into(), channel.as_str().into(), scope.as_str().into()],
        )
        .await?;
    Ok(row.is_some())
}

/// Whether the address is suppressed for `topic`, or for the whole channel. Only a consent newer than
/// the suppression lifts it: see [`may_contact`].
///
/// # Errors
/// When the database is away.
pub async fn is_suppressed(
    connection: &impl ConnectionTrait,
    fingerprint: &str,
    channel: Channel,
    topic: &str,
) -> Result<bool, DbErr> {
    let row = connection
        .row(
            "SELECT 1 AS one FROM suppressions WHERE fingerprint = $1 AND channel = $2 \
             AND scope IN ($3, '*')",
            [fingerprint.into(), channel.as_str().into(), topic.into()],
        )
        .await?;
    Ok(row.is_some())
}

/// SQL for whether suppression `s` stands against permission `p`, both table aliases: only a consent
/// given after it lifts it, so that importing an older or weaker permission never revives who opted out.
/// The one place of this rule.
pub fn stands_against(s: &str, p: &str) -> String {
    format!(
        "NOT COALESCE({p}.is_granted AND {p}.basis = 'consent' AND {p}.since_at > {s}.suppressed_at, FALSE)"
    )
}

/// Whether the customer may be contacted about `topic` at the address with this fingerprint: the
/// permission is granted, and no suppression is as new as it or stands against a basis that is not
/// consent.
///
/// # Errors
/// When the database is away.
pub async fn may_contact(
    connection: &impl ConnectionTrait,
    customer: CustomerId,
    fingerprint: &str,
    channel: Channel,
    topic: &str,
) -> Result<bool, DbErr> {
    let row = connection
        .row(
            format!(
                "SELECT 1 AS one FROM permissions p WHERE p.customer_id = $1 AND p.channel = $2 \
                 AND p.topic = $3 AND p.is_granted \
                 AND NOT EXISTS (SELECT 1 FROM suppressions s WHERE s.fingerprint = $4 \
                 AND s.channel = p.channel AND s.scope IN (p.topic, '*') AND {})",
                stands_against("s", "p")
            ),
            [
                customer.0.into(),
                channel.as_str().into(),
                topic.into(),
                fingerprint.into(),
            ],
        )
        .await?;
    Ok(row.is_some())
}

/// The permissions of a customer, by channel and topic; `*` stands for a withdrawal of the whole channel.
///
/// # Errors
/// When the database is away.
pub async fn permissions_of(
    connection: &impl ConnectionTrait,
    customer: CustomerId,
) -> Result<Vec<Permission>, DbErr> {
    let all = permissions_of_all(connection, &[customer]).await?;
    Ok(all.into_iter().map(|(_, permission)| permission).collect())
}

/// The permissions of many customers, ordered by customer, channel and topic.
///
/// # Errors
/// When the database is away.
pub async fn permissions_of_all(
    connection: &impl ConnectionTrait,
    customers: &[CustomerId],
) -> Result<Vec<(CustomerId, Permission)>, DbErr> {
    let list = Dialect::of(connection).list(1, Kind::Int);
    let sql = format!(
        "SELECT customer_id, channel, topic, is_granted, basis, since_at, evidence_id, level, \
         level_since_at, expires_at FROM permissions \
         WHERE customer_id IN {list} ORDER BY customer_id, channel, topic"
    );
    let mut found = Vec::new();
    for chunk in customers.chunks(CHUNK) {
        let ids = chunk.iter().map(|id| json!(id)).collect();
        for row in connection.rows(sql.as_str(), [as_text(ids).into()]).await? {
            let channel: String = row.try_get("", "channel")?;
            let topic: String = row.try_get("", "topic")?;
            let basis: Option<String> = row.try_get("", "basis")?;
            let permission = Permission {
                channel: channel.parse().map_err(DbErr::Type)?,
                scope: Scope::from_column(topic),
                is_granted: row.try_get("", "is_granted")?,
                basis: basis
                    .and_then(|word| Basis::ALL.into_iter().find(|basis| basis.as_str() == word)),
                since_at: row.try_get("", "since_at")?,
                evidence_id: row.try_get("", "evidence_id")?,
                level: Level::from_code(row.try_get("", "level")?),
                level_since_at: row.try_get("", "level_since_at")?,
                expires_at: row.try_get("", "expires_at")?,
            };
            found.push((CustomerId(row.try_get("", "customer_id")?), permission));
        }
    }
    Ok(found)
}

fn as_text(rows: Vec<Value>) -> String {
    Value::Array(rows).to_string()
}
