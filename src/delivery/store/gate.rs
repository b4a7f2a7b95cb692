//! The gate: who of the next rows may be contacted, asked of the database in the transaction that
//! records the intent to contact them.

use sea_orm::{DbErr, QueryResult};
use serde_json::{Value, json};

use super::wave::{Counters, add, hold_running, is_named};
use crate::campaigns::audience::{permission_join, refusal};
use crate::campaigns::definition::Definition;
use crate::customers::model::Customer;
use crate::customers::store as customer_store;
use crate::delivery::model::{Lease, LeaseKind, State};
use crate::gate::model::Withheld;
use crate::storage::{Db, Dialect, Kind, Sql};

/// Someone who passed the gate: his row is `sending`.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    pub seq: i64,
    /// Which attempt this is, from 1.
    pub attempt: i16,
    pub customer: Customer,
}

/// What the gate answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Passed {
    /// These may be contacted now; none when the lease has no row left.
    Candidates(Vec<Candidate>),
    /// Paused, cancelled or finished: nothing was marked.
    Stopped,
    /// The lease is no longer ours.
    LeaseLost,
}

/// Asks for at most `limit` rows of the lease and records the intent for those who may be contacted.
///
/// # Errors
/// When the database is away; then nothing is marked.
pub async fn gate(
    db: &Db,
    lease: &Lease,
    definition: &Definition,
    limit: usize,
    lease_seconds: u64,
    now_ms: i64,
) -> Result<Passed, DbErr> {
    let txn = db.begin().await?;
    if !super::lease::renew(&txn, lease, lease_seconds, now_ms).await? {
        txn.rollback().await?;
        return Ok(Passed::LeaseLost);
    }
    if !hold_running(&txn, lease.wave).await? {
        txn.rollback().await?;
        return Ok(Passed::Stopped);
    }
    let mut candidates = Vec::new();
    let mut counters = Counters::new();
    while candidates.is_empty() {
        let rows = txn
            .rows(
                select(db.dialect(), lease.kind, definition),
                [
                    lease.wave.0.into(),
                    lease.from_seq.into(),
                    lease.to_seq.into(),
                    now_ms.into(),
                    i64::try_from(limit).unwrap_or(i64::MAX).into(),
                ],
            )
            .await?;
        if rows.is_empty() {
            break;
        }
        let from = match lease.kind {
            LeaseKind::First => State::Pending,
            LeaseKind::Retry => State::Deferred,
        };
        let mut withheld = Vec::new();
        for row in &rows {
            match read(row)? {
                Ok(candidate) => candidates.push(candidate),
                Err((seq, reason)) => {
                    withheld.push(json!([seq, reason.as_str()]));
                    *counters
                        .entry(format!("withheld.{}", reason.as_str()))
                        .or_default() += 1;
                }
            }
        }
        if !withheld.is_empty() {
            withhold(withheld.len(), from, &mut counters);
            txn.run(
                format!(
                    "UPDATE deliveries SET state = 6, reason = x.reason, next_at = NULL, settled_at = $3
                     FROM {} AS x WHERE deliveries.wave_id = $2 AND deliveries.seq = x.seq AND {}",
                    db.dialect()
                        .recordset(1, &[("seq", Kind::Int), ("reason", Kind::Text)]),
                    is_named(db.dialect())
                ),
                [
                    Value::from(withheld).to_string().into(),
                    lease.wave.0.into(),
                    now_ms.into(),
                ],
            )
            .await?;
        }
        if !candidates.is_empty() {
            let seqs: Vec<_> = candidates
                .iter()
                .map(|candidate| json!([candidate.seq]))
                .collect();
            let marked = txn
                .run(
                    format!(
                        "UPDATE deliveries SET state = 1, fence = $3, attempt = attempt + 1
                         WHERE wave_id = $2 AND {}",
                        is_named(db.dialect())
                    ),
                    [
                        Value::from(seqs).to_string().into(),
                        lease.wave.0.into(),
                        lease.fence.into(),
                    ],
                )
                .await?
                .rows_affected();
            let marked = i64::try_from(marked).unwrap_or(i64::MAX);
            *counters.entry(from.counter().to_owned()).or_default() -= marked;
            *counters
                .entry(State::Sending.counter().to_owned())
                .or_default() += marked;
        }
    }
    // Once, and last: who moves counters in one order cannot wait for each other.
    add(&txn, lease.wave, &counters).await?;
    txn.commit().await?;
    Ok(Passed::Candidates(candidates))
}

/// Counts `n` rows out of `from` and into withheld.
fn withhold(n: usize, from: State, counters: &mut Counters) {
    let n = i64::try_from(n).unwrap_or(i64::MAX);
    *counters.entry(from.counter().to_owned()).or_default() -= n;
    *counters
        .entry(State::Withheld.counter().to_owned())
        .or_default() += n;
}

/// The next rows of a lease with their customer and the reason to withhold them, if there is one.
fn select(dialect: Dialect, kind: LeaseKind, definition: &Definition) -> String {
    let due = match kind {
        // $4 is compared all the same, so that both queries take the same parameters.
        LeaseKind::First => "d.state = 0 AND d.due_at <= $4 ORDER BY d.seq",
        LeaseKind::Retry => "d.state = 3 AND d.next_at <= $4 ORDER BY d.next_at, d.seq",
    };
    format!(
        "SELECT d.seq, d.attempt, c.id AS found, {refusal} AS refusal, {customer}
         FROM deliveries d
         LEFT JOIN customers c ON c.id = d.customer_id
         LEFT JOIN permissions p ON {permission}
         WHERE d.wave_id = $1 AND d.seq BETWEEN $2 AND $3 AND {due} LIMIT $5",
        refusal = refusal("c", "p", definition.channel, &definition.topic),
        customer = customer_store::select_list(dialect, "c"),
        permission = permission_join("c.id", "p", definition.channel, &definition.topic),
    )
}

/// A candidate, or the row withheld and why.
fn read(row: &QueryResult) -> Result<Result<Candidate, (i64, Withheld)>, DbErr> {
    let seq = row.try_get("", "seq")?;
    if row.try_get::<Option<i64>>("", "found")?.is_none() {
        return Ok(Err((seq, Withheld::Erased)));
    }
    let refusal: Option<String> = row.try_get("", "refusal")?;
    if let Some(refusal) = refusal {
        let reason = Withheld::from_column(&refusal)
            .ok_or_else(|| DbErr::Type(format!("refusal: {refusal}")))?;
        return Ok(Err((seq, reason)));
    }
    Ok(Ok(Candidate {
        seq,
        attempt: row.try_get::<i16>("", "attempt")? + 1,
        customer: customer_store::from_row(row)?,
    }))
}
