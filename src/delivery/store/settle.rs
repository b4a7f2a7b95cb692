//! Settling: outcomes, counters, contact history and what a dead address teaches, in one transaction.

use std::collections::HashMap;

use sea_orm::DbErr;
use serde_json::{Value, json};

use super::minutes;
use super::wave::{Counters, add, hold_cancelled, is_named};
use crate::delivery::model::{Lease, LeaseKind, Settlement, State, Verdict};
use crate::gate::model::Withheld;
use crate::ids::WaveId;
use crate::storage::{Db, Dialect, Kind, Sql, Txn};

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
    settlements.sort_unstable_by_key(|settlement| settlement.seq);
    let is_cancelled = hold_cancelled(&txn, lease.wave).await?;
    let mut rows = Vec::with_capacity(settlements.len());
    for settlement in &mut settlements {
        let was_attempted = !matches!(
            settlement.verdict,
            Verdict::NotHandedOver | Verdict::Withheld(_)
        );
        if is_cancelled
            && matches!(
                settlement.verdict,
                Verdict::NotHandedOver | Verdict::Deferred { .. }
            )
        {
            settlement.verdict = Verdict::Withheld(Withheld::Cancelled);
        }
        rows.push(record(settlement, was_attempted, lease.kind, now_ms));
    }
    let changed = txn
        .rows(
            format!(
                "UPDATE deliveries SET state = x.state,
                     reason = CASE WHEN x.state = 3 AND x.undone = 1 THEN deliveries.reason ELSE x.reason END,
                     next_at = CASE WHEN x.state = 3 THEN COALESCE(x.next_at, deliveries.next_at) END,
                     settled_at = x.settled_at, attempt = deliveries.attempt - x.undone
                 FROM {} AS x WHERE deliveries.wave_id = $2 AND deliveries.seq = x.seq
                   AND {} AND deliveries.state = 1 AND deliveries.fence = $3
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
                ),
                is_named(db.dialect())
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
    let mut handed_over = 0;
    let mut not_contacted = Vec::new();
    let mut refused = Vec::new();
    for row in &changed {
        let Some(verdict) = by_seq.get(&row.try_get::<i64>("", "seq")?) else {
            continue;
        };
        count(verdict, lease.kind, &mut counters);
        handed_over += i64::from(!matches!(
            verdict,
            Verdict::NotHandedOver | Verdict::Withheld(_)
        ));
        let customer = json!(row.try_get::<i64>("", "customer_id")?);
        if let Verdict::Failed {
            is_address_dead: true,
            ..
        } = verdict
        {
            refused.push(customer.clone());
        }
        if !matches!(verdict, Verdict::Accepted | Verdict::Unknown) {
            not_contacted.push(customer);
        }
    }
    forget_contacts(&txn, lease.wave, not_contacted).await?;
    if !refused.is_empty() {
        // In order, so that two settlements cannot wait for each other.
        let lock = match db.dialect() {
            Dialect::Sqlite => "",
            Dialect::Postgres => "FOR NO KEY UPDATE",
        };
        txn.run(
            format!(
                "UPDATE customers SET email_state = 'refused', updated_at = $2 WHERE id IN
                 (SELECT id FROM customers WHERE id IN {} ORDER BY id {lock})",
                db.dialect().list(1, Kind::Int)
            ),
            [Value::from(refused).to_string().into(), now_ms.into()],
        )
        .await?;
    }
    add(&txn, lease.wave, &counters).await?;
    minutes::count(&txn, lease.wave, handed_over, now_ms).await?;
    txn.commit().await?;
    Ok(changed.len())
}

/// Takes out of the contact history what the gate entered and came to nothing.
async fn forget_contacts(txn: &Txn, wave: WaveId, customers: Vec<Value>) -> Result<(), DbErr> {
    if customers.is_empty() {
        return Ok(());
    }
    txn.run(
        format!(
            "DELETE FROM contacts WHERE wave_id = $2 AND customer_id IN {}",
            txn.dialect().list(1, Kind::Int)
        ),
        [Value::from(customers).to_string().into(), wave.0.into()],
    )
    .await
    .map(drop)
}

/// A settlement as the row the database reads.
fn record(settlement: &Settlement, was_attempted: bool, kind: LeaseKind, now_ms: i64) -> Value {
    let (state, reason, next_at, settled_at) = match &settlement.verdict {
        Verdict::Accepted => (State::Accepted, None, None, Some(now_ms)),
        Verdict::Failed { class, .. } => (State::Failed, Some(class.as_str()), None, Some(now_ms)),
        Verdict::Deferred { class, next_at } => {
            (State::Deferred, Some(class.as_str()), Some(*next_at), None)
        }
        Verdict::Unknown => (State::Unknown, None, None, Some(now_ms)),
        Verdict::NotHandedOver => (before(kind), None, None, None),
        Verdict::Withheld(reason) => (State::Withheld, Some(reason.as_str()), None, Some(now_ms)),
    };
    json!([
        settlement.seq,
        state.code(),
        reason,
        next_at,
        settled_at,
        i16::from(!was_attempted)
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
pub async fn take_back(db: &Db, lease: &Lease, now_ms: i64) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    let is_cancelled = hold_cancelled(&txn, lease.wave).await?;
    // The lease first: the gate holds it, so a commit still under way ends before, and the next
    // statement sees what it marked.
    let is_ours = txn
        .run(
            "UPDATE leases SET owner = NULL, until_at = NULL WHERE id = $1 AND fence = $2",
            [lease.id.into(), lease.fence.into()],
        )
        .await?
        .rows_affected()
        == 1;
    if !is_ours {
        return txn.rollback().await;
    }
    let (state, reason) = if is_cancelled {
        (State::Withheld, Some(Withheld::Cancelled))
    } else {
        (before(lease.kind), None)
    };
    let taken = txn
        .rows(
            "UPDATE deliveries SET state = $3, attempt = attempt - 1, reason = COALESCE($4, reason),
                 settled_at = CASE WHEN $3 = 6 THEN $5 END
             WHERE wave_id = $1 AND seq BETWEEN $6 AND $7 AND state = 1 AND fence = $2
             RETURNING customer_id",
            [
                lease.wave.0.into(),
                lease.fence.into(),
                state.code().into(),
                reason.map(|reason| reason.as_str().to_owned()).into(),
                now_ms.into(),
                lease.from_seq.into(),
                lease.to_seq.into(),
            ],
        )
        .await?;
    let customers = taken
        .iter()
        .map(|row| row.try_get::<i64>("", "customer_id").map(Value::from))
        .collect::<Result<Vec<_>, _>>()?;
    let rows = i64::try_from(customers.len()).unwrap_or(i64::MAX);
    forget_contacts(&txn, lease.wave, customers).await?;
    let mut counters = Counters::from([(State::Sending.counter().to_owned(), -rows)]);
    counters.insert(state.counter().to_owned(), rows);
    if let Some(reason) = reason {
        counters.insert(format!("withheld.{}", reason.as_str()), rows);
    }
    add(&txn, lease.wave, &counters).await?;
    txn.commit().await
}

/// Turns the rows a dead worker left `sending` within `span` into `unknown`; returns how many there were.
pub(super) async fn lose(
    txn: &Txn,
    wave: WaveId,
    fence: i64,
    span: (i64, i64),
    now_ms: i64,
) -> Result<i64, DbErr> {
    let lost = txn
        .run(
            "UPDATE deliveries SET state = 5, settled_at = $3, next_at = NULL
             WHERE wave_id = $1 AND seq BETWEEN $4 AND $5 AND state = 1 AND fence = $2",
            [
                wave.0.into(),
                fence.into(),
                now_ms.into(),
                span.0.into(),
                span.1.into(),
            ],
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
    txn.run(
        "UPDATE leases SET is_done = TRUE WHERE wave_id = $1 AND until_at IS NULL",
        [wave.0.into()],
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
