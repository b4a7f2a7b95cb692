//! Evidence: appended, never edited.

use std::collections::{BTreeSet, HashSet};

use data_encoding::HEXLOWER;
use ring::digest;
use sea_orm::{ConnectionTrait, DbErr};
use serde_json::{Value, json};

use super::first;
use super::permission::{derive, lock};
use super::suppression::{OPT_OUT, Suppression, suppress};
use super::told;
use super::{CHUNK, as_text};
use crate::consent::ladder::Level;
use crate::consent::model::{Action, Basis, Evidence, Scope};
use crate::ids::CustomerId;
use crate::storage::{Dialect, Kind, Sql, insert};

/// The columns of a piece of evidence, in the order of [`as_row`].
pub(super) const COLUMNS: [(&str, Kind); 14] = [
    ("customer_id", Kind::Int),
    ("channel", Kind::Text),
    ("topic", Kind::Text),
    ("action", Kind::Text),
    ("basis", Kind::Text),
    ("source", Kind::Text),
    ("wording", Kind::Text),
    ("fingerprint", Kind::Text),
    ("occurred_at", Kind::Int),
    ("level", Kind::Int),
    ("expires_at", Kind::Int),
    ("locale", Kind::Text),
    ("actor", Kind::Text),
    ("confirmation_id", Kind::Int),
];

/// Appends one piece of evidence and derives the permissions that follow; a withdrawal also suppresses
/// the `fingerprint` of the address. Evidence that is already there word for word, of the same address, is
/// not repeated.
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
    record_with_new(connection, evidence, &HashSet::new(), recorded_at).await
}

/// [`record_all`], where some of the customers are `new`: made in this transaction, so that nothing is on
/// record of them and nobody else knows them. Their fingerprints are those of the addresses they have.
///
/// # Errors
/// As [`record`]; nothing is then to be committed.
pub async fn record_with_new(
    connection: &impl ConnectionTrait,
    evidence: &[(Evidence, Option<String>)],
    new: &HashSet<CustomerId>,
    recorded_at: i64,
) -> Result<HashSet<CustomerId>, DbErr> {
    let mut suppressions = Vec::new();
    let mut seen: HashSet<(&Evidence, Option<&str>)> = HashSet::new();
    let mut customers = BTreeSet::new();
    let mut plain = Vec::with_capacity(evidence.len());
    let mut first = Vec::new();
    let mut detailed = Vec::new();
    for (piece, fingerprint) in evidence {
        require_proof(piece)?;
        if !new.contains(&piece.customer) {
            customers.insert(piece.customer);
        }
        if let (Action::Withdraw, Some(fingerprint)) = (piece.action, fingerprint) {
            suppressions.push(Suppression {
                fingerprint: fingerprint.clone(),
                channel: piece.channel,
                scope: piece.scope.clone(),
                reason: OPT_OUT.to_owned(),
                suppressed_at: piece.occurred_at,
            });
        }
        let unique = (piece, fingerprint.as_deref());
        if seen.insert(unique) {
            match &piece.details {
                None if new.contains(&piece.customer) => first.push(unique),
                None => plain.push(unique),
                Some(details) => detailed.push((unique, details)),
            }
        }
    }
    let customers: Vec<CustomerId> = customers.into_iter().collect();
    lock(connection, &customers).await?;
    // Before the permissions: whoever waits for them on PostgreSQL finds the address blocked already.
    suppress(connection, &suppressions).await?;
    let mut concerned = HashSet::new();
    for chunk in plain.chunks(CHUNK) {
        let appended = append(connection, chunk, None, recorded_at).await?;
        concerned.extend(appended.into_iter().map(|(_, customer)| customer));
    }
    // One by one, since each must be told from the others to be given its details.
    for (piece, details) in detailed {
        let (salt, text) = (salt()?, json!(details).to_string());
        let digest = details_digest(&salt, &text);
        if let [(id, customer)] = append(connection, &[piece], Some(&digest), recorded_at)
            .await?
            .as_slice()
        {
            connection
                .run(
                    "INSERT INTO evidence_details (evidence_id, salt, details) VALUES ($1, $2, $3)",
                    [(*id).into(), salt.into(), text.into()],
                )
                .await?;
            concerned.insert(*customer);
        }
    }
    let mut changed: Vec<CustomerId> = concerned.iter().copied().collect();
    changed.sort_unstable();
    derive(connection, &changed).await?;
    first::append(connection, &first, recorded_at).await?;
    concerned.extend(first.iter().map(|(piece, _)| piece.customer));
    told::tell(connection, evidence, &concerned, recorded_at).await?;
    Ok(concerned)
}

/// 16 random bytes in hexadecimal: without them the digest of an IP address could be guessed.
fn salt() -> Result<String, DbErr> {
    use ring::rand::SecureRandom as _;
    let mut bytes = [0_u8; 16];
    ring::rand::SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|ring::error::Unspecified| {
            DbErr::Custom("the system gave no random bytes".to_owned())
        })?;
    Ok(HEXLOWER.encode(&bytes))
}

/// SHA-256 of the salt and the details, in hexadecimal: what of them stays when they are erased.
pub(super) fn details_digest(salt: &str, details: &str) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(salt.as_bytes());
    context.update(details.as_bytes());
    HEXLOWER.encode(context.finish().as_ref())
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

/// Appends what is not yet there, word for word, and puts it in line for the chain; returns numbers and
/// customers.
async fn append(
    connection: &impl ConnectionTrait,
    evidence: &[(&Evidence, Option<&str>)],
    details_digest: Option<&str>,
    recorded_at: i64,
) -> Result<Vec<(i64, CustomerId)>, DbErr> {
    if evidence.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<Value> = evidence
        .iter()
        .map(|piece| Value::Array(as_row(piece)))
        .collect();
    let dialect = Dialect::of(connection);
    let recordset = dialect.recordset(1, &COLUMNS);
    let sql = format!(
        "INSERT INTO permission_evidence (customer_id, channel, topic, action, basis, source, wording, \
         fingerprint, occurred_at, level, expires_at, locale, actor, confirmation_id, details_digest, recorded_at) \
         SELECT r.customer_id, r.channel, r.topic, r.action, r.basis, r.source, r.wording, \
         r.fingerprint, r.occurred_at, r.level, r.expires_at, r.locale, r.actor, r.confirmation_id, $3, $2 \
         FROM {recordset} AS r \
         WHERE NOT EXISTS (SELECT 1 FROM permission_evidence e WHERE e.customer_id = r.customer_id \
         AND e.channel = r.channel AND e.topic = r.topic AND e.action = r.action \
         AND e.basis IS NOT DISTINCT FROM r.basis AND e.source = r.source \
         AND e.wording IS NOT DISTINCT FROM r.wording AND e.occurred_at = r.occurred_at \
         AND e.fingerprint IS NOT DISTINCT FROM r.fingerprint \
         AND e.level IS NOT DISTINCT FROM r.level AND e.expires_at IS NOT DISTINCT FROM r.expires_at \
         AND e.confirmation_id IS NOT DISTINCT FROM r.confirmation_id) \
         ORDER BY r.place RETURNING id, customer_id"
    );
    let values = [
        as_text(rows).into(),
        recorded_at.into(),
        details_digest.map(str::to_owned).into(),
    ];
    let appended = connection
        .rows(sql, values)
        .await?
        .iter()
        .map(|row| {
            Ok((
                row.try_get("", "id")?,
                CustomerId(row.try_get("", "customer_id")?),
            ))
        })
        .collect::<Result<Vec<(i64, CustomerId)>, DbErr>>()?;
    await_sealing(connection, appended.iter().map(|(id, _)| *id)).await?;
    Ok(appended)
}

/// A piece of evidence as a row of [`COLUMNS`].
pub(super) fn as_row((piece, fingerprint): &(&Evidence, Option<&str>)) -> Vec<Value> {
    vec![
        json!(piece.customer),
        json!(piece.channel.as_str()),
        json!(piece.scope.as_str()),
        json!(piece.action.as_str()),
        json!(piece.basis.map(Basis::as_str)),
        json!(piece.source),
        json!(piece.wording),
        json!(fingerprint),
        json!(piece.occurred_at),
        json!(piece.level.map(Level::code)),
        json!(piece.expires_at),
        json!(piece.locale),
        json!(piece.actor),
        json!(piece.confirmation),
    ]
}

/// Puts evidence in line for the chain.
pub(super) async fn await_sealing(
    connection: &impl ConnectionTrait,
    ids: impl Iterator<Item = i64>,
) -> Result<(), DbErr> {
    let rows = ids.map(|id| vec![json!(id)]).collect();
    let columns = [("evidence_id", Kind::Int)];
    insert(connection, "unsealed_evidence", &columns, rows, "").await
}
