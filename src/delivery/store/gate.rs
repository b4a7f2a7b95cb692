//! The gate: who of the next rows may be contacted, asked of the database in the transaction that
//! records the intent to contact them: their row of the contact history, one a person and wave.
//!
//! On PostgreSQL two statements may both see a history in which a person still has room for one message,
//! and an opt-out may commit while a statement runs that began before it. So the gate first takes the
//! rows of the customers and then asks, in a statement of its own, which sees all that was committed
//! until then (READ COMMITTED); an opt-out takes the same row: whoever comes second sees the other. The
//! gate waits for no customer (`SKIP LOCKED`): whom an import, an opt-out or another wave has in hand is
//! passed over until a later batch, so that no two can wait for each other. Only gates of one wave with
//! people who may have become one take turns. SQLite has one writer, which is all this and more.

use std::collections::HashSet;
use std::time::Instant;

use sea_orm::{DbErr, QueryResult};
use serde_json::{Value, json};

use super::entry::{Entry, next_rows, order};
use super::pace;
use super::settle::before;
use super::wave::{Counters, is_named};
use crate::campaigns::store as campaign_store;
use crate::customers::model::Customer;
use crate::customers::store as customer_store;
use crate::delivery::model::{Lease, LeaseKind, State};
use crate::delivery::pace::{DOMAIN_LIMIT, Limits, Turn};
use crate::gate::model::Withheld;
use crate::storage::{Dialect, Kind, Sql, Txn};

/// Someone who passed the gate: the intent to contact him is recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    pub seq: i64,
    /// Which attempt this is, from 1.
    pub attempt: i16,
    /// When the gate let him pass: before its commit, which a process may sleep through.
    pub gated: Instant,
    pub customer: Customer,
}

/// What the gate answers.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub candidates: Vec<Candidate>,
    /// Up to which row it has looked.
    pub up_to: i64,
    /// Others have all customers who are left in hand: to be asked again.
    pub is_busy: bool,
    /// The wave has no slot left for now: its limits say so.
    pub is_resting: bool,
}

/// What becomes of one row.
enum Answer {
    Go(Box<Candidate>),
    Withhold(i64, Withheld),
    /// To be asked again at this instant.
    Hold(i64, i64),
}

/// Asks for at most `limit` rows of the lease from place `from_seq` on, and records the intent for those who may be
/// contacted.
///
/// The transaction holds the lease, and nothing of it is in hand from that place on.
///
/// # Errors
/// When the database is away; then nothing is recorded.
pub(super) async fn ask(
    txn: &Txn,
    lease: &Lease,
    entry: &Entry,
    from_seq: i64,
    limit: usize,
    now_ms: i64,
    counters: &mut Counters,
) -> Result<Asked, DbErr> {
    let Some(limit) = slots(txn, entry, limit).await? else {
        return Ok(Asked {
            up_to: from_seq,
            is_resting: true,
            ..Asked::default()
        });
    };
    let rivals = campaign_store::rivals(&**txn, entry.request.priority, Some(lease.wave)).await?;
    let text = entry.text(lease.kind, &rivals, now_ms);
    let span = [
        lease.wave.0.into(),
        from_seq.max(lease.from_seq).into(),
        lease.to_seq.into(),
        now_ms.into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
    ];
    let from = before(lease.kind);
    let mut up_to = from_seq;
    let mut candidates = Vec::new();
    let (mut is_busy, mut is_resting) = (false, false);
    let mut is_alone = txn.dialect() == Dialect::Sqlite;
    while candidates.is_empty() && !is_resting {
        let mut values = span.to_vec();
        if let Some(locked) = lock_rows(txn, lease.kind, &span).await? {
            values.push(locked.into());
        }
        let rows = txn.rows(&*text, values).await?;
        if rows.is_empty() {
            is_busy = is_any_left(txn, lease.kind, &span).await?;
            break;
        }
        if !is_alone && may_be_double(&rows)? {
            // Two leases of the wave may hold two people who became one: one gate at a time, and ask again.
            is_alone = true;
            txn.run(
                "SELECT pg_advisory_xact_lock(1985, CAST($1 AS INT))",
                [lease.wave.0.into()],
            )
            .await?;
            continue;
        }
        let mut taken = HashSet::new();
        let (mut withheld, mut held) = (Vec::new(), Vec::new());
        for row in &rows {
            up_to = up_to.max(row.try_get("", "seq")?);
            match answer(row, entry, &mut taken, now_ms)? {
                Answer::Go(candidate) => candidates.push(*candidate),
                Answer::Withhold(seq, reason) => {
                    withheld.push(json!([seq, reason.as_str()]));
                    *counters
                        .entry(format!("withheld.{}", reason.as_str()))
                        .or_default() += 1;
                }
                Answer::Hold(seq, until) => held.push(json!([seq, until])),
            }
        }
        if !withheld.is_empty() {
            withhold(withheld.len(), from, counters);
            txn.run(
                format!(
                    "UPDATE deliveries SET state = 6, reason = x.reason, next_at = NULL, settled_at = $3
                     FROM {} AS x WHERE deliveries.wave_id = $2 AND deliveries.seq = x.seq AND {}",
                    txn.dialect()
                        .recordset(1, &[("seq", Kind::Int), ("reason", Kind::Text)]),
                    is_named(txn.dialect())
                ),
                [
                    Value::from(withheld).to_string().into(),
                    lease.wave.0.into(),
                    now_ms.into(),
                ],
            )
            .await?;
        }
        if !held.is_empty() {
            hold(txn, lease, Withheld::QuietHours.as_str(), held).await?;
        }
        if let Some(limits) = &entry.limits
            && !candidates.is_empty()
        {
            let found = std::mem::take(&mut candidates);
            let taken = take_turns(txn, lease, limits, found, now_ms).await?;
            (candidates, is_resting) = (taken.candidates, taken.is_resting);
            if let Some(first) = taken.first_waiting {
                up_to = up_to.min(first - 1);
            }
        }
        if !candidates.is_empty() {
            let n = record(txn, lease, entry, &candidates, now_ms).await?;
            *counters.entry(from.counter().to_owned()).or_default() -= n;
            *counters
                .entry(State::Sending.counter().to_owned())
                .or_default() += n;
        }
    }
    Ok(Asked {
        candidates,
        up_to,
        is_busy,
        is_resting,
    })
}

/// How many may be asked about at most under the wave's limits; `None`: it has no slot, and rests.
async fn slots(txn: &Txn, entry: &Entry, limit: usize) -> Result<Option<usize>, DbErr> {
    let Some(limits) = &entry.limits else {
        return Ok(Some(limit));
    };
    match pace::free_slots(&**txn, limits).await? {
        Some(0) => {
            pace::rest(txn, limits).await?;
            Ok(None)
        }
        Some(free) => Ok(Some(limit.min(free))),
        None => Ok(Some(limit)),
    }
}

/// What the limits make of a batch.
struct Taken {
    candidates: Vec<Candidate>,
    /// The place of the first for whom the wave has no slot.
    first_waiting: Option<i64>,
    is_resting: bool,
}

/// Keeps those of a batch for whom there is a slot, and puts off who exceeds the limit of his domain.
async fn take_turns(
    txn: &Txn,
    lease: &Lease,
    limits: &Limits,
    found: Vec<Candidate>,
    now_ms: i64,
) -> Result<Taken, DbErr> {
    let recipients: Vec<_> = found
        .iter()
        .map(|candidate| limits.of_recipient(candidate.customer.email.as_deref()?))
        .collect();
    let turns = pace::take_slots(txn, limits, &recipients).await?;
    let mut taken = Taken {
        candidates: Vec::with_capacity(found.len()),
        first_waiting: None,
        is_resting: turns.rest.is_some(),
    };
    let mut put_off = Vec::new();
    for (candidate, turn) in found.into_iter().zip(turns.each) {
        match turn {
            Turn::Go => taken.candidates.push(candidate),
            Turn::PutOff(wait) => {
                // Rounded up: not before his slot.
                let until = now_ms.saturating_add(wait / 1_000 + 1);
                put_off.push(json!([candidate.seq, until]));
            }
            Turn::Wait => {
                let first = taken.first_waiting.unwrap_or(candidate.seq);
                taken.first_waiting = Some(first.min(candidate.seq));
            }
        }
    }
    if !put_off.is_empty() {
        hold(txn, lease, DOMAIN_LIMIT, put_off).await?;
    }
    Ok(taken)
}

/// Takes the next rows and their customers, passing over whom somebody else has in hand; their places as a
/// JSON array. `None` where one writer needs no lock.
async fn lock_rows(
    txn: &Txn,
    kind: LeaseKind,
    span: &[sea_orm::Value; 5],
) -> Result<Option<String>, DbErr> {
    if txn.dialect() == Dialect::Sqlite {
        return Ok(None);
    }
    let row = match kind {
        LeaseKind::First => "",
        // A response may have the row of an earlier attempt in hand, and then want the customer.
        LeaseKind::Retry => "FOR UPDATE OF d SKIP LOCKED",
    };
    let sql = format!(
        "SELECT d.seq FROM deliveries d JOIN customers c ON c.id = d.customer_id WHERE {next}
         ORDER BY {order} LIMIT $5 {row} FOR NO KEY UPDATE OF c SKIP LOCKED",
        next = next_rows(kind),
        order = order(kind),
    );
    let seqs: Vec<i64> = txn
        .rows(sql, span.clone())
        .await?
        .iter()
        .map(|row| row.try_get("", "seq"))
        .collect::<Result<_, _>>()?;
    Ok(Some(json!(seqs).to_string()))
}

/// Whether rows are due that somebody else has in hand.
async fn is_any_left(
    txn: &Txn,
    kind: LeaseKind,
    span: &[sea_orm::Value; 5],
) -> Result<bool, DbErr> {
    if txn.dialect() == Dialect::Sqlite {
        return Ok(false);
    }
    let sql = format!(
        "SELECT d.seq FROM deliveries d WHERE {} LIMIT $5",
        next_rows(kind)
    );
    let left = txn.row(sql, span.clone()).await?;
    Ok(left.is_some())
}

/// Puts rows off until a time of their own, which has a reason.
async fn hold(
    txn: &Txn,
    lease: &Lease,
    reason: &'static str,
    held: Vec<Value>,
) -> Result<(), DbErr> {
    let set = match lease.kind {
        LeaseKind::First => format!("due_at = x.until, reason = '{reason}'"),
        // Why it was deferred stays.
        LeaseKind::Retry => "next_at = x.until".to_owned(),
    };
    txn.run(
        format!(
            "UPDATE deliveries SET {set} FROM {} AS x
             WHERE deliveries.wave_id = $2 AND deliveries.seq = x.seq AND {}",
            txn.dialect()
                .recordset(1, &[("seq", Kind::Int), ("until", Kind::Int)]),
            is_named(txn.dialect())
        ),
        [Value::from(held).to_string().into(), lease.wave.0.into()],
    )
    .await
    .map(drop)
}

/// Enters candidates into the contact history: the intent to contact them, in the same transaction, so that
/// the next gate for the same person counts it. Returns how many.
async fn record(
    txn: &Txn,
    lease: &Lease,
    entry: &Entry,
    candidates: &[Candidate],
    now_ms: i64,
) -> Result<i64, DbErr> {
    let contacts: Vec<_> = candidates
        .iter()
        .map(|candidate| json!([candidate.customer.id, candidate.seq]))
        .collect();
    let recorded = txn
        .run(
            format!(
                "INSERT INTO contacts (customer_id, contacted_at, wave_id, seq, channel, topic)
                 SELECT x.customer_id, $2, $3, x.seq, '{channel}', '{topic}' FROM {rows} AS x
                 WHERE NOT EXISTS (SELECT 1 FROM contacts k WHERE k.customer_id = x.customer_id AND k.wave_id = $3)",
                channel = entry.request.channel,
                topic = entry.request.topic,
                rows = txn
                    .dialect()
                    .recordset(1, &[("customer_id", Kind::Int), ("seq", Kind::Int)]),
            ),
            [
                Value::from(contacts).to_string().into(),
                now_ms.into(),
                lease.wave.0.into(),
            ],
        )
        .await?
        .rows_affected();
    if usize::try_from(recorded) != Ok(candidates.len()) {
        // Never twice: whoever holds them, it is not for us to go on.
        return Err(DbErr::Custom(format!(
            "wave {}: {} of {} people are in hand already",
            lease.wave,
            candidates.len() as u64 - recorded,
            candidates.len()
        )));
    }
    Ok(i64::try_from(recorded).unwrap_or(i64::MAX))
}

/// Counts `n` rows out of `from` and into withheld.
fn withhold(n: usize, from: State, counters: &mut Counters) {
    let n = i64::try_from(n).unwrap_or(i64::MAX);
    *counters.entry(from.counter().to_owned()).or_default() -= n;
    *counters
        .entry(State::Withheld.counter().to_owned())
        .or_default() += n;
}

/// Whether two people of the wave may have become one since the launch.
fn may_be_double(rows: &[QueryResult]) -> Result<bool, DbErr> {
    for row in rows {
        if row
            .try_get::<Option<bool>>("", "may_be_double")?
            .unwrap_or(false)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What becomes of a row; `taken` are the addresses and households that go with this batch.
fn answer(
    row: &QueryResult,
    entry: &Entry,
    taken: &mut HashSet<(Withheld, String)>,
    now_ms: i64,
) -> Result<Answer, DbErr> {
    let seq = row.try_get("", "seq")?;
    if row.try_get::<Option<i64>>("", "found")?.is_none() {
        return Ok(Answer::Withhold(seq, Withheld::Erased));
    }
    let refusal: Option<String> = row.try_get("", "refusal")?;
    if let Some(refusal) = refusal {
        let reason = Withheld::from_column(&refusal)
            .ok_or_else(|| DbErr::Type(format!("refusal: {refusal}")))?;
        return Ok(Answer::Withhold(seq, reason));
    }
    let mut keys = Vec::with_capacity(2);
    for (reason, column) in [
        (Withheld::DuplicateAddress, "address_key"),
        (Withheld::Household, "household"),
    ] {
        let Some(key) = row.try_get::<Option<String>>("", column)? else {
            continue;
        };
        let key = (reason, key);
        if taken.contains(&key) {
            return Ok(Answer::Withhold(seq, reason));
        }
        keys.push(key);
    }
    // Not for him who is withheld himself.
    taken.extend(keys);
    let customer = customer_store::from_row(row)?;
    let end = entry.request.ends_at.unwrap_or(i64::MAX);
    if now_ms >= end {
        return Ok(Answer::Withhold(seq, Withheld::Ended));
    }
    if let Some(release) = entry.release(&customer, now_ms) {
        return Ok(if release >= end {
            Answer::Withhold(seq, Withheld::QuietHours)
        } else {
            Answer::Hold(seq, release)
        });
    }
    Ok(Answer::Go(Box::new(Candidate {
        seq,
        attempt: row.try_get::<i16>("", "attempt")? + 1,
        gated: Instant::now(),
        customer,
    })))
}
