//! What people allow and refuse, told by programs.

use serde_json::json;

use super::Api;
use crate::kit::ledger::number;
use crate::on_both;

on_both! {
    async fn a_yes_needs_its_proof_and_a_no_is_taken_at_once(db: &TestDb) {
        let api = Api::open(db).await;
        let ada = json!({"external_id": "ada", "email": "ada@example.org"});
        assert_eq!(api.post("/api/v1/customers", &ada).await.status, 201);
        let path = "/api/v1/customers/external_id:ada";
        let yes = json!({
            "channel": "email", "topic": "offers", "action": "grant", "basis": "consent", "source": "form 3",
            "wording": "I want offers", "occurred_at": "2026-01-02T10:00:00Z",
        });
        for (field, value) in [("basis", json!(null)), ("wording", json!(null)), ("occurred_at", json!(null)), ("source", json!(" ")), ("topic", json!("ofers"))] {
            let mut bad = yes.clone();
            bad[field] = value;
            let answer = api.post(&format!("{path}/permissions"), &bad).await;
            assert_eq!((answer.status, answer.fields()), (422, vec![field]), "{}", answer.body);
        }
        for (field, change) in [
            ("wording", json!({"wording": " \n "})),
            ("basis", json!({"basis": "contract"})),
            ("channel", json!({"channel": "sms"})),
            ("occurred_at", json!({"occurred_at": "2999-01-02T10:00:00Z"})),
        ] {
            let mut bad = yes.clone();
            bad.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let answer = api.post(&format!("{path}/permissions"), &bad).await;
            assert_eq!((answer.status, answer.fields()), (422, vec![field]), "{}", answer.body);
        }
        let recorded = api.post(&format!("{path}/permissions"), &yes).await;
        assert_eq!(recorded.status, 201, "{}", recorded.body);
        assert_eq!(recorded.body["permissions"][0]["is_granted"], true);
        assert_eq!(recorded.body["permissions"][0]["level"], "brand_trust");
        let no = json!({"channel": "email", "source": "call of 3 March"});
        let refused = api.post(&format!("{path}/opt-out"), &no).await;
        assert_eq!(refused.status, 200, "{}", refused.body);
        let all = refused.body["permissions"].as_array().unwrap();
        assert!(all.iter().all(|one| one["is_granted"] == false), "{all:?}");
        let check = api.post("/api/v1/suppressions/check", &json!({"email": "Ada@Example.org"})).await;
        assert_eq!(check.body["is_suppressed"], true);
        assert_eq!(check.body["suppressions"][0]["reason"], "opt_out");
        let proof = api.get(&format!("{path}/proof")).await;
        assert_eq!(proof.body["permissions"][0]["topic"], "*");
        // An older yes told late does not revive him.
        let late = api.post(&format!("{path}/permissions"), &yes).await;
        assert!(late.body["permissions"].as_array().unwrap().iter().all(|one| one["is_granted"] == false));
        assert_eq!(api.post("/api/v1/customers/external_id:eve/opt-out", &no).await.status, 404);
        let noted = number(db, "SELECT COUNT(*) FROM audit_log WHERE action LIKE 'permission.%'").await;
        assert_eq!(noted, 3);
        api.0.close().await;
    }

    async fn an_address_is_suppressed_without_a_customer(db: &TestDb) {
        let api = Api::open(db).await;
        let phone = json!({"phone": "06 12 34 56 78", "reason": "robinson", "topic": "offers"});
        assert_eq!(api.post("/api/v1/suppressions", &phone).await.body, json!({"added": 1, "known": 0}));
        assert_eq!(api.post("/api/v1/suppressions", &phone).await.body, json!({"added": 0, "known": 1}));
        let ask = |topic: &str| json!({"phone": "+33612345678", "topic": topic});
        assert_eq!(api.post("/api/v1/suppressions/check", &ask("offers")).await.body["is_suppressed"], true);
        assert_eq!(api.post("/api/v1/suppressions/check", &ask("news")).await.body["is_suppressed"], false);
        for (body, field) in [
            (json!({"email": "x", "reason": "r"}), "email"),
            (json!({"email": "a@example.org", "phone": "1", "reason": "r"}), ""),
            (json!([{"email": "a@example.org", "reason": "r"}, {"email": "a@example.org", "reason": "two words"}]), "[1].reason"),
            (json!({"email": "a@example.org", "topic": "", "reason": "r"}), "topic"),
            (json!([]), ""),
        ] {
            let answer = api.post("/api/v1/suppressions", &body).await;
            assert_eq!((answer.status, answer.fields()), (422, vec![field]), "{}", answer.body);
        }
        assert_eq!(number(db, "SELECT COUNT(*) FROM suppressions").await, 1);
        api.0.close().await;
    }
}
