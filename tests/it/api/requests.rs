//! Requests: whose token, how often, once.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use reqwest::Method;
use serde_json::json;
use visavis::config::Scope;
use visavis::storage::Sql as _;

use super::{Api, give, made};
use crate::kit::ledger::number;
use crate::on_both;

on_both! {
    async fn a_token_may_ask_so_often_and_is_told(db: &TestDb) {
        let api = Api::open_set(db, |settings| {
            settings.api.requests_per_minute = NonZeroU32::new(3).unwrap();
            give(settings, "other", "another-token-with-its-own-count", &BTreeSet::from([Scope::CustomersRead]));
        })
        .await;
        for left in ["r=2", "r=1", "r=0"] {
            let answer = api.get("/api/v1/token").await;
            assert_eq!(answer.status, 200);
            assert!(answer.header("ratelimit").contains(left), "{}", answer.header("ratelimit"));
            assert_eq!(answer.header("ratelimit-policy"), "\"token\";q=3;w=60");
        }
        let over = api.get("/api/v1/token").await;
        assert_eq!((over.status, over.body["code"].as_str()), (429, Some("too_many_requests")));
        let wait: u32 = over.header("retry-after").parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
        assert!(over.header("ratelimit").contains("r=0"));
        let other = api.0.client.get(format!("{}/api/v1/token", api.0.base)).bearer_auth("another-token-with-its-own-count").send().await.unwrap();
        assert_eq!(other.status().as_u16(), 200);
        let other: serde_json::Value = other.json().await.unwrap();
        assert_eq!(other, json!({"name": "other", "scopes": ["customers:read"]}));
        api.0.close().await;
    }

    async fn what_has_transactions_of_its_own_is_done_once_too(db: &TestDb) {
        let api = Api::open(db).await;
        let ada = json!({"external_id": "ada", "email": "ada@example.org"});
        assert_eq!(api.post("/api/v1/customers", &ada).await.status, 201);
        let path = "/api/v1/customers/external_id:ada/opt-out";
        let no = json!({"source": "call of 3 March"});
        let key = [("idempotency-key", "k1")];
        let first = api.ask(Method::POST, path, Some(&no), &key).await;
        let second = api.ask(Method::POST, path, Some(&no), &key).await;
        assert_eq!((first.status, &first.body), (second.status, &second.body));
        assert_eq!(number(db, "SELECT COUNT(*) FROM audit_log WHERE action = 'permission.opt_out'").await, 1);
        let other = api.ask(Method::POST, path, Some(&json!({"source": "letter"})), &key).await;
        assert_eq!(other.status, 422, "{}", other.body);
        // One that was refused may be mended and sent again.
        let key = [("idempotency-key", "k2")];
        assert_eq!(api.ask(Method::POST, "/api/v1/campaigns/spring/launch", None, &key).await.status, 404);
        assert_eq!(number(db, "SELECT COUNT(*) FROM api_requests WHERE request_key = 'k2'").await, 0);
        let bad = api.ask(Method::POST, path, Some(&no), &[("idempotency-key", "")]).await;
        assert_eq!(bad.status, 400);
        // A request that was cut short: nobody knows what came of it, and after a minute it is done again.
        db.run("UPDATE api_requests SET status = NULL, body = NULL WHERE request_key = 'k1'", []).await.unwrap();
        let key = [("idempotency-key", "k1")];
        assert_eq!(api.ask(Method::POST, path, Some(&no), &key).await.status, 409);
        api.0.clock.advance(chrono::Duration::seconds(61));
        assert_eq!(api.ask(Method::POST, path, Some(&no), &key).await.status, 200);
        api.0.close().await;
    }

    async fn a_token_of_the_console_counts_until_it_is_revoked(db: &TestDb) {
        let api = Api::open(db).await;
        let secret = made(db, "till", &[Scope::OrdersRead, Scope::CouponsRead]).await;
        let ask = async |path: &str| {
            let answer = api.0.client.get(format!("{}{path}", api.0.base)).bearer_auth(&secret).send().await.unwrap();
            answer.status().as_u16()
        };
        assert_eq!(ask("/api/v1/orders/unmatched").await, 200);
        assert_eq!(ask("/api/v1/customers").await, 403);
        db.run("UPDATE api_tokens SET revoked_at = 1", []).await.unwrap();
        assert_eq!(ask("/api/v1/orders/unmatched").await, 401);
        api.0.close().await;
    }
}
