//! Segments that bear a name, and what there is to know of them.

use reqwest::Method;
use serde_json::{Value, json};

use super::Api;
use crate::kit::ledger::number;
use crate::on_both;

const AMIENS: &str = "city = \"Amiens\"";

/// Ten people of Amiens, of whom seven allow offers by email, and five of Lille.
async fn people(api: &Api) {
    let many: Vec<Value> = (0..15)
        .map(|n| {
            let permission = json!({
                "channel": "email", "topic": "offers", "action": "grant", "basis": "consent", "source": "form 3",
                "wording": "I want offers", "occurred_at": "2026-01-02T10:00:00Z",
            });
            let permissions = if n < 7 { vec![permission] } else { Vec::new() };
            let city = if n < 10 { "Amiens" } else { "Lille" };
            json!({"external_id": format!("k{n}"), "email": format!("k{n}@example.org"), "city": city, "permissions": permissions})
        })
        .collect();
    let answer = api.post("/api/v1/customers/bulk", &many.into()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

async fn keep(api: &Api, name: &str, rule: &str) -> Value {
    let kept = api
        .post("/api/v1/segments", &json!({"name": name, "rule": rule}))
        .await;
    assert_eq!(kept.status, 201, "{}", kept.body);
    kept.body
}

async fn names(api: &Api, path: &str) -> Vec<String> {
    let list = api.get(path).await.body;
    let list = list["data"].as_array().unwrap();
    list.iter()
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect()
}

on_both! {
    async fn a_segment_is_kept_changed_and_put_away(db: &TestDb) {
        let api = Api::open(db).await;
        let told = json!({"name": " Clients d’Amiens ", "rule": "city=\"Amiens\"", "description": "Fidèles"});
        let key = [("idempotency-key", "s1")];
        let kept = api.ask(Method::POST, "/api/v1/segments", Some(&told), &key).await;
        assert_eq!((kept.status, &kept.body["rule"], &kept.body["revision"]), (201, &json!(AMIENS), &json!(1)), "{}", kept.body);
        let again = api.ask(Method::POST, "/api/v1/segments", Some(&told), &key).await;
        assert_eq!((again.status, &again.body), (201, &kept.body), "the answer of the first");
        assert_eq!(number(db, "SELECT COUNT(*) FROM segments").await, 1);
        let taken = api.post("/api/v1/segments", &told).await;
        assert_eq!((taken.status, taken.body["code"].as_str()), (409, Some("conflict")), "{}", taken.body);

        let path = format!("/api/v1/segments/{}", kept.body["id"]);
        let found = api.get(&path).await;
        assert_eq!((found.status, found.header("etag"), &found.body), (200, "\"1\"", &kept.body));
        for by_name in ["name:Clients%20d’Amiens", "CLIENTS%20D’AMIENS"] {
            assert_eq!(api.get(&format!("/api/v1/segments/{by_name}")).await.body["id"], kept.body["id"], "{by_name}");
        }
        let change = async |told: Value, tag: &str| api.ask(Method::PATCH, &path, Some(&told), &[("if-match", tag)]).await;
        let changed = change(json!({"rule": "city = \"Lille\""}), "\"1\"").await;
        assert_eq!((changed.status, changed.header("etag")), (200, "\"2\""), "{}", changed.body);
        assert_eq!(changed.body["description"], "Fidèles", "what is left out stays");
        assert_eq!(change(json!({"name": "Others"}), "\"1\"").await.status, 412);
        let wrong = change(json!({"rule": "city is"}), "\"2\"").await;
        assert_eq!((wrong.status, wrong.fields()), (422, vec!["rule"]));
        let wrong = change(json!({"name": " "}), "\"2\"").await;
        assert_eq!((wrong.status, wrong.fields()), (422, vec!["name"]));
        keep(&api, "Others", "everyone").await;
        assert_eq!(change(json!({"name": "OTHERS"}), "*").await.status, 409);

        let archive = format!("{path}/archive");
        let away = api.ask(Method::POST, &archive, None, &[("idempotency-key", "s2")]).await;
        assert_eq!((away.status, &away.body["is_archived"], &away.body["revision"]), (200, &json!(true), &json!(3)), "{}", away.body);
        assert_eq!(api.act(&archive).await.body["revision"], 3, "it is put away once");
        assert_eq!(names(&api, "/api/v1/segments").await, ["Others"]);
        assert_eq!(names(&api, "/api/v1/segments?archived=true").await, ["Clients d’Amiens"]);
        assert_eq!(api.act(&format!("{path}/take-back")).await.body["is_archived"], false);
        assert_eq!(names(&api, "/api/v1/segments").await, ["Clients d’Amiens", "Others"]);
        for path in ["/api/v1/segments/77", "/api/v1/segments/none", "/api/v1/segments/none/uses"] {
            assert_eq!(api.get(path).await.status, 404, "{path}");
        }
        assert_eq!(api.act("/api/v1/segments/none/archive").await.status, 404);
        let noted = "SELECT COUNT(*) FROM audit_log WHERE actor = 'token all' AND subject = 'Clients d’Amiens' AND action = 'segment.";
        for (action, times) in [("save", 2), ("archive", 1), ("take_back", 1)] {
            assert_eq!(number(db, &format!("{noted}{action}'")).await, times, "{action}");
        }
        api.0.close().await;
    }

    async fn of_those_who_want_the_same_name_or_the_same_revision_one_gets_it(db: &TestDb) {
        let api = Api::open(db).await;
        let told = json!({"name": "Ours", "rule": AMIENS});
        let keys = ["a", "b", "c", "d"];
        let made = keys.map(|key| (key, told.clone()));
        let made = futures_util::future::join_all(made.iter().map(async |(key, told)| {
            api.ask(Method::POST, "/api/v1/segments", Some(told), &[("idempotency-key", key)]).await.status
        }))
        .await;
        let of = |statuses: &[u16], status: u16| statuses.iter().filter(|one| **one == status).count();
        assert_eq!((of(&made, 201), of(&made, 409)), (1, 3), "{made:?}");
        let changes = (0..4).map(|n| json!({"rule": format!("orders >= {n}")}));
        let changed = futures_util::future::join_all(changes.map(async |told| {
            api.ask(Method::PATCH, "/api/v1/segments/Ours", Some(&told), &[("if-match", "\"1\"")]).await.status
        }))
        .await;
        assert_eq!((of(&changed, 200), of(&changed, 412)), (1, 3), "{changed:?}");
        assert_eq!(api.get("/api/v1/segments/Ours").await.body["revision"], 2);
        api.0.close().await;
    }

    async fn the_pages_of_segments_are_whole(db: &TestDb) {
        let api = Api::open(db).await;
        for name in ["Élan", "zèbre", "Eau", "42", "Ananas"] {
            keep(&api, name, "everyone").await;
        }
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = api.get(&format!("/api/v1/segments?limit=2{cursor}")).await.body;
            seen.extend(page["data"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, ["42", "Ananas", "Eau", "Élan", "zèbre"]);
        let other = api.get(&format!("/api/v1/segments?archived=true{cursor}")).await;
        assert_eq!((other.status, other.fields()), (422, vec!["cursor"]));
        assert_eq!(api.get("/api/v1/segments/42").await.status, 404, "a number is no name");
        assert_eq!(api.get("/api/v1/segments/name:42").await.body["name"], "42");
        api.0.close().await;
    }

    async fn a_saved_segment_is_counted_explained_and_studied_like_a_rule(db: &TestDb) {
        let api = Api::open(db).await;
        people(&api).await;
        let rule = "city = \"Amiens\" and language = \"en\" and not tagged \"nobody-has-this\"";
        let id = keep(&api, "Ours", rule).await["id"].clone();
        let (by_rule, by_name) = (json!({"rule": rule}), json!({"segment": "ours"}));
        for of in ["count", "reach", "study"] {
            let path = format!("/api/v1/segments/{of}");
            let (one, other) = (api.post(&path, &by_rule).await, api.post(&path, &by_name).await);
            assert_eq!((one.status, &one.body), (200, &other.body), "{of}");
            for (told, status, fields) in [
                (json!({}), 422, vec!["rule"]),
                (json!({"rule": rule, "segment": "ours"}), 422, vec!["segment"]),
                (json!({"rule": "city is"}), 422, vec!["rule"]),
                (json!({"segment": "none"}), 404, vec![]),
            ] {
                let answer = api.post(&path, &told).await;
                assert_eq!((answer.status, answer.fields()), (status, fields), "{of} {told}");
            }
        }
        let study = api.post("/api/v1/segments/study", &json!({"segment": id.to_string()})).await.body;
        let selected = study["selected"].as_u64().unwrap();
        assert_eq!(api.post("/api/v1/segments/count", &by_name).await.body["selected"], selected);
        assert_eq!((&study["of"], &study["topic"], &study["is_any"]), (&json!(15), &json!("offers"), &json!(false)), "{study}");
        let lines = study["lines"].as_array().unwrap();
        let people: Vec<u64> = lines.iter().map(|line| line["people"].as_u64().unwrap()).collect();
        let moved: u64 = lines.iter().map(|line| line["moved"].as_u64().unwrap()).sum();
        assert_eq!((people[0], people[2], moved), (10, selected, 15 - selected), "{study}");
        assert_eq!(study["sample"].as_array().unwrap().len() as u64, selected.min(10));
        assert_eq!(study["notes"].as_array().unwrap().len(), 1, "{study}");
        let tests = study["tests"].as_array().unwrap();
        let criteria: Vec<&str> = tests.iter().map(|test| test["criterion"].as_str().unwrap()).collect();
        assert_eq!(criteria, ["measurable", "large", "reachable", "distinct", "workable"]);
        for test in tests {
            let why = test["sentences"][0].as_str().unwrap();
            assert!(!why.contains('{'), "every figure stands in its place: {why}");
        }
        assert_eq!(tests[0]["grade"], "failed", "it asks for a tag that nobody has: {study}");
        let explained = api.post("/api/v1/segments/explain", &json!({"segment": "ours", "customer": "external_id:k12"})).await;
        assert_eq!((explained.status, &explained.body["is_true"]), (200, &json!(false)), "{}", explained.body);
        assert_eq!(number(db, "SELECT COUNT(*) FROM audit_records WHERE action = 'access'").await, 1, "whoever looks at a person leaves his name");
        api.0.close().await;
    }

    async fn reach_tells_who_can_be_reached_and_why_not_the_others(db: &TestDb) {
        let api = Api::open(db).await;
        people(&api).await;
        keep(&api, "Ours", AMIENS).await;
        assert_eq!(api.get("/api/v1/segments/Ours").await.body["counted"], Value::Null);
        let reach = api.post("/api/v1/segments/reach", &json!({"segment": "Ours", "topic": "news"})).await;
        assert_eq!(reach.body["channels"][0]["reachable"], 0, "{}", reach.body);
        let counted = api.get("/api/v1/segments/Ours").await.body["counted"].clone();
        assert_eq!((&counted["people"], &counted["of"], &counted["topic"]), (&json!(10), &json!(15), &json!("news")), "{counted}");
        let reach = api.post("/api/v1/segments/reach", &json!({"segment": "Ours", "topic": "offers"})).await;
        let (email, sms) = (&reach.body["channels"][0], &reach.body["channels"][1]);
        assert_eq!((&email["channel"], &email["reachable"]), (&json!("email"), &json!(7)), "{}", reach.body);
        assert_eq!((&email["withheld"][0]["reason"], &email["withheld"][0]["people"]), (&json!("no_permission"), &json!(3)));
        assert_eq!((&sms["reachable"], &sms["withheld"][0]["reason"]), (&json!(0), &json!("no_address")));
        let unknown = api.post("/api/v1/segments/reach", &json!({"segment": "Ours", "topic": "ofers"})).await;
        assert_eq!((unknown.status, unknown.fields()), (422, vec!["topic"]), "{}", unknown.body);
        api.0.close().await;
    }

    async fn a_segment_tells_which_campaigns_were_planned_with_it(db: &TestDb) {
        let api = Api::open(db).await;
        let id = keep(&api, "Ours", AMIENS).await["id"].clone();
        let plan = crate::api::campaigns::plan("spring");
        assert_eq!(api.ask(Method::PUT, "/api/v1/campaigns/spring", Some(&plan), &[]).await.status, 201);
        let uses = async || api.get(&format!("/api/v1/segments/{id}/uses")).await.body;
        let status = api.get("/api/v1/campaigns/spring").await.body["status"].clone();
        let expected = |is_current: bool| json!({"campaigns": [{"campaign": "spring", "status": status, "is_current": is_current}]});
        assert_eq!(uses().await, expected(true));
        let change = json!({"rule": "city = \"Lille\""});
        assert_eq!(api.ask(Method::PATCH, &format!("/api/v1/segments/{id}"), Some(&change), &[]).await.status, 200);
        assert_eq!(uses().await, expected(false));
        api.0.close().await;
    }
}
