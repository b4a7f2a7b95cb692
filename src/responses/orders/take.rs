//! Orders that a shop tells: written, matched and counted in one transaction.

use super::{OrderRules, adopt, settle};
use crate::customers::orders::{self, Strangers, Taken, Told};
use crate::responses::ResponseError;
use crate::responses::attribution::MatchedBy;
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
    let mut taken = orders::record(txn, &rules.keys, told, Strangers::All, now)
        .await?
        .taken;
    let ids: Vec<&String> = told
        .iter()
        .filter_map(|one| one.order.external_id.as_ref())
        .collect();
    if taken.contains(&Taken::Unmatched) {
        // A token or a coupon may tell at once whose it is.
        let waiting = store::unmatched_named(txn, &ids).await?;
        adopt::adopt(txn, rules, waiting, now).await?;
    }
    let due = store::due_named(txn, &ids).await?;
    settle::settle(txn, rules, &mut Waves::default(), due, now).await?;
    let known = store::matched_named(txn, &ids).await?;
    let mut outcomes = Vec::with_capacity(told.len());
    for (one, taken) in told.iter().zip(&mut taken) {
        let found = one.order.external_id.as_ref().and_then(|id| known.get(id));
        if *taken == Taken::Unmatched && found.is_some() {
            *taken = Taken::Created;
        }
        outcomes.push(TakenOrder {
            taken: *taken,
            matched_by: found.copied().flatten(),
        });
    }
    Ok(outcomes)
}
