//! Orders that wait for their customer, and what becomes of them when he comes.

use std::collections::HashMap;

use sea_orm::DbErr;

use super::{OrderRules, settle};
use crate::customers::orders::{self, OrderRow, Record, Strangers, Told, Who};
use crate::ids::CustomerId;
use crate::responses::store::orders::{self as store, Waiting};
use crate::storage::Txn;

/// Takes those of these orders whose customer is known now; the others wait on. What was taken is to be added up
/// ([`orders::add_up`]) when the transaction has written all else.
pub(super) async fn adopt(
    txn: &Txn,
    rules: &OrderRules,
    waiting: Vec<Waiting>,
    now: i64,
) -> Result<Record, DbErr> {
    let brought: Vec<(usize, Option<String>, Option<String>)> = waiting
        .iter()
        .enumerate()
        .map(|(n, order)| (n, order.token.clone(), order.coupon.clone()))
        .filter(|(_, token, coupon)| token.is_some() || coupon.is_some())
        .collect();
    let mut owners: HashMap<usize, CustomerId> = settle::owners(txn, rules, &brought).await?;
    // Whoever is named by the order bought, also with the coupon of another.
    owners.extend(store::customers_of(txn, &waiting).await?);
    let mut told = Vec::new();
    let mut adopted = Vec::new();
    let mut left = Vec::new();
    for (n, order) in waiting.into_iter().enumerate() {
        let Some(owner) = owners.get(&n) else {
            left.push(order.id);
            continue;
        };
        adopted.push(order.id);
        told.push(Told {
            who: Who {
                id: Some(*owner),
                ..Who::default()
            },
            campaign: None,
            is_cancelled: false,
            order: OrderRow {
                external_id: order.external_id,
                ordered_at: order.ordered_at,
                amount_cents: order.amount_cents,
                currency: order.currency,
                own_currency: rules.currency.clone(),
                product: order.product,
                category: order.category,
                campaign: order.campaign,
                token: order.token,
                coupon: order.coupon,
                campaign_code: order.campaign_code,
                ..OrderRow::default()
            },
        });
    }
    let mut record = Record::default();
    if !told.is_empty() {
        record = orders::record(txn, &rules.keys, &told, Strangers::All, now).await?;
        // Who left the base in between is looked for again.
        let known = adopted
            .into_iter()
            .zip(&record.taken)
            .filter(|(_, taken)| **taken != orders::Taken::Nobody)
            .map(|(id, _)| id);
        store::delete_unmatched(txn, &known.collect::<Vec<_>>()).await?;
    }
    store::looked_at(txn, &left, now).await?;
    Ok(record)
}
