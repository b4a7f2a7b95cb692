//! Templates that are written, saved and brought back by programs.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Answered, Api};
use crate::kit::ledger::number;
use crate::on_both;

const PATH: &str = "/api/v1/templates/spring-sale";

/// The fields of the document's own example.
async fn content(api: &Api) -> Value {
    let document = api.get("/api/v1/openapi.json").await.body;
    let put = &document["paths"]["/api/v1/templates/{template}"]["put"];
    put["requestBody"]["content"]["application/json"]["example"]["content"].clone()
}

async fn put(api: &Api, told: &Value, headers: &[(&str, &str)]) -> Answered {
    api.ask(Method::PUT, PATH, Some(told), headers).await
}

async fn listed(api: &Api, path: &str) -> Vec<Value> {
    let list = api.get(path).await.body;
    list["templates"].as_array().unwrap().clone()
}

on_both! {
    async fn a_template_is_written_as_fields_or_as_files(db: &TestDb) {
        let api = Api::open(db).await;
        let mut content = content(&api).await;
        let made = put(&api, &json!({"content": content, "note": "the first words"}), &[]).await;
        assert_eq!((made.status, made.header("location"), made.header("etag")), (201, PATH, "\"1\""), "{}", made.body);
        assert_eq!((&made.body["origin"], &made.body["languages"], &made.body["fault"]), (&json!("library"), &json!(["en"]), &Value::Null));
        assert_eq!(made.body["content"]["wordings"], content["wordings"], "what was told stands there, and nothing else");
        let found = api.get(PATH).await;
        assert_eq!((found.header("etag"), &found.body), ("\"1\"", &made.body));

        content["wordings"]["en"]["texts"]["attention.subject"] = json!("Spring, at last");
        content["wordings"]["fr"] = content["wordings"]["en"].clone();
        content["interests"] = json!({"https://shop.example/": "cooking"});
        let changed = put(&api, &json!({"content": content}), &[("if-match", "\"1\"")]).await;
        assert_eq!((changed.status, changed.header("etag")), (200, "\"2\""), "{}", changed.body);
        assert_eq!(changed.body["languages"], json!(["en", "fr"]));
        assert_eq!(put(&api, &json!({"content": content}), &[("if-match", "\"1\"")]).await.status, 412);
        let same = put(&api, &json!({"content": content}), &[]).await;
        assert_eq!((same.status, same.header("etag")), (200, "\"2\""), "the same text makes no revision");

        // What the fields lack goes; what the files say of it stays as it is written.
        content["wordings"].as_object_mut().unwrap().remove("fr");
        content["interests"] = json!({});
        let less = put(&api, &json!({"content": content}), &[]).await;
        assert_eq!((&less.body["languages"], &less.body["content"]["interests"]), (&json!(["en"]), &json!({})), "{}", less.body);
        let mut files = less.body["files"].clone();
        let text = format!("# for the season\n{}", files["template.toml"].as_str().unwrap());
        files["template.toml"] = json!(text);
        assert_eq!(put(&api, &json!({"files": files}), &[]).await.status, 200);
        content["description"] = json!("For everybody");
        let kept = put(&api, &json!({"content": content}), &[]).await;
        assert!(kept.body["files"]["template.toml"].as_str().unwrap().starts_with("# for the season\n"), "{}", kept.body);
        assert_eq!(kept.body["description"], "For everybody");
        assert_eq!(number(db, "SELECT COUNT(*) FROM audit_log WHERE actor = 'token all' AND action = 'template.save' AND subject = 'spring-sale'").await, 5);
        api.0.close().await;
    }

    async fn of_those_who_save_over_the_same_revision_one_is_first(db: &TestDb) {
        let api = Api::open(db).await;
        let mut content = content(&api).await;
        assert_eq!(put(&api, &json!({"content": content}), &[]).await.status, 201);
        let told: Vec<Value> = (0..4).map(|n| {
            content["description"] = json!(format!("by {n}"));
            json!({"content": content})
        }).collect();
        let saved = futures_util::future::join_all(told.iter().map(async |told| {
            put(&api, told, &[("if-match", "\"1\"")]).await.status
        })).await;
        let of = |status: u16| saved.iter().filter(|one| **one == status).count();
        assert_eq!((of(200), of(412)), (1, 3), "{saved:?}");
        assert_eq!(api.get(PATH).await.body["revision"], 2);
        api.0.close().await;
    }

    async fn what_a_text_gets_wrong_is_named(db: &TestDb) {
        let api = Api::open(db).await;
        let content = content(&api).await;
        let with = |pointer: &str, value: Value| {
            let mut content = content.clone();
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            content.pointer_mut(parent).unwrap()[key] = value;
            json!({"content": content})
        };
        let files = json!({"template.toml": "name = \"other\""});
        for (told, field) in [
            (json!({}), "files"),
            (json!({"files": files, "content": content}), "content"),
            (json!({"files": files}), "files"),
            (json!({"files": {"notes.txt": "x"}}), "files"),
            (json!({"files": {"template.toml": "="}}), "files"),
            (with("/wordings/en/texts/attention.shout", json!("!")), "content.wordings.en.texts.attention.shout"),
            (with("/wordings/en/texts/action.link", json!("javascript:alert(1)")), "content"),
            (with("/wordings/en/texts/interest.body", json!("{{#if first_name}}Hello")), "content"),
            (with("/wordings/english", json!({"texts": {}})), "content"),
            (with("/wordings", json!({})), "content.wordings"),
            (with("/accent", json!("red")), "content"),
            (with("/shade", json!("red")), "content.shade"),
        ] {
            let answer = put(&api, &told, &[]).await;
            assert_eq!((answer.status, answer.fields()), (422, vec![field]), "{told} {}", answer.body);
            let checked = api.post(&format!("{PATH}/check"), &told).await;
            assert_eq!((checked.status, checked.fields()), (422, vec![field]), "{told} {}", checked.body);
        }
        let named = json!({"files": api.get("/api/v1/templates/super-chef").await.body["files"]});
        let answer = put(&api, &named, &[]).await;
        assert_eq!((answer.status, answer.fields()), (422, vec!["name"]), "{}", answer.body);
        for name in ["new", "Spring", "a%20b", "..%2Fx"] {
            let answer = api.ask(Method::PUT, &format!("/api/v1/templates/{name}"), Some(&json!({"content": content})), &[]).await;
            assert_eq!((answer.status, answer.fields().len()), (422, 1), "{name} {}", answer.body);
        }
        assert_eq!(number(db, "SELECT COUNT(*) FROM templates").await, 0);
        api.0.close().await;
    }

    async fn a_template_begins_as_a_copy_or_with_example_texts(db: &TestDb) {
        let api = Api::open(db).await;
        let told = json!({"name": "spring-sale", "from": "super-chef"});
        let key = [("idempotency-key", "t1")];
        let made = api.ask(Method::POST, "/api/v1/templates", Some(&told), &key).await;
        assert_eq!((made.status, made.header("location"), &made.body["revision"]), (201, PATH, &json!(1)), "{}", made.body);
        let again = api.ask(Method::POST, "/api/v1/templates", Some(&told), &key).await;
        assert_eq!((again.status, &again.body), (201, &made.body), "the answer of the first");
        assert_eq!(api.post("/api/v1/templates", &told).await.status, 409);
        let (copy, first) = (api.get(PATH).await.body, api.get("/api/v1/templates/super-chef").await.body);
        assert!(copy["content"]["wordings"] == first["content"]["wordings"], "the texts of the other");
        assert_eq!((&copy["origin"], &first["revision"]), (&json!("library"), &json!(0)));
        let made = api.post("/api/v1/templates", &json!({"name": "hello", "language": "fr"})).await;
        assert_eq!(made.status, 201, "{}", made.body);
        assert_eq!(api.get("/api/v1/templates/hello").await.body["languages"], json!(["fr"]));
        for (told, field) in [
            (json!({"name": "new"}), "name"),
            (json!({"name": "Hello!"}), "name"),
            (json!({"name": "other", "from": "none-of-ours"}), "from"),
            (json!({"name": "other", "from": "hello", "language": "fr"}), "language"),
            (json!({"name": "other", "language": "french"}), "language"),
        ] {
            let answer = api.post("/api/v1/templates", &told).await;
            assert_eq!((answer.status, answer.fields()), (422, vec![field]), "{told} {}", answer.body);
        }
        assert_eq!(number(db, "SELECT COUNT(*) FROM templates").await, 2);
        api.0.close().await;
    }

    async fn revisions_are_listed_compared_and_brought_back(db: &TestDb) {
        let api = Api::open(db).await;
        let mut content = content(&api).await;
        assert_eq!(put(&api, &json!({"content": content, "note": "the first words"}), &[]).await.status, 201);
        content["wordings"]["en"]["texts"]["attention.subject"] = json!("Spring, at last");
        assert_eq!(put(&api, &json!({"content": content}), &[]).await.status, 200);
        let list = api.get(&format!("{PATH}/revisions")).await.body["revisions"].clone();
        let seen: Vec<_> = list.as_array().unwrap().iter().map(|one| (one["revision"].as_i64().unwrap(), one["is_current"].as_bool().unwrap())).collect();
        assert_eq!(seen, [(2, true), (1, false)], "{list}");
        assert_eq!((&list[1]["note"], &list[1]["saved_by"]), (&json!("the first words"), &json!("token all")));
        let first = api.get(&format!("{PATH}/revisions/1")).await.body;
        assert_eq!(first["content"]["wordings"]["en"]["texts"]["attention.subject"], "Spring is here", "{first}");
        let difference = api.get(&format!("{PATH}/difference")).await.body;
        let field = json!({"language": "en", "field": "attention.subject", "before": "Spring is here", "after": "Spring, at last"});
        assert_eq!((&difference["from"], &difference["to"], &difference["fields"]), (&json!(1), &json!(2), &json!([field])), "{difference}");
        assert!(difference["unified"].as_str().unwrap().contains("\n+subject = \"Spring, at last\""), "{difference}");
        let back = api.get(&format!("{PATH}/difference?from=2&to=1")).await.body;
        assert_eq!(back["fields"][0]["after"], "Spring is here");

        let restore = format!("{PATH}/revisions/1/restore");
        let key = [("idempotency-key", "r1")];
        let restored = api.ask(Method::POST, &restore, None, &key).await;
        assert_eq!((restored.status, &restored.body["revision"], &restored.body["is_new"]), (200, &json!(3), &json!(true)), "{}", restored.body);
        assert_eq!(api.ask(Method::POST, &restore, None, &key).await.body, restored.body, "the answer of the first");
        assert_eq!(api.act(&restore).await.body["is_new"], false);
        assert_eq!(api.get(PATH).await.body["files"], first["files"]);
        for path in ["revisions/9", "revisions/0", "difference?from=7", "revisions/x"] {
            assert_eq!(api.get(&format!("{PATH}/{path}")).await.status, 404, "{path}");
        }
        assert_eq!(api.act(&format!("{PATH}/revisions/9/restore")).await.status, 404);
        // One from outside of the library has none until it is saved; then its own text is the first.
        let outside = "/api/v1/templates/super-chef";
        assert_eq!(api.get(&format!("{outside}/revisions")).await.body, json!({"revisions": []}));
        assert_eq!(api.get(&format!("{outside}/difference")).await.status, 404);
        let (mut told, tag) = { let found = api.get(outside).await; (found.body["content"].clone(), found.header("etag").to_owned()) };
        assert_eq!(tag, "\"0\"");
        told["description"] = json!("ours");
        let saved = api.ask(Method::PUT, outside, Some(&json!({"content": told})), &[("if-match", &tag)]).await;
        assert_eq!((saved.status, saved.header("etag"), &saved.body["origin"]), (200, "\"2\"", &json!("library")), "{}", saved.body);
        api.0.close().await;
    }

    async fn a_text_is_checked_and_shown_before_it_is_saved(db: &TestDb) {
        let api = Api::open(db).await;
        let ada = json!({"external_id": "ada", "first_name": "Ada", "language": "en"});
        assert_eq!(api.post("/api/v1/customers", &ada).await.status, 201);
        let mut content = content(&api).await;
        content["wordings"]["en"]["texts"]["attention.subject"] = json!("Spring, {{first_name}}");
        let told = json!({"content": content});
        let checked = api.post(&format!("{PATH}/check"), &told).await;
        assert_eq!(checked.status, 200, "{}", checked.body);
        assert!(checked.body["sms"][0]["length"].is_string(), "{}", checked.body);
        let preview = async |more: Value| {
            let mut told = more;
            told["customer"] = json!("external_id:ada");
            api.post(&format!("{PATH}/preview"), &told).await
        };
        let shown = preview(told.clone()).await;
        assert_eq!((shown.status, &shown.body["subject"]), (200, &json!("Spring, Ada")), "{}", shown.body);
        let sms = preview(json!({"content": content, "channel": "sms"})).await;
        assert!(sms.body["parts"].as_u64().unwrap() > 0 && sms.body["html"].is_null(), "{}", sms.body);
        assert_eq!(number(db, "SELECT COUNT(*) FROM templates").await, 0, "nothing was saved");
        assert_eq!(preview(json!({})).await.status, 404);
        assert_eq!(api.get(&format!("{PATH}/check")).await.status, 404);

        assert_eq!(put(&api, &told, &[]).await.status, 201);
        content["wordings"]["en"]["texts"]["attention.subject"] = json!("{{first_name}}, spring");
        assert_eq!(put(&api, &json!({"content": content}), &[]).await.status, 200);
        assert_eq!(preview(json!({})).await.body["subject"], "Ada, spring");
        assert_eq!(preview(json!({"revision": 1})).await.body["subject"], "Spring, Ada");
        assert_eq!(preview(json!({"revision": 9})).await.status, 404);
        let both = preview(json!({"revision": 1, "content": content})).await;
        assert_eq!((both.status, both.fields()), (422, vec!["revision"]), "{}", both.body);
        assert_eq!(api.get(&format!("{PATH}/check")).await.body["findings"], api.post(&format!("{PATH}/check"), &json!({"content": content})).await.body["findings"]);
        api.0.close().await;
    }

    async fn a_campaign_takes_a_saved_template_and_none_that_was_put_away(db: &TestDb) {
        let api = Api::open(db).await;
        let content = content(&api).await;
        assert_eq!(put(&api, &json!({"content": content}), &[]).await.status, 201);
        let plan = |name: &str| {
            let mut plan = crate::api::campaigns::plan(name);
            plan["template"] = json!("spring-sale");
            plan
        };
        let planned = async |name: &str| api.ask(Method::PUT, &format!("/api/v1/campaigns/{name}"), Some(&plan(name)), &[]).await;
        let first = planned("spring").await;
        assert_eq!(first.status, 201, "{}", first.body);
        assert_eq!(api.get(PATH).await.body["campaigns"], json!(["spring"]));
        let away = api.act(&format!("{PATH}/archive")).await;
        assert_eq!((away.status, &away.body), (200, &json!({"name": "spring-sale", "is_archived": true})));
        let refused = planned("summer").await;
        assert_eq!((refused.status, refused.fields()), (422, vec!["template"]), "{}", refused.body);
        let is_listed = |list: Vec<Value>| list.iter().any(|one| one["name"] == "spring-sale");
        assert!(!is_listed(listed(&api, "/api/v1/templates").await));
        let archived = listed(&api, "/api/v1/templates?archived=true").await;
        assert_eq!((archived.len(), &archived[0]["campaigns"]), (1, &json!(["spring"])), "{archived:?}");
        assert_eq!(api.get(PATH).await.body["is_archived"], true);
        assert_eq!(api.act(&format!("{PATH}/take-back")).await.body["is_archived"], false);
        assert_eq!(planned("summer").await.status, 201);
        // One from outside of the library is put away too.
        assert_eq!(api.act("/api/v1/templates/super-chef/archive").await.status, 200);
        let list = listed(&api, "/api/v1/templates").await;
        assert!(list.iter().all(|one| one["name"] != "super-chef") && is_listed(list));
        assert_eq!(api.act("/api/v1/templates/none/archive").await.status, 404);
        for action in ["archive", "take_back"] {
            let noted = format!("SELECT COUNT(*) FROM audit_log WHERE actor = 'token all' AND subject = 'spring-sale' AND action = 'template.{action}'");
            assert_eq!(number(db, &noted).await, 1, "{action}");
        }
        api.0.close().await;
    }
}
