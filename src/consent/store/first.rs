//! The first evidence of customers who are being made: there is none to compare it with, nobody else can
//! know them yet, and most of what follows from it follows from one piece alone.

use std::collections::{BTreeSet, HashMap, HashSet};

use sea_orm::{ConnectionTrait, DbErr};
use serde_json::{Value, json};

use super::evidence::{COLUMNS, as_row, await_sealing};
use super::permission::derive;
use super::suppression::suppressions_of;
use crate::consent::ladder::Level;
use crate::consent::model::{Action, Basis, Channel, Evidence, Scope};
use crate::ids::CustomerId;
use crate::storage::{Kind, insert, take_numbers};

/// The columns of a permission.
const PERMISSION: [(&str, Kind); 10] = [
    ("customer_id", Kind::Int),
    ("channel", Kind::Text),
    ("topic", Kind::Text),
    ("is_granted", Kind::Bool),
    ("basis", Kind::Text),
    ("since_at", Kind::Int),
    ("evidence_id", Kind::Int),
    ("level", Kind::Int),
    ("level_since_at", Kind::Int),
    ("expires_at", Kind::Int),
];

/// Appends all evidence of customers who were made in this transaction, with the fingerprints of the
/// addresses they have, puts it in line for the chain and sets their permissions; their suppressions are
/// written before.
///
/// # Errors
/// When the database is away.
pub(super) async fn append(
    connection: &impl ConnectionTrait,
    evidence: &[(&Evidence, Option<&str>)],
    recorded_at: i64,
) -> Result<(), DbErr> {
    if evidence.is_empty() {
        return Ok(());
    }
    let ids = take_numbers(connection, "permission_evidence", evidence.len()).await?;
    let mut columns = COLUMNS.to_vec();
    columns.extend([("id", Kind::Int), ("recorded_at", Kind::Int)]);
    let rows = evidence
        .iter()
        .zip(&ids)
        .map(|(piece, id)| {
            let mut row = as_row(piece);
            row.extend([json!(id), json!(recorded_at)]);
            row
        })
        .collect();
    insert(connection, "permission_evidence", &columns, rows, "").await?;
    await_sealing(connection, ids.iter().copied()).await?;

    let entangled = entangled(connection, evidence).await?;
    let rows = evidence
        .iter()
        .zip(&ids)
        .filter(|((piece, _), _)| !entangled.contains(&piece.customer))
        .map(|((piece, _), id)| permission(piece, *id))
        .collect();
    insert(connection, "permissions", &PERMISSION, rows, "").await?;
    let entangled: Vec<CustomerId> = entangled.into_iter().collect();
    derive(connection, &entangled).await
}

/// The customers whose permissions do not follow from one piece of evidence each: two speak of a topic,
/// one of its whole channel, or the address is suppressed for it. What counts is then for [`derive`].
async fn entangled(
    connection: &impl ConnectionTrait,
    evidence: &[(&Evidence, Option<&str>)],
) -> Result<BTreeSet<CustomerId>, DbErr> {
    let mut said: HashMap<(CustomerId, Channel), HashSet<&Scope>> = HashMap::new();
    let mut entangled = BTreeSet::new();
    let mut fingerprints = BTreeSet::new();
    for (piece, fingerprint) in evidence {
        let scopes = said.entry((piece.customer, piece.channel)).or_default();
        let is_alone =
            scopes.insert(&piece.scope) && (scopes.len() == 1 || !scopes.contains(&Scope::All));
        if !is_alone {
            entangled.insert(piece.customer);
        }
        if let (Action::Grant, Some(fingerprint)) = (piece.action, fingerprint) {
            fingerprints.insert((*fingerprint).to_owned());
        }
    }
    let fingerprints: Vec<String> = fingerprints.into_iter().collect();
    let mut suppressed: HashMap<String, Vec<(Channel, Scope)>> = HashMap::new();
    for one in suppressions_of(connection, &fingerprints).await? {
        let scopes = suppressed.entry(one.fingerprint).or_default();
        scopes.push((one.channel, one.scope));
    }
    for (piece, fingerprint) in evidence {
        let scopes = fingerprint.and_then(|fingerprint| suppressed.get(fingerprint));
        let is_suppressed = scopes.into_iter().flatten().any(|(channel, scope)| {
            *channel == piece.channel && (*scope == piece.scope || *scope == Scope::All)
        });
        if piece.action == Action::Grant && is_suppressed {
            entangled.insert(piece.customer);
        }
    }
    Ok(entangled)
}

/// What follows from a piece of evidence alone, in the order of [`PERMISSION`].
fn permission(piece: &Evidence, id: i64) -> Vec<Value> {
    let is_granted = piece.action == Action::Grant;
    let basis = piece.basis.filter(|_| is_granted);
    let rung = basis
        .map(|basis| piece.level.unwrap_or_else(|| Level::of_basis(basis)))
        .unwrap_or(Level::Stranger);
    vec![
        json!(piece.customer),
        json!(piece.channel.as_str()),
        json!(piece.scope.as_str()),
        json!(is_granted),
        json!(basis.map(Basis::as_str)),
        json!(piece.occurred_at),
        json!(id),
        json!(rung.code()),
        json!(piece.occurred_at),
        json!(piece.expires_at.filter(|_| is_granted)),
    ]
}
