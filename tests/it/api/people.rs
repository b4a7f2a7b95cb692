//! Notes about customers; users and tokens.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use visavis::config::Scope;

use super::{Api, give};
use crate::kit::ledger::number;
use crate::on_both;

async fn asked_as(api: &Api, secret: &str, path: &str) -> u16 {
    let request = api.0.client.get(format!("{}{path}", api.0.base));
    let answer = request.bearer_auth(secret).send().await.unwrap();
    answer.status().as_u16()
}

on_both! {
    async fn notes_are_written_listed_and_taken_away(db: &TestDb) {
        let api = Api::open(db).await;
        assert_eq!(api.post("/api/v1/customers", &json!({"external_id": "ada"})).await.status, 201);
        let path = "/api/v1/customers/external_id:ada/notes";
        for bad in [json!({"text": " \n"}), json!({"text": "x".repeat(2_001)})] {
            assert_eq!(api.post(path, &bad).await.fields(), ["text"]);
        }
        let first = json!({"text": "Calls after six.\r\nNever on Monday. "});
        let written = api.post_once(path, "k1", Some(&first)).await;
        assert_eq!((written.status, &written.body["author"]), (201, &json!("all")), "{}", written.body);
        assert_eq!(api.post_once(path, "k1", Some(&first)).await.body, written.body);
        for n in 0..2 {
            api.post(path, &json!({"text": format!("note {n}")})).await;
        }
        let newest = api.get(&format!("{path}?limit=2")).await;
        let texts = |page: &Value| -> Vec<String> {
            page["data"].as_array().unwrap().iter().map(|one| one["text"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(texts(&newest.body), ["note 1", "note 0"]);
        let rest = api.get(&format!("{path}?limit=2&cursor={}", newest.body["next_cursor"].as_str().unwrap())).await;
        assert_eq!(texts(&rest.body), ["Calls after six.\nNever on Monday."]);
        assert_eq!(rest.body["data"][0], written.body);
        let note = format!("{path}/{}", written.body["id"]);
        assert_eq!(api.post("/api/v1/customers", &json!({"external_id": "eve"})).await.status, 201);
        assert_eq!(api.delete(&note.replace("ada", "eve")).await.status, 404, "it is not about her");
        assert_eq!(api.delete(&note).await.status, 204);
        assert_eq!(api.delete(&note).await.status, 404);
        assert_eq!(api.post("/api/v1/customers/999/notes", &first).await.status, 404);
        let noted = "SELECT COUNT(*) FROM audit_log WHERE actor = 'token all' AND action LIKE 'customer.note%'";
        assert_eq!(number(db, noted).await, 4);
        api.0.close().await;
    }

    async fn users_are_changed_and_the_last_administrator_stays(db: &TestDb) {
        let api = Api::open(db).await;
        let anne = json!({"email": "anne@example.com", "name": "Anne Petit", "role": "marketer"});
        let added = api.post_once("/api/v1/users", "k1", Some(&anne)).await;
        assert_eq!(added.status, 201, "{}", added.body);
        let again = api.post_once("/api/v1/users", "k1", Some(&anne)).await;
        assert_eq!((&again.body["id"], &again.body["path"]), (&added.body["id"], &json!(null)));
        assert_eq!(number(db, "SELECT COUNT(*) FROM api_requests WHERE body LIKE '%enter%'").await, 0);
        let path = format!("/api/v1/users/{}", added.body["id"]);
        let changed = api.patch(&path, &json!({"role": "approver", "is_disabled": true})).await;
        assert_eq!((&changed.body["role"], &changed.body["is_disabled"]), (&json!("approver"), &json!(true)), "{}", changed.body);
        let enter = async |path: &Value| api.0.get(path.as_str().unwrap()).await.status().as_u16();
        assert_eq!(enter(&added.body["path"]).await, 404, "shut out");
        assert_eq!(api.patch(&path, &json!({"is_disabled": false})).await.body["role"], "approver");
        let link = api.act(&format!("{path}/link")).await;
        assert_eq!(link.status, 201, "{}", link.body);
        assert_eq!((enter(&link.body["path"]).await, enter(&added.body["path"]).await), (200, 404), "the earlier one ended");
        for act in ["end-sessions", "end-two-factors"] {
            let ended = api.act(&format!("{path}/{act}")).await;
            assert_eq!((ended.status, &ended.body["has_two_factors"]), (200, &json!(false)), "{act}");
        }
        // The one whose browser the test is: both changes or none.
        let users = api.get("/api/v1/users").await;
        let only = users.body["users"].as_array().unwrap().iter().find(|one| one["role"] == "administrator").unwrap();
        let only = format!("/api/v1/users/{}", only["id"]);
        for change in [json!({"role": "analyst"}), json!({"role": "administrator", "is_disabled": true})] {
            let refused = api.patch(&only, &change).await;
            assert_eq!(refused.status, 409, "{}", refused.body);
            assert!(refused.body["detail"].as_str().unwrap().contains("the only administrator"));
        }
        assert_eq!(api.get(&only).await.body["is_disabled"], false);
        for path in ["/api/v1/users/999", "/api/v1/users/x"] {
            assert_eq!(api.get(path).await.status, 404);
        }
        let noted = "SELECT COUNT(*) FROM audit_log WHERE actor = 'token all' AND action LIKE 'user.%'";
        assert_eq!(number(db, noted).await, 7);
        api.0.close().await;
    }

    async fn a_token_makes_none_that_may_do_more(db: &TestDb) {
        let small = "an-administrator-of-orders-and-no-more";
        let api = Api::open_set(db, |settings| {
            give(settings, "small", small, &BTreeSet::from([Scope::Admin, Scope::OrdersRead]));
        }).await;
        let path = "/api/v1/tokens";
        let make = async |body: Value| {
            let request = api.0.client.post(format!("{}{path}", api.0.base)).bearer_auth(small);
            let answer = request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
            let status = answer.status().as_u16();
            let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
            (status, body)
        };
        for (body, field) in [
            (json!({"name": "till", "scopes": ["orders:read", "customers:read"]}), "scopes[1]"),
            (json!({"name": "till", "scopes": ["everything"]}), "scopes[0]"),
            (json!({"name": "till", "scopes": []}), "scopes"),
            (json!({"name": "<till>", "scopes": ["orders:read"]}), "name"),
            (json!({"name": "till", "scopes": ["orders:read"], "expires_at": "2020-01-01T00:00:00Z"}), "expires_at"),
        ] {
            let (status, answer) = make(body).await;
            assert_eq!((status, &answer["errors"][0]["field"]), (422, &json!(field)), "{answer}");
        }
        let (status, made) = make(json!({"name": "till", "scopes": ["orders:read"], "expires_at": "2999-01-01T00:00:00Z"})).await;
        assert_eq!(status, 201, "{made}");
        let secret = made["secret"].as_str().unwrap();
        assert_eq!(asked_as(&api, secret, "/api/v1/orders/unmatched").await, 200);
        assert_eq!(asked_as(&api, secret, "/api/v1/customers").await, 403);
        let (status, taken) = make(json!({"name": "till", "scopes": ["orders:read"]})).await;
        assert_eq!((status, &taken["errors"][0]["field"]), (422, &json!("name")));
        let list = api.get(path).await;
        assert_eq!((&list.body["tokens"][0]["name"], &list.body["tokens"][0]["made_by"]), (&json!("till"), &json!("token small")));
        assert!(!list.body.to_string().contains(secret));
        let one = format!("{path}/{}", made["id"]);
        assert_eq!(api.delete(&one).await.status, 204);
        assert_eq!(asked_as(&api, secret, "/api/v1/orders/unmatched").await, 401);
        assert_eq!(api.delete(&one).await.status, 404);
        let noted = "SELECT COUNT(*) FROM audit_log WHERE action IN ('token.make', 'token.revoke')";
        assert_eq!(number(db, noted).await, 2);
        api.0.close().await;
    }
}
