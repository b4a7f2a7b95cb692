//! Coupons, from the campaign that gives them out to the till that takes them.

use std::io::Cursor;
use std::time::Duration;

use serde_json::json;
use visavis::campaigns::definition::{Cell, Definition, Offer};
use visavis::campaigns::{check, plan};
use visavis::delivery::launch::{self, LaunchError, Occurrence};
use visavis::delivery::message::for_browser;
use visavis::ids::{CampaignId, DeliveryKey, WaveId};
use visavis::responses::coupons::{import_pool, show};
use visavis::storage::{Dialect, Sql};
use visavis::templates::Template;
use visavis::tokens::coupon_code;

use super::{Shop, TILL, after, counters, tokens};
use crate::kit::database::TestDb;
use crate::kit::house::{House, definition};
use crate::kit::ledger::{DAY_MS, number};
use crate::on_both;
use crate::web::Site;

const TEXT: &str = r#"
name = "super-chef"
language = "en"
description = "With a coupon"
[attention]
subject = "{{offer.name}}"
headline = "A present"
[interest]
body = "For you."
[desire]
body = "Your coupon is {{coupon}}, until {{date offer.deadline}}."
[action]
button = "Order now"
link = "https://shop.example/order"
[sms]
text = "{{coupon}} {{link}}"
"#;

fn template() -> Template {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("template.toml"), TEXT).unwrap();
    Template::load(folder.path()).unwrap()
}

fn with_coupon(source: Option<&str>) -> Definition {
    let mut definition = definition("coupons");
    definition.goal = visavis::campaigns::model::Goal::Coupon;
    definition.offer = Some(Offer {
        name: "Two for one".to_owned(),
        product: None,
        code: Some("SPRING26".to_owned()),
        coupon: source.map(str::to_owned),
        deadline: "2026-12-24".parse().ok(),
        margin_percent: None,
        cost_cents: 0,
    });
    definition
}

async fn apply(house: &House, definition: &Definition) -> CampaignId {
    let template = template();
    plan::apply(&house.parts.db, definition, &[&template], None, "test", house.now())
        .await
        .unwrap()
        .0
}

async fn page(house: &House, key: DeliveryKey) -> String {
    let parts = &house.parts;
    for_browser(&parts.db, &parts.keys, "http://localhost", key)
        .await
        .unwrap()
}

async fn fill(house: &House, pool: &str, codes: &str) -> (u64, u64, i64) {
    let done = import_pool(
        &house.parts.db,
        pool,
        Cursor::new(codes.to_owned()),
        house.clock_ms(),
    )
    .await
    .unwrap();
    (done.added, done.known, done.left)
}

/// What forbids the launch.
async fn refusals(house: &House, definition: &Definition) -> Vec<String> {
    let template = template();
    let templates: Vec<&Template> = definition.templates().iter().map(|_| &template).collect();
    let parts = &house.parts;
    check::check(
        &parts.db,
        definition,
        &templates,
        &parts.settings,
        house.now(),
    )
    .await
    .unwrap()
    .refusals
}

async fn refused(house: &House, id: CampaignId) -> String {
    let parts = &house.parts;
    let options = parts.launch_options();
    match launch::launch(&parts.db, id, Occurrence::ByHand, options, "test", house.now()).await {
        Err(LaunchError::Coupons(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

/// A wave of five people with coupons of the series, delivered; and a till five minutes later.
async fn series(db: &TestDb) -> (House, WaveId, Shop) {
    let house = House::new(db, None);
    house.add_customers(5, "mail.example").await;
    let definition = with_coupon(Some("series"));
    assert_eq!(refusals(&house, &definition).await, Vec::<String>::new());
    let id = apply(&house, &definition).await;
    let wave = house.launch(id).await.wave;
    assert_eq!(house.deliver().await, 5);
    let shop = Shop(Site::open_set(db, tokens).await);
    let ahead =
        house.clock_ms() + 300_000 - visavis::clock::Clock::now(&*shop.0.clock).timestamp_millis();
    shop.0.clock.advance(chrono::Duration::milliseconds(ahead));
    (house, wave, shop)
}

const REDEEM: &str = "/api/v1/coupons/redeem";

on_both! {
    async fn a_coupon_of_the_series_stands_in_its_message_and_is_redeemed_once(db: &TestDb) {
        let (house, wave, shop) = series(db).await;
        let key = DeliveryKey { wave, seq: 2 };
        let code = coupon_code(key, &house.parts.keys).unwrap();
        let html = page(&house, key).await;
        assert!(html.contains(&code) && html.contains("Two for one"), "{html}");
        assert_eq!(number(db, "SELECT COUNT(*) FROM coupon_redemptions").await, 0, "nothing is kept before");
        let of_nobody = json!({"id": "N1", "amount": "10.00", "customer": {"id": 999_999}});
        let (status, problem) = shop.post(REDEEM, &json!({"code": code, "order": of_nobody})).await;
        assert_eq!(status, 422, "an order that cannot be taken uses up no coupon: {problem}");
        let sloppy = code.to_lowercase().replace('-', " ").replace('0', "o");
        let (status, answer) = shop.post_as(TILL, REDEEM, &json!({"code": sloppy}), None).await;
        assert_eq!((status, &answer["campaign"], &answer["is_simulated"]), (200, &json!("coupons"), &json!(false)), "{answer}");
        let (status, problem) = shop.post(REDEEM, &json!({"code": code})).await;
        assert_eq!((status, problem["code"].as_str()), (409, Some("conflict")));
        assert!(problem["detail"].as_str().unwrap().contains("2026-11-22 at 12:05 UTC"), "{problem}");
        let told = counters(db, wave).await;
        assert_eq!((told.get("redemptions"), told.get("responders")), (Some(&1), Some(&1)));
        let shown = show(db, &house.parts.keys, &code).await.unwrap().unwrap();
        assert_eq!((shown.seq, shown.redeemed_at.is_some()), (2, true));
        for wrong in ["7K3M-9QXD-2WTV", "", "drop table", &code[1..]] {
            let status = shop.post(REDEEM, &json!({"code": wrong})).await.0;
            assert!([404, 422].contains(&status), "{wrong}: {status}");
        }
        // Of a message that was never sent.
        let unsent = coupon_code(DeliveryKey { wave, seq: 99 }, &house.parts.keys).unwrap();
        assert_eq!(shop.post(REDEEM, &json!({"code": unsent})).await.0, 404);
        shop.0.close().await;
    }

    async fn of_many_tills_at_once_one_takes_a_coupon(db: &TestDb) {
        let (house, wave, shop) = series(db).await;
        let code = coupon_code(DeliveryKey { wave, seq: 1 }, &house.parts.keys).unwrap();
        let tills = (0..8).map(|_| {
            let (shop, body) = (&shop, json!({"code": code}));
            async move { shop.post(REDEEM, &body).await.0 }
        });
        let statuses = futures_util::future::join_all(tills).await;
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 7, "{statuses:?}");
        assert_eq!(counters(db, wave).await.get("redemptions"), Some(&1));
        assert_eq!(number(db, "SELECT COUNT(*) FROM responses WHERE kind = 'redeem'").await, 1);
        shop.0.close().await;
    }

    async fn what_is_bought_with_a_coupon_is_an_order_of_its_message(db: &TestDb) {
        let (house, wave, shop) = series(db).await;
        let code = coupon_code(DeliveryKey { wave, seq: 3 }, &house.parts.keys).unwrap();
        let bad = json!({"code": code, "order": {"id": "T-1", "amount": "much"}});
        let (status, problem) = shop.post(REDEEM, &bad).await;
        assert_eq!((status, problem["errors"][0]["field"].as_str()), (422, Some("order.amount")));
        let good = json!({"code": code, "order": {"id": "T-1", "amount": "12.50"}});
        let (status, answer) = shop.post(REDEEM, &good).await;
        assert_eq!((status, &answer["order"]), (200, &json!({"status": "created", "matched_by": "coupon"})), "{answer}");
        let told = counters(db, wave).await;
        for (counter, value) in [("redemptions", 1), ("orders", 1), ("orders.by.coupon", 1), ("revenue_cents", 1_250)] {
            assert_eq!(told.get(counter), Some(&value), "{counter}");
        }
        let (status, problem) = shop.post(REDEEM, &good).await;
        assert_eq!(status, 409);
        assert!(problem["detail"].as_str().unwrap().contains("T-1"), "{problem}");
        // Cancelled, the coupon stays used.
        shop.order(json!({"id": "T-1", "status": "cancelled"})).await;
        let told = counters(db, wave).await;
        assert_eq!((told.get("orders"), told.get("redemptions")), (None, Some(&1)));
        assert_eq!(shop.post(REDEEM, &json!({"code": code})).await.0, 409);
        shop.0.close().await;
    }

    /// Whoever settles orders holds them before their messages: so must a till, or each would wait for the other.
    async fn a_till_holds_the_order_before_the_message(db: &TestDb) {
        let (house, wave, shop) = series(db).await;
        let code = coupon_code(DeliveryKey { wave, seq: 4 }, &house.parts.keys).unwrap();
        let customer = number(db, "SELECT customer_id FROM deliveries WHERE seq = 4").await;
        let told = json!({"id": "T-9", "amount": "5.00", "ordered_at": after(60_000), "customer": {"id": customer}});
        assert_eq!(shop.order(told).await.0, 201);
        let bought = json!({"code": code, "order": {"id": "T-9", "amount": "12.50", "ordered_at": after(60_000)}});
        let redeemed = if db.dialect() == Dialect::Postgres {
            let txn = db.begin().await.unwrap();
            txn.rows("SELECT id FROM orders WHERE external_id = 'T-9' FOR UPDATE", []).await.unwrap();
            let other = async {
                let waiting = "SELECT COUNT(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND wait_event_type = 'Lock'";
                while number(db, waiting).await == 0 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                let message = txn.rows("SELECT 1 AS one FROM deliveries WHERE seq = 4 FOR UPDATE NOWAIT", []).await;
                assert_eq!(message.expect("nobody holds it").len(), 1);
                txn.commit().await.unwrap();
            };
            let both = async { tokio::join!(shop.post(REDEEM, &bought), other).0 };
            tokio::time::timeout(Duration::from_secs(60), both).await.expect("it waits for the order")
        } else {
            shop.post(REDEEM, &bought).await
        };
        assert_eq!((redeemed.0, &redeemed.1["order"]["matched_by"]), (200, &json!("coupon")), "{redeemed:?}");
        let told = counters(db, wave).await;
        for (counter, value) in [("redemptions", 1), ("orders", 1), ("revenue_cents", 1_250), ("responders", 1)] {
            assert_eq!(told.get(counter), Some(&value), "{counter}");
        }
        shop.0.close().await;
    }

    async fn a_deadline_ends_with_its_day_and_a_grace(db: &TestDb) {
        let (house, wave, shop) = series(db).await;
        let codes: Vec<String> = (1..=3).map(|seq| coupon_code(DeliveryKey { wave, seq }, &house.parts.keys).unwrap()).collect();
        // 24 December ends in Paris at 23:00 UTC.
        let in_time = "2026-12-24T22:59:59Z";
        shop.0.clock.advance(chrono::Duration::milliseconds(33 * DAY_MS));
        assert_eq!(shop.post(REDEEM, &json!({"code": codes[0], "at": in_time})).await.0, 200);
        let (status, problem) = shop.post(REDEEM, &json!({"code": codes[1], "at": "2026-12-24T23:00:00Z"})).await;
        assert_eq!((status, problem["code"].as_str()), (410, Some("gone")), "{problem}");
        assert_eq!(number(db, "SELECT COUNT(*) FROM coupon_redemptions").await, 1);
        let clock = shop.0.clock.clone();
        shop.0.close().await;
        let generous = Shop(Site::open_set(db, |settings| {
            tokens(settings);
            settings.orders.coupon_grace_days = 7;
        }).await);
        let ahead = visavis::clock::Clock::now(&*clock) - visavis::clock::Clock::now(&*generous.0.clock);
        generous.0.clock.advance(ahead);
        assert_eq!(generous.post(REDEEM, &json!({"code": codes[1]})).await.0, 200);
        generous.0.close().await;
    }

    async fn a_pool_gives_each_person_a_code_of_his_own(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(4, "mail.example").await;
        let definition = with_coupon(Some("gifts"));
        assert!(refusals(&house, &definition).await[0].contains("visavis coupon import gifts"));
        let id = apply(&house, &definition).await;
        assert!(refused(&house, id).await.contains("no pool"));
        assert_eq!(fill(&house, "gifts", "code\nGIFT-0001\n\ngift-ooo1\nGIFT-0002\nGIFT-0003\n").await, (3, 1, 3));
        assert!(refusals(&house, &definition).await[0].contains("3 coupons left and 4"));
        assert!(refused(&house, id).await.contains("3 coupons left and 4"));
        assert_eq!(number(db, "SELECT COUNT(*) FROM waves").await, 0, "nothing of it stands");
        assert_eq!(fill(&house, "gifts", "GIFT-0003\nGIFT-0004\nGIFT-0005\n").await, (2, 1, 5));
        assert_eq!(fill(&house, "others", "GIFT-0001\nOTHER-1\n").await, (1, 1, 1));
        let wave = house.launch(id).await.wave;
        assert_eq!(house.deliver().await, 4);
        let mut seen = std::collections::BTreeSet::new();
        for seq in 1..=4 {
            let html = page(&house, DeliveryKey { wave, seq }).await;
            let at = html.find("GIFT-000").unwrap_or_else(|| panic!("{html}"));
            seen.insert(html[at..at + 9].to_owned());
        }
        assert_eq!(seen.len(), 4);
        let shop = Shop(Site::open_set(db, tokens).await);
        shop.0.clock.advance(chrono::Duration::minutes(10));
        for code in &seen {
            assert_eq!(shop.post(REDEEM, &json!({"code": code})).await.0, 200, "{code}");
            assert_eq!(shop.post(REDEEM, &json!({"code": code})).await.0, 409, "{code}");
        }
        // One of the pool that nobody was given.
        let left = (1..=5).map(|n| format!("GIFT-000{n}")).find(|code| !seen.contains(code)).unwrap();
        assert_eq!(shop.post(REDEEM, &json!({"code": left})).await.0, 404);
        assert_eq!(counters(db, wave).await.get("redemptions"), Some(&4));
        shop.0.close().await;
    }

    async fn cells_may_have_coupons_of_their_own(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(20, "mail.example").await;
        fill(&house, "gifts", &(0..20).map(|n| format!("GIFT-{n:04}\n")).collect::<String>()).await;
        let mut definition = with_coupon(Some("series"));
        let cell = |name: &str, source: Option<&str>| Cell {
            name: name.to_owned(),
            weight: 1,
            template: None,
            offer: source.map(|source| Offer { coupon: Some(source.to_owned()), ..with_coupon(None).offer.unwrap() }),
        };
        definition.cells = vec![cell("signed", None), cell("pooled", Some("gifts"))];
        assert_eq!(refusals(&house, &definition).await, Vec::<String>::new());
        let id = apply(&house, &definition).await;
        let wave = house.launch(id).await.wave;
        assert_eq!(house.deliver().await, 20);
        let shop = Shop(Site::open_set(db, tokens).await);
        shop.0.clock.advance(chrono::Duration::minutes(10));
        let mut pooled = 0;
        for seq in 1..=20 {
            let key = DeliveryKey { wave, seq };
            let html = page(&house, key).await;
            let code = match html.find("GIFT-") {
                Some(at) => {
                    pooled += 1;
                    html[at..at + 9].to_owned()
                }
                None => coupon_code(key, &house.parts.keys).unwrap(),
            };
            assert!(html.contains(&code));
            assert_eq!(shop.post(REDEEM, &json!({"code": code})).await.0, 200, "{seq}");
        }
        assert!((1..20).contains(&pooled), "{pooled}");
        let told = counters(db, wave).await;
        assert_eq!(told.get("cell.pooled.redemptions"), Some(&pooled));
        assert_eq!(told.get("redemptions"), Some(&20));
        shop.0.close().await;
    }

    async fn a_text_that_promises_what_there_is_not_is_refused(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(1, "mail.example").await;
        let without = with_coupon(None);
        let refusals = refusals(&house, &without).await;
        assert!(refusals[0].contains("{{coupon}}") && refusals[0].contains("series"), "{refusals:?}");
        let id = apply(&house, &without).await;
        assert!(refused(&house, id).await.contains("{{coupon}}"));
    }
}
