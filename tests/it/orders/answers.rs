//! Who comes to a shop or calls, and names the code of an offer.

use serde_json::json;
use visavis::clock::Clock;
use visavis::responses::orders::attribute_orders;
use visavis::storage::Sql;

use super::{Shop, counters};
use crate::kit::ledger::{self, CLICKS, DAY_MS, Plan, SETTLED_AT, expected, number};
use crate::on_both;

on_both! {
    async fn what_was_noted_of_people_nobody_knows_is_emptied_in_its_time(db: &TestDb) {
        let shop = Shop::open(db).await;
        let wave = ledger::wave(db, Plan { goal: "answer", ..CLICKS }).await;
        db.run("INSERT INTO offer_codes (code_key, wave_id) VALUES ('SPR1NG', $1)", [wave.0.into()]).await.unwrap();
        ledger::customer(db, "ada", "fr", "none").await;
        for who in [json!({"external_id": "ada"}), json!(null), json!({"email": "stranger@example.org"})] {
            let told = json!({"campaign_code": "spring", "kind": "phone", "customer": who, "note": "wants the red one"});
            assert_eq!(shop.post("/api/v1/responses", &told).await.0, 202);
        }
        let rules = crate::responses::rules();
        for (days, notes) in [(0, 3), (89, 3), (91, 1)] {
            let now = shop.0.clock.now_ms() + days * DAY_MS;
            attribute_orders(db, &rules, now).await.unwrap();
            let with_notes = "SELECT COUNT(*) FROM answers WHERE note IS NOT NULL";
            assert_eq!(number(db, with_notes).await, notes, "after {days} days");
        }
        assert_eq!(number(db, "SELECT COUNT(*) FROM answers WHERE customer_id IS NULL").await, 2, "they answered");
        assert_eq!(number(db, "SELECT COUNT(*) FROM answers WHERE customer_id IS NOT NULL AND note IS NOT NULL").await, 1);
        shop.0.close().await;
    }

    async fn an_answer_counts_for_the_last_message_with_the_offer(db: &TestDb) {
        let shop = Shop::open(db).await;
        let plan = Plan { goal: "answer", window_days: 7, ..CLICKS };
        let (old, new) = (ledger::wave(db, Plan { campaign: "old", ..plan }).await, ledger::wave(db, plan).await);
        for wave in [old, new] {
            db.run("INSERT INTO offer_codes (code_key, wave_id) VALUES ('SPR1NG', $1)", [wave.0.into()]).await.unwrap();
        }
        let ada = ledger::customer(db, "ada", "fr", "none").await;
        ledger::customer(db, "bob", "fr", "none").await;
        ledger::delivery(db, old, 1, ada).await;
        ledger::delivery(db, new, 1, ada).await;
        let tell = |who: serde_json::Value, kind: &str| json!({"campaign_code": "spring", "kind": kind, "customer": who, "note": "asked for the red one"});
        let path = "/api/v1/responses";
        assert_eq!(shop.post(path, &tell(json!({"external_id": "ada"}), "shop")).await, (201, json!({"status": "matched"})));
        assert_eq!(counters(db, new).await, expected([("answers", 1), ("responders", 1)]));
        // She got nothing of it, nobody is known, or the window is over: counted all the same.
        assert_eq!(shop.post(path, &tell(json!({"external_id": "bob"}), "phone")).await.0, 202);
        assert_eq!(shop.post(path, &tell(json!(null), "shop")).await.0, 202);
        shop.0.clock.advance(chrono::Duration::milliseconds(8 * DAY_MS));
        assert_eq!(shop.post(path, &tell(json!({"email": "ada@example.org"}), "shop")).await.0, 202);
        assert_eq!(counters(db, new).await.get("answers.unmatched"), Some(&3));
        assert_eq!(number(db, "SELECT COUNT(*) FROM answers").await, 4);
        assert_eq!(number(db, "SELECT last_response_at FROM customers WHERE external_id = 'ada'").await, SETTLED_AT + 60_000);
        let (status, problem) = shop.post(path, &json!({"campaign_code": "none", "kind": "shop"})).await;
        assert_eq!((status, problem["errors"][0]["field"].as_str()), (422, Some("campaign_code")));
        for (body, field) in [
            (json!({"kind": "shop"}), "campaign_code"),
            (json!({"campaign_code": "spring", "kind": "letter"}), "kind"),
            (json!({"campaign_code": "spring", "kind": "shop", "colour": 1}), "colour"),
            (json!({"campaign_code": "spring", "kind": "shop", "at": "2030-01-01T00:00:00Z"}), "at"),
        ] {
            let (status, problem) = shop.post(path, &body).await;
            assert_eq!((status, problem["errors"][0]["field"].as_str()), (422, Some(field)));
        }
        shop.0.close().await;
    }
}
