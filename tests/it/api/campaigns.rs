//! A campaign from its definition to its end.

use reqwest::Method;
use serde_json::{Value, json};

use super::Api;
use crate::kit::ledger::number;
use crate::on_both;

/// A definition that means everybody in Amiens.
pub fn plan(name: &str) -> Value {
    json!({
        "name": name, "segment": "city = \"Amiens\"", "template": "super-chef", "topic": "offers",
        "sender": {"name": "La Boutique", "address": "offres@example.com", "postal_address": "1 rue de la Paix, 80000 Amiens"},
        "schedule": null,
    })
}

pub async fn people(api: &Api) {
    let many: Vec<Value> = (0..10)
        .map(|n| {
            let permissions = json!([{
                "channel": "email", "topic": "offers", "action": "grant", "basis": "consent", "source": "form 3",
                "wording": "I want offers", "occurred_at": "2026-01-02T10:00:00Z",
            }]);
            let permissions = if n < 7 { permissions } else { json!([]) };
            json!({"external_id": format!("k{n}"), "email": format!("k{n}@example.org"), "city": "Amiens", "permissions": permissions})
        })
        .collect();
    let answer = api.post("/api/v1/customers/bulk", &many.into()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

on_both! {
    async fn a_campaign_is_planned_checked_launched_paused_and_cancelled(db: &TestDb) {
        let api = Api::open(db).await;
        people(&api).await;
        let path = "/api/v1/campaigns/spring";
        let put = api.ask(Method::PUT, path, Some(&plan("spring")), &[]).await;
        assert_eq!((put.status, put.header("location")), (201, path), "{}", put.body);
        let mut other = plan("spring");
        other["control_percent"] = json!(0);
        other["goal"] = json!("order");
        let stale = api.ask(Method::PUT, path, Some(&other), &[("if-match", "\"99\"")]).await;
        assert_eq!(stale.status, 412);
        let tag = put.header("etag").to_owned();
        let changed = api.ask(Method::PUT, path, Some(&other), &[("if-match", &tag)]).await;
        assert_eq!((changed.status, &changed.body["definition"]["goal"]), (200, &json!("order")), "{}", changed.body);
        assert_ne!(changed.header("etag"), tag);

        let check = api.get(&format!("{path}/check")).await;
        assert_eq!(check.status, 200, "{}", check.body);
        assert_eq!((&check.body["selected"], &check.body["will_receive"]), (&json!(10), &json!(7)), "{}", check.body);
        let withheld: u64 = check.body["withheld"].as_array().unwrap().iter().map(|one| one["people"].as_u64().unwrap()).sum();
        assert_eq!(withheld, 3);

        let why = api.get("/api/v1/customers/external_id:k9/why?campaign=spring").await;
        assert_eq!(why.status, 200, "{}", why.body);
        assert_eq!((&why.body["verdict"], &why.body["reason"]), (&json!("withheld"), &json!("no_permission")), "{}", why.body);
        let launch = format!("{path}/launch");
        let launched = api.ask(Method::POST, &launch, None, &[("idempotency-key", "l1")]).await;
        assert_eq!((launched.status, &launched.body["deliveries"]), (200, &json!(7)), "{}", launched.body);
        let again = api.ask(Method::POST, &launch, None, &[("idempotency-key", "l1")]).await;
        assert_eq!(again.body, launched.body, "the answer of the first");
        assert_eq!(api.act(&launch).await.body["was_already"], true);
        assert_eq!(number(db, "SELECT COUNT(*) FROM waves").await, 1);
        assert_eq!(api.get(&format!("{path}/progress")).await.body["pending"], 7);
        let running = api.ask(Method::PUT, path, Some(&plan("spring")), &[]).await;
        assert_eq!((running.status, running.body["code"].as_str()), (409, Some("conflict")), "{}", running.body);

        let paused = api.post(&format!("{path}/pause"), &json!({"reason": "the shop is closed"})).await;
        assert_eq!((&paused.body["status"], &paused.body["status_reason"]), (&json!("paused"), &json!("the shop is closed")));
        assert_eq!(api.act(&format!("{path}/pause")).await.status, 409);
        assert_eq!(api.act(&format!("{path}/resume")).await.body["status"], "running");
        assert_eq!(api.act(&format!("{path}/decide")).await.status, 409);
        assert_eq!(api.act(&format!("{path}/cancel")).await.body["status"], "cancelled");
        assert_eq!(number(db, "SELECT COUNT(*) FROM audit_log WHERE subject = 'spring' AND actor = 'token all'").await, 6);
        for path in ["/api/v1/reports/spring", "/api/v1/reports/spring/csv", "/api/v1/reports/grid?rows=channel"] {
            assert_eq!(api.get(path).await.status, 200, "{path}");
        }
        api.0.close().await;
    }

    async fn of_two_who_read_the_same_one_changes_it(db: &TestDb) {
        let api = Api::open(db).await;
        let path = "/api/v1/campaigns/spring";
        let put = api.ask(Method::PUT, path, Some(&plan("spring")), &[]).await;
        let tag = put.header("etag").to_owned();
        let (mut one, mut other) = (plan("spring"), plan("spring"));
        one["goal"] = json!("order");
        other["goal"] = json!("reply");
        let headers = [("if-match", tag.as_str())];
        let (one, other) = tokio::join!(
            api.ask(Method::PUT, path, Some(&one), &headers),
            api.ask(Method::PUT, path, Some(&other), &headers)
        );
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412], "{} {}", one.body, other.body);
        assert_eq!(api.get(path).await.body["revision"], 2);
        api.0.close().await;
    }

    async fn a_campaign_that_waits_is_moved(db: &TestDb) {
        let api = Api::open(db).await;
        let mut waiting = plan("spring");
        waiting["schedule"] = json!({"at": "2027-03-01T09:30", "zone": "Europe/Paris"});
        let put = api.ask(Method::PUT, "/api/v1/campaigns/spring", Some(&waiting), &[]).await;
        assert_eq!((put.status, &put.body["status"]), (201, &json!("scheduled")), "{}", put.body);
        let path = "/api/v1/campaigns/spring/reschedule";
        let moved = api.post(path, &json!({"at": "2027-03-02T08:00"})).await;
        assert_eq!((moved.status, &moved.body["next_due_at"]), (200, &json!("2027-03-02T07:00:00.000Z")), "{}", moved.body);
        assert_eq!(moved.body["definition"]["schedule"]["at"], "2027-03-02T08:00:00");
        for wrong in ["tomorrow", "2027-03-02", "2020-03-02T08:00"] {
            assert_eq!(api.post(path, &json!({"at": wrong})).await.status, 422, "{wrong}");
        }
        let calendar = api.get("/api/v1/calendar?from=2027-03-01&until=2027-03-08&zone=Europe/Paris").await;
        assert_eq!(calendar.status, 200, "{}", calendar.body);
        assert_eq!(calendar.body["entries"][0]["campaign"], "spring", "{}", calendar.body);
        assert_eq!((&calendar.body["entries"][0]["day"], &calendar.body["entries"][0]["may_move"]), (&json!("2027-03-02"), &json!(true)));
        for query in ["from=2027-03-01&until=2027-03-01", "from=2027-03-01&until=2028-03-02", "from=0001-01-01&until=0001-02-01"] {
            assert_eq!(api.get(&format!("/api/v1/calendar?{query}")).await.status, 422, "{query}");
        }
        let noted = "SELECT COUNT(*) FROM audit_log WHERE action = 'campaign.reschedule' AND actor = 'token all'";
        assert_eq!(number(db, noted).await, 1);
        api.0.close().await;
    }

    async fn what_a_definition_gets_wrong_is_named(db: &TestDb) {
        let api = Api::open(db).await;
        let wrong = |field: &str, value: Value| {
            let mut plan = plan("spring");
            plan[field] = value;
            plan
        };
        for (body, field) in [
            (wrong("segment", json!("age betwen 3")), "segment"),
            (wrong("template", json!("none-of-ours")), "template"),
            (wrong("name", json!("summer")), "name"),
            (wrong("name", json!("Spring!")), "name"),
            (wrong("window_days", json!(0)), "window_days"),
            (wrong("window_days", json!("many")), "window_days"),
            (wrong("schedule", json!({"zone": "Europe/Paris"})), "schedule"),
            (wrong("schedule", json!({"zone": "Europe/Paris", "at": "tomorrow"})), "schedule.at"),
            (wrong("template", json!("../../etc")), "template"),
        ] {
            let answer = api.ask(Method::PUT, "/api/v1/campaigns/spring", Some(&body), &[]).await;
            assert_eq!(answer.status, 422, "{body} {}", answer.body);
            assert_eq!(answer.fields(), [field], "{body} {}", answer.body);
        }
        for path in ["check", "progress"] {
            assert_eq!(api.get(&format!("/api/v1/campaigns/spring/{path}")).await.status, 404);
        }
        assert_eq!(api.act("/api/v1/campaigns/spring/launch").await.status, 404);
        assert_eq!(api.get("/api/v1/reports/spring").await.status, 404);
        assert_eq!(number(db, "SELECT COUNT(*) FROM campaigns").await, 0);
        api.0.close().await;
    }
}
