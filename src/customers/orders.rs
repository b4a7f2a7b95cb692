//! Orders as shops tell them: each known by its number, whose it is, and what it says of what earned it.
//!
//! Promise: telling an order twice changes nothing; telling it anew corrects it; an order that was cancelled
//! stays so. What an order earned a campaign is not reckoned here: what is written is left due.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sea_orm::DbErr;

use super::store::orders as store;
pub(crate) use super::store::orders::{OrderRow, Who};
use crate::ids::CustomerId;
use crate::keys::Keys;
use crate::storage::Txn;

/// An order as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub who: Who,
    /// The name of the campaign it is said to come from.
    pub campaign: Option<String>,
    /// Cancelled, or refunded in full: what else is told of it does not matter.
    pub is_cancelled: bool,
    pub order: OrderRow,
}

/// What became of an order that was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    Created,
    Updated,
    Unchanged,
    /// It is cancelled now, or was before.
    Cancelled,
    /// Kept until we know whose it is.
    Unmatched,
    /// Nobody has this number of ours, or nothing tells whose it is: not taken.
    Nobody,
}

/// Which orders of people we do not know are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strangers {
    /// All: whoever told them does not tell them again.
    All,
    /// Those that name a message of ours by token or coupon, and with it the customer.
    Proved,
}

/// What was taken of some orders, each in the place where it was told.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub taken: Vec<Taken>,
    /// The places of those whose campaign's name is not known; they were taken without it.
    pub unknown_campaigns: Vec<usize>,
    /// Who is a customer from now on.
    buyers: Vec<CustomerId>,
    /// Others whose orders are other ones now.
    others: Vec<CustomerId>,
}

/// Adds up the orders of those whom a record concerns, `currency` (ISO 4217) being ours. To be done when nothing
/// else of the transaction wants a delivery any more: who writes responses holds deliveries first and customers
/// after them, and the other way round each would wait for the other.
///
/// # Errors
/// When the database is away.
pub(crate) async fn add_up(txn: &Txn, record: &Record, currency: &str) -> Result<(), DbErr> {
    store::add_up(txn, &record.buyers, true, currency).await?;
    store::add_up(txn, &record.others, false, currency).await
}

/// Writes orders; [`add_up`] is to follow in the same transaction.
///
/// # Errors
/// When the database is away, or another transaction wrote the same order first.
pub(crate) async fn record(
    txn: &Txn,
    keys: &Keys,
    told: &[Told],
    strangers: Strangers,
    now_ms: i64,
) -> Result<Record, DbErr> {
    let who: Vec<&Who> = told.iter().map(|one| &one.who).collect();
    let customers = store::customers(txn, &who).await?;
    let names: BTreeSet<&str> = told
        .iter()
        .filter_map(|one| one.campaign.as_deref())
        .collect();
    let campaigns = store::campaigns(txn, &names).await?;
    let gone = store::cancelled(txn, told).await?;
    let mut record = Record::default();
    let mut rows = Vec::with_capacity(told.len());
    for (n, one) in told.iter().enumerate() {
        let mut row = one.order.clone();
        row.customer = customers.find(&one.who);
        if let Some(name) = &one.campaign {
            row.campaign = campaigns.get(name).copied();
            if row.campaign.is_none() {
                record.unknown_campaigns.push(n);
            }
        }
        rows.push(row);
    }
    let mut ledger = Ledger::new(store::matching(txn, &rows).await?, gone);
    let waiting = store::unmatched(txn, &rows).await?;
    let mut strange: BTreeMap<usize, &Who> = BTreeMap::new();
    for (n, (one, row)) in told.iter().zip(&rows).enumerate() {
        let taken = if one.is_cancelled {
            ledger.cancel(row, now_ms)
        } else if ledger.is_gone(row) {
            Taken::Cancelled
        } else if row.customer.is_some() || ledger.knows(row) {
            ledger.take(row.clone())
        } else if one.who.is_of_ours() || !one.who.names_somebody() && !row.is_proved() {
            Taken::Nobody
        } else if strangers == Strangers::All || row.is_proved() {
            strange.insert(n, &one.who);
            Taken::Unmatched
        } else {
            Taken::Nobody
        };
        record.taken.push(taken);
    }
    // Told again in the same breath, of somebody we know or as cancelled: it waits for nobody.
    strange.retain(|n, _| {
        let row = rows.get(*n);
        row.is_some_and(|row| !ledger.knows(row) && !ledger.is_gone(row))
    });
    store::write(txn, &ledger.orders, &ledger.is_changed).await?;
    store::write_cancelled(txn, &ledger.cancelled, now_ms).await?;
    let strange: Vec<_> = strange
        .into_iter()
        .filter_map(|(n, who)| Some((who, rows.get(n)?)))
        .collect();
    store::keep_unmatched(txn, keys, &strange, now_ms).await?;
    // Known at last, or cancelled: nobody waits for it any more.
    let settled: Vec<&String> = rows
        .iter()
        .zip(&record.taken)
        .filter(|(_, taken)| !matches!(taken, Taken::Unmatched | Taken::Nobody))
        .filter_map(|(row, _)| row.external_id.as_ref())
        .filter(|id| waiting.contains(*id))
        .collect();
    store::forget_unmatched(txn, &settled).await?;
    record.buyers = ledger.buyers.into_iter().collect();
    record.others = ledger.others.into_iter().collect();
    Ok(record)
}

type Fact = (Option<CustomerId>, i64, i64, Option<String>);

/// The orders a batch is about.
struct Ledger {
    orders: Vec<OrderRow>,
    is_changed: Vec<bool>,
    by_external_id: HashMap<String, usize>,
    /// Orders without a number are known by customer, instant, amount and product.
    by_fact: HashMap<Fact, usize>,
    /// The numbers of orders that were cancelled.
    gone: HashSet<String>,
    /// Those cancelled before they were told.
    cancelled: BTreeSet<String>,
    /// Customers with a new order.
    buyers: BTreeSet<CustomerId>,
    /// Customers an order of whom has changed or gone to another.
    others: BTreeSet<CustomerId>,
}

impl Ledger {
    fn new(known: Vec<OrderRow>, gone: HashSet<String>) -> Self {
        let mut ledger = Self {
            is_changed: vec![false; known.len()],
            orders: known,
            by_external_id: HashMap::new(),
            by_fact: HashMap::new(),
            gone,
            cancelled: BTreeSet::new(),
            buyers: BTreeSet::new(),
            others: BTreeSet::new(),
        };
        for n in 0..ledger.orders.len() {
            ledger.index(n);
        }
        ledger
    }

    fn index(&mut self, n: usize) {
        let Some(order) = self.orders.get(n) else {
            return;
        };
        match &order.external_id {
            Some(id) => self.by_external_id.insert(id.clone(), n),
            None => self.by_fact.insert(fact(order), n),
        };
    }

    fn place(&self, row: &OrderRow) -> Option<usize> {
        match &row.external_id {
            Some(id) => self.by_external_id.get(id),
            None => self.by_fact.get(&fact(row)),
        }
        .copied()
    }

    fn knows(&self, row: &OrderRow) -> bool {
        self.place(row).is_some()
    }

    fn is_gone(&self, row: &OrderRow) -> bool {
        let is_gone = |id: &String| self.gone.contains(id) || self.cancelled.contains(id);
        row.external_id.as_ref().is_some_and(is_gone)
            || self
                .place(row)
                .and_then(|n| self.orders.get(n))
                .is_some_and(|order| order.cancelled_at.is_some())
    }

    fn cancel(&mut self, row: &OrderRow, now_ms: i64) -> Taken {
        if self.is_gone(row) {
            return Taken::Cancelled;
        }
        match self.place(row) {
            Some(n) => {
                if let (Some(order), Some(is_changed)) =
                    (self.orders.get_mut(n), self.is_changed.get_mut(n))
                {
                    order.cancelled_at = Some(now_ms);
                    *is_changed = true;
                }
            }
            None => self.cancelled.extend(row.external_id.clone()),
        }
        Taken::Cancelled
    }

    fn take(&mut self, row: OrderRow) -> Taken {
        let known = self
            .place(&row)
            .and_then(|n| Some((n, self.orders.get_mut(n)?)));
        let Some((n, known)) = known else {
            self.buyers.extend(row.customer);
            self.orders.push(row);
            self.is_changed.push(true);
            self.index(self.orders.len() - 1);
            return Taken::Created;
        };
        let before = known.customer;
        if !known.merge(&row) {
            return Taken::Unchanged;
        }
        self.others.extend(before);
        if known.customer == before {
            self.others.extend(known.customer);
        } else {
            self.buyers.extend(known.customer);
        }
        if let Some(is_changed) = self.is_changed.get_mut(n) {
            *is_changed = true;
        }
        Taken::Updated
    }
}

fn fact(order: &OrderRow) -> Fact {
    (
        order.customer,
        order.ordered_at,
        order.amount_cents,
        order.product.clone(),
    )
}
