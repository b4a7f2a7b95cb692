//! Settling: outcomes, counters and what they teach about the customer, in one transaction.

use std::collections::HashMap;

use sea_orm::DbErr;
use serde_json::{Value, json};

use super::lease::{Lease, LeaseKind};
use super::wave::{Counters, add, hold_cancelled};
use crate::campaigns::model::Withheld;
use crate::delivery::model::{Settlement, State, Verdict};
use crate::ids::WaveId;
use crate::storage::{Db, Kind, Sql, Txn};

/// Writes what became of rows that are `sending` under this lease; rows that are not (another worker
/// took over) stay as they are. Returns how many were written.
///
/// # Errors
/// When the database is away; then nothing is written, and the rows will be `unknown`.
pub async fn settle(
    db: &Db,
    lease: &Lease,
    settlements: &[Settlement],
    now_ms: i64,
) -> Result<usize, DbErr> {
    if settlements.is_empty() {
        return Ok(0);
    }
    let txn = db.begin().await?;
    let mut settlements = settlements.to_vec();
    if hold_cancelled(&txn, lease.wave).await? {
        for settlement in &mut settlements {
            if matches!(
                settlement.verdict,
                Verdict::NotHandedOver | Verdict::Deferred { .. }
            ) {
                settlement.verdict = Verdict::Withheld(Withheld::Cancelled);
            }
        }
    }
    let rows: Vec<_> = settlements
        .iter()
        .map(|settlement| record(settlement, lease.kind, now_ms))
        .collect();
    let changed = txn
        .rows(
            format!(
                "UPDATE deliveries SET state = x.state, reason = x.reason,
                     next_at = CASE WHEN x.state = 3 THEN COALESCE(x.next_at, deliveries.next_at) END,
                     settled_at = x.settled_at, attempt = deliveries.attempt - x.undone
                 FROM {} AS x WHERE deliveries.wave_id = $2 AND deliveries.seq = x.seq
                   AND deliveries.state = 1 AND deliveries.fence = $3
                 RETURNING deliveries.seq, deliveries.customer_id",
                db.dialect().recordset(
                    1,
                    &[
                        ("seq", Kind::Int),
                        ("state", Kind::Int),
                        ("reason", Kind::Text),
                        ("next_at", Kind::Int),
                        ("settled_at", Kind::Int),
                        ("undone", Kind::Int),
                    ],
                )
            ),
            [
                Value::from(rows).to_string().into(),
                lease.wave.0.into(),
                lease.fence.into(),
            ],
        )
        .await?;
    let by_seq: HashMap<i64, &Verdict> = settlements
        .iter()
        .map(|settlement| (settlement.seq, &settlement.verdict))
        .collect();
    let mut counters = Counters::new();
    let mut contacted = Vec::new();
    let mut refused = Vec::new();
    for row in &changed {
        let Some(verdict) = by_seq.get(&row.try_get::<i64>("", "seq")?) else {
            continue;
        };
        count(verdict, lease.kind, &mut counters);
        let customer = json!([row.try_get::<i64>("", "customer_id")?]);
        match verdict {
            Verdict::Accepted => contacted.push(customer),
            Verdict::Failed {
                is_address_dead: true,
                ..
            } => refused.push(customer),
            _ => {}
        }
    }
    for (customers, change) in [
        (contacted, "last_contact_at = $2"),
        (refused, "email_state = 'refused', updated_at = $2"),
    ] {
        if !customers.is_empty() {
            txn.run(
                format!(
                    "UPDATE customers SET {change} FROM {} AS x WHERE customers.id = x.id",
                    db.dialect().recordset(1, &[("id", Kind::Int)])
                ),
                [Value::from(customers).to_string().into(), now_ms.into()],
            )
            .await?;
        }
    }
    add(&txn, lease.wave, &counters).await?;
    txn.commit().await?;
    Ok(changed.len())
}

/// A settlement as the row the database reads.
fn record(settlement: &Settlement, kind: LeaseKind, now_ms: i64) -> Value {
    let (state, reason, next_at, settled_at, undone) = match &settlement.verdict {
        Verdict::Accepted => (State::Accepted, None, None, Some(now_ms), 0),
        Verdict::Failed { class, .. } => {
            (State::Failed, Some(class.as_str()), None, Some(now_ms), 0)
        }
        Verdict::Deferred { class, next_at } => (
            State::Deferred,
            Some(class.as_str()),
            Some(*next_at),
            None,
            0,
        ),
        Verdict::Unknown => (State::Unknown, None, None, Some(now_ms), 0),
        Verdict::NotHandedOver => (before(kind), None, None, None, 1),
        Verdict::Withheld(reason) => (
            State::Withheld,
            Some(reason.as_str()),
            None,
            Some(now_ms),
            1,
        ),
    };
    json!([
        settlement.seq,
        state.code(),
        reason,
        next_at,
        settled_at,
        undone
    ])
}

/// Where a row of such a lease was before it was marked.
fn before(kind: LeaseKind) -> State {
    match kind {
        LeaseKind::First => State::Pending,
        LeaseKind::Retry => State::Deferred,
    }
}

fn count(verdict: &Verdict, kind: LeaseKind, counters: &mut Counters) {
    let mut add = |counter: String, delta: i64| *counters.entry(counter).or_default() += delta;
    let to = match verdict {
        Verdict::Accepted => State::Accepted,
        Verdict::Failed { class, .. } => {
            add(format!("failed.{}", class.as_str()), 1);
            State::Failed
        }
        Verdict::Deferred { .. } => State::Deferred,
        Verdict::Unknown => State::Unknown,
        Verdict::NotHandedOver => before(kind),
        Verdict::Withheld(reason) => {
            add(format!("withheld.{}", reason.as_str()), 1);
            State::Withheld
        }
    };
    add(State::Sending.counter().to_owned(), -1);
    add(to.counter().to_owned(), 1);
}

/// Puts rows that were marked, but surely not handed over, back where they were, and gives the lease
/// back: for a gate whose commit was lost, so that nobody knows whether it stands.
///
/// # Errors
/// When the database is away.
pub async fn take_back(db: &Db, lease: &Lease) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    let state = before(lease.kind);
    let rows = txn
        .run(
            "UPDATE deliveries SET state = $3, attempt = attempt - 1
             WHERE wave_id = $1 AND state = 1 AND fence = $2",
            [lease.wave.0.into(), lease.fence.into(), state.code().into()],
        )
        .await?
        .rows_affected();
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    let counters = Counters::from([
        (State::Sending.counter().to_owned(), -rows),
        (state.counter().to_owned(), rows),
    ]);
    add(&txn, lease.wave, &counters).await?;
    txn.run(
        "UPDATE leases SET owner = NULL, until_at = NULL WHERE id = $1 AND fence = $2",
        [lease.id.into(), lease.fence.into()],
    )
    .await?;
    txn.commit().await
}

/// Turns the rows a dead worker left `sending` into `unknown`; returns how many there were.
pub(super) async fn lose(txn: &Txn, wave: WaveId, fence: i64, now_ms: i64) -> Result<i64, DbErr> {
    let lost = txn
        .run(
            "UPDATE deliveries SET state = 5, settled_at = $3 WHERE wave_id = $1 AND state = 1 AND fence = $2",
            [wave.0.into(), fence.into(), now_ms.into()],
        )
        .await?
        .rows_affected();
    let lost = i64::try_from(lost).unwrap_or(i64::MAX);
    let counters = Counters::from([
        (State::Sending.counter().to_owned(), -lost),
        (State::Unknown.counter().to_owned(), lost),
    ]);
    add(txn, wave, &counters).await?;
    Ok(lost)
}

/// Withholds what was not handed over yet of a campaign's waves, because it was cancelled; returns how
/// many rows that were. Rows in flight settle by themselves.
///
/// # Errors
/// When the database is away.
pub async fn withhold_rest(db: &Db, wave: WaveId, now_ms: i64) -> Result<i64, DbErr> {
    let txn = db.begin().await?;
    // First, so that gates and settlements under way end before, and later ones see it.
    txn.run(
        "UPDATE waves SET status = 'cancelled', finished_at = $2 WHERE id = $1 AND status = 'running'",
        [wave.0.into(), now_ms.into()],
    )
    .await?;
    let mut counters = Counters::new();
    let mut all = 0;
    for from in [State::Pending, State::Deferred] {
        let n = txn
            .run(
                "UPDATE deliveries SET state = 6, reason = $3, next_at = NULL, settled_at = $4
                 WHERE wave_id = $1 AND state = $2",
                [
                    wave.0.into(),
                    from.code().into(),
                    Withheld::Cancelled.as_str().into(),
                    now_ms.into(),
                ],
            )
            .await?
            .rows_affected();
        let n = i64::try_from(n).unwrap_or(i64::MAX);
        *counters.entry(from.counter().to_owned()).or_default() -= n;
        all += n;
    }
    counters.insert(State::Withheld.counter().to_owned(), all);
    counters.insert(format!("withheld.{}", Withheld::Cancelled.as_str()), all);
    add(&txn, wave, &counters).await?;
    txn.commit().await?;
    Ok(all)
}
