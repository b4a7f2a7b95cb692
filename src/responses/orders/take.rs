//! Orders that a shop tells: written, matched and counted in one transaction.

use super::{OrderRules, adopt, settle};
use crate::customers::orders::{self, Record, Strangers, Taken, Told};
use crate::responses::ResponseError;
use crate::responses::attribution::MatchedBy;
use crate::responses::model::Response;
use crate::responses::store::{Waves, orders as store};
use crate::storage::Txn;

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TakenOrder {
    pub taken: Taken,
    /// The rule by which it was given to a message, if it was.
    pub matched_by: Option<MatchedBy>,
}

/// Takes orders, each in its place.
///
/// # Errors
/// When the database is away, or another transaction wrote the same order first: then it is to be tried again.
pub(crate) async fn take(
    txn: &Txn,
    rules: &OrderRules,
    told: &[Told],
    now: i64,
) -> Result<Vec<TakenOrder>, ResponseError> {
    take_with(txn, rules, told, Vec::new(), now).await
}

/// Takes orders and writes other responses with what they earned: whoever takes orders holds them before any
/// delivery, so nothing may be written of a delivery before.
///
/// # Errors
/// As [`take`].
pub(in crate::responses) async fn take_with(
    txn: &Txn,
    rules: &OrderRules,
    told: &[Told],
    others: Vec<Response>,
    now: i64,
) -> Result<Vec<TakenOrder>, ResponseError> {
    let record = orders::record(txn, &rules.keys, told, Strangers::All, now).await?;
    let ids: Vec<&String> = told
        .iter()
        .filter_map(|one| one.order.external_id.as_ref())
        .collect();
    let mut adopted = Record::default();
    if record.taken.contains(&Taken::Unmatched) {
        // A token or a coupon may tell at once whose it is.
        let waiting = store::unmatched_named(txn, &ids).await?;
        adopted = adopt::adopt(txn, rules, waiting, now).await?;
    }
    let due = store::due_named(txn, &ids).await?;
    settle::settle(txn, rules, &mut Waves::default(), due, others, now).await?;
    for record in [&record, &adopted] {
        orders::add_up(txn, record, &rules.currency).await?;
    }
    let known = store::matched_named(txn, &ids).await?;
    let mut outcomes = Vec::with_capacity(told.len());
    for (one, mut taken) in told.iter().zip(record.taken) {
        let found = one.order.external_id.as_ref().and_then(|id| known.get(id));
        if taken == Taken::Unmatched && found.is_some() {
            taken = Taken::Created;
        }
        outcomes.push(TakenOrder {
            taken,
            matched_by: found.copied().flatten(),
        });
    }
    Ok(outcomes)
}
