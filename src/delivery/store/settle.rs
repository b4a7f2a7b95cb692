//! Settling: outcomes, counters, contact history and what a dead address teaches, in one transaction.

use std::collections::{HashMap, HashSet};

use sea_orm::DbErr;
use serde_json::{Value, json};

use super::texts;
use super::wave::{Counters, add_of, is_named};
use crate::consent::model::{Channel, Tracking};
use crate::delivery::message::has_pixel;
use crate::delivery::model::{Bill, Lease, LeaseKind, Settlement, State, TextFacts, Verdict};
use crate::gate::model::Withheld;
use crate::ids::{CustomerId, WaveId};
use crate::storage::{Db, Dialect, Kind, Sql, Txn};

/// Writes what became of rows that are in hand under this lease, which the transaction holds; rows that
/// were settled before stay as they are.
///
/// # Errors
/// When the database is away; then nothing is written.
pub(super) async fn settle(
    txn: &Txn,
    lease: &Lease,
    settlements: &[Settlement],
    is_cancelled: bool,
    now_ms: i64,
    counters: &mut Counters,
) -> Result<(), DbErr> {
    let mut accepted = Vec::new();
    let mut with_pixel = Vec::new();
    let mut given_back = Vec::new();
    let mut others = Vec::new();
    for settlement in settlements {
        match settlement.verdict {
            Verdict::Accepted => {
                accepted.push(Value::from(settlement.seq));
                if settlement.has_pixel {
                    with_pixel.push(Value::from(settlement.seq));
                }
            }
            Verdict::NotHandedOver if !is_cancelled => {
                given_back.push(json!(settlement.customer));
            }
            _ => others.push(settlement.clone()),
        }
    }
    let all = accepted.len();
    let (n, mut settled) = settle_accepted(txn, lease, accepted, now_ms).await?;
    move_out(counters, State::Accepted, n);
    count_pixels(txn, lease, with_pixel, (n, all), now_ms, counters).await?;
    let returned = forget_contacts(txn, lease.wave, given_back).await?;
    move_out(counters, before(lease.kind), returned);
    if !others.is_empty() {
        others.sort_unstable_by_key(|settlement| settlement.seq);
        settled.extend(settle_others(txn, lease, others, is_cancelled, now_ms, counters).await?);
    }
    texts::keep(txn, lease, settlements, &settled, counters).await
}

/// The rows that were accepted: by far the most, and all alike. How many there were, and of text messages
/// which.
async fn settle_accepted(
    txn: &Txn,
    lease: &Lease,
    mut seqs: Vec<Value>,
    now_ms: i64,
) -> Result<(i64, HashSet<i64>), DbErr> {
    if seqs.is_empty() {
        return Ok((0, HashSet::new()));
    }
    // In order, as they lie on their pages.
    seqs.sort_unstable_by_key(Value::as_i64);
    let (first, last) = (seqs.first().cloned(), seqs.last().cloned());
    let place = |seq: Option<Value>| seq.and_then(|seq| seq.as_i64()).unwrap_or_default();
    let is_text = lease.channel() == Channel::Sms;
    let sql = format!(
        "UPDATE deliveries SET state = 2, attempt = attempt + 1, fence = $3, reason = NULL,
                     next_at = NULL, settled_at = $4
                 WHERE wave_id = $2 AND seq BETWEEN $6 AND $7 AND seq {} AND state = $5{}",
        txn.dialect().is_one_of(1),
        if is_text { " RETURNING seq" } else { "" }
    );
    let values = [
        Value::from(seqs).to_string().into(),
        lease.wave.0.into(),
        lease.fence.into(),
        now_ms.into(),
        before(lease.kind).code().into(),
        // Of a table without statistics PostgreSQL would read the whole wave, but for the span.
        place(first).into(),
        place(last).into(),
    ];
    if is_text {
        let rows = txn.rows(sql, values).await?;
        let settled: HashSet<i64> = rows
            .iter()
            .map(|row| row.try_get("", "seq"))
            .collect::<Result<_, _>>()?;
        return Ok((i64::try_from(settled.len()).unwrap_or(i64::MAX), settled));
    }
    let settled = txn.run(sql, values).await?.rows_affected();
    Ok((i64::try_from(settled).unwrap_or(i64::MAX), HashSet::new()))
}

/// Counts those accepted messages that can show that they were opened: without their number the share of
/// openers is not known. `settled` of `all` rows were accepted just now.
async fn count_pixels(
    txn: &Txn,
    lease: &Lease,
    with_pixel: Vec<Value>,
    (settled, all): (i64, usize),
    now_ms: i64,
    counters: &mut Counters,
) -> Result<(), DbErr> {
    let mut n = i64::try_from(with_pixel.len()).unwrap_or(i64::MAX);
    if n == 0 || settled == 0 {
        return Ok(());
    }
    if i64::try_from(all) != Ok(settled) {
        // Some were settled before, in a commit that seemed lost: which, the fence and the hour tell.
        let row = txn
            .row(
                format!(
                    "SELECT COUNT(*) AS n FROM deliveries
                     WHERE wave_id = $2 AND seq {} AND state = 2 AND fence = $3 AND settled_at = $4",
                    txn.dialect().is_one_of(1)
                ),
                [
                    Value::from(with_pixel).to_string().into(),
                    lease.wave.0.into(),
                    lease.fence.into(),
                    now_ms.into(),
                ],
            )
            .await?;
        n = row.map_or(Ok(0), |row| row.try_get("", "n"))?;
    }
    *counters.entry("opens.possible".to_owned()).or_default() += n;
    Ok(())
}

/// Rows that were refused, put off, lost or withheld; says which of them were.
async fn settle_others(
    txn: &Txn,
    lease: &Lease,
    mut settlements: Vec<Settlement>,
    is_cancelled: bool,
    now_ms: i64,
    counters: &mut Counters,
) -> Result<HashSet<i64>, DbErr> {
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
    // Who is deferred once more keeps his state: what was settled in a commit that seemed lost is known by
    // the time of the next try.
    let changed = txn
        .rows(
            format!(
                "UPDATE deliveries SET state = x.state, reason = x.reason, next_at = x.next_at,
                     settled_at = x.settled_at, attempt = deliveries.attempt + x.attempted, fence = $3
                 FROM {} AS x WHERE deliveries.wave_id = $2 AND deliveries.seq = x.seq
                   AND {} AND deliveries.state = $4
                   AND (deliveries.state <> x.state OR deliveries.next_at <> x.next_at)
                 RETURNING deliveries.seq, deliveries.customer_id",
                txn.dialect().recordset(
                    1,
                    &[
                        ("seq", Kind::Int),
                        ("state", Kind::Int),
                        ("reason", Kind::Text),
                        ("next_at", Kind::Int),
                        ("settled_at", Kind::Int),
                        ("attempted", Kind::Int),
                    ],
                ),
                is_named(txn.dialect())
            ),
            [
                Value::from(rows).to_string().into(),
                lease.wave.0.into(),
                lease.fence.into(),
                before(lease.kind).code().into(),
            ],
        )
        .await?;
    let by_seq: HashMap<i64, &Verdict> = settlements
        .iter()
        .map(|settlement| (settlement.seq, &settlement.verdict))
        .collect();
    let mut not_contacted = Vec::new();
    let mut refused = Vec::new();
    let mut settled = HashSet::with_capacity(changed.len());
    for row in &changed {
        let seq: i64 = row.try_get("", "seq")?;
        let Some(verdict) = by_seq.get(&seq) else {
            continue;
        };
        settled.insert(seq);
        count(verdict, lease.kind, counters);
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
    forget_contacts(txn, lease.wave, not_contacted).await?;
    // A number is refused when its provider says so on two days: see `responses::texts`.
    if !refused.is_empty() && lease.channel() == Channel::Email {
        mark_refused(txn, refused, now_ms).await?;
    }
    Ok(settled)
}

/// What a dead address teaches the base.
async fn mark_refused(txn: &Txn, customers: Vec<Value>, now_ms: i64) -> Result<(), DbErr> {
    // In order, so that two settlements cannot wait for each other.
    let lock = match txn.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => "FOR NO KEY UPDATE",
    };
    txn.run(
        format!(
            "UPDATE customers SET email_state = 'refused', updated_at = $2 WHERE id IN
             (SELECT id FROM customers WHERE id IN {} ORDER BY id {lock})",
            txn.dialect().list(1, Kind::Int)
        ),
        [Value::from(customers).to_string().into(), now_ms.into()],
    )
    .await
    .map(drop)
}

/// Takes out of the contact history what the gate entered and came to nothing; returns how many.
async fn forget_contacts(txn: &Txn, wave: WaveId, customers: Vec<Value>) -> Result<i64, DbErr> {
    if customers.is_empty() {
        return Ok(0);
    }
    let forgotten = txn
        .run(
            format!(
                "DELETE FROM contacts WHERE wave_id = $2 AND customer_id {}",
                txn.dialect().is_one_of(1)
            ),
            [Value::from(customers).to_string().into(), wave.0.into()],
        )
        .await?
        .rows_affected();
    Ok(i64::try_from(forgotten).unwrap_or(i64::MAX))
}

/// Counts `n` rows out of the hand and into `to`.
fn move_out(counters: &mut Counters, to: State, n: i64) {
    *counters
        .entry(State::Sending.counter().to_owned())
        .or_default() -= n;
    *counters.entry(to.counter().to_owned()).or_default() += n;
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
        i16::from(was_attempted)
    ])
}

/// Where the rows of such a lease stand until they are settled.
pub(super) fn before(kind: LeaseKind) -> State {
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

/// What a worker that is gone had in hand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remains {
    /// The places of those the next server took, and what a text message costs.
    pub accepted: HashMap<i64, Option<Bill>>,
    /// The places of those whose first byte may have left, and whose answer nobody knows.
    pub begun: HashSet<i64>,
}

/// Ends what a lease left in hand, in a transaction that holds it: what was accepted is, what was begun is
/// `unknown`, and the rest, which surely was not handed over, goes back. Without `remains` all of it is
/// `unknown`. Returns how many became so.
pub(super) async fn end_in_hand(
    txn: &Txn,
    lease: &Lease,
    remains: Option<&Remains>,
    is_cancelled: bool,
    now_ms: i64,
) -> Result<i64, DbErr> {
    let rows = txn
        .rows(
            "SELECT d.seq, d.customer_id, c.tracking FROM deliveries d
             LEFT JOIN customers c ON c.id = d.customer_id
             WHERE d.wave_id = $1 AND d.seq BETWEEN $2 AND $3 AND d.state = $4
               AND EXISTS (SELECT 1 FROM contacts k WHERE k.customer_id = d.customer_id AND k.wave_id = d.wave_id)
             ORDER BY d.seq",
            [
                lease.wave.0.into(),
                lease.from_seq.into(),
                lease.to_seq.into(),
                before(lease.kind).code().into(),
            ],
        )
        .await?;
    let mut settlements = Vec::with_capacity(rows.len());
    let mut lost = 0;
    for row in rows {
        let seq: i64 = row.try_get("", "seq")?;
        let verdict = match remains {
            Some(remains) if remains.accepted.contains_key(&seq) => Verdict::Accepted,
            Some(remains) if !remains.begun.contains(&seq) => Verdict::NotHandedOver,
            _ => {
                lost += 1;
                Verdict::Unknown
            }
        };
        // As he agrees now: what the message had in it is not on record.
        let tracking: Option<String> = row.try_get("", "tracking")?;
        let tracking = Tracking::from_column(&tracking.unwrap_or_default());
        let bill = remains.and_then(|remains| remains.accepted.get(&seq).copied().flatten());
        settlements.push(Settlement {
            has_pixel: has_pixel(lease.channel(), tracking),
            text: (lease.channel() == Channel::Sms && verdict != Verdict::NotHandedOver).then(
                || TextFacts {
                    bill,
                    ..TextFacts::default()
                },
            ),
            ..Settlement::new(seq, CustomerId(row.try_get("", "customer_id")?), verdict)
        });
    }
    let mut counters = Counters::new();
    settle(
        txn,
        lease,
        &settlements,
        is_cancelled,
        now_ms,
        &mut counters,
    )
    .await?;
    add_of(txn, lease.wave, lease.channel(), &lease.cell, &counters).await?;
    Ok(lost)
}

/// Withholds what was not handed over yet of a campaign's waves, because it was cancelled; returns how
/// many rows that were. Rows in hand settle by themselves.
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
    super::minutes::forget(&txn, wave).await?;
    txn.run(
        "UPDATE leases SET is_done = TRUE WHERE wave_id = $1 AND until_at IS NULL",
        [wave.0.into()],
    )
    .await?;
    let mut all = 0;
    for (channel, cell) in super::cells::of_rows(&txn, wave).await? {
        let mut counters = Counters::new();
        let mut withheld = 0;
        for from in [State::Pending, State::Deferred] {
            let n = txn
                .run(
                    "UPDATE deliveries SET state = 6, reason = $3, next_at = NULL, settled_at = $4
                     WHERE wave_id = $1 AND state = $2 AND channel = $5 AND cell = $6 AND NOT EXISTS
                         (SELECT 1 FROM contacts k WHERE k.customer_id = deliveries.customer_id AND k.wave_id = $1)",
                    [
                        wave.0.into(),
                        from.code().into(),
                        Withheld::Cancelled.as_str().into(),
                        now_ms.into(),
                        channel.as_str().into(),
                        cell.as_str().into(),
                    ],
                )
                .await?
                .rows_affected();
            let n = i64::try_from(n).unwrap_or(i64::MAX);
            *counters.entry(from.counter().to_owned()).or_default() -= n;
            withheld += n;
        }
        counters.insert(State::Withheld.counter().to_owned(), withheld);
        counters.insert(
            format!("withheld.{}", Withheld::Cancelled.as_str()),
            withheld,
        );
        add_of(&txn, wave, channel, &cell, &counters).await?;
        all += withheld;
    }
    txn.commit().await?;
    Ok(all)
}
