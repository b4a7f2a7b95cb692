//! Orders that are due: what earned them, and what the counters are to hold of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::DbErr;

use super::OrderRules;
use crate::ids::{CustomerId, DeliveryKey, WaveId};
use crate::responses::attribution::{Claim, MatchedBy, earned_by};
use crate::responses::model::{MadeBy, Response, What};
use crate::responses::store::coupons as coupon_store;
use crate::responses::store::orders::{self as store, Counted, DueOrder, Ruling, Sale};
use crate::responses::store::{self as responses, Waves, told};
use crate::storage::Txn;
use crate::tokens::{self, LinkKind, LinkToken};

/// Settles orders, which the transaction holds, and writes other responses with what they earned; returns how many
/// were given to a delivery.
pub(super) async fn settle(
    txn: &Txn,
    rules: &OrderRules,
    waves: &mut Waves,
    orders: Vec<DueOrder>,
    others: Vec<Response>,
    now: i64,
) -> Result<u64, DbErr> {
    let mut claims: HashMap<i64, Vec<Claim>> = HashMap::new();
    let open: Vec<&DueOrder> = orders
        .iter()
        .filter(|order| order.is_open() && order.ordered_at <= now)
        .collect();
    for (order, claim) in store::contacts(txn, &open).await? {
        claims.entry(order).or_default().push(claim);
    }
    let (proved, redeemed) = proofs(txn, rules, &open, now).await?;
    for (order, claim) in proved {
        claims.entry(order).or_default().push(claim);
    }
    let touched: Vec<WaveId> = claims
        .values()
        .flatten()
        .map(|claim| claim.key.wave)
        .collect();
    let terms = store::terms(&**txn, waves, touched).await?;

    let mut rulings = Vec::with_capacity(orders.len());
    let mut gone = Vec::new();
    let mut sales = Vec::new();
    let mut cancelled = Vec::new();
    let mut given = Vec::new();
    for order in &orders {
        if order.cancelled_at.is_some() {
            gone.extend(order.sale());
            cancelled.push(order);
            continue;
        }
        if order.ordered_at > now {
            rulings.push(Ruling {
                due_at: Some(order.ordered_at),
                ..Ruling::of(order)
            });
            continue;
        }
        let counted = Counted {
            cents: order.amount_cents,
            currency: order.currency.clone(),
            // Of an order given to the day, no later than it is known.
            at: order.latest.min(now),
        };
        match order.delivery {
            Some((key, by)) => {
                let before = order.counted.as_ref();
                if before.is_some_and(|before| {
                    before.cents == counted.cents && before.currency == counted.currency
                }) {
                    rulings.push(Ruling::of(order));
                    continue;
                }
                gone.extend(order.sale());
                sales.push(Sale {
                    key,
                    by,
                    counted: counted.clone(),
                });
                rulings.push(Ruling {
                    counted: Some(counted),
                    ..Ruling::of(order)
                });
            }
            None => {
                let own = claims.get(&order.id).map_or(&[][..], Vec::as_slice);
                let Some(claim) = earned_by(order.latest, own, &terms) else {
                    rulings.push(Ruling::of(order));
                    continue;
                };
                let sale = Sale {
                    key: claim.key,
                    by: claim.by,
                    counted: counted.clone(),
                };
                given.push((order, sale.clone(), claim.campaign));
                sales.push(sale);
                rulings.push(Ruling {
                    delivery: Some((claim.key, claim.by)),
                    campaign: Some(claim.campaign),
                    counted: Some(counted),
                    ..Ruling::of(order)
                });
            }
        }
    }
    store::write_rulings(txn, &rulings).await?;
    told::tell_orders(txn, &given, now).await?;
    store::delete_cancelled(txn, &cancelled, now).await?;
    store::take_back(txn, waves, &gone, &rules.currency).await?;
    let mut written = others;
    written.extend(redeemed);
    written.extend(sales.iter().map(|sale| Response {
        delivery: sale.key,
        what: What::Order {
            amount_cents: if sale.counted.currency == rules.currency {
                sale.counted.cents
            } else {
                0
            },
        },
        made_by: MadeBy::Person,
        at: sale.counted.at,
    }));
    if !written.is_empty() {
        responses::write(txn, waves, &written).await?;
        store::count_sales(txn, &sales, &rules.currency).await?;
    }
    let losers: BTreeSet<CustomerId> = cancelled.iter().map(|order| order.customer).collect();
    store::add_up(txn, &losers, &rules.currency).await?;
    Ok(u64::try_from(given.len()).unwrap_or(u64::MAX))
}

/// What tokens and coupons claim for orders, and the coupons that are redeemed by them.
async fn proofs(
    txn: &Txn,
    rules: &OrderRules,
    open: &[&DueOrder],
    now: i64,
) -> Result<(Vec<(i64, Claim)>, Vec<Response>), DbErr> {
    let mut wanted: Vec<(i64, DeliveryKey, MatchedBy)> = Vec::new();
    let mut redeemed = Vec::new();
    for order in open {
        let token = order.token.as_deref();
        if let Some(key) = token.and_then(|token| read_token(token, rules)) {
            wanted.push((order.id, key, MatchedBy::Token));
        }
    }
    let codes: BTreeSet<String> = open
        .iter()
        .filter_map(|order| order.coupon.clone())
        .collect();
    if !codes.is_empty() {
        let coupons = coupon_store::find(txn, &rules.keys, &codes).await?;
        let mut uses = BTreeMap::new();
        for order in open {
            let coupon = order.coupon.as_deref().and_then(|code| coupons.get(code));
            if let Some(coupon) = coupon {
                // Of two orders with one coupon the first one told has used it.
                uses.entry(coupon.key)
                    .or_insert((order.id, order.latest.min(now)));
            }
        }
        let fresh = coupon_store::redeem(txn, &uses, now).await?;
        redeemed.extend(fresh.iter().filter_map(|key| {
            Some(Response {
                delivery: *key,
                what: What::Redeem,
                made_by: MadeBy::Person,
                at: uses.get(key)?.1,
            })
        }));
        let users = coupon_store::claim_for_orders(txn, &uses).await?;
        wanted.extend(
            users
                .into_iter()
                .map(|(key, order)| (order, key, MatchedBy::Coupon)),
        );
    }
    let keys: BTreeSet<DeliveryKey> = wanted.iter().map(|(_, key, _)| *key).collect();
    let sent = store::sent(txn, &keys).await?;
    let claims = wanted
        .into_iter()
        .filter_map(|(order, key, by)| {
            let delivery = sent.get(&key)?;
            Some((
                order,
                Claim {
                    by,
                    key,
                    campaign: delivery.campaign,
                    settled_at: delivery.settled_at,
                    touched_at: delivery.settled_at.unwrap_or_default(),
                },
            ))
        })
        .collect();
    Ok((claims, redeemed))
}

/// The delivery a token names: one that stood in a tracked link, in its short form or its long one.
pub(super) fn read_token(text: &str, rules: &OrderRules) -> Option<DeliveryKey> {
    let token = tokens::read_short_code(text, &rules.keys)
        .or_else(|| LinkToken::decode(text, &rules.keys))?;
    matches!(token.kind, LinkKind::Click(_)).then_some(token.delivery)
}

/// The customers to whom tokens and coupons were sent, by the place of who brings them.
pub(super) async fn owners(
    txn: &Txn,
    rules: &OrderRules,
    brought: &[(usize, Option<String>, Option<String>)],
) -> Result<HashMap<usize, CustomerId>, DbErr> {
    let codes: BTreeSet<String> = brought
        .iter()
        .filter_map(|(_, _, code)| code.clone())
        .collect();
    let coupons = coupon_store::find(txn, &rules.keys, &codes).await?;
    let named: Vec<(usize, DeliveryKey)> = brought
        .iter()
        .filter_map(|(place, token, code)| {
            let by_token = token.as_deref().and_then(|token| read_token(token, rules));
            let by_coupon = || Some(coupons.get(code.as_deref()?)?.key);
            Some((*place, by_token.or_else(by_coupon)?))
        })
        .collect();
    let keys: BTreeSet<DeliveryKey> = named.iter().map(|(_, key)| *key).collect();
    let sent = store::sent(txn, &keys).await?;
    Ok(named
        .into_iter()
        .filter_map(|(place, key)| Some((place, sent.get(&key)?.customer)))
        .collect())
}
