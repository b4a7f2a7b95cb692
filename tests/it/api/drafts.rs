//! A campaign planned by programs: from its name to its launch, with the word of a second one.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use visavis::channels::outbox::Outbox;
use visavis::config::Scope;
use visavis::storage::Db;

use super::campaigns::{people, plan};
use super::{ALL, Answered, Api, give};
use crate::kit::ledger::number;
use crate::on_both;

/// Plans, and launches nothing.
const PLANNER: &str = "a-token-of-one-who-plans-campaigns";
/// Plans and launches.
const BOSS: &str = "a-token-of-one-who-launches-campaigns";

async fn open(db: &Db) -> (Api, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let api = Api::open_set(db, |settings| {
        settings.data_dir = folder.path().to_owned();
        let mut scopes = BTreeSet::from([Scope::CampaignsRead, Scope::CampaignsWrite]);
        give(settings, "planner", PLANNER, &scopes);
        scopes.insert(Scope::CampaignsLaunch);
        give(settings, "boss", BOSS, &scopes);
    })
    .await;
    (api, folder)
}

async fn post(api: &Api, token: &str, path: &str, body: &Value) -> Answered {
    let path = format!("/api/v1/drafts{path}");
    api.ask_as(token, Method::POST, &path, Some(body), &[])
        .await
}

async fn patch(api: &Api, tag: &str, body: &Value) -> Answered {
    let headers = [("if-match", tag)];
    let path = "/api/v1/drafts/spring";
    api.ask_as(PLANNER, Method::PATCH, path, Some(body), &headers)
        .await
}

/// A complete draft of the planner.
async fn draft(api: &Api, name: &str) -> Answered {
    let begun = json!({"name": name, "definition": plan(name)});
    let begun = post(api, PLANNER, "", &begun).await;
    assert_eq!(
        (begun.status, &begun.body["gaps"]),
        (201, &json!([])),
        "{}",
        begun.body
    );
    begun
}

/// What a draft is as it is now.
async fn seen(api: &Api, name: &str) -> Value {
    let draft = api.get(&format!("/api/v1/drafts/{name}")).await.body;
    json!({ "revision": draft["revision"], "digest": draft["digest"] })
}

fn at(revision: i64) -> Value {
    json!({ "revision": revision })
}

on_both! {
    async fn a_draft_is_planned_step_by_step_approved_by_another_and_launched(db: &TestDb) {
        let (api, _folder) = open(db).await;
        people(&api).await;
        let begun = post(&api, PLANNER, "", &json!({"name": "spring"})).await;
        assert_eq!((begun.status, &begun.body["revision"]), (201, &json!(1)), "{}", begun.body);
        assert_eq!(begun.body["gaps"][0]["key"], "segment");
        let steps = patch(&api, "\"1\"", &json!({"segment": "city = \"Amiens\"", "template": "super-chef"})).await;
        assert_eq!((steps.status, steps.header("etag")), (200, "\"2\""), "{}", steps.body);
        let stale = patch(&api, "\"1\"", &json!({"segment": "everyone"})).await;
        assert_eq!(stale.status, 412, "{}", stale.body);

        let early = post(&api, PLANNER, "/spring/ask", &at(2)).await;
        assert_eq!((early.status, early.fields()[0]), (422, "topic"), "{}", early.body);
        assert_eq!(api.get("/api/v1/drafts/spring/check").await.status, 422);
        let given = plan("spring");
        let rest = json!({"topic": "offers", "sender": given["sender"].clone()});
        let rest = patch(&api, "\"2\"", &rest).await;
        assert_eq!((rest.status, &rest.body["gaps"]), (200, &json!([])), "{}", rest.body);
        let check = api.get("/api/v1/drafts/spring/check").await;
        assert_eq!(check.status, 200, "{}", check.body);
        assert_eq!((&check.body["selected"], &check.body["will_receive"], &check.body["held_back"]), (&json!(10), &json!(7), &json!(0)));

        // Who only plans needs a second one, and is none.
        let alone = post(&api, PLANNER, "/spring/launch", &at(3)).await;
        assert_eq!(alone.status, 403, "{}", alone.body);
        let asked = post(&api, PLANNER, "/spring/ask", &json!({"revision": 3, "word": "before Friday"})).await;
        assert_eq!((asked.status, &asked.body["standing"]), (200, &json!("asked")), "{}", asked.body);
        assert_eq!(asked.body["review"]["asked"]["by"], "settings planner");
        let waiting = api.get("/api/v1/drafts?standing=asked").await;
        assert_eq!(waiting.body["data"][0]["name"], "spring");
        assert_eq!(api.get("/api/v1/drafts?standing=open").await.body["data"], json!([]));
        assert_eq!(post(&api, PLANNER, "/spring/approve", &seen(&api, "spring").await).await.status, 403);
        assert_eq!(post(&api, BOSS, "/spring/approve", &json!({"revision": 3, "digest": ""})).await.status, 409, "it is of another revision");
        let mut blind = seen(&api, "spring").await;
        blind["digest"] = json!("of another template");
        assert_eq!(post(&api, BOSS, "/spring/approve", &blind).await.status, 409, "nobody approves what he did not see");
        let approved = post(&api, BOSS, "/spring/approve", &seen(&api, "spring").await).await;
        assert_eq!((approved.status, &approved.body["standing"]), (200, &json!("approved")), "{}", approved.body);

        // A change, and it is another plan than the approved one.
        let changed = patch(&api, "\"5\"", &json!({"goal": "order"})).await;
        assert_eq!((changed.status, &changed.body["standing"]), (200, &json!("open")), "{}", changed.body);
        assert_eq!(post(&api, PLANNER, "/spring/launch", &at(6)).await.status, 403);
        post(&api, PLANNER, "/spring/ask", &at(6)).await;
        let back = post(&api, BOSS, "/spring/send-back", &json!({"revision": 7, "word": "by click"})).await;
        assert_eq!(back.body["review"]["sent_back"]["word"], "by click", "{}", back.body);
        post(&api, PLANNER, "/spring/ask", &at(8)).await;
        assert_eq!(post(&api, BOSS, "/spring/approve", &seen(&api, "spring").await).await.status, 200);

        let path = "/api/v1/drafts/spring/launch";
        let key = [("idempotency-key", "l1")];
        let launched = api.ask_as(PLANNER, Method::POST, path, Some(&at(10)), &key).await;
        assert_eq!((launched.status, &launched.body["deliveries"]), (200, &json!(7)), "{}", launched.body);
        assert_eq!(launched.body["status"], "running");
        let again = api.ask_as(PLANNER, Method::POST, path, Some(&at(10)), &key).await;
        assert_eq!(again.body, launched.body, "the answer of the first");
        assert_eq!(post(&api, PLANNER, "/spring/launch", &at(10)).await.body["was_already"], true);
        assert_eq!(number(db, "SELECT COUNT(*) FROM waves").await, 1);
        assert_eq!(api.get("/api/v1/drafts/spring").await.status, 404);
        let noted = "SELECT COUNT(*) FROM audit_log WHERE action = 'campaign.launch' AND actor = 'token planner'";
        assert_eq!(number(db, noted).await, 1);
        let noted = "SELECT COUNT(*) FROM audit_log WHERE subject = 'spring' AND action LIKE 'draft.%'";
        assert_eq!(number(db, noted).await, 10);
        api.0.close().await;
    }

    async fn who_asked_neither_approves_nor_launches_in_spite_of_it(db: &TestDb) {
        let (api, _folder) = open(db).await;
        draft(&api, "spring").await;
        assert_eq!(post(&api, BOSS, "/spring/ask", &at(1)).await.status, 200);
        for act in ["approve", "launch"] {
            let own = post(&api, BOSS, &format!("/spring/{act}"), &seen(&api, "spring").await).await;
            assert_eq!(own.status, 403, "{act} {}", own.body);
            assert!(own.body["detail"].as_str().unwrap().contains("asked for the approval"), "{act} {}", own.body);
        }
        assert_eq!(number(db, "SELECT COUNT(*) FROM campaigns").await, 0);
        let other = post(&api, ALL, "/spring/approve", &seen(&api, "spring").await).await;
        assert_eq!(other.status, 200, "{}", other.body);
        let withdrawn = post(&api, BOSS, "/spring/withdraw", &at(3)).await;
        assert_eq!(withdrawn.body["standing"], "open", "{}", withdrawn.body);
        assert_eq!(post(&api, BOSS, "/spring/withdraw", &at(4)).await.status, 409);
        api.0.close().await;
    }

    async fn nothing_passes_by_a_draft(db: &TestDb) {
        let (api, _folder) = open(db).await;
        people(&api).await;
        let put = async |token: &str, plan: &Value| {
            api.ask_as(token, Method::PUT, "/api/v1/campaigns/spring", Some(plan), &[]).await
        };
        draft(&api, "spring").await;
        post(&api, PLANNER, "/spring/ask", &at(1)).await;
        for token in [PLANNER, BOSS] {
            let around = put(token, &plan("spring")).await;
            assert_eq!(around.status, 409, "{}", around.body);
            assert!(around.body["detail"].as_str().unwrap().contains("draft"), "{}", around.body);
        }
        assert_eq!(number(db, "SELECT COUNT(*) FROM campaigns").await, 0);
        let gone = api.ask_as(PLANNER, Method::DELETE, "/api/v1/drafts/spring", None, &[]).await;
        assert_eq!(gone.status, 204);

        // A schedule launches, so who may not launch sets none.
        let mut scheduled = plan("spring");
        scheduled["schedule"] = json!({"at": "2027-03-01T09:30", "zone": "Europe/Paris"});
        let refused = put(PLANNER, &scheduled).await;
        assert_eq!(refused.status, 403, "{}", refused.body);
        assert_eq!(put(PLANNER, &plan("spring")).await.status, 201);

        // What is planned anew is neither changed nor launched beside its draft.
        let act = async |token: &str, act: &str| {
            let path = format!("/api/v1/campaigns/spring/{act}");
            api.ask_as(token, Method::POST, &path, None, &[]).await
        };
        let opened = act(PLANNER, "reopen").await;
        assert_eq!((opened.status, &opened.body["standing"]), (200, &json!("open")), "{}", opened.body);
        assert_eq!(put(BOSS, &scheduled).await.status, 409);
        let launched = act(BOSS, "launch").await;
        assert_eq!(launched.status, 409, "{}", launched.body);
        assert_eq!(number(db, "SELECT COUNT(*) FROM waves").await, 0);
        // By the draft it goes, of one who may.
        let changed = json!({"goal": "order"});
        let path = "/api/v1/drafts/spring";
        let changed = api.ask_as(BOSS, Method::PATCH, path, Some(&changed), &[]).await;
        assert_eq!(changed.status, 200, "{}", changed.body);
        let launched = post(&api, BOSS, "/spring/launch", &at(2)).await;
        assert_eq!((launched.status, &launched.body["deliveries"]), (200, &json!(7)), "{}", launched.body);
        assert_eq!(act(BOSS, "reopen").await.status, 409, "it is under way");
        api.0.close().await;
    }

    async fn a_message_is_shown_and_sent_to_people_one_names(db: &TestDb) {
        let (api, folder) = open(db).await;
        people(&api).await;
        draft(&api, "spring").await;
        let shown = post(&api, PLANNER, "/spring/preview", &json!({"language": "fr"})).await;
        assert_eq!((shown.status, &shown.body["language"]), (200, &json!("fr")), "{}", shown.body);
        assert!(shown.body["html"].as_str().unwrap().contains("1 rue de la Paix"));
        // Who somebody is, only he reads who may.
        let as_somebody = json!({"customer": "external_id:k1"});
        assert_eq!(post(&api, PLANNER, "/spring/preview", &as_somebody).await.status, 403);
        assert_eq!(post(&api, ALL, "/spring/preview", &as_somebody).await.status, 200);
        for (told, field) in [(json!({"cell": "none"}), "cell"), (json!({"channel": "sms"}), "channel")] {
            let refused = post(&api, PLANNER, "/spring/preview", &told).await;
            assert_eq!((refused.status, refused.fields()[0]), (422, field), "{}", refused.body);
        }
        for to in [json!([]), json!(["a\nb"]), json!(vec!["boss@example.org"; 11])] {
            assert_eq!(post(&api, PLANNER, "/spring/test-send", &json!({"to": to})).await.status, 422);
        }
        let to = json!({"to": ["boss@example.org", "nonsense"]});
        let sent = post(&api, PLANNER, "/spring/test-send", &to).await;
        assert_eq!((sent.status, &sent.body["taken"]), (200, &json!(1)), "{}", sent.body);
        assert!(sent.body["results"][0]["problem"].is_null() && sent.body["results"][1]["problem"].is_string());
        let outbox = Outbox::open(&folder.path().join("outbox")).unwrap();
        let entries = outbox.list(0, 10, None).unwrap();
        assert_eq!((entries.len(), entries[0].recipient.as_str()), (1, "boss@example.org"));
        assert_eq!(number(db, "SELECT COUNT(*) FROM deliveries").await, 0);
        api.0.close().await;
    }

    async fn a_draft_begins_from_what_there_is_and_is_listed_once(db: &TestDb) {
        let (api, _folder) = open(db).await;
        draft(&api, "spring").await;
        let mut scheduled = plan("spring");
        scheduled["schedule"] = json!({"at": "2027-03-01T09:30", "zone": "Europe/Paris"});
        scheduled["rate_per_second"] = json!(5);
        let put = api.ask(Method::PUT, "/api/v1/drafts/spring", Some(&scheduled), &[]).await;
        assert_eq!((put.status, &put.body["definition"]["rate_per_second"]), (200, &json!(5)), "{}", put.body);
        let copy = post(&api, PLANNER, "", &json!({"name": "spring-2", "from": "spring"})).await;
        assert_eq!((copy.status, &copy.body["definition"]["rate_per_second"]), (201, &json!(5)), "{}", copy.body);
        assert!(copy.body["definition"]["schedule"].is_null(), "its time may have passed");
        let put = api.ask(Method::PUT, "/api/v1/drafts/spring", Some(&plan("spring")), &[]).await;
        assert!(put.body["definition"]["rate_per_second"].is_null(), "{}", put.body);

        for (told, status, field) in [
            (json!({"name": "spring"}), 409, None),
            (json!({"name": "Spring!"}), 422, Some("name")),
            (json!({"name": "x", "from": "none"}), 404, None),
            (json!({"name": "x", "from": "spring", "definition": {}}), 422, Some("definition")),
            (json!({"name": "x", "definition": {"segmnt": "everyone"}}), 422, Some("definition.segmnt")),
            (json!({"name": "x", "definition": {"name": "y"}}), 422, Some("definition.name")),
        ] {
            let refused = post(&api, PLANNER, "", &told).await;
            assert_eq!((refused.status, refused.fields().first().copied()), (status, field), "{told} {}", refused.body);
        }
        let first = api.get("/api/v1/drafts?limit=1").await;
        assert_eq!(first.body["data"][0]["name"], "spring-2");
        let next = first.body["next_cursor"].as_str().unwrap();
        let second = api.get(&format!("/api/v1/drafts?limit=1&cursor={next}")).await;
        assert_eq!((&second.body["data"][0]["name"], &second.body["next_cursor"]), (&json!("spring"), &Value::Null));
        api.0.close().await;
    }
}
