//! The counters are the sum over the orders, whatever was told, corrected and cancelled, and in which order.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use visavis::storage::{Db, Sql};
use visavis::tokens::{LinkKind, LinkToken, short_code};

use super::{Shop, after, counters, order, with};
use crate::kit::ledger::{self, CLICKS, Plan};
use crate::on_both;

const SALE: Plan = Plan {
    campaign: "sale",
    goal: "order",
    ..CLICKS
};

/// What the counters should be by the orders.
async fn sums(db: &Db) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    let rows = db
        .rows(
            "SELECT seq, matched_by, currency, amount_cents FROM orders WHERE wave_id IS NOT NULL",
            [],
        )
        .await
        .unwrap();
    let mut buyers = std::collections::BTreeSet::new();
    for row in rows {
        let by: String = row.try_get("", "matched_by").unwrap();
        let currency: String = row.try_get("", "currency").unwrap();
        let cents: i64 = row.try_get("", "amount_cents").unwrap();
        let seq: i64 = row.try_get("", "seq").unwrap();
        buyers.insert(seq);
        *sums.entry("orders".to_owned()).or_insert(0) += 1;
        *sums.entry(format!("orders.by.{by}")).or_insert(0) += 1;
        let revenue = match currency.as_str() {
            "EUR" => "revenue_cents".to_owned(),
            other => format!("revenue.{other}_cents"),
        };
        *sums.entry(revenue).or_insert(0) += cents;
    }
    let n = i64::try_from(buyers.len()).unwrap();
    sums.insert("orders.customers".to_owned(), n);
    sums.insert("responders".to_owned(), n);
    sums.retain(|_, n| *n != 0);
    sums
}

on_both! {
    async fn the_counters_are_the_sum_over_the_orders(db: &TestDb) {
        let shop = Shop::open(db).await;
        let wave = ledger::wave(db, SALE).await;
        let mut tokens = Vec::new();
        for seq in 1..=4 {
            let customer = ledger::customer(db, &format!("c{seq}"), "fr", "none").await;
            let delivery = ledger::delivery(db, wave, seq, customer).await;
            let token = LinkToken { delivery, kind: LinkKind::Click(0) };
            tokens.push(short_code(token, &shop.0.keys).unwrap());
        }
        let mut chance = StdRng::seed_from_u64(7);
        for round in 0..25 {
            let told: Vec<Value> = (0..chance.random_range(1..6)).map(|_| {
                let id = chance.random_range(0..20).to_string();
                if chance.random_bool(0.15) {
                    return json!({"id": id, "status": "cancelled"});
                }
                let who = chance.random_range(0..4);
                let mut told = order(&id, &format!("c{}", who + 1), &after(50_000));
                told = with(told, "amount", format!("{}.{:02}", chance.random_range(0..90), chance.random_range(0..100)));
                if chance.random_bool(0.3) {
                    told = with(told, "currency", "USD");
                }
                if chance.random_bool(0.7) {
                    told = with(told, "token", tokens[who].as_str());
                }
                told
            }).collect();
            let (status, answer) = shop.order(told.clone().into()).await;
            assert_eq!(status, 200, "{answer}");
            assert_eq!(counters(db, wave).await, sums(db).await, "round {round}: {told:?}");
            let all = visavis::delivery::store::counters(&***db, wave).await.unwrap();
            let by_time: i64 = all.iter().filter(|(name, _)| name.starts_with("responders.")).map(|(_, n)| n).sum();
            let responders = all.get("responders").copied().unwrap_or(0);
            assert_eq!((by_time, all.get("stage.action").copied().unwrap_or(0)), (responders, responders), "round {round}");
            let events = ledger::number(db, "SELECT COUNT(*) FROM responses WHERE kind = 'order'").await;
            let orders = ledger::number(db, "SELECT COUNT(*) FROM orders WHERE wave_id IS NOT NULL").await;
            assert_eq!(events, orders);
            let astray = "SELECT COUNT(*) FROM customers c WHERE c.revenue_cents <>
                (SELECT COALESCE(SUM(o.amount_cents), 0) FROM orders o WHERE o.customer_id = c.id AND o.currency = 'EUR')";
            assert_eq!(ledger::number(db, astray).await, 0);
        }
        shop.0.close().await;
    }
}
