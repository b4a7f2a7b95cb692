//! Queries of the chain: its head, what waits for a place in it, and what is compared with it.

use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use serde_json::json;

use super::evidence::details_digest;
use super::permission::derivation;
use super::{CHUNK, as_text};
use crate::consent::audit::ERASURE;
use crate::consent::model::Action;
use crate::ids::CustomerId;
use crate::storage::{Dialect, Kind, Sql, Txn};

/// The key of the advisory lock on the chain's head.
const HEAD_LOCK: i64 = 0x7669_7361_7669_7303;

/// The columns that are sealed, in the order in which they are.
const SEALED: &str = "e.id, e.customer_id, e.channel, e.topic, e.action, e.basis, e.source, e.wording, \
     e.fingerprint, e.occurred_at, e.recorded_at, e.level, e.expires_at, e.locale, e.actor, \
     e.confirmation_id, e.details_digest";

/// A piece of evidence as it is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::consent) struct Sealed {
    pub id: i64,
    pub customer: CustomerId,
    /// All columns as a JSON array.
    pub canonical: String,
}

/// A link, and what it holds together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::consent) struct Link {
    pub position: i64,
    pub evidence_id: i64,
    pub link: String,
    /// `None` when the evidence is gone.
    pub evidence: Option<Sealed>,
    pub details: DetailsState,
}

/// How the erasable part of evidence compares with its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::consent) enum DetailsState {
    Whole,
    Altered,
    /// Gone, though the customer was not erased.
    Missing,
}

/// Takes the chain's head until the transaction ends; its position and link.
pub(in crate::consent) async fn take_head(txn: &Txn) -> Result<Option<(i64, String)>, DbErr> {
    if txn.dialect() == Dialect::Postgres {
        txn.run("SELECT pg_advisory_xact_lock($1)", [HEAD_LOCK.into()])
            .await?;
    }
    head(&**txn).await
}

/// The last position and its link.
pub(in crate::consent) async fn head(
    connection: &impl ConnectionTrait,
) -> Result<Option<(i64, String)>, DbErr> {
    connection
        .row(
            "SELECT position, link FROM evidence_chain ORDER BY position DESC LIMIT 1",
            [],
        )
        .await?
        .map(|row| Ok((row.try_get("", "position")?, row.try_get("", "link")?)))
        .transpose()
}

/// The link at a position.
pub(in crate::consent) async fn link_at(
    connection: &impl ConnectionTrait,
    position: i64,
) -> Result<Option<String>, DbErr> {
    connection
        .row(
            "SELECT link FROM evidence_chain WHERE position = $1",
            [position.into()],
        )
        .await?
        .map(|row| row.try_get("", "link"))
        .transpose()
}

/// The next evidence without a place in the chain, in the order of its numbers.
pub(in crate::consent) async fn unsealed(txn: &Txn, limit: i64) -> Result<Vec<Sealed>, DbErr> {
    let sql = format!(
        "SELECT {SEALED} FROM unsealed_evidence u JOIN permission_evidence e ON e.id = u.evidence_id \
         ORDER BY u.evidence_id LIMIT $1"
    );
    txn.rows(sql, [limit.into()])
        .await?
        .iter()
        .map(sealed)
        .collect()
}

/// Writes links (position, evidence, link), and takes their evidence out of the line.
pub(in crate::consent) async fn add(
    txn: &Txn,
    links: &[(i64, i64, String)],
    now_ms: i64,
) -> Result<(), DbErr> {
    let rows = links.iter().map(|link| json!(link)).collect();
    let columns = [
        ("position", Kind::Int),
        ("evidence_id", Kind::Int),
        ("link", Kind::Text),
    ];
    let sql = format!(
        "INSERT INTO evidence_chain (position, evidence_id, link, sealed_at) \
         SELECT r.position, r.evidence_id, r.link, $2 FROM {} AS r",
        txn.dialect().recordset(1, &columns)
    );
    txn.run(sql, [as_text(rows).into(), now_ms.into()]).await?;
    let ids = links.iter().map(|(_, id, _)| json!(id)).collect();
    let sql = format!(
        "DELETE FROM unsealed_evidence WHERE evidence_id IN {}",
        txn.dialect().list(1, Kind::Int)
    );
    txn.run(sql, [as_text(ids).into()]).await?;
    Ok(())
}

/// How much evidence waits for its place.
pub(in crate::consent) async fn count_unsealed(
    connection: &impl ConnectionTrait,
) -> Result<u64, DbErr> {
    let row = connection
        .row("SELECT COUNT(*) AS n FROM unsealed_evidence", [])
        .await?;
    let n: i64 = row.map_or(Ok(0), |row| row.try_get("", "n"))?;
    Ok(n.unsigned_abs())
}

/// The links behind `position`, with their evidence.
pub(in crate::consent) async fn links_after(
    connection: &impl ConnectionTrait,
    position: i64,
    limit: i64,
) -> Result<Vec<Link>, DbErr> {
    let sql = format!(
        "SELECT k.position, k.evidence_id AS linked, k.link, {SEALED}, d.salt, d.details, \
         CASE WHEN e.details_digest IS NOT NULL AND d.evidence_id IS NULL THEN \
         EXISTS (SELECT 1 FROM audit_records a WHERE a.customer_id = e.customer_id AND a.action = $3) \
         AND NOT EXISTS (SELECT 1 FROM customers c WHERE c.id = e.customer_id) \
         END AS is_erased \
         FROM evidence_chain k LEFT JOIN permission_evidence e ON e.id = k.evidence_id \
         LEFT JOIN evidence_details d ON d.evidence_id = e.id \
         WHERE k.position > $1 ORDER BY k.position LIMIT $2"
    );
    connection
        .rows(sql, [position.into(), limit.into(), ERASURE.into()])
        .await?
        .iter()
        .map(|row| {
            let evidence = match row.try_get::<Option<i64>>("", "id")? {
                Some(_) => Some(sealed(row)?),
                None => None,
            };
            Ok(Link {
                position: row.try_get("", "position")?,
                evidence_id: row.try_get("", "linked")?,
                link: row.try_get("", "link")?,
                details: details_state(row)?,
                evidence,
            })
        })
        .collect()
}

fn details_state(row: &QueryResult) -> Result<DetailsState, DbErr> {
    let text = |column: &str| row.try_get::<Option<String>>("", column);
    let digest = text("details_digest")?;
    Ok(match (digest, text("salt")?, text("details")?) {
        (None, None, _) => DetailsState::Whole,
        (Some(digest), Some(salt), Some(details)) if details_digest(&salt, &details) == digest => {
            DetailsState::Whole
        }
        (Some(_), None, _) if row.try_get::<Option<bool>>("", "is_erased")? == Some(true) => {
            DetailsState::Whole
        }
        (Some(_), None, _) => DetailsState::Missing,
        _ => DetailsState::Altered,
    })
}

fn sealed(row: &QueryResult) -> Result<Sealed, DbErr> {
    let text = |column: &str| row.try_get::<Option<String>>("", column);
    let number = |column: &str| row.try_get::<Option<i64>>("", column);
    let id = row.try_get("", "id")?;
    let customer = row.try_get("", "customer_id")?;
    let canonical = json!([
        id,
        customer,
        text("channel")?,
        text("topic")?,
        text("action")?,
        text("basis")?,
        text("source")?,
        text("wording")?,
        text("fingerprint")?,
        number("occurred_at")?,
        number("recorded_at")?,
        row.try_get::<Option<i16>>("", "level")?,
        number("expires_at")?,
        text("locale")?,
        text("actor")?,
        number("confirmation_id")?,
        text("details_digest")?,
    ]);
    Ok(Sealed {
        id,
        customer: CustomerId(customer),
        canonical: canonical.to_string(),
    })
}

/// The first evidence that has no place in the chain and does not wait for one, and the first number
/// that waits and has no evidence.
pub(in crate::consent) async fn strays(
    connection: &impl ConnectionTrait,
) -> Result<(Option<i64>, Option<i64>), DbErr> {
    let first = async |sql: &str| -> Result<Option<i64>, DbErr> {
        let row = connection.row(sql, []).await?;
        row.map(|row| row.try_get("", "id")).transpose()
    };
    let unlinked = first(
        "SELECT e.id FROM permission_evidence e \
         WHERE NOT EXISTS (SELECT 1 FROM evidence_chain k WHERE k.evidence_id = e.id) \
         AND NOT EXISTS (SELECT 1 FROM unsealed_evidence u WHERE u.evidence_id = e.id) \
         ORDER BY e.id LIMIT 1",
    )
    .await?;
    let lost = first(
        "SELECT u.evidence_id AS id FROM unsealed_evidence u \
         WHERE NOT EXISTS (SELECT 1 FROM permission_evidence e WHERE e.id = u.evidence_id) \
         ORDER BY u.evidence_id LIMIT 1",
    )
    .await?;
    Ok((unlinked, lost))
}

/// The first withdrawal with an address, of which no suppression for its topic or the whole channel is at
/// least as new; with its customer.
pub(in crate::consent) async fn unsuppressed(
    connection: &impl ConnectionTrait,
) -> Result<Option<(i64, CustomerId)>, DbErr> {
    connection
        .row(
            "SELECT e.id, e.customer_id FROM permission_evidence e \
             WHERE e.action = $1 AND e.fingerprint IS NOT NULL \
             AND NOT EXISTS (SELECT 1 FROM suppressions s WHERE s.fingerprint = e.fingerprint \
             AND s.channel = e.channel AND s.scope IN (e.topic, '*') AND s.suppressed_at >= e.occurred_at) \
             ORDER BY e.id LIMIT 1",
            [Action::Withdraw.as_str().into()],
        )
        .await?
        .map(|row| {
            Ok((
                row.try_get("", "id")?,
                CustomerId(row.try_get("", "customer_id")?),
            ))
        })
        .transpose()
}

/// What was found among the next customers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::consent) struct Compared {
    /// The last customer looked at.
    pub last: CustomerId,
    /// Of how many permissions.
    pub permissions: u64,
    /// The first (customer, channel, topic) whose permission is not what its evidence says.
    pub differing: Option<(CustomerId, String, String)>,
}

/// Compares the permissions of the customers behind `after` with their evidence; `None` behind the last.
///
/// A suppression that came after the last evidence does not rewrite the rung, since it blocks already:
/// a rung may stand between what evidence says with and without suppressions.
pub(in crate::consent) async fn compare_permissions(
    connection: &impl ConnectionTrait,
    after: CustomerId,
) -> Result<Option<Compared>, DbErr> {
    let limit = i64::try_from(CHUNK).unwrap_or(i64::MAX);
    let rows = connection
        .rows(
            "SELECT id FROM customers WHERE id > $1 ORDER BY id LIMIT $2",
            [after.0.into(), limit.into()],
        )
        .await?;
    let ids: Vec<CustomerId> = rows
        .iter()
        .map(|row| row.try_get("", "id").map(CustomerId))
        .collect::<Result<_, _>>()?;
    let Some(last) = ids.last().copied() else {
        return Ok(None);
    };
    let list = Dialect::of(connection).list(1, Kind::Int);
    let ids = json!(ids).to_string();
    let sql = format!(
        "SELECT COALESCE(p.customer_id, w.customer_id) AS customer_id, COALESCE(p.channel, w.channel) AS channel, \
         COALESCE(p.topic, w.topic) AS topic, \
         CASE WHEN p.customer_id IS NULL OR w.customer_id IS NULL THEN TRUE ELSE \
         p.is_granted <> w.is_granted OR p.basis IS DISTINCT FROM w.basis OR p.since_at <> w.since_at \
         OR p.evidence_id <> w.evidence_id OR p.expires_at IS DISTINCT FROM w.expires_at \
         OR p.level > w.level OR p.level < m.level \
         OR (p.level = w.level AND p.level_since_at <> w.level_since_at \
             AND (p.level <> m.level OR p.level_since_at <> m.level_since_at)) END AS differs \
         FROM (SELECT * FROM permissions WHERE customer_id IN {list}) AS p \
         FULL JOIN ({without}) AS w ON w.customer_id = p.customer_id AND w.channel = p.channel AND w.topic = p.topic \
         LEFT JOIN ({with}) AS m ON m.customer_id = w.customer_id AND m.channel = w.channel AND m.topic = w.topic \
         ORDER BY 1, 2, 3",
        without = derivation(&list, false),
        with = derivation(&list, true),
    );
    let rows = connection.rows(sql, [ids.into()]).await?;
    let mut differing = None;
    for row in &rows {
        if row.try_get::<bool>("", "differs")? {
            differing = Some((
                CustomerId(row.try_get("", "customer_id")?),
                row.try_get("", "channel")?,
                row.try_get("", "topic")?,
            ));
            break;
        }
    }
    Ok(Some(Compared {
        last,
        permissions: u64::try_from(rows.len()).unwrap_or(u64::MAX),
        differing,
    }))
}
