//! Webhooks set up by programs, at a real receiver.

use serde_json::json;
use visavis::accounts::audit::{self, Filter};
use visavis::events;
use visavis::events::model::EventKind;

use super::Api;
use crate::events::receiver::Receiver;
use crate::kit::ledger::number;
use crate::on_both;

on_both! {
    async fn an_endpoint_is_added_tried_changed_and_removed(db: &TestDb) {
        let receiver = Receiver::start(|n| if n == 2 { 503 } else { 204 }).await;
        let api = Api::open_set(db, |settings| settings.webhooks.allow_loopback = true).await;
        let list = "/api/v1/webhooks";
        for (body, field) in [
            (json!({"url": "http://shop.example.com/hooks"}), "url"),
            (json!({"url": "https://10.0.0.1/hooks"}), "url"),
            (json!({"url": "https://169.254.169.254/latest"}), "url"),
            (json!({"url": receiver.url(), "events": []}), "events"),
            (json!({"url": receiver.url(), "events": ["import.finished", "nothing"]}), "events[1]"),
            (json!({"url": receiver.url(), "secret": "mine"}), "secret"),
        ] {
            let answer = api.post(list, &body).await;
            assert_eq!((answer.status, answer.fields()), (422, vec![field]), "{}", answer.body);
        }
        let told = json!({"url": receiver.url(), "description": "the shop", "events": ["import.finished"]});
        let added = api.post_once(list, "k1", Some(&told)).await;
        assert_eq!(added.status, 201, "{}", added.body);
        let secret = added.body["secret"].as_str().unwrap().to_owned();
        // Sent again it is not added again, and its secret is not shown again: it is kept nowhere.
        let again = api.post_once(list, "k1", Some(&told)).await;
        assert_eq!((again.status, &again.body["id"], &again.body["secret"]), (201, &added.body["id"], &json!(null)));
        assert_eq!(number(db, "SELECT COUNT(*) FROM api_requests WHERE body LIKE '%whsec_%'").await, 0);
        let all = api.get(list).await;
        assert_eq!(all.body["webhooks"].as_array().unwrap().len(), 1);
        let path = format!("{list}/{}", added.body["id"]);
        let one = api.get(&path).await;
        assert_eq!((&one.body["events"], &one.body["is_active"]), (&json!(["import.finished"]), &json!(true)), "{}", one.body);

        let tested = api.act(&format!("{path}/test")).await;
        assert_eq!(tested.body, json!({"is_taken": true, "status": 204, "problem": null}));
        let busy = api.act(&format!("{path}/test")).await;
        assert_eq!((&busy.body["is_taken"], &busy.body["status"]), (&json!(false), &json!(503)), "{}", busy.body);
        assert!(receiver.heard().iter().all(|one| one.is_signed_with(&secret)));
        let renewed = api.act(&format!("{path}/secret")).await;
        assert_eq!(renewed.status, 201);
        assert_ne!(renewed.body["secret"], json!(secret));

        for n in 1..=3 {
            let txn = db.begin().await.unwrap();
            events::record(&*txn, EventKind::ImportFinished, &json!({"rows": n}), 1_000 + n).await.unwrap();
            txn.commit().await.unwrap();
        }
        let deliveries = format!("{path}/deliveries");
        let first = api.get(&format!("{deliveries}?limit=2")).await;
        assert_eq!(first.body["data"].as_array().unwrap().len(), 2, "{}", first.body);
        assert_eq!((&first.body["data"][0]["state"], &first.body["data"][0]["event"]), (&json!("waiting"), &json!("import.finished")));
        let rest = api.get(&format!("{deliveries}?limit=2&cursor={}", first.body["next_cursor"].as_str().unwrap())).await;
        assert_eq!((rest.body["data"].as_array().unwrap().len(), &rest.body["next_cursor"]), (1, &json!(null)));

        let off = api.patch(&path, &json!({"is_active": false, "events": ["campaign.paused"]})).await;
        assert_eq!((&off.body["is_active"], &off.body["lost"], &off.body["events"]), (&json!(false), &json!(3), &json!(["campaign.paused"])), "{}", off.body);
        let resend = format!("{path}/resend");
        assert_eq!(api.act(&resend).await.status, 409, "it is disabled");
        // Both or none.
        let bad = api.patch(&path, &json!({"is_active": true, "events": []})).await;
        assert_eq!((bad.status, bad.fields()), (422, vec!["events"]));
        assert_eq!(api.get(&path).await.body["is_active"], false);
        assert_eq!(api.patch(&path, &json!({"is_active": true})).await.body["is_active"], true);
        let message = rest.body["data"][0]["message_id"].clone();
        assert_eq!(api.post(&resend, &json!({"message_id": message})).await.body, json!({"count": 1}));
        assert_eq!(api.post(&resend, &json!({})).await.body, json!({"count": 2}));
        assert_eq!(api.act(&resend).await.status, 409, "all wait already");

        assert_eq!(api.delete(&path).await.status, 204);
        for gone in [&path, &deliveries] {
            assert_eq!(api.get(gone).await.status, 404);
        }
        assert_eq!(api.delete(&path).await.status, 404);
        let filter = Filter { actor: "token all".to_owned(), action: "webhook.".to_owned(), ..Filter::default() };
        let mut noted: Vec<String> = audit::list(db, &filter, 50).await.unwrap().into_iter().map(|one| one.action).collect();
        noted.reverse();
        let expected = ["add", "test", "test", "rotate", "subscribe", "disable", "enable", "resend", "resend", "remove"];
        assert_eq!(noted, expected.map(|act| format!("webhook.{act}")));
        api.0.close().await;
    }
}
