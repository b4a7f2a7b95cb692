//! Redeeming a coupon, and what is known of one.

use std::collections::BTreeSet;

use sea_orm::DbErr;
use serde::Serialize;

use crate::clock::from_ms;
use crate::customers::orders::Told;
use crate::ids::CustomerId;
use crate::keys::Keys;
use crate::responses::ResponseError;
use crate::responses::model::{MadeBy, Response, What};
use crate::responses::orders::{self, OrderRules, TakenOrder};
use crate::responses::store::{self, Waves, coupons};
use crate::storage::{Db, Txn};

/// A coupon that somebody brings.
#[derive(Debug)]
pub(crate) struct Redemption<'a> {
    pub code: &'a str,
    /// When he brought it, milliseconds since the epoch.
    pub at: i64,
    /// What he bought with it.
    pub order: Option<Told>,
    /// How long after its deadline it is still taken.
    pub grace_ms: i64,
}

/// A coupon that was redeemed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redeemed {
    pub coupon: ShownCoupon,
    pub order: Option<TakenOrder>,
}

/// What is known of a coupon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownCoupon {
    pub campaign: String,
    pub wave: i64,
    /// Its message's place in the wave.
    pub seq: i64,
    /// Whose message it stood in; `None` when the ledger has let it go.
    pub customer: Option<CustomerId>,
    /// The message was part of a simulation: it is worth nothing in a shop.
    pub is_simulated: bool,
    /// The first instant after its last day, milliseconds since the epoch.
    pub deadline_at: Option<i64>,
    /// Milliseconds since the epoch.
    pub redeemed_at: Option<i64>,
    /// The shop's number of the order it was used for.
    pub order: Option<String>,
}

/// Why a coupon was not redeemed.
#[derive(Debug, thiserror::Error)]
pub enum RedeemError {
    #[error("no message of ours holds this coupon; check how it is spelt")]
    Unknown,
    #[error("it was redeemed on {}", instant(*.at))]
    Used { at: i64, order: Option<String> },
    #[error("it held until {}", instant(*.deadline_at))]
    Expired { deadline_at: i64 },
    #[error(transparent)]
    Room(#[from] ResponseError),
}

impl From<DbErr> for RedeemError {
    fn from(error: DbErr) -> Self {
        Self::Room(error.into())
    }
}

fn instant(at: i64) -> String {
    from_ms(at).format("%Y-%m-%d at %H:%M UTC").to_string()
}

/// Redeems a coupon: it counts as a response to the message it stood in, and what was bought with it as an order
/// that this message earned.
///
/// # Errors
/// When there is no such coupon, it was used before or its deadline is over; then nothing is written, if the
/// transaction is given up.
pub(crate) async fn redeem(
    txn: &Txn,
    rules: &OrderRules,
    brought: Redemption<'_>,
    now: i64,
) -> Result<Redeemed, RedeemError> {
    let codes = BTreeSet::from([brought.code.to_owned()]);
    let found = coupons::find(txn, rules.keys(), &codes).await?;
    let coupon = found.get(brought.code).ok_or(RedeemError::Unknown)?;
    let at = brought.at.min(now);
    if let Some(deadline_at) = coupon.deadline_at
        && at >= deadline_at.saturating_add(brought.grace_ms)
    {
        return Err(RedeemError::Expired { deadline_at });
    }
    if !coupons::redeem_alone(txn, coupon.key, at, now).await? {
        // In use, or of a message that never left.
        let used = coupons::redemption(&**txn, coupon.key).await?;
        let (at, order) = used.ok_or(RedeemError::Unknown)?;
        return Err(RedeemError::Used { at, order });
    }
    let response = Response {
        delivery: coupon.key,
        what: What::Redeem,
        made_by: MadeBy::Person,
        at,
    };
    let order = match brought.order {
        None => {
            store::write(txn, &mut Waves::default(), &[response]).await?;
            None
        }
        Some(mut told) => {
            told.order.coupon = Some(brought.code.to_owned());
            let taken = orders::take_with(txn, rules, &[told], vec![response], now).await?;
            taken.into_iter().next()
        }
    };
    let shown = coupons::shown(&**txn, coupon.key, coupon.deadline_at).await?;
    Ok(Redeemed {
        coupon: shown.ok_or(RedeemError::Unknown)?,
        order,
    })
}

/// What is known of a coupon; `None` when no message of ours holds it.
///
/// # Errors
/// When the database is away.
pub async fn show(db: &Db, keys: &Keys, code: &str) -> Result<Option<ShownCoupon>, ResponseError> {
    let txn = db.begin().await?;
    let found = coupons::find(&txn, keys, &BTreeSet::from([code.to_owned()])).await?;
    let shown = match found.get(code) {
        None => None,
        Some(coupon) => coupons::shown(&*txn, coupon.key, coupon.deadline_at).await?,
    };
    txn.rollback().await?;
    Ok(shown)
}
