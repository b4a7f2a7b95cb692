//! Suppressions: rows that are never deleted.

use std::collections::{HashMap, HashSet};

use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use serde_json::{Value, json};

use super::address::HIS_OWN;
use super::permission::{derive, lock};
use super::{CHUNK, as_text};
use crate::consent::model::{Channel, Scope};
use crate::ids::CustomerId;
use crate::storage::{self, Dialect, Kind, Sql};

/// Why a withdrawal suppresses: the customer's own word.
pub const OPT_OUT: &str = "opt_out";
/// Why a complaint suppresses: somebody called a message spam.
pub const COMPLAINT: &str = "complaint";

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

/// The columns of a suppression.
const COLUMNS: [(&str, Kind); 5] = [
    ("fingerprint", Kind::Text),
    ("channel", Kind::Text),
    ("scope", Kind::Text),
    ("reason", Kind::Text),
    ("suppressed_at", Kind::Int),
];

/// Suppresses addresses; where one is suppressed already, the newest date and its reason stay, but that a
/// reason is the person's own word stays in any case: his no follows him to another address, a list's does not.
/// A rung granted at the address before is lost also by one whose newer consent still stands.
///
/// # Errors
/// When the database is away.
pub async fn suppress(
    connection: &impl ConnectionTrait,
    suppressions: &[Suppression],
) -> Result<(), DbErr> {
    // One statement cannot touch a row twice.
    let mut newest: HashMap<(&str, Channel, &str), Suppression> = HashMap::new();
    for one in suppressions {
        newest
            .entry((&one.fingerprint, one.channel, one.scope.as_str()))
            .and_modify(|known| {
                let (is_newer, own) = (known.suppressed_at < one.suppressed_at, is_his_own);
                let takes_reason = match (own(&known.reason), own(&one.reason)) {
                    (true, false) => false,
                    (false, true) => true,
                    _ => is_newer,
                };
                if takes_reason {
                    known.reason.clone_from(&one.reason);
                }
                known.suppressed_at = known.suppressed_at.max(one.suppressed_at);
            })
            .or_insert_with(|| one.clone());
    }
    let newest: Vec<Suppression> = newest.into_values().collect();
    let mut newest: Vec<&Suppression> = newest.iter().collect();
    // Always in the same order, so that two transactions cannot wait for each other.
    newest.sort_unstable_by_key(|one| (&one.fingerprint, one.channel, one.scope.as_str()));
    for chunk in newest.chunks(CHUNK) {
        let chunk = unknown(connection, chunk).await?;
        if chunk.is_empty() {
            continue;
        }
        let rows: Vec<Vec<Value>> = chunk.iter().map(|one| as_row(one)).collect();
        let own = HIS_OWN.join("', '");
        let newer = "excluded.suppressed_at > suppressions.suppressed_at";
        let conflict = format!(
            "ON CONFLICT (fingerprint, channel, scope) DO UPDATE SET \
             reason = CASE WHEN excluded.reason IN ('{own}') = (suppressions.reason IN ('{own}')) \
                 THEN CASE WHEN {newer} THEN excluded.reason ELSE suppressions.reason END \
                 WHEN excluded.reason IN ('{own}') THEN excluded.reason ELSE suppressions.reason END, \
             suppressed_at = CASE WHEN {newer} THEN excluded.suppressed_at ELSE suppressions.suppressed_at END \
             WHERE {newer} OR (excluded.reason IN ('{own}') AND suppressions.reason NOT IN ('{own}'))"
        );
        storage::insert(connection, "suppressions", &COLUMNS, rows, &conflict).await?;
        let outlasting = outlasting(connection, &chunk).await?;
        if !outlasting.is_empty() {
            lock(connection, &outlasting).await?;
            derive(connection, &outlasting).await?;
        }
    }
    Ok(())
}

/// Whether a reason is the person's own word.
fn is_his_own(reason: &str) -> bool {
    HIS_OWN.contains(&reason)
}

/// Those that are not on record, or with an older date, or not as the person's own word. The others are, and stay
/// so: what follows from them was written with them.
async fn unknown<'a>(
    connection: &impl ConnectionTrait,
    suppressions: &[&'a Suppression],
) -> Result<Vec<&'a Suppression>, DbErr> {
    let fingerprints: Vec<String> = suppressions
        .iter()
        .map(|one| one.fingerprint.clone())
        .collect();
    let mut known: HashMap<(String, Channel, Scope), (i64, bool)> = HashMap::new();
    for one in suppressions_of(connection, &fingerprints).await? {
        let standing = (one.suppressed_at, is_his_own(&one.reason));
        known.insert((one.fingerprint, one.channel, one.scope), standing);
    }
    let is_unknown = |one: &&&Suppression| {
        let key = (one.fingerprint.clone(), one.channel, one.scope.clone());
        known.get(&key).is_none_or(|(at, is_own)| {
            *at < one.suppressed_at || (is_his_own(&one.reason) && !is_own)
        })
    };
    Ok(suppressions.iter().filter(is_unknown).copied().collect())
}

/// A suppression as a row of [`COLUMNS`].
fn as_row(one: &Suppression) -> Vec<Value> {
    vec![
        json!(one.fingerprint),
        json!(one.channel.as_str()),
        json!(one.scope.as_str()),
        json!(one.reason),
        json!(one.suppressed_at),
    ]
}

/// Customers with a consent newer than one of these suppressions, and a rung that is older than it.
async fn outlasting(
    connection: &impl ConnectionTrait,
    suppressions: &[&Suppression],
) -> Result<Vec<CustomerId>, DbErr> {
    // Nobody ever said anything of most addresses of a list, or of a file of new people: that is known
    // in a fraction of the time.
    let fingerprints: Vec<&str> = suppressions.iter().map(|one| &*one.fingerprint).collect();
    let spoken_of = spoken_of(connection, &fingerprints).await?;
    let rows: Vec<Value> = suppressions
        .iter()
        .filter(|one| spoken_of.contains(&one.fingerprint))
        .map(|one| Value::Array(as_row(one)))
        .collect();
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let recordset = Dialect::of(connection).recordset(1, &COLUMNS);
    // The fixed order and the two steps keep both databases from beginning with every permission of the
    // channel: a suppression is known by its address, and who said something of it by the evidence.
    let sql = format!(
        "WITH said AS MATERIALIZED (SELECT DISTINCT e.customer_id, r.channel, r.scope, r.suppressed_at \
         FROM {recordset} AS r CROSS JOIN permission_evidence e WHERE e.fingerprint = r.fingerprint) \
         SELECT DISTINCT p.customer_id FROM said CROSS JOIN permissions p \
         WHERE p.customer_id = said.customer_id AND p.channel || '' = said.channel \
         AND (p.topic = said.scope OR said.scope = '*') AND p.is_granted \
         AND p.since_at > said.suppressed_at AND p.level_since_at <= said.suppressed_at \
         ORDER BY p.customer_id"
    );
    connection
        .rows(sql, [as_text(rows).into()])
        .await?
        .iter()
        .map(|row| row.try_get("", "customer_id").map(CustomerId))
        .collect()
}

/// Of these addresses, those that evidence names.
async fn spoken_of(
    connection: &impl ConnectionTrait,
    fingerprints: &[&str],
) -> Result<HashSet<String>, DbErr> {
    let sql = format!(
        "SELECT DISTINCT fingerprint FROM permission_evidence WHERE fingerprint IN {}",
        Dialect::of(connection).list(1, Kind::Text)
    );
    connection
        .rows(sql, [json!(fingerprints).to_string().into()])
        .await?
        .iter()
        .map(|row| row.try_get("", "fingerprint"))
        .collect()
}

/// How many of these are suppressed already, by address, channel and scope.
///
/// # Errors
/// When the database is away.
pub async fn count_known(
    connection: &impl ConnectionTrait,
    suppressions: &[Suppression],
) -> Result<u64, DbErr> {
    let columns = [
        ("fingerprint", Kind::Text),
        ("channel", Kind::Text),
        ("scope", Kind::Text),
    ];
    let sql = format!(
        "SELECT COUNT(*) AS n FROM {} AS r JOIN suppressions s ON s.fingerprint = r.fingerprint \
         AND s.channel = r.channel AND s.scope = r.scope",
        Dialect::of(connection).recordset(1, &columns)
    );
    let mut count = 0;
    for chunk in suppressions.chunks(CHUNK) {
        let rows = chunk
            .iter()
            .map(|one| json!([one.fingerprint, one.channel.as_str(), one.scope.as_str()]))
            .collect();
        let row = connection.row(sql.as_str(), [as_text(rows).into()]).await?;
        let n: i64 = row.map_or(Ok(0), |row| row.try_get("", "n"))?;
        count += n.unsigned_abs();
    }
    Ok(count)
}

/// The next suppressions behind one, ordered by fingerprint, channel and scope; all from `None` on.
///
/// # Errors
/// When the database is away.
pub async fn suppressions_after(
    connection: &impl ConnectionTrait,
    after: Option<&Suppression>,
) -> Result<Vec<Suppression>, DbErr> {
    let (fingerprint, channel, scope) = after.map_or(("", "", ""), |one| {
        (&*one.fingerprint, one.channel.as_str(), one.scope.as_str())
    });
    let sql = format!(
        "SELECT fingerprint, channel, scope, reason, suppressed_at FROM suppressions \
         WHERE (fingerprint, channel, scope) > ($1, $2, $3) ORDER BY fingerprint, channel, scope LIMIT {CHUNK}"
    );
    connection
        .rows(sql, [fingerprint.into(), channel.into(), scope.into()])
        .await?
        .iter()
        .map(read)
        .collect()
}

/// The suppressions of these fingerprints.
///
/// # Errors
/// When the database is away.
pub async fn suppressions_of(
    connection: &impl ConnectionTrait,
    fingerprints: &[String],
) -> Result<Vec<Suppression>, DbErr> {
    let sql = format!(
        "SELECT fingerprint, channel, scope, reason, suppressed_at FROM suppressions \
         WHERE fingerprint IN {} ORDER BY suppressed_at, fingerprint, channel, scope",
        Dialect::of(connection).list(1, Kind::Text)
    );
    connection
        .rows(sql, [json!(fingerprints).to_string().into()])
        .await?
        .iter()
        .map(read)
        .collect()
}

fn read(row: &QueryResult) -> Result<Suppression, DbErr> {
    let channel: String = row.try_get("", "channel")?;
    Ok(Suppression {
        fingerprint: row.try_get("", "fingerprint")?,
        channel: channel.parse().map_err(DbErr::Type)?,
        scope: Scope::from_column(row.try_get("", "scope")?),
        reason: row.try_get("", "reason")?,
        suppressed_at: row.try_get("", "suppressed_at")?,
    })
}

pub(super) async fn has_suppression(
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
/// given after it lifts it, so that importing an older or weaker permission never revives who opted out,
/// and none that names another address, whose owner said nothing about this one. The one place of this
/// rule.
pub fn stands_against(s: &str, p: &str) -> String {
    format!(
        "NOT COALESCE({p}.is_granted AND {p}.basis = 'consent' AND {p}.since_at > {s}.suppressed_at \
         AND NOT EXISTS (SELECT 1 FROM permission_evidence said WHERE said.id = {p}.evidence_id \
         AND said.fingerprint <> {s}.fingerprint), FALSE)"
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
