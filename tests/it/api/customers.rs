//! Customers: told, corrected, found, exported, erased.

use reqwest::Method;
use serde_json::json;

use super::{ALL, Api};
use crate::kit::ledger::number;
use crate::on_both;

on_both! {
    async fn a_customer_is_told_corrected_and_erased(db: &TestDb) {
        let api = Api::open(db).await;
        let told = json!({
            "external_id": "K-1", "email": "ada@example.org", "first_name": "Ada", "city": "Amiens",
            "birth_date": "1985-12-10", "attributes": {"size": "041", "vip": true}, "tags": ["Staff"],
            "permissions": [{
                "channel": "email", "topic": "offers", "action": "grant", "basis": "consent", "source": "form 3",
                "wording": "I want offers", "occurred_at": "2026-01-02T10:00:00Z",
            }],
        });
        let created = api.post("/api/v1/customers", &told).await;
        assert_eq!((created.status, created.body["status"].as_str()), (201, Some("created")), "{}", created.body);
        let again = api.post("/api/v1/customers", &told).await;
        assert_eq!((again.status, again.body["status"].as_str()), (200, Some("unchanged")));
        let id = created.body["customer"].as_i64().unwrap();
        let found = api.get("/api/v1/customers/external_id:K-1").await;
        assert_eq!((found.status, found.body["id"].as_i64()), (200, Some(id)));
        // A text stays a text, whatever it looks like.
        assert_eq!(found.body["attributes"], json!({"size": "041", "vip": true}));
        assert_eq!(number(db, "SELECT COUNT(*) FROM customer_tags").await, 1);

        let path = format!("/api/v1/customers/{id}");
        let patch = json!({"city": "Lille", "birth_date": null, "attributes": {"vip": null, "shoes": 41}});
        let stale = api.ask(Method::PATCH, &path, Some(&patch), &[("if-match", "\"0123\"")]).await;
        assert_eq!((stale.status, stale.body["code"].as_str()), (412, Some("precondition_failed")));
        let tag = found.header("etag").to_owned();
        let corrected = api.ask(Method::PATCH, &path, Some(&patch), &[("if-match", &tag)]).await;
        assert_eq!(corrected.status, 200, "{}", corrected.body);
        let customer = &corrected.body["customer"];
        assert_eq!(
            [&customer["city"], &customer["birth_date"], &customer["attributes"]],
            [&json!("Lille"), &json!(null), &json!({"size": "041", "shoes": 41})]
        );
        // The zone of a number is a guess, and told as one.
        let phoned = api.ask(Method::PATCH, &path, Some(&json!({"phone": "+33612345678"})), &[]).await;
        let zones = |body: &serde_json::Value| [body["time_zone"].clone(), body["time_zone_guessed"].clone()];
        assert_eq!(zones(&phoned.body["customer"]), [json!(null), json!("Europe/Paris")], "{}", phoned.body);
        let zoned = api.ask(Method::PATCH, &path, Some(&json!({"time_zone": "Europe/Lisbon", "phone": null})), &[]).await;
        assert_eq!(zones(&zoned.body["customer"]), [json!("Europe/Lisbon"), json!(null)], "{}", zoned.body);
        // A new address has no permission behind it.
        let moved = api.ask(Method::PATCH, &path, Some(&json!({"email": "ada@new.example.org"})), &[]).await;
        assert_eq!(moved.body["permissions_ended"], json!(["email/offers"]));

        let archive = api.0.client.get(format!("{}{path}/export", api.0.base)).bearer_auth(ALL).send().await.unwrap();
        assert_eq!(archive.headers()["content-type"], "application/zip");
        assert!(archive.bytes().await.unwrap().starts_with(b"PK"));
        assert_eq!(api.ask(Method::DELETE, &path, None, &[]).await.status, 204);
        assert_eq!(api.ask(Method::DELETE, &path, None, &[]).await.status, 410);
        assert_eq!(api.get(&path).await.status, 404);
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers").await, 0);
        // What is on record names no address.
        let noted = number(db, "SELECT COUNT(*) FROM audit_log WHERE actor = 'token all' AND action LIKE 'customer.%'").await;
        assert_eq!(noted, 8);
        assert_eq!(number(db, "SELECT COUNT(*) FROM audit_log WHERE detail LIKE '%@%' OR subject LIKE '%@%'").await, 0);
        api.0.close().await;
    }

    async fn every_fault_is_named_by_its_field(db: &TestDb) {
        let api = Api::open(db).await;
        for (body, field) in [
            (json!({"email": "nobody"}), "email"),
            (json!({"external_id": "1", "phone": "12"}), "phone"),
            (json!({"external_id": "1", "birth_date": "10/12/1985"}), "birth_date"),
            (json!({"external_id": "1", "country": "Narnia"}), "country"),
            (json!({"external_id": 1}), "external_id"),
            (json!({"external_id": "1", "nickname": "x"}), "nickname"),
            (json!({"external_id": "1", "attributes": {"a": [1]}}), "attributes.a"),
            (json!({"external_id": "1", "tags": [""]}), "tags[0]"),
            (json!({"first_name": "Ada"}), ""),
            (json!({"external_id": "a\u{0}b"}), "external_id"),
            (json!([1]), ""),
        ] {
            let answer = api.post("/api/v1/customers", &body).await;
            assert_eq!((answer.status, answer.fields()), (422, vec![field]), "{body} {}", answer.body);
        }
        // Nothing proves a consent without the words that were agreed to.
        let yes = json!({"external_id": "1", "permissions": [{
            "channel": "email", "topic": "offers", "action": "grant", "basis": "consent", "source": "form 3",
            "occurred_at": "2026-01-02T10:00:00Z",
        }]});
        assert_eq!(api.post("/api/v1/customers", &yes).await.fields(), ["permissions[0].wording"]);
        let form = api.ask(Method::POST, "/api/v1/customers", None, &[("content-type", "text/csv")]).await;
        assert_eq!(form.status, 415);
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers").await, 0);
        api.0.close().await;
    }

    async fn many_are_taken_and_each_is_answered(db: &TestDb) {
        let api = Api::open(db).await;
        let many = json!([
            {"external_id": "1", "email": "a@example.org"}, {"email": "nobody"},
            {"external_id": "2", "email": "b@example.org"}, {"external_id": "1", "city": "Lille"},
        ]);
        let answer = api.post("/api/v1/customers/bulk", &many).await;
        assert_eq!(answer.status, 207, "{}", answer.body);
        let of = |n: usize| answer.body["customers"][n]["status"].as_str().unwrap();
        assert_eq!([of(0), of(1), of(2)], ["created", "invalid", "created"]);
        assert_eq!(answer.body["customers"][1]["errors"][0]["field"], "email");
        assert_eq!(answer.body["customers"][0]["customer"], answer.body["customers"][3]["customer"]);
        let lines: String = (0..2_500).map(|n| format!("{{\"external_id\": \"n{n}\"}}\n")).collect();
        let lines = lines + "{oops}\n";
        let sent = api.0.client.post(format!("{}/api/v1/customers/bulk", api.0.base)).bearer_auth(ALL)
            .header("content-type", "application/x-ndjson").body(lines).send().await.unwrap();
        assert_eq!(sent.status().as_u16(), 207);
        let sent: serde_json::Value = sent.json().await.unwrap();
        assert_eq!(sent["customers"].as_array().unwrap().len(), 2_501);
        assert_eq!(sent["customers"][2_500]["status"], "invalid");
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers").await, 2_502);
        api.0.close().await;
    }

    async fn people_are_found_by_what_is_known_of_them(db: &TestDb) {
        let api = Api::open(db).await;
        for (key, email, city) in [("1", "a@example.org", "Amiens"), ("2", "b@example.org", "Lille")] {
            let told = json!({"external_id": key, "email": email, "city": city, "phone": format!("061234567{key}")});
            assert_eq!(api.post("/api/v1/customers", &told).await.status, 201);
        }
        for (filter, keys) in [
            ("email=A%40example.org", vec!["1"]),
            ("phone=%2B33612345672", vec!["2"]),
            ("external_id=2", vec!["2"]),
            ("segment=city%20%3D%20%22lille%22", vec!["2"]),
            ("external_id=3", vec![]),
            ("", vec!["1", "2"]),
        ] {
            let answer = api.get(&format!("/api/v1/customers?{filter}")).await;
            let found = answer.body["data"].as_array().unwrap();
            let found: Vec<&str> = found.iter().map(|one| one["external_id"].as_str().unwrap()).collect();
            assert_eq!(found, keys, "{filter}");
        }
        for (filter, field) in [("email=x", "email"), ("segment=age", "segment"), ("limit=0", "limit"), ("cursor=x", "cursor")] {
            let answer = api.get(&format!("/api/v1/customers?{filter}")).await;
            assert_eq!((answer.status, answer.fields()), (422, vec![field]), "{}", answer.body);
        }
        for (query, told) in [("colour=red", "unknown field `colour`"), ("limit=abc", "`limit` cannot be read")] {
            let odd = api.get(&format!("/api/v1/customers?{query}")).await;
            assert_eq!(odd.status, 400, "{}", odd.body);
            assert!(odd.body["detail"].as_str().unwrap().contains(told), "{}", odd.body);
        }
        assert_eq!(api.get("/api/v1/customers/%00").await.status, 404);
        api.0.close().await;
    }
}
