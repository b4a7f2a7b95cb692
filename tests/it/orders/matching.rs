//! Which message an order is given to, and what is counted of it.

use serde_json::json;
use visavis::ids::{DeliveryKey, WaveId};
use visavis::storage::{Db, Sql};
use visavis::tokens::{LinkKind, coupon_code, short_code};

use super::{Shop, after, counters, order, with};
use crate::kit::ledger::{self, CLICKS, DAY_MS, Plan, SETTLED_AT, expected, number};
use crate::on_both;

const SALE: Plan = Plan {
    campaign: "sale",
    goal: "order",
    window_days: 7,
    ..CLICKS
};

async fn offer(db: &Db, wave: WaveId, code: &str) {
    db.run(
        "INSERT INTO offer_codes (code_key, wave_id) VALUES ($1, $2)",
        [code.into(), wave.0.into()],
    )
    .await
    .unwrap();
    db.run(
        "INSERT INTO coupon_spans (wave_id, first_seq, last_seq) VALUES ($1, 1, 100)",
        [wave.0.into()],
    )
    .await
    .unwrap();
}

async fn click(shop: &Shop, delivery: DeliveryKey) {
    let path = format!("/c/{}", shop.0.token(delivery, LinkKind::Click(0)));
    assert_eq!(shop.0.get(&path).await.status().as_u16(), 302);
    shop.settle().await;
}

impl Shop {
    /// Waits until every click that was counted is written.
    async fn settle(&self) {
        self.0.written().await;
    }
}

fn token(shop: &Shop, delivery: DeliveryKey) -> String {
    let token = visavis::tokens::LinkToken {
        delivery,
        kind: LinkKind::Click(0),
    };
    short_code(token, &shop.0.keys).unwrap()
}

on_both! {
    async fn each_way_of_matching_finds_its_message_and_is_counted(db: &TestDb) {
        let shop = Shop::open(db).await;
        let wave = ledger::wave(db, SALE).await;
        offer(db, wave, "SPR1NG26").await;
        let mut keys = Vec::new();
        for (seq, name) in [(1, "ada"), (2, "bob"), (3, "cleo"), (4, "dan"), (5, "eve")] {
            let customer = ledger::customer(db, name, "fr", "none").await;
            keys.push(ledger::delivery(db, wave, seq, customer).await);
        }
        click(&shop, keys[3]).await;
        let at = after(50_000);
        let answers = [
            shop.order(with(order("1", "ada", &at), "token", token(&shop, keys[0]))).await,
            shop.order(with(order("2", "bob", &at), "coupon", coupon_code(keys[1], &shop.0.keys).unwrap().to_lowercase())).await,
            shop.order(with(order("3", "cleo", &at), "campaign_code", "spring-26")).await,
            shop.order(order("4", "dan", &after(60_000))).await,
            shop.order(order("5", "eve", &at)).await,
        ];
        let by: Vec<_> = answers.iter().map(|(_, body)| body["matched_by"].as_str()).collect();
        assert_eq!(by, [Some("token"), Some("coupon"), Some("code"), Some("click"), None]);
        assert_eq!(counters(db, wave).await, expected([
            ("clicks", 1), ("clicks.total", 1), ("clicks.link.0", 1), ("clicks.part.interest", 1),
            ("orders", 4), ("orders.customers", 4), ("revenue_cents", 4 * 4_990), ("responders", 4),
            ("orders.by.token", 1), ("orders.by.coupon", 1), ("orders.by.code", 1), ("orders.by.click", 1),
            ("redemptions", 1),
        ]));
        assert_eq!(number(db, "SELECT COUNT(*) FROM orders WHERE due_at IS NOT NULL").await, 0);
        shop.0.close().await;
    }

    async fn the_surest_rule_counts_and_a_token_names_the_customer(db: &TestDb) {
        let shop = Shop::open(db).await;
        let (one, other) = (ledger::wave(db, SALE).await, ledger::wave(db, Plan { campaign: "other", ..SALE }).await);
        offer(db, one, "C0DE").await;
        let ada = ledger::customer(db, "ada", "fr", "none").await;
        let (first, second) = (ledger::delivery(db, one, 1, ada).await, ledger::delivery(db, other, 1, ada).await);
        click(&shop, second).await;
        let at = after(60_000);
        let (_, by_code) = shop.order(with(order("1", "ada", &at), "campaign_code", "code")).await;
        assert_eq!(by_code["matched_by"], "code");
        // Nobody we know by name, but the token is of ada's message.
        let stranger = with(with(order("2", "somebody", &at), "token", token(&shop, second)), "coupon", coupon_code(first, &shop.0.keys).unwrap());
        assert_eq!(shop.order(stranger).await.1, json!({"id": "2", "status": "created", "matched_by": "token"}));
        assert_eq!(number(db, "SELECT COUNT(*) FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.external_id = '2' AND c.external_id = 'ada'").await, 1);
        assert_eq!(counters(db, other).await.get("orders.by.token"), Some(&1));
        // A token that is forged or cut proves nothing.
        let forged = with(order("3", "ada", &at), "token", "AAAAAAAAAAA");
        assert_eq!(shop.order(forged).await.1["matched_by"], "click");
        shop.0.close().await;
    }

    async fn windows_end_by_kind(db: &TestDb) {
        let shop = Shop::open(db).await;
        let wave = ledger::wave(db, SALE).await;
        offer(db, wave, "C0DE").await;
        db.run("UPDATE waves SET definition = $1", [r#"{"name":"sale","goal":"order","window_days":7,"windows":{"order":2}}"#.into()]).await.unwrap();
        let ada = ledger::customer(db, "ada", "fr", "none").await;
        let key = ledger::delivery(db, wave, 1, ada).await;
        shop.0.clock.advance(chrono::Duration::days(9));
        for (id, days, by) in [("1", 1, json!("code")), ("2", 3, json!(null))] {
            let at = after(days * DAY_MS);
            let answer = shop.order(with(order(id, "ada", &at), "campaign_code", "CODE")).await.1;
            assert_eq!(answer["matched_by"], by, "{id}");
        }
        let late = with(order("3", "ada", &after(8 * DAY_MS)), "token", token(&shop, key));
        assert_eq!(shop.order(late).await.1["matched_by"], json!(null));
        shop.0.close().await;
    }

    async fn a_coupon_earns_one_order(db: &TestDb) {
        let shop = Shop::open(db).await;
        let wave = ledger::wave(db, SALE).await;
        offer(db, wave, "C0DE").await;
        let ada = ledger::customer(db, "ada", "fr", "none").await;
        ledger::customer(db, "bob", "fr", "none").await;
        let key = ledger::delivery(db, wave, 1, ada).await;
        let code = coupon_code(key, &shop.0.keys).unwrap();
        for (id, whose, by) in [("1", "ada", json!("coupon")), ("2", "bob", json!(null)), ("1", "ada", json!("coupon"))] {
            let told = with(order(id, whose, &after(50_000)), "coupon", code.as_str());
            assert_eq!(shop.order(told).await.1["matched_by"], by, "{id}");
        }
        let counters = counters(db, wave).await;
        assert_eq!((counters.get("orders"), counters.get("redemptions")), (Some(&1), Some(&1)));
        shop.0.close().await;
    }

    async fn corrections_and_cancellations_move_what_was_counted(db: &TestDb) {
        let shop = Shop::open(db).await;
        let wave = ledger::wave(db, SALE).await;
        let ada = ledger::customer(db, "ada", "fr", "none").await;
        let key = ledger::delivery(db, wave, 1, ada).await;
        click(&shop, key).await;
        let first = order("1", "ada", &after(60_000));
        shop.order(json!([first, order("2", "ada", &after(60_000))])).await;
        assert_eq!(counters(db, wave).await.get("revenue_cents"), Some(&9_980));
        shop.order(with(first.clone(), "amount", "60.00")).await;
        assert_eq!(counters(db, wave).await.get("revenue_cents"), Some(&10_990));
        assert_eq!(number(db, "SELECT COUNT(*) FROM responses WHERE kind = 'order'").await, 2);
        assert_eq!(number(db, "SELECT CAST(SUM(amount_cents) AS BIGINT) FROM responses WHERE kind = 'order'").await, 10_990);
        // Into another currency: never added up with ours.
        shop.order(with(with(first.clone(), "amount", "60.00"), "currency", "USD")).await;
        let now = counters(db, wave).await;
        assert_eq!((now.get("revenue_cents"), now.get("revenue.USD_cents"), now.get("orders")), (Some(&4_990), Some(&6_000), Some(&2)));
        // A refund of all of it, and a cancellation.
        shop.order(with(first, "amount", "-60.00")).await;
        let now = counters(db, wave).await;
        assert_eq!((now.get("orders"), now.get("orders.customers"), now.get("revenue.USD_cents")), (Some(&1), Some(&1), None));
        shop.order(json!({"id": "2", "status": "cancelled"})).await;
        assert_eq!(counters(db, wave).await, expected([
            ("clicks", 1), ("clicks.total", 1), ("clicks.link.0", 1), ("clicks.part.interest", 1),
        ]));
        assert_eq!(number(db, "SELECT COUNT(*) FROM responses WHERE kind = 'order'").await, 0);
        assert_eq!(number(db, "SELECT marks FROM deliveries").await & 16, 0);
        assert_eq!(number(db, "SELECT last_response_at FROM customers").await, SETTLED_AT + 60_000, "the click");
        shop.0.close().await;
    }

    async fn a_click_that_is_written_late_still_earns_its_order(db: &TestDb) {
        let shop = Shop::open(db).await;
        let wave = ledger::wave(db, SALE).await;
        let ada = ledger::customer(db, "ada", "fr", "none").await;
        let key = ledger::delivery(db, wave, 1, ada).await;
        shop.0.clock.advance(chrono::Duration::hours(1));
        assert_eq!(shop.order(order("1", "ada", &after(3_000_000))).await.1["matched_by"], json!(null));
        assert_eq!(number(db, "SELECT COUNT(*) FROM orders WHERE due_at IS NOT NULL").await, 0);
        shop.0.clock.advance(chrono::Duration::minutes(-30));
        click(&shop, key).await;
        let now = SETTLED_AT + 4_000_000;
        let rules = crate::responses::rules();
        assert_eq!(visavis::responses::orders::attribute_orders(db, &rules, now).await.unwrap(), 1);
        assert_eq!(counters(db, wave).await.get("orders.by.click"), Some(&1));
        shop.0.close().await;
    }
}
