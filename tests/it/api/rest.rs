//! Rules, templates as they come, pools, answers and the inbox.

use reqwest::Method;
use serde_json::{Value, json};

use super::Api;
use crate::on_both;

on_both! {
    async fn segments_are_counted_and_explained(db: &TestDb) {
        let api = Api::open(db).await;
        for (key, city) in [("1", "Amiens"), ("2", "Lille")] {
            assert_eq!(api.post("/api/v1/customers", &json!({"external_id": key, "city": city})).await.status, 201);
        }
        let rule = json!({"rule": "city = \"Amiens\" and not tagged \"none\""});
        let counted = api.post("/api/v1/segments/count", &rule).await;
        assert_eq!((&counted.body["selected"], &counted.body["of"]), (&json!(1), &json!(2)), "{}", counted.body);
        assert_eq!(counted.body["notes"].as_array().unwrap().len(), 1, "{}", counted.body);
        let asked = json!({"rule": "city = \"Amiens\"", "customer": "external_id:2"});
        let explained = api.post("/api/v1/segments/explain", &asked).await;
        assert_eq!(explained.body["is_true"], false, "{}", explained.body);
        let wrong = api.post("/api/v1/segments/count", &json!({"rule": "city is"})).await;
        assert_eq!((wrong.status, wrong.fields()), (422, vec!["rule"]));
        let words = api.get("/api/v1/segments/words").await;
        assert!(words.body["fields"].as_array().unwrap().iter().any(|one| one["word"] == "age"));
        api.0.close().await;
    }

    async fn templates_are_listed_checked_and_shown(db: &TestDb) {
        let api = Api::open(db).await;
        let list = api.get("/api/v1/templates").await;
        assert!(list.body["templates"].as_array().unwrap().iter().any(|one| one["name"] == "super-chef"), "{}", list.body);
        assert_eq!(api.get("/api/v1/templates/super-chef").await.body["languages"][0], "fr");
        assert_eq!(api.get("/api/v1/templates/super-chef/check").await.body["is_sendable"], true);
        let path = "/api/v1/templates/super-chef/preview";
        let email = api.act(path).await;
        assert!(email.body["html"].as_str().unwrap().contains("<html"), "{}", email.body);
        let sms = api.post(path, &json!({"channel": "sms", "language": "en"})).await;
        assert!(sms.body["parts"].as_u64().unwrap() > 0 && sms.body["html"].is_null(), "{}", sms.body);
        for name in ["none", "..%2F..%2Fetc", "super-chef%2F..", "%2Fetc%2Fpasswd"] {
            assert_eq!(api.get(&format!("/api/v1/templates/{name}")).await.status, 404, "{name}");
        }
        api.0.close().await;
    }

    async fn pools_are_filled_and_answers_told(db: &TestDb) {
        let api = Api::open(db).await;
        let codes = json!({"codes": ["AAAA-1111", "BBBB-2222", "aaaa1111"]});
        let added = api.post("/api/v1/coupon-pools/spring/codes", &codes).await;
        assert_eq!(added.body, json!({"added": 2, "known": 1, "left": 2}));
        assert_eq!(api.get("/api/v1/coupon-pools").await.body, json!({"pools": [{"name": "spring", "size": 2, "left": 2}]}));
        assert_eq!(api.post("/api/v1/coupon-pools/Series/codes", &codes).await.status, 422);
        assert_eq!(api.get("/api/v1/coupons/nothing").await.status, 404);
        let answers = json!([{"campaign_code": "NONE", "kind": "shop"}, {"kind": "fax", "campaign_code": "NONE"}]);
        let told = api.post("/api/v1/responses", &answers).await;
        assert_eq!(told.status, 207, "{}", told.body);
        assert_eq!(told.body["responses"][0]["errors"][0]["field"], "campaign_code", "{}", told.body);
        assert_eq!(api.get("/api/v1/orders/unmatched").await.body, json!({"count": 0, "orders": []}));
        for list in ["replies", "mails"] {
            let answer = api.get(&format!("/api/v1/{list}?all=true&limit=5")).await;
            assert_eq!(answer.body, json!({"data": [], "next_cursor": null}), "{list}");
            assert_eq!(api.act(&format!("/api/v1/{list}/7/done")).await.status, 404);
        }
        assert_eq!(api.get("/api/v1/reports/standing").await.status, 200);
        let options = api.ask(Method::OPTIONS, "/api/v1/customers", None, &[]).await;
        assert_eq!((options.status, options.header("allow")), (204, "GET, HEAD, POST, OPTIONS"));
        assert_eq!(options.body, Value::Null);
        let head = api.ask(Method::HEAD, "/api/v1/customers", None, &[]).await;
        assert_eq!((head.status, head.header("content-type")), (200, "application/json"));
        let put = api.ask(Method::PUT, "/api/v1/customers", None, &[]).await;
        assert_eq!((put.status, put.header("allow")), (405, "GET, HEAD, POST, OPTIONS"));
        api.0.close().await;
    }

    async fn administrators_add_users_and_read_what_was_done(db: &TestDb) {
        let api = Api::open(db).await;
        let anne = json!({"email": "anne@example.com", "name": "Anne Petit", "role": "marketer", "language": "fr"});
        let added = api.post("/api/v1/users", &anne).await;
        assert_eq!(added.status, 201, "{}", added.body);
        assert!(added.body["path"].as_str().unwrap().starts_with("/enter/"));
        let again = api.post("/api/v1/users", &anne).await;
        assert_eq!((again.status, again.fields()), (422, vec!["email"]));
        let users = api.get("/api/v1/users").await;
        assert_eq!(users.body["users"][0]["role"], "marketer", "{}", users.body);
        let log = api.get("/api/v1/audit-log?action=user.&limit=1").await;
        assert_eq!(log.body["data"][0]["actor"], "token all", "{}", log.body);
        let levels = api.get("/api/v1/permission-levels").await;
        assert!(levels.body["rungs"].as_array().unwrap().len() >= 5, "{}", levels.body);
        assert_eq!(api.get("/api/v1/evidence/verification").await.body["is_whole"], true);
        api.0.close().await;
    }
}
