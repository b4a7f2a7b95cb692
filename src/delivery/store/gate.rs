//! The gate: who of the next rows may be contacted, asked of the database in the transaction that
//! records the intent to contact them.
//!
//! On PostgreSQL two statements may both see a history in which a person still has room for one message,
//! and an opt-out may commit while a statement runs that began before it. So the gate first takes the
//! rows of the customers and then asks, in a statement of its own, which sees all that was committed
//! until then (READ COMMITTED); an opt-out takes the same row: whoever comes second sees the other. The
//! gate waits for nobody while it holds a row (`SKIP LOCKED`): whom an import, an opt-out or another wave
//! has in hand is left for the next batch, so that no two can wait for each other. SQLite has one
//! writer, which is all this and more.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sea_orm::{DbErr, QueryResult};
use serde_json::{Value, json};

use super::wave::{Counters, WaveRow, add, hold_running, is_named};
use crate::campaigns::store as campaign_store;
use crate::clock::from_ms;
use crate::customers::model::Customer;
use crate::customers::store as customer_store;
use crate::delivery::model::{Lease, LeaseKind, State};
use crate::gate::model::{Request, Rival, Withheld};
use crate::gate::moment::{Moment, Places};
use crate::gate::quiet_hours::Whereabouts;
use crate::gate::rules::Rules;
use crate::gate::store::{Question, address_key, places};
use crate::ids::WaveId;
use crate::storage::{Db, Dialect, Kind, Sql, Txn};

/// How long the places of the base are taken to be the same, in milliseconds.
const PLACES_HOLD_MS: i64 = 600_000;

/// How long the gate waits for customers whom others have in hand, before it lets its lease be stopped.
const PATIENCE: Duration = Duration::from_millis(500);

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
    /// These may be contacted now; none when the lease has no row left that is due.
    Candidates(Vec<Candidate>),
    /// Others have the next customers in hand: to be asked again.
    Busy,
    /// Paused, cancelled or finished: nothing was marked.
    Stopped,
    /// The lease is no longer ours.
    LeaseLost,
}

/// What a wave asks at the gate; the text of its query is kept while it holds.
#[derive(Debug)]
pub struct Entry {
    wave: WaveId,
    launched_at: i64,
    request: Request,
    rules: Arc<Rules>,
    dialect: Dialect,
    cache: Mutex<Cache>,
}

#[derive(Debug)]
struct Cache {
    places: Arc<Places>,
    read_at: i64,
    /// Texts without rivals, and until when their calendar days are right.
    first: Option<(i64, i64, Arc<str>)>,
    retry: Option<(i64, i64, Arc<str>)>,
}

impl Entry {
    /// What `wave` asks.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn new(
        db: &Db,
        wave: &WaveRow,
        rules: Arc<Rules>,
        now_ms: i64,
    ) -> Result<Self, DbErr> {
        let request = wave.definition.request();
        let places = places(&**db, request.fallback_zone).await?;
        Ok(Self {
            wave: wave.id,
            launched_at: wave.launched_at,
            request,
            rules,
            dialect: db.dialect(),
            cache: Mutex::new(Cache {
                places: Arc::new(places),
                read_at: now_ms,
                first: None,
                retry: None,
            }),
        })
    }

    /// The zones of customers who came since.
    async fn refresh(&self, db: &Db, now_ms: i64) -> Result<(), DbErr> {
        let age = now_ms - self.cache().read_at;
        if (0..PLACES_HOLD_MS).contains(&age) {
            return Ok(());
        }
        let places = Arc::new(places(&**db, self.request.fallback_zone).await?);
        let mut cache = self.cache();
        *cache = Cache {
            places,
            read_at: now_ms,
            first: None,
            retry: None,
        };
        Ok(())
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The query for the next rows. Its text stays the same until midnight, so that it is prepared once.
    fn text(&self, kind: LeaseKind, rivals: &[Rival], now_ms: i64) -> Arc<str> {
        let mut cache = self.cache();
        let kept = match kind {
            LeaseKind::First => &cache.first,
            LeaseKind::Retry => &cache.retry,
        };
        if let Some((from, until, text)) = kept
            && rivals.is_empty()
            && (*from..*until).contains(&now_ms)
        {
            return Arc::clone(text);
        }
        let moment = Moment::of_instant(
            "CAST($4 AS BIGINT)",
            now_ms,
            "c",
            &self.rules,
            &cache.places,
        );
        let text: Arc<str> = self.select(kind, &moment, rivals).into();
        if rivals.is_empty() {
            let kept = Some((now_ms, moment.valid_until, Arc::clone(&text)));
            match kind {
                LeaseKind::First => cache.first = kept,
                LeaseKind::Retry => cache.retry = kept,
            }
        }
        text
    }

    /// The next rows of a lease with their customer and the reason to withhold them, if there is one.
    fn select(&self, kind: LeaseKind, moment: &Moment, rivals: &[Rival]) -> String {
        let question = Question {
            dialect: self.dialect,
            rules: &self.rules,
            request: &self.request,
            moment,
            rivals,
            c: "c",
            p: "p",
        };
        let mut refusals = question.refusals();
        refusals.extend(self.became_double());
        let cases: String = refusals
            .iter()
            .map(|(reason, holds)| format!(" WHEN {holds} THEN '{}'", reason.as_str()))
            .collect();
        format!(
            "SELECT d.seq, d.attempt, c.id AS found, CASE{cases} END AS refusal,
                 CASE WHEN c.updated_at > {launched_at} THEN c.{key} END AS changed_address,
                 CASE WHEN c.updated_at > {launched_at} THEN {household} END AS changed_household, {customer}
             FROM deliveries d
             LEFT JOIN customers c ON c.id = d.customer_id
             LEFT JOIN permissions p ON {permission}
             WHERE {next} LIMIT $5",
            launched_at = self.launched_at,
            key = address_key(self.request.channel),
            household = if self.request.per_household {
                "c.household_key"
            } else {
                "NULL"
            },
            customer = customer_store::select_list(self.dialect, "c"),
            permission = question.permission_join(),
            next = next_rows(kind),
        )
    }

    /// Who was changed since the launch may have got the address or the household of somebody who got the
    /// message. Of all others the audience has seen to that.
    fn became_double(&self) -> Vec<(Withheld, String)> {
        let mut keys = vec![(
            Withheld::DuplicateAddress,
            address_key(self.request.channel),
        )];
        if self.request.per_household {
            keys.push((Withheld::Household, "household_key"));
        }
        keys.into_iter()
            .map(|(reason, key)| {
                let holds = format!(
                    "c.updated_at > {launched_at} AND c.{key} IS NOT NULL AND EXISTS (SELECT 1 FROM customers o \
                     JOIN deliveries od ON od.customer_id = o.id AND od.wave_id = {wave} AND od.state IN (1, 2, 5) \
                     WHERE o.{key} = c.{key} AND o.id <> c.id)",
                    launched_at = self.launched_at,
                    wave = self.wave,
                );
                (reason, holds)
            })
            .collect()
    }

    /// When the quiet hours of a person end; `None` when he may be contacted now.
    fn release(&self, customer: &Customer, now_ms: i64) -> Option<i64> {
        let channel = self.request.channel;
        if !self.rules.quiet_hours.concerns(channel) {
            return None;
        }
        let place = Whereabouts {
            country: &customer.country,
            postal_code: customer.postal_code.as_deref(),
            zone: customer
                .time_zone
                .as_deref()
                .and_then(|name| name.parse().ok())
                .unwrap_or(self.request.fallback_zone),
        };
        self.rules
            .quiet_hours
            .next_allowed(from_ms(now_ms), channel, place)
            .map(|at| at.timestamp_millis())
    }
}

/// Which rows of a lease come next.
fn next_rows(kind: LeaseKind) -> &'static str {
    match kind {
        LeaseKind::First => {
            "d.wave_id = $1 AND d.seq BETWEEN $2 AND $3 AND d.state = 0 AND d.due_at <= CAST($4 AS BIGINT)
             ORDER BY d.seq"
        }
        LeaseKind::Retry => {
            "d.wave_id = $1 AND d.seq BETWEEN $2 AND $3 AND d.state = 3 AND d.next_at <= CAST($4 AS BIGINT)
             ORDER BY d.next_at, d.seq"
        }
    }
}

/// What becomes of one row.
enum Answer {
    Go(Candidate),
    Withhold(i64, Withheld),
    /// To be asked again at this instant.
    Hold(i64, i64),
    /// Somebody else has the customer in hand.
    Leave,
}

/// Asks for at most `limit` rows of the lease and records the intent for those who may be contacted.
///
/// # Errors
/// When the database is away; then nothing is marked.
pub async fn gate(
    db: &Db,
    lease: &Lease,
    entry: &Entry,
    limit: usize,
    lease_seconds: u64,
    now_ms: i64,
) -> Result<Passed, DbErr> {
    entry.refresh(db, now_ms).await?;
    let begin = std::time::Instant::now();
    let mut wait = Duration::from_millis(5);
    loop {
        let passed = attempt(db, lease, entry, limit, lease_seconds, now_ms).await?;
        if passed != Passed::Busy || begin.elapsed() >= PATIENCE {
            return Ok(passed);
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_millis(80));
    }
}

async fn attempt(
    db: &Db,
    lease: &Lease,
    entry: &Entry,
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
    let rivals = campaign_store::rivals(&*txn, entry.request.priority, Some(lease.wave)).await?;
    let text = entry.text(lease.kind, &rivals, now_ms);
    let span = [
        lease.wave.0.into(),
        lease.from_seq.into(),
        lease.to_seq.into(),
        now_ms.into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
    ];
    let from = match lease.kind {
        LeaseKind::First => State::Pending,
        LeaseKind::Retry => State::Deferred,
    };
    let mut candidates = Vec::new();
    let mut counters = Counters::new();
    let mut is_busy = false;
    let mut is_alone = txn.dialect() == Dialect::Sqlite;
    while candidates.is_empty() && !is_busy {
        let locked = lock_customers(&txn, lease.kind, &span).await?;
        let rows = txn.rows(&*text, span.clone()).await?;
        if rows.is_empty() {
            break;
        }
        if !is_alone && has_changed(&rows)? {
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
            match answer(row, entry, locked.as_ref(), &mut taken, now_ms)? {
                Answer::Go(candidate) => candidates.push(candidate),
                Answer::Withhold(seq, reason) => {
                    withheld.push(json!([seq, reason.as_str()]));
                    *counters
                        .entry(format!("withheld.{}", reason.as_str()))
                        .or_default() += 1;
                }
                Answer::Hold(seq, until) => held.push(json!([seq, until])),
                Answer::Leave => is_busy = true,
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
        if !held.is_empty() {
            hold(&txn, lease, held).await?;
        }
        if !candidates.is_empty() {
            let marked = mark(&txn, lease, entry, &candidates, now_ms).await?;
            *counters.entry(from.counter().to_owned()).or_default() -= marked;
            *counters
                .entry(State::Sending.counter().to_owned())
                .or_default() += marked;
        }
    }
    // Once, and last: who moves counters in one order cannot wait for each other.
    add(&txn, lease.wave, &counters).await?;
    txn.commit().await?;
    if candidates.is_empty() && is_busy {
        return Ok(Passed::Busy);
    }
    Ok(Passed::Candidates(candidates))
}

/// Takes the customers of the next rows, those whom nobody else has in hand; `None` where one writer needs
/// no lock.
async fn lock_customers(
    txn: &Txn,
    kind: LeaseKind,
    span: &[sea_orm::Value; 5],
) -> Result<Option<HashSet<i64>>, DbErr> {
    if txn.dialect() == Dialect::Sqlite {
        return Ok(None);
    }
    if kind == LeaseKind::Retry {
        // A response may have the row of an earlier attempt in hand, and then want the customer.
        let sql = format!(
            "SELECT d.seq FROM deliveries d WHERE {} LIMIT $5 FOR UPDATE OF d",
            next_rows(kind)
        );
        txn.rows(sql, span.clone()).await?;
    }
    let sql = format!(
        "SELECT c.id FROM customers c WHERE c.id IN (SELECT d.customer_id FROM deliveries d WHERE {} LIMIT $5)
         ORDER BY c.id FOR NO KEY UPDATE SKIP LOCKED",
        next_rows(kind)
    );
    let locked = txn.rows(sql, span.clone()).await?;
    locked
        .iter()
        .map(|row| row.try_get("", "id"))
        .collect::<Result<_, _>>()
        .map(Some)
}

/// Puts rows off until the quiet hours end.
async fn hold(txn: &Txn, lease: &Lease, held: Vec<Value>) -> Result<(), DbErr> {
    let set = match lease.kind {
        LeaseKind::First => format!(
            "due_at = x.until, reason = '{}'",
            Withheld::QuietHours.as_str()
        ),
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

/// Marks candidates as `sending` and enters them into the contact history; returns how many.
async fn mark(
    txn: &Txn,
    lease: &Lease,
    entry: &Entry,
    candidates: &[Candidate],
    now_ms: i64,
) -> Result<i64, DbErr> {
    let seqs: Vec<_> = candidates
        .iter()
        .map(|candidate| json!([candidate.seq]))
        .collect();
    let marked = txn
        .run(
            format!(
                "UPDATE deliveries SET state = 1, fence = $3, attempt = attempt + 1
                 WHERE wave_id = $2 AND {}",
                is_named(txn.dialect())
            ),
            [
                Value::from(seqs).to_string().into(),
                lease.wave.0.into(),
                lease.fence.into(),
            ],
        )
        .await?
        .rows_affected();
    // In the same transaction, so that the next gate for the same person counts it.
    let contacts: Vec<_> = candidates
        .iter()
        .map(|candidate| json!([candidate.customer.id, candidate.seq]))
        .collect();
    txn.run(
        format!(
            "INSERT INTO contacts (customer_id, contacted_at, wave_id, seq, channel, topic)
             SELECT x.customer_id, $2, $3, x.seq, '{channel}', '{topic}' FROM {rows} AS x",
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
    .await?;
    Ok(i64::try_from(marked).unwrap_or(i64::MAX))
}

/// Counts `n` rows out of `from` and into withheld.
fn withhold(n: usize, from: State, counters: &mut Counters) {
    let n = i64::try_from(n).unwrap_or(i64::MAX);
    *counters.entry(from.counter().to_owned()).or_default() -= n;
    *counters
        .entry(State::Withheld.counter().to_owned())
        .or_default() += n;
}

/// Whether somebody's address or household may have become another one since the launch.
fn has_changed(rows: &[QueryResult]) -> Result<bool, DbErr> {
    for row in rows {
        for column in ["changed_address", "changed_household"] {
            if row.try_get::<Option<String>>("", column)?.is_some() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// What becomes of a row; `taken` are the addresses and households that were changed since the launch and go
/// with this batch.
fn answer(
    row: &QueryResult,
    entry: &Entry,
    locked: Option<&HashSet<i64>>,
    taken: &mut HashSet<(Withheld, String)>,
    now_ms: i64,
) -> Result<Answer, DbErr> {
    let seq = row.try_get("", "seq")?;
    let Some(customer_id) = row.try_get::<Option<i64>>("", "found")? else {
        return Ok(Answer::Withhold(seq, Withheld::Erased));
    };
    if locked.is_some_and(|locked| !locked.contains(&customer_id)) {
        return Ok(Answer::Leave);
    }
    let refusal: Option<String> = row.try_get("", "refusal")?;
    if let Some(refusal) = refusal {
        let reason = Withheld::from_column(&refusal)
            .ok_or_else(|| DbErr::Type(format!("refusal: {refusal}")))?;
        return Ok(Answer::Withhold(seq, reason));
    }
    for (reason, column) in [
        (Withheld::DuplicateAddress, "changed_address"),
        (Withheld::Household, "changed_household"),
    ] {
        let key: Option<String> = row.try_get("", column)?;
        if key.is_some_and(|key| !taken.insert((reason, key))) {
            return Ok(Answer::Withhold(seq, reason));
        }
    }
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
    Ok(Answer::Go(Candidate {
        seq,
        attempt: row.try_get::<i16>("", "attempt")? + 1,
        customer,
    }))
}
