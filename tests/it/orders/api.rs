//! `POST /api/v1/orders`: who may, what is refused, what is done once.

use reqwest::Method;
use serde_json::{Value, json};

use super::{SHOP, Shop, TILL, after, order, with};
use crate::kit::ledger::{self, CLICKS, number};
use crate::on_both;

on_both! {
    async fn a_program_needs_a_token_that_allows_it(db: &TestDb) {
        let shop = Shop::open(db).await;
        ledger::customer(db, "ada", "fr", "none").await;
        let body = order("1", "ada", &after(0));
        let bare = shop.0.ask(Method::POST, "/api/v1/orders").body(body.to_string()).send().await.unwrap();
        assert_eq!((bare.status().as_u16(), bare.headers()["www-authenticate"].to_str().unwrap()), (401, "Bearer"));
        let problem: Value = bare.json().await.unwrap();
        assert_eq!(problem["code"], "unauthorized");
        for wrong in ["", "wrong", &SHOP[1..]] {
            assert_eq!(shop.post_as(wrong, "/api/v1/orders", &body, None).await.0, 401, "{wrong}");
        }
        let (status, problem) = shop.post_as(TILL, "/api/v1/orders", &body, None).await;
        assert_eq!(status, 403);
        assert!(problem["detail"].as_str().unwrap().contains("orders:write"), "{problem}");
        let get = shop.0.ask(Method::GET, "/api/v1/orders").send().await.unwrap();
        assert_eq!(get.status().as_u16(), 405);
        assert_eq!(number(db, "SELECT COUNT(*) FROM orders").await, 0);
        assert_eq!(shop.order(body).await.0, 201);
        shop.0.close().await;
    }

    async fn many_orders_of_one_customer_at_once_are_all_taken(db: &TestDb) {
        let shop = Shop::open(db).await;
        ledger::customer(db, "ada", "fr", "none").await;
        let orders = (0..16).map(|n| shop.order(order(&n.to_string(), "ada", &after(n))));
        for (status, answer) in futures_util::future::join_all(orders).await {
            assert_eq!(status, 201, "{answer}");
        }
        assert_eq!(number(db, "SELECT orders_count FROM customers").await, 16);
        shop.0.close().await;
    }

    async fn who_is_told_twice_first_as_a_stranger_waits_no_more(db: &TestDb) {
        let shop = Shop::open(db).await;
        ledger::customer(db, "ada", "fr", "none").await;
        let mut stranger = order("1", "ada", &after(0));
        stranger["customer"] = json!({"email": "nobody@later.example"});
        let both = json!([stranger, order("1", "ada", &after(0))]);
        assert_eq!(shop.order(both).await.0, 200);
        assert_eq!(number(db, "SELECT COUNT(*) FROM unmatched_orders").await, 0);
        assert_eq!(number(db, "SELECT COUNT(*) FROM orders").await, 1);
        shop.0.close().await;
    }

    async fn an_order_told_twice_counts_once_and_told_anew_is_corrected(db: &TestDb) {
        let shop = Shop::open(db).await;
        ledger::customer(db, "ada", "fr", "none").await;
        let first = order("1", "ada", &after(0));
        assert_eq!(shop.order(first.clone()).await, (201, json!({"id": "1", "status": "created"})));
        assert_eq!(shop.order(first.clone()).await.1["status"], "unchanged");
        assert_eq!(shop.order(with(first.clone(), "amount", "20.00")).await.1["status"], "updated");
        assert_eq!(number(db, "SELECT revenue_cents FROM customers").await, 2_000);
        assert_eq!(shop.order(json!({"id": "1", "status": "cancelled"})).await.1["status"], "cancelled");
        assert_eq!(number(db, "SELECT COUNT(*) FROM orders").await, 0);
        assert_eq!(number(db, "SELECT revenue_cents + orders_count FROM customers").await, 0);
        // What comes late does not revive it, nor what was cancelled before it came.
        assert_eq!(shop.order(first).await.1["status"], "cancelled");
        assert_eq!(shop.order(json!({"id": "2", "status": "cancelled"})).await.1["status"], "cancelled");
        assert_eq!(shop.order(order("2", "ada", &after(0))).await.1["status"], "cancelled");
        assert_eq!(number(db, "SELECT COUNT(*) FROM orders").await, 0);
        shop.0.close().await;
    }

    async fn what_cannot_be_read_is_refused_field_by_field(db: &TestDb) {
        let shop = Shop::open(db).await;
        let answer = shop.0.ask(Method::POST, "/api/v1/orders").bearer_auth(SHOP).body("{\"id\": 1,").send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 400);
        let problem: Value = answer.json().await.unwrap();
        assert!(problem["detail"].as_str().unwrap().contains("column"), "{problem}");
        let (status, problem) = shop.order(json!({"id": "1", "ordered_at": "now", "amount": "1,5", "currency": "EURO"})).await;
        assert_eq!(status, 422);
        let fields: Vec<&str> = problem["errors"].as_array().unwrap().iter().map(|one| one["field"].as_str().unwrap()).collect();
        assert_eq!(fields, ["ordered_at", "amount", "currency"]);
        let (status, problem) = shop.order(with(order("1", "ada", &after(0)), "customer", json!({"id": 99}))).await;
        assert_eq!((status, problem["errors"][0]["field"].as_str()), (422, Some("customer.id")));
        assert_eq!(shop.order(json!([])).await.0, 422);
        let many: Vec<Value> = (0..1_001).map(|n| order(&n.to_string(), "ada", &after(0))).collect();
        assert_eq!(shop.order(many.into()).await.0, 422);
        assert_eq!(number(db, "SELECT COUNT(*) FROM orders").await, 0);
        shop.0.close().await;
    }

    async fn of_an_array_the_good_are_taken_and_each_is_answered(db: &TestDb) {
        let shop = Shop::open(db).await;
        ledger::customer(db, "ada", "fr", "none").await;
        let (status, answer) = shop.order(json!([
            order("1", "ada", &after(0)),
            with(order("2", "ada", &after(0)), "amount", "much"),
            order("3", "nobody", &after(0)),
            with(order("1", "ada", &after(0)), "amount", "10.00"),
            with(order("4", "ada", &after(0)), "customer", json!({"id": 99})),
            5,
        ])).await;
        assert_eq!(status, 207);
        let of = |n: usize| answer["orders"][n]["status"].as_str().unwrap();
        assert_eq!([of(0), of(1), of(2), of(3), of(4), of(5)], ["created", "invalid", "unmatched", "updated", "invalid", "invalid"]);
        assert_eq!(answer["orders"][1]["errors"][0]["field"], "amount");
        assert_eq!(number(db, "SELECT amount_cents FROM orders").await, 1_000);
        let (status, _) = shop.order(json!([order("5", "ada", &after(0))])).await;
        assert_eq!(status, 200);
        shop.0.close().await;
    }

    async fn a_request_with_a_key_is_done_once(db: &TestDb) {
        let shop = Shop::open(db).await;
        ledger::customer(db, "ada", "fr", "none").await;
        let body = order("1", "ada", &after(0));
        let first = shop.post_as(SHOP, "/api/v1/orders", &body, Some("k1")).await;
        assert_eq!(first, shop.post_as(SHOP, "/api/v1/orders", &body, Some("k1")).await);
        assert_eq!(first.1["status"], "created", "and so it was answered again");
        let other = with(body.clone(), "amount", "1.00");
        assert_eq!(shop.post_as(SHOP, "/api/v1/orders", &other, Some("k1")).await.0, 422);
        assert_eq!(number(db, "SELECT amount_cents FROM orders").await, 4_990);
        // One that was refused may be mended under the same key.
        let bad = with(order("2", "ada", &after(0)), "customer", json!({"id": 99}));
        assert_eq!(shop.post_as(SHOP, "/api/v1/orders", &bad, Some("k2")).await.0, 422);
        assert_eq!(shop.post_as(SHOP, "/api/v1/orders", &order("2", "ada", &after(0)), Some("k2")).await.0, 201);
        let racers = (0..6).map(|_| {
            let body = order("3", "ada", &after(0));
            let shop = &shop;
            async move { shop.post_as(SHOP, "/api/v1/orders", &body, Some("k3")).await }
        });
        for answer in futures_util::future::join_all(racers).await {
            assert_eq!((answer.0, answer.1["status"].as_str()), (201, Some("created")));
        }
        assert_eq!(number(db, "SELECT COUNT(*) FROM orders WHERE external_id = '3'").await, 1);
        shop.0.close().await;
    }

    async fn many_who_tell_one_order_at_once_leave_one(db: &TestDb) {
        let shop = Shop::open(db).await;
        ledger::customer(db, "ada", "fr", "none").await;
        let racers = (0..8).map(|n| {
            let body = with(order("1", "ada", &after(0)), "amount", format!("{n}.00"));
            let shop = &shop;
            async move { shop.order(body).await.0 }
        });
        let statuses = futures_util::future::join_all(racers).await;
        assert!(statuses.iter().all(|status| [200, 201].contains(status)), "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
        assert_eq!(number(db, "SELECT COUNT(*) FROM orders").await, 1);
        assert_eq!(number(db, "SELECT c.revenue_cents - o.amount_cents FROM customers c, orders o").await, 0);
        shop.0.close().await;
    }

    async fn an_order_of_a_stranger_waits_for_him(db: &TestDb) {
        let shop = Shop::open(db).await;
        let wave = ledger::wave(db, CLICKS).await;
        let (status, answer) = shop.order(order("1", "eve", &after(0))).await;
        assert_eq!((status, answer["status"].as_str()), (202, Some("unmatched")));
        let by_address = with(order("2", "eve", &after(0)), "customer", json!({"email": "Bob@Example.org"}));
        assert_eq!(shop.order(by_address).await.0, 202);
        assert_eq!(number(db, "SELECT COUNT(*) FROM unmatched_orders WHERE email_fingerprint IS NOT NULL").await, 1);
        shop.order(with(order("1", "eve", &after(0)), "amount", "5.00")).await;
        let now = shop.0.clock.clone();
        let now = visavis::clock::Clock::now(&*now).timestamp_millis();
        let rules = crate::responses::rules();
        visavis::responses::orders::attribute_orders(db, &rules, now).await.unwrap();
        assert_eq!(number(db, "SELECT COUNT(*) FROM unmatched_orders").await, 2, "nobody came");
        ledger::customer(db, "eve", "fr", "none").await;
        visavis::responses::orders::attribute_orders(db, &rules, now).await.unwrap();
        assert_eq!(number(db, "SELECT revenue_cents FROM customers WHERE external_id = 'eve'").await, 500);
        assert_eq!(number(db, "SELECT COUNT(*) FROM unmatched_orders").await, 1);
        // Whoever never comes is forgotten.
        let later = now + 91 * ledger::DAY_MS;
        visavis::responses::orders::attribute_orders(db, &rules, later).await.unwrap();
        assert_eq!(number(db, "SELECT COUNT(*) FROM unmatched_orders").await, 0);
        assert!(ledger::counters(db, wave).await.is_empty());
        shop.0.close().await;
    }
}
