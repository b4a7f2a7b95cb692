//! What a program may not, and what must not hold others up.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use visavis::config::Scope;

use super::campaigns::plan;
use super::{ALL, Api, give, made};
use crate::kit::ledger::number;
use crate::on_both;

on_both! {
    async fn who_may_not_see_people_learns_nothing_of_one_and_who_looks_leaves_his_name(db: &TestDb) {
        let narrow = "a-token-that-may-read-segments-and-templates";
        let api = Api::open_set(db, |settings| {
            let scopes = BTreeSet::from([Scope::SegmentsRead, Scope::TemplatesRead, Scope::ReportsRead]);
            give(settings, "narrow", narrow, &scopes);
        })
        .await;
        let permissions = json!([{
            "channel": "email", "topic": "offers", "action": "grant", "basis": "consent", "source": "form 3",
            "wording": "I want offers", "occurred_at": "2026-01-02T10:00:00Z",
        }]);
        let ada = json!({"external_id": "ada", "email": "ada@example.org", "permissions": permissions});
        assert_eq!(api.post("/api/v1/customers", &ada).await.status, 201);
        let asked = json!({"rule": "email is known", "customer": "external_id:ada"});
        let shown = json!({"customer": "external_id:ada"});
        for (path, body) in [
            ("/api/v1/segments/explain", &asked),
            ("/api/v1/templates/super-chef/preview", &shown),
        ] {
            let request = api.0.client.post(format!("{}{path}", api.0.base)).bearer_auth(narrow);
            let answer = request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), 403, "{path}");
            let said = answer.text().await.unwrap();
            assert!(said.contains("customers:read"), "{said}");
        }
        let nobody = api.0.client.post(format!("{}/api/v1/templates/super-chef/preview", api.0.base)).bearer_auth(narrow);
        assert_eq!(nobody.send().await.unwrap().status().as_u16(), 200, "somebody invented");
        let looks = async || number(db, "SELECT COUNT(*) FROM audit_records WHERE action = 'access' AND actor = 'token all'").await;
        assert_eq!(looks().await, 0);
        let mut expected = 0;
        for (path, body) in [("/api/v1/segments/explain", &asked), ("/api/v1/templates/super-chef/preview", &shown)] {
            expected += 1;
            assert_eq!(api.post(path, body).await.status, 200, "{path}");
            assert_eq!(looks().await, expected, "{path}");
        }
        for path in [
            "/api/v1/customers?external_id=ada",
            "/api/v1/customers?email=ada@example.org",
            "/api/v1/customers/external_id:ada/timeline",
            "/api/v1/customers/external_id:ada/permissions",
            "/api/v1/customers/external_id:ada/proof",
        ] {
            expected += 1;
            assert_eq!(api.get(path).await.status, 200, "{path}");
            assert_eq!(looks().await, expected, "{path}");
        }
        assert_eq!(api.get("/api/v1/customers?limit=1").await.status, 200);
        assert_eq!(looks().await, expected, "a copy of the base is one line of the audit log");
        assert_eq!(number(db, "SELECT COUNT(*) FROM audit_log WHERE action = 'customers.list' AND subject = '1 customer'").await, 1);
        api.0.close().await;
    }

    async fn too_many_are_counted_before_one_is_read(db: &TestDb) {
        let api = Api::open(db).await;
        let sent = async |kind: &str, body: String| {
            let request = api.0.client.post(format!("{}/api/v1/customers/bulk", api.0.base)).bearer_auth(ALL);
            let answer = request.header("content-type", kind).body(body).send().await.unwrap();
            let status = answer.status().as_u16();
            (status, answer.text().await.unwrap())
        };
        // What follows the 10,001st is not looked at, be it what it may.
        let array = format!("[{} nothing of JSON", "1,".repeat(10_001));
        let (status, said) = sent("application/json", array).await;
        assert_eq!(status, 422, "{said}");
        assert!(said.contains("1 to 10,000 customers"), "{said}");
        assert_eq!(sent("application/x-ndjson", "x\n".repeat(10_001)).await.0, 422);
        let (status, said) = sent("application/json", "{}".to_owned()).await;
        assert_eq!((status, said.contains("is not an array")), (422, true), "{said}");
        assert_eq!(sent("application/json", "[1,".to_owned()).await.0, 400);
        assert_eq!(sent("application/json", "[]".to_owned()).await.0, 422);
        assert_eq!(sent("text/plain", "[]".to_owned()).await.0, 415);
        let (status, said) = sent("application/x-ndjson", "{\"external_id\": \"k1\"}\n\nx\n".to_owned()).await;
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!((status, &said["customers"][0]["status"], &said["customers"][1]["status"]), (207, &json!("created"), &json!("invalid")));
        api.0.close().await;
    }

    async fn tokens_of_one_name_are_two(db: &TestDb) {
        let api = Api::open(db).await;
        let secret = made(db, "all", &[Scope::CustomersWrite]).await;
        let bob = json!({"external_id": "bob"}).to_string();
        let request = api.0.client.post(format!("{}/api/v1/customers", api.0.base)).bearer_auth(&secret);
        let request = request.header("content-type", "application/json").header("idempotency-key", "k1").body(bob);
        assert_eq!(request.send().await.unwrap().status().as_u16(), 201);
        let ada = json!({"external_id": "ada"});
        let answer = api.ask(Method::POST, "/api/v1/customers", Some(&ada), &[("idempotency-key", "k1")]).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        assert_eq!(number(db, "SELECT COUNT(DISTINCT actor) FROM audit_log WHERE action = 'customer.save'").await, 2);
        api.0.close().await;
    }

    async fn no_campaign_takes_the_address_of_a_page(db: &TestDb) {
        let api = Api::open(db).await;
        let answer = api.ask(Method::PUT, "/api/v1/campaigns/new", Some(&plan("new")), &[]).await;
        assert_eq!(answer.status, 422, "{}", answer.body);
        assert!(answer.body.to_string().contains("give it another"), "{}", answer.body);
        api.0.close().await;
    }
}
