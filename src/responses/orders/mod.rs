//! Orders: what shops tell us of them, and which message earned them (see [`super::attribution`]).
//!
//! Promise: an order counts once, however often and by whatever way it is told. What the counters hold of it is
//! kept beside it, so that a correction moves them by the difference and a cancellation takes all of it back.
//! An order is looked at when it is told, when it is changed, and when a click comes in that may have led to it;
//! nobody looks over all orders.

mod adopt;
mod currency;
mod read;
mod settle;
mod take;
mod unmatched;

use std::fmt;

use super::ResponseError;
use super::store::{self, Waves};
use crate::config::Settings;
use crate::customers::orders::add_up;
use crate::keys::Keys;
use crate::storage::Db;

pub(crate) use read::{OrderFault, read, read_customer};
pub(super) use take::take_with;
pub(crate) use take::{TakenOrder, take};
pub use unmatched::{UnmatchedOrder, unmatched};

/// Orders looked at together.
const BATCH: i64 = 1_000;
const DAY_MS: i64 = 86_400_000;

/// What orders are reckoned with.
#[derive(Clone)]
pub struct OrderRules {
    keys: Keys,
    /// Ours (ISO 4217): revenue in another is counted apart.
    currency: String,
    keep_unmatched_ms: i64,
}

impl fmt::Debug for OrderRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrderRules")
            .field("currency", &self.currency)
            .finish_non_exhaustive()
    }
}

impl OrderRules {
    /// What tokens and coupons are read with.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Our own currency.
    pub(crate) fn currency(&self) -> &str {
        &self.currency
    }

    pub fn new(keys: &Keys, settings: &Settings) -> Self {
        Self {
            keys: keys.clone(),
            currency: settings.orders.currency.clone(),
            keep_unmatched_ms: i64::from(settings.orders.keep_unmatched_days) * DAY_MS,
        }
    }
}

/// Gives the orders that are due at `now` (milliseconds since the epoch) to the deliveries that earned them,
/// with marks, counters and customers; returns how many were given. Running it again, or on two nodes at
/// once, gives none twice. Orders of people who have come into the base since are taken too; what is kept of people
/// nobody knows, orders and the notes of answers, is forgotten in its time.
///
/// # Errors
/// When the database is away; what was given until then stays given.
pub async fn attribute_orders(db: &Db, rules: &OrderRules, now: i64) -> Result<u64, ResponseError> {
    let mut waves = Waves::default();
    let long_ago = now.saturating_sub(rules.keep_unmatched_ms);
    if store::answers::has_notes_of_strangers(db, long_ago).await? {
        let txn = db.begin().await?;
        store::answers::empty_notes_of_strangers(&txn, long_ago).await?;
        txn.commit().await?;
    }
    if store::orders::has_unmatched(db).await? {
        let txn = db.begin().await?;
        store::orders::forget_old_unmatched(&txn, long_ago).await?;
        let waiting = store::orders::unmatched_next(&txn, BATCH).await?;
        let adopted = adopt::adopt(&txn, rules, waiting, now).await?;
        add_up(&txn, &adopted, &rules.currency).await?;
        txn.commit().await?;
    }
    let mut given = 0;
    // Asked first without a transaction: mostly there is nothing to do, and SQLite has one writer.
    while store::orders::has_due(db, now).await? {
        let txn = db.begin().await?;
        let orders = store::orders::due(&txn, now, BATCH).await?;
        if orders.is_empty() {
            txn.rollback().await?;
            return Ok(given);
        }
        given += settle::settle(&txn, rules, &mut waves, orders, Vec::new(), now).await?;
        txn.commit().await?;
    }
    Ok(given)
}

/// Takes orders of people who may have come into the base, as [`attribute_orders`] does bit by bit: all that
/// wait, after an import.
///
/// # Errors
/// When the database is away; what was taken until then stays taken.
pub async fn adopt_all(db: &Db, rules: &OrderRules, now: i64) -> Result<(), ResponseError> {
    let mut after = 0;
    loop {
        let txn = db.begin().await?;
        let waiting = store::orders::unmatched_after(&txn, after, BATCH).await?;
        let Some(last) = waiting.last() else {
            txn.rollback().await?;
            return Ok(());
        };
        after = last.id;
        let adopted = adopt::adopt(&txn, rules, waiting, now).await?;
        add_up(&txn, &adopted, &rules.currency).await?;
        txn.commit().await?;
    }
}
