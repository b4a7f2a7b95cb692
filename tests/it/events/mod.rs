//! Events out, on both databases, at a real receiver.

pub mod receiver;

use std::sync::Arc;

use chrono::Duration;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use visavis::campaigns::plan;
use visavis::events::model::{Answer, EventKind};
use visavis::events::store::{self, Endpoint};
use visavis::events::{self, EventError, EventSender, New, guard};
use visavis::ids::EndpointId;
use visavis::responses::ResponseWriter;
use visavis::responses::model::{MadeBy, Response, What};
use visavis::responses::opt_out::{self, Choice, Source};
use visavis::responses::orders::attribute_orders;
use visavis::storage::Sql;
use visavis::templates::model::Part;

use crate::cli::{refused, told};
use crate::kit::database::TestDb;
use crate::kit::house::{House, definition};
use crate::kit::ledger::{self, CLICKS, SETTLED_AT, number};
use crate::kit::program::Node;
use crate::on_both;
use receiver::Receiver;

/// A house whose events may go to this machine.
fn open(db: &TestDb) -> House {
    let mut house = House::new(db, None);
    house.change_settings(|settings| settings.webhooks.allow_loopback = true);
    house
}

fn sender(house: &House, node: &str) -> EventSender {
    let parts = &house.parts;
    let clock = Arc::clone(&parts.clock);
    EventSender::new(
        parts.db.clone(),
        clock,
        parts.keys.clone(),
        &parts.settings,
        node,
    )
    .unwrap()
}

/// Sends what is due; how many were taken.
async fn send(house: &House) -> u64 {
    sender(house, "here")
        .run_until_idle(&CancellationToken::new())
        .await
        .unwrap()
}

async fn add(house: &House, url: &str, kinds: &[EventKind]) -> (EndpointId, String) {
    let new = New {
        url,
        description: "the shop",
        kinds: kinds.iter().copied().collect(),
    };
    let parts = &house.parts;
    let now_ms = house.clock_ms();
    events::add(
        &parts.db,
        &parts.keys,
        &parts.settings,
        &new,
        "test",
        now_ms,
    )
    .await
    .unwrap()
}

async fn endpoint(house: &House, id: EndpointId) -> Endpoint {
    store::by_id(&*house.parts.db, id).await.unwrap().unwrap()
}

/// Something happens: the n-th import is finished.
async fn happen(house: &House, n: i64) {
    let txn = house.parts.db.begin().await.unwrap();
    let content = json!({ "rows": n });
    events::record(&*txn, EventKind::ImportFinished, &content, house.clock_ms())
        .await
        .unwrap();
    txn.commit().await.unwrap();
}

fn rows_told(receiver: &Receiver) -> Vec<Value> {
    receiver
        .heard()
        .iter()
        .map(|heard| heard.json()["data"]["rows"].clone())
        .collect()
}

on_both! {
    async fn what_happens_is_told_signed_and_in_order(db: &TestDb) {
        let house = open(db);
        let receiver = Receiver::start(|_| 204).await;
        let deaf = Receiver::start(|_| 204).await;
        let (id, secret) = add(&house, &receiver.url(), &[]).await;
        add(&house, &deaf.url(), &[EventKind::ImportFinished]).await;
        house.add_customers(3, "mail.example").await;
        let campaign = house.apply(&definition("spring")).await;
        house.launch(campaign).await;
        plan::pause(&house.parts.db, "spring", "to think", "test", house.clock_ms()).await.unwrap();
        plan::resume(&house.parts.db, "spring", "test", house.clock_ms()).await.unwrap();
        house.deliver().await;
        let other = definition("summer");
        house.apply(&other).await;
        plan::cancel(&house.parts.db, "summer", "test", house.clock_ms()).await.unwrap();
        plan::cancel(&house.parts.db, "summer", "test", house.clock_ms()).await.unwrap();
        send(&house).await;

        assert_eq!(
            receiver.kinds(),
            ["campaign.launched", "campaign.paused", "campaign.finished", "campaign.cancelled"]
        );
        assert!(deaf.heard().is_empty());
        let heard = receiver.heard();
        for one in &heard {
            assert!(one.is_signed_with(&secret), "{one:?}");
            assert!(!one.is_signed_with("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="));
            assert!(one.id.starts_with("msg_") && !one.body.contains('@'), "{one:?}");
            assert_eq!(one.seconds, house.clock_ms() / 1_000);
        }
        let launched = heard[0].json();
        assert_eq!(launched["timestamp"], "2026-11-22T12:00:00.000Z");
        assert_eq!(launched["data"]["campaign"], json!({ "id": campaign.0, "name": "spring" }));
        assert_eq!(launched["data"]["deliveries"], 3);
        assert_eq!(heard[1].json()["data"]["reason"], "to think");
        let told = endpoint(&house, id).await;
        assert_eq!((told.waiting, told.failures, told.told_at), (0, 0, Some(house.clock_ms())));
    }

    async fn people_are_told_of_by_number_and_key(db: &TestDb) {
        let house = open(db);
        let receiver = Receiver::start(|_| 200).await;
        let (_, secret) = add(&house, &receiver.url(), &[
            EventKind::ResponseRecorded, EventKind::CustomerOptedOut, EventKind::CustomerPermissionChanged,
            EventKind::OrderAttributed,
        ]).await;
        house.clock.advance(Duration::milliseconds(SETTLED_AT + 120_000 - house.clock_ms()));
        let wave = ledger::wave(db, CLICKS).await;
        let ada = ledger::customer(db, "ada", "en", "none").await;
        let bob = ledger::customer(db, "bob", "en", "none").await;
        let of_ada = ledger::delivery(db, wave, 1, ada).await;
        let of_bob = ledger::delivery(db, wave, 2, bob).await;
        let writer = ResponseWriter::start(db.db.clone());
        let response = |delivery, what, made_by| Response { delivery, what, made_by, at: SETTLED_AT + 60_000 };
        let click = What::Click { link: 1, part: Part::Action };
        writer.record(response(of_ada, click, MadeBy::Person)).await;
        writer.record(response(of_bob, click, MadeBy::Machine)).await;
        writer.drain().await;
        ledger::order(db, ada, SETTLED_AT + 90_000, 4_990, None).await;
        attribute_orders(db, &crate::responses::rules(), house.clock_ms()).await.unwrap();
        opt_out::opt_out(db, of_bob, Choice::Topic, Source::Page, house.clock_ms()).await.unwrap();
        send(&house).await;

        let heard = receiver.heard();
        assert!(heard.iter().all(|one| one.is_signed_with(&secret) && !one.body.contains('@')));
        let of_kind = |kind: &str| -> Vec<Value> {
            let found = heard.iter().filter(|one| one.kind() == kind);
            found.map(|one| one.json()["data"].clone()).collect()
        };
        let person = |id: i64, key: &str| json!({ "id": id, "key": key });
        let granted = of_kind("customer.permission_changed");
        assert_eq!(granted.len(), 4, "{granted:?}");
        assert_eq!(granted[0]["customers"][0]["customer"], person(ada.0, "ada"));
        assert_eq!(granted[0]["customers"][0]["action"], "grant");
        assert_eq!(granted[0]["customers"][0]["basis"], "consent");
        let responses = of_kind("response.recorded");
        let clicks = responses[0]["responses"].as_array().unwrap();
        assert_eq!(clicks.len(), 1, "the machine's is none: {responses:?}");
        assert_eq!(clicks[0]["customer"], person(ada.0, "ada"));
        assert_eq!((&clicks[0]["kind"], &clicks[0]["part"]), (&json!("click"), &json!("action")));
        assert_eq!(clicks[0]["delivery"], of_ada.to_string());
        let orders = of_kind("order.attributed");
        assert_eq!(orders[0]["orders"][0]["amount_cents"], 4_990);
        assert_eq!(orders[0]["orders"][0]["matched_by"], "click");
        let out = of_kind("customer.opted_out");
        assert_eq!(out.len(), 1);
        assert_eq!(out[0]["customers"][0]["customer"], person(bob.0, "bob"));
        assert_eq!(out[0]["customers"][0]["topic"], "offers");
    }

    async fn nobody_who_wants_it_is_nothing_written_and_what_is_taken_back_is_not_told(db: &TestDb) {
        let house = open(db);
        happen(&house, 1).await;
        assert_eq!(number(db, "SELECT COUNT(*) FROM webhook_events").await, 0);
        let receiver = Receiver::start(|_| 200).await;
        add(&house, &receiver.url(), &[EventKind::ImportFinished]).await;
        let txn = db.begin().await.unwrap();
        events::record(&*txn, EventKind::ImportFinished, &json!({}), house.clock_ms()).await.unwrap();
        txn.rollback().await.unwrap();
        assert_eq!(send(&house).await, 0);
        assert!(receiver.heard().is_empty());
    }

    async fn what_fails_is_tried_again_and_the_rest_waits_behind_it(db: &TestDb) {
        let house = open(db);
        let receiver = Receiver::start(|n| if n < 3 { 500 } else { 200 }).await;
        let (id, _) = add(&house, &receiver.url(), &[EventKind::ImportFinished]).await;
        for n in 1..=3 {
            happen(&house, n).await;
        }
        assert_eq!(send(&house).await, 0);
        assert_eq!(rows_told(&receiver), [1]);
        assert_eq!(send(&house).await, 0, "it is not yet time");
        let told = endpoint(&house, id).await;
        assert_eq!((told.waiting, told.failures, told.failing_since), (3, 1, Some(house.clock_ms())));
        house.advance(Duration::seconds(6));
        happen(&house, 4).await;
        assert_eq!(send(&house).await, 0);
        assert_eq!(rows_told(&receiver), [1, 1]);
        house.advance(Duration::seconds(331));
        assert_eq!(send(&house).await, 4);
        assert_eq!(rows_told(&receiver), [1, 1, 1, 2, 3, 4]);
        let heard = receiver.heard();
        assert_eq!(heard[0].id, heard[2].id, "by which it is known for the same");
        assert_eq!(heard[0].body, heard[2].body);
        assert_ne!(heard[2].id, heard[3].id);
        assert_eq!(endpoint(&house, id).await.failing_since, None);
    }

    async fn one_that_is_refused_holds_nobody_up(db: &TestDb) {
        let house = open(db);
        let receiver = Receiver::start(|n| if n == 1 { 422 } else { 200 }).await;
        let (id, _) = add(&house, &receiver.url(), &[EventKind::ImportFinished]).await;
        happen(&house, 1).await;
        happen(&house, 2).await;
        assert_eq!(send(&house).await, 1);
        assert_eq!(rows_told(&receiver), [1, 2]);
        house.advance(Duration::seconds(6));
        assert_eq!(send(&house).await, 1);
        assert_eq!(rows_told(&receiver), [1, 2, 1]);
        let told = store::told(&***db, id, 10).await.unwrap();
        assert_eq!(told.iter().map(|one| one.attempts).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(events::forget_old(db, house.clock_ms() + 29 * 86_400_000).await.unwrap(), 0);
        assert_eq!(events::forget_old(db, house.clock_ms() + 31 * 86_400_000).await.unwrap(), 2);
        assert!(store::told(&***db, id, 10).await.unwrap().is_empty());
    }

    async fn gone_is_disabled_and_sent_again_when_it_is_back(db: &TestDb) {
        let house = open(db);
        let receiver = Receiver::start(|n| if n == 1 { 410 } else { 200 }).await;
        let (id, _) = add(&house, &receiver.url(), &[EventKind::ImportFinished]).await;
        happen(&house, 1).await;
        happen(&house, 2).await;
        assert_eq!(send(&house).await, 0);
        let gone = endpoint(&house, id).await;
        assert!(!gone.is_active && gone.reason.unwrap().contains("410"));
        assert_eq!((gone.waiting, gone.lost), (0, 2));
        assert_eq!(store::failing(&***db).await.unwrap(), 1);
        happen(&house, 3).await;
        let now_ms = house.clock_ms();
        let refused = events::resend(db, id, None, "test", now_ms).await.unwrap_err();
        assert!(matches!(refused, EventError::Disabled(_)));
        events::enable(db, &house.parts.settings, id, "test", now_ms).await.unwrap();
        assert_eq!(store::failing(&***db).await.unwrap(), 0);
        happen(&house, 4).await;
        assert_eq!(events::resend(db, id, None, "test", now_ms).await.unwrap(), 2);
        assert_eq!(send(&house).await, 3);
        assert_eq!(rows_told(&receiver), [1, 1, 2, 4], "what happened while it was disabled is not told");
        let first = receiver.heard()[0].id.clone();
        assert_eq!(events::resend(db, id, Some(&first), "test", now_ms).await.unwrap(), 1);
        assert_eq!(send(&house).await, 1);
        assert_eq!(receiver.heard()[4].id, first);
        assert!(events::resend(db, id, Some("msg_none"), "test", now_ms).await.is_err());
        events::remove(db, id, "test", now_ms).await.unwrap();
        assert!(events::list(db).await.unwrap().is_empty());
    }

    async fn after_days_of_failure_an_endpoint_is_given_up(db: &TestDb) {
        let house = open(db);
        let receiver = Receiver::start(|_| 302).await;
        let (id, _) = add(&house, &receiver.url(), &[EventKind::ImportFinished]).await;
        happen(&house, 1).await;
        let mut hours = 0;
        while endpoint(&house, id).await.is_active {
            if hours % 24 == 1 {
                happen(&house, 2 + hours / 24).await;
            }
            send(&house).await;
            house.advance(Duration::hours(1));
            hours += 1;
            assert!(hours < 24 * 7, "it ends");
        }
        assert!(hours > 24 * 5, "after {hours} hours");
        let given_up = endpoint(&house, id).await;
        let reason = given_up.reason.unwrap();
        assert!(reason.contains("five days") && reason.contains("redirects"), "{reason}");
        assert_eq!((given_up.waiting, given_up.lost), (0, 6));
        let told = rows_told(&receiver);
        let of_first = told.iter().filter(|rows| **rows == json!(1)).count();
        assert_eq!(of_first, 10, "the first try and the nine of the schedule: {told:?}");
        assert_eq!(told.iter().position(|rows| *rows == json!(2)), Some(5), "held up by five tries: {told:?}");
    }

    async fn for_a_day_after_a_change_both_secrets_sign(db: &TestDb) {
        let house = open(db);
        let receiver = Receiver::start(|_| 200).await;
        let (id, old) = add(&house, &receiver.url(), &[EventKind::ImportFinished]).await;
        let parts = &house.parts;
        let new = events::rotate(db, &parts.keys, id, "test", house.clock_ms()).await.unwrap();
        assert_ne!(old, new);
        happen(&house, 1).await;
        send(&house).await;
        house.advance(Duration::hours(25));
        happen(&house, 2).await;
        send(&house).await;
        let heard = receiver.heard();
        assert!(heard[0].is_signed_with(&old) && heard[0].is_signed_with(&new));
        assert!(!heard[1].is_signed_with(&old) && heard[1].is_signed_with(&new));
        let shown = format!("{:?}{}", events::list(db).await.unwrap(), json!(events::list(db).await.unwrap()));
        assert!(!shown.contains(new.trim_start_matches("whsec_")) && !shown.contains("whsec_"));
        // Nor does the database hold it in any form that a copy gives away.
        let salt = "SELECT COUNT(*) FROM webhook_endpoints WHERE LENGTH(salt) = 32 AND generation = 2";
        assert_eq!(number(db, salt).await, 1);
    }

    async fn two_nodes_tell_each_event_once_and_in_order(db: &TestDb) {
        let house = open(db);
        let receiver = Receiver::start(|_| 200).await;
        add(&house, &receiver.url(), &[EventKind::ImportFinished]).await;
        for n in 1..=40 {
            happen(&house, n).await;
        }
        let stop = CancellationToken::new();
        let (one, other) = (sender(&house, "one"), sender(&house, "other"));
        let (one, other) = tokio::join!(one.run_until_idle(&stop), other.run_until_idle(&stop));
        assert_eq!(one.unwrap() + other.unwrap(), 40);
        assert_eq!(rows_told(&receiver), (1..=40).map(Value::from).collect::<Vec<_>>());
    }

    async fn a_name_that_leads_into_the_firm_is_not_followed(db: &TestDb) {
        let house = House::new(db, None);
        let receiver = Receiver::start(|_| 200).await;
        let url = format!("https://inside.example:{}/", receiver.port());
        let (id, _) = add(&house, &url, &[EventKind::ImportFinished]).await;
        happen(&house, 1).await;
        let parts = &house.parts;
        let lookup: guard::Lookup = Arc::new(|_| Box::pin(async { Ok(vec![[127, 0, 0, 1].into()]) }));
        let clock = Arc::clone(&parts.clock);
        let sender = EventSender::with_lookup(
            db.db.clone(), clock, parts.keys.clone(), &parts.settings, "here", lookup,
        ).unwrap();
        assert_eq!(sender.run_until_idle(&CancellationToken::new()).await.unwrap(), 0);
        let told = store::told(&***db, id, 1).await.unwrap();
        let error = told[0].last_error.clone().unwrap();
        assert!(error.contains("127.0.0.1") && error.contains("public internet"), "{error}");
        assert!(receiver.heard().is_empty());
        // Nor where the system itself looks the name up, nor where the address was let in before.
        let url = format!("https://localhost:{}/", receiver.port());
        let (id, _) = add(&house, &url, &[EventKind::ImportFinished]).await;
        let answer = events::send_test(db, &parts.keys, &parts.settings, id, house.clock_ms()).await.unwrap();
        assert!(matches!(&answer, Answer::None(why) if why.contains("public internet")), "{answer:?}");
        db.run("UPDATE webhook_endpoints SET url = $1, resume_at = 0", [receiver.url().into()]).await.unwrap();
        house.advance(Duration::hours(1));
        send(&house).await;
        let told = store::told(&***db, EndpointId(id.0 - 1), 1).await.unwrap();
        assert!(told[0].last_error.clone().unwrap().contains("https://"), "{told:?}");
        assert!(receiver.heard().is_empty());
    }

    async fn killed_while_it_tells_it_tells_again(db: &TestDb) {
        let house = open(db);
        house.go_by_the_machine(0);
        // Silence, so that it is killed between the request and its answer.
        let receiver = Receiver::start(|n| if n == 2 { 0 } else { 200 }).await;
        let (id, _) = add(&house, &receiver.url(), &[EventKind::ImportFinished]).await;
        for n in 1..=3 {
            happen(&house, n).await;
        }
        let node = Node::texting(db, "[webhooks]\nallow_loopback = true\n");
        let program = node.start(&["work"]);
        receiver.has_heard(2).await;
        assert!(program.kill(), "{}", node.log());
        assert_eq!(endpoint(&house, id).await.waiting, 2);
        let ended = node.start(&["work", "--until-idle"]).ended().await;
        assert!(ended.success(), "{}", node.log());
        assert_eq!(rows_told(&receiver), [1, 2, 2, 3]);
        let heard = receiver.heard();
        assert_eq!(heard[1].id, heard[2].id);
        assert_eq!(endpoint(&house, id).await.waiting, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_kept_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let receiver = Receiver::start(|n| if n == 2 { 503 } else { 200 }).await;
    let refusal = refused(folder, &["webhook", "add", "https://192.168.0.7/hooks"]);
    assert!(
        refusal.contains("192.168.0.7") && refusal.contains("public internet"),
        "{refusal}"
    );
    let refusal = refused(folder, &["webhook", "add", &receiver.url()]);
    assert!(refusal.contains("https://"), "{refusal}");
    let refusal = refused(
        folder,
        &[
            "webhook",
            "add",
            "https://shop.example/",
            "--event",
            "campaign.begun",
        ],
    );
    assert!(refusal.contains("campaign.launched"), "{refusal}");
    std::fs::write(
        folder.join("visavis.toml"),
        "[webhooks]\nallow_loopback = true\n",
    )
    .unwrap();
    let run =
        |arguments: &[&str]| told(folder, &[arguments, &["--config", "visavis.toml"]].concat());
    let added: Value = serde_json::from_str(&run(&[
        "webhook",
        "add",
        &receiver.url(),
        "--json",
        "--event",
        "import.finished",
    ]))
    .unwrap();
    let secret = added["secret"].as_str().unwrap();
    assert!(run(&["webhook", "test", "1"]).contains("200"));
    assert!(receiver.heard()[0].is_signed_with(secret));
    assert_eq!(receiver.kinds(), ["webhook.test"]);
    let refusal = refused(
        folder,
        &["webhook", "test", "1", "--config", "visavis.toml"],
    );
    assert!(refusal.contains("503"), "{refusal}");
    std::fs::write(folder.join("people.csv"), "id,email\n1,ada@mail.example\n").unwrap();
    run(&["import", "people.csv"]);
    let list = run(&["webhook", "list"]);
    assert!(
        list.contains("1 waiting") && list.contains("import.finished") && !list.contains("whsec_"),
        "{list}"
    );
    run(&["work", "--until-idle"]);
    assert_eq!(receiver.heard()[2].json()["data"]["file"], "people.csv");
    assert_eq!(receiver.heard()[2].json()["data"]["created"], 1);
    assert!(run(&["webhook", "show", "1"]).contains("delivered"));
    let rotated = run(&["webhook", "rotate", "1"]);
    assert!(rotated.contains("whsec_") && !rotated.contains(secret));
    run(&["webhook", "disable", "1"]);
    assert!(run(&["webhook", "list"]).contains("disabled: by command line"));
    run(&["webhook", "enable", "1"]);
    run(&["webhook", "remove", "1"]);
    assert!(run(&["webhook", "list"]).contains("No endpoint yet"));
    assert!(refused(folder, &["webhook", "rotate", "1"]).contains("visavis webhook list"));
}
