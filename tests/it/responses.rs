//! What comes back, on both databases.

use sea_orm::ConnectionTrait;
use visavis::config::Settings;
use visavis::ids::DeliveryKey;
use visavis::keys::Keys;
use visavis::responses::ResponseWriter;
use visavis::responses::model::{MadeBy, Response, What};
use visavis::responses::opt_out::{self, Choice, Source};
use visavis::responses::orders::{OrderRules, attribute_orders};
use visavis::templates::model::Part;

use crate::kit::ledger::{self, CLICKS, DAY_MS, Plan, SETTLED_AT, counters, expected, number};
use crate::on_both;

const ORDERS: Plan = Plan {
    goal: "order",
    window_days: 7,
    campaign: "orders",
    ..CLICKS
};

fn response(delivery: DeliveryKey, what: What, after_ms: i64) -> Response {
    Response {
        delivery,
        what,
        made_by: MadeBy::Person,
        at: SETTLED_AT + after_ms,
    }
}

fn click(delivery: DeliveryKey, link: u16, after_ms: i64) -> Response {
    let part = if link == 0 {
        Part::Interest
    } else {
        Part::Action
    };
    response(delivery, What::Click { link, part }, after_ms)
}

pub fn rules() -> OrderRules {
    let settings = Settings::load_from(None, Default::default()).unwrap();
    OrderRules::new(&Keys::from_secret(&[7; 32]), &settings)
}

async fn record(db: &visavis::storage::Db, responses: &[Response]) {
    let writer = ResponseWriter::start(db.clone());
    for response in responses {
        writer.record(*response).await;
    }
    writer.drain().await;
    assert_eq!(writer.figures().lost, 0);
}

/// What is left of the points of a customer, soon after he won them.
async fn engagement(db: &visavis::storage::Db, external_id: &str) -> i64 {
    let customer = visavis::customers::store::find(db, external_id)
        .await
        .unwrap();
    customer.unwrap().engagement.points(SETTLED_AT + DAY_MS)
}

/// Waits for what will come.
async fn until(holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    let patience = std::time::Duration::from_secs(60);
    tokio::time::timeout(patience, waiting)
        .await
        .expect("it comes");
}

on_both! {
    async fn clicks_count_once_a_customer_and_feed_him(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let ada = ledger::customer(db, "ada", "en", "none").await;
        let delivery = ledger::delivery(db, wave, 1, ada).await;
        record(db, &[click(delivery, 0, 60_000), click(delivery, 0, 61_000)]).await;
        // A later batch, with another link.
        record(db, &[click(delivery, 1, 90_000)]).await;
        assert_eq!(counters(db, wave).await, expected([
            ("clicks", 1), ("clicks.total", 3), ("clicks.link.0", 2), ("clicks.link.1", 1),
            ("clicks.part.interest", 1), ("clicks.part.action", 1), ("responders", 1),
        ]));
        assert_eq!(engagement(db, "ada").await, 3);
        assert_eq!(number(db, "SELECT last_response_at FROM customers").await, SETTLED_AT + 90_000);
        assert_eq!(number(db, "SELECT COUNT(*) FROM responses").await, 3);
    }

    async fn a_full_queue_drops_nothing(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let mut all = Vec::new();
        for seq in 1..=40 {
            let customer = ledger::customer(db, &format!("c{seq}"), "en", "none").await;
            all.push(click(ledger::delivery(db, wave, seq, customer).await, 0, 60_000));
        }
        let writer = ResponseWriter::start_with_queue(db.db.clone(), 1);
        // Somebody holds the deliveries, so the writer stands still with the first response in hand.
        let held = db.begin().await.unwrap();
        held.execute_unprepared("UPDATE deliveries SET attempt = attempt").await.unwrap();
        writer.record(all.remove(0)).await;
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        let tasks: Vec<_> = all.into_iter().map(|response| {
            let writer = writer.clone();
            tokio::spawn(async move { writer.record(response).await })
        }).collect();
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        assert_eq!(writer.figures().waiting, 40, "in hand, in the queue, or with its bringer");
        held.rollback().await.unwrap();
        for task in tasks {
            task.await.unwrap();
        }
        writer.drain().await;
        assert_eq!(counters(db, wave).await.get("clicks"), Some(&40));
        let figures = writer.figures();
        assert_eq!((figures.written, figures.lost, figures.unqueued), (40, 0, 38));
    }

    async fn what_comes_after_the_drain_is_written_too(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let customer = ledger::customer(db, "ada", "en", "none").await;
        let delivery = ledger::delivery(db, wave, 1, customer).await;
        let writer = ResponseWriter::start(db.db.clone());
        writer.drain().await;
        writer.record(click(delivery, 0, 60_000)).await;
        writer.drain().await;
        assert_eq!(counters(db, wave).await.get("clicks"), Some(&1));
    }

    async fn a_database_that_comes_back_loses_nothing(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let customer = ledger::customer(db, "ada", "en", "none").await;
        let delivery = ledger::delivery(db, wave, 1, customer).await;
        db.execute_unprepared("ALTER TABLE responses RENAME TO responses_away").await.unwrap();
        let writer = ResponseWriter::start(db.db.clone());
        writer.record(click(delivery, 0, 60_000)).await;
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        db.execute_unprepared("ALTER TABLE responses_away RENAME TO responses").await.unwrap();
        writer.drain().await;
        assert_eq!(counters(db, wave).await.get("clicks"), Some(&1));
        assert_eq!(writer.figures().lost, 0);
    }

    async fn what_a_dead_process_left_is_written_once_by_the_next(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let mut all = Vec::new();
        for seq in 1..=50 {
            let customer = ledger::customer(db, &format!("c{seq}"), "en", "none").await;
            all.push(click(ledger::delivery(db, wave, seq, customer).await, 0, 60_000));
        }
        let folder = tempfile::tempdir().unwrap();
        let writer = ResponseWriter::with_journal(db.db.clone(), folder.path()).unwrap();
        for click in all.drain(..10) {
            writer.record(click).await;
        }
        until(|| writer.figures().written == 10).await;
        db.execute_unprepared("ALTER TABLE responses RENAME TO responses_away").await.unwrap();
        for click in all {
            writer.record(click).await;
        }
        // It gives up, and leaves the journal as a crash would.
        writer.drain().await;
        assert_eq!((writer.figures().waiting, writer.figures().lost), (40, 0));
        drop(writer);
        db.execute_unprepared("ALTER TABLE responses_away RENAME TO responses").await.unwrap();
        let writer = ResponseWriter::with_journal(db.db.clone(), folder.path()).unwrap();
        writer.drain().await;
        assert_eq!(writer.figures().written, 40);
        assert_eq!(number(db, "SELECT COUNT(*) FROM responses").await, 50);
        assert_eq!(counters(db, wave).await.get("clicks"), Some(&50));
        assert_eq!(number(db, "SELECT COUNT(*) FROM response_journals").await, 0);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "and nothing is left to write");
    }

    async fn a_disk_that_takes_no_journal_loses_nothing(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let customer = ledger::customer(db, "ada", "en", "none").await;
        let delivery = ledger::delivery(db, wave, 1, customer).await;
        let folder = tempfile::tempdir().unwrap();
        let writer = ResponseWriter::with_journal(db.db.clone(), folder.path()).unwrap();
        drop(folder);
        writer.record(click(delivery, 0, 60_000)).await;
        writer.drain().await;
        assert_eq!((writer.figures().written, writer.figures().lost), (1, 0));
        assert_eq!(counters(db, wave).await.get("clicks"), Some(&1));
    }

    async fn a_scanner_that_takes_its_time_is_found_out_and_taken_back(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let customer = ledger::customer(db, "ada", "en", "none").await;
        let delivery = ledger::delivery(db, wave, 1, customer).await;
        record(db, &[click(delivery, 0, 30_000)]).await;
        assert_eq!(counters(db, wave).await.get("responders"), Some(&1));
        record(db, &[click(delivery, 1, 30_400)]).await;
        assert_eq!(counters(db, wave).await, expected([("clicks.scanner", 2)]));
        assert_eq!(engagement(db, "ada").await, 0);
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers WHERE last_response_at IS NULL").await, 1);
        assert_eq!(number(db, "SELECT COUNT(*) FROM responses WHERE is_machine AND is_scanner").await, 2);
        // The person behind the scanner clicks an hour later.
        record(db, &[click(delivery, 1, 3_600_000)]).await;
        assert_eq!(counters(db, wave).await.get("responders"), Some(&1));
    }

    async fn a_click_within_two_seconds_of_the_hand_over_is_a_scanner_s(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let customer = ledger::customer(db, "ada", "en", "none").await;
        let delivery = ledger::delivery(db, wave, 1, customer).await;
        record(db, &[click(delivery, 0, 1_500)]).await;
        assert_eq!(counters(db, wave).await, expected([("clicks.scanner", 1)]));
    }

    async fn the_window_ends(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        for (seq, name, after) in [(1, "in", 14 * DAY_MS), (2, "out", 14 * DAY_MS + 1)] {
            let customer = ledger::customer(db, name, "en", "none").await;
            let delivery = ledger::delivery(db, wave, seq, customer).await;
            record(db, &[click(delivery, 0, after)]).await;
        }
        let counters = counters(db, wave).await;
        assert_eq!((counters.get("clicks"), counters.get("responders")), (Some(&2), Some(&1)));
    }

    async fn responses_to_nothing_are_left_out(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let writer = ResponseWriter::start(db.db.clone());
        writer.record(click(DeliveryKey { wave, seq: 99 }, 0, 60_000)).await;
        writer.drain().await;
        assert_eq!((writer.figures().orphaned, writer.figures().lost), (1, 0));
        assert_eq!(number(db, "SELECT COUNT(*) FROM responses").await, 0);
    }

    async fn opting_out_leaves_evidence_suppression_and_one_count(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let customer = ledger::customer(db, "ada", "fr", "none").await;
        let delivery = ledger::delivery(db, wave, 1, customer).await;
        for n in 0..2 {
            let told = opt_out::opt_out(db, delivery, Choice::Topic, Source::OneClick, SETTLED_AT + n).await.unwrap();
            assert_eq!(told.unwrap().topic.as_deref(), Some("offers"));
        }
        assert_eq!(counters(db, wave).await, expected([("opt_outs", 1)]));
        assert_eq!(number(db, "SELECT COUNT(*) FROM responses WHERE kind = 'opt_out'").await, 1);
        assert_eq!(number(db, "SELECT COUNT(*) FROM suppressions WHERE channel = 'email' AND scope = 'offers' AND fingerprint = 'fingerprint of ada'").await, 1);
        assert_eq!(number(db, "SELECT COUNT(*) FROM permissions WHERE topic = 'offers' AND NOT is_granted").await, 1);
        assert_eq!(number(db, "SELECT COUNT(*) FROM permissions WHERE topic = 'news' AND is_granted").await, 1);
        assert!(number(db, "SELECT COUNT(*) FROM permission_evidence WHERE action = 'withdraw' AND source = 'rfc8058_post'").await >= 1);

        opt_out::opt_out(db, delivery, Choice::Everything, Source::Page, SETTLED_AT + 9).await.unwrap();
        assert_eq!(number(db, "SELECT COUNT(*) FROM suppressions WHERE scope = '*'").await, 1);
        assert_eq!(number(db, "SELECT COUNT(*) FROM permissions WHERE is_granted").await, 0);
        assert_eq!(counters(db, wave).await, expected([("opt_outs", 1)]));
    }

    async fn one_who_was_erased_may_still_opt_out(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let customer = ledger::customer(db, "ada", "fr", "none").await;
        let delivery = ledger::delivery(db, wave, 1, customer).await;
        db.execute_unprepared("DELETE FROM customers").await.unwrap();
        let told = opt_out::opt_out(db, delivery, Choice::Topic, Source::OneClick, SETTLED_AT).await.unwrap();
        assert_eq!(told.unwrap().language, None);
        let nobody = DeliveryKey { wave, seq: 99 };
        assert_eq!(opt_out::opt_out(db, nobody, Choice::Topic, Source::OneClick, SETTLED_AT).await.unwrap(), None);
    }

    async fn orders_go_to_the_last_click_in_the_window_and_once(db: &TestDb) {
        let wave = ledger::wave(db, ORDERS).await;
        let ada = ledger::customer(db, "ada", "fr", "none").await;
        let bob = ledger::customer(db, "bob", "fr", "none").await;
        let eve = ledger::customer(db, "eve", "fr", "none").await;
        let delivery = ledger::delivery(db, wave, 1, ada).await;
        let late = ledger::delivery(db, wave, 2, bob).await;
        ledger::delivery(db, wave, 3, eve).await;
        record(db, &[click(delivery, 0, 60_000), click(late, 0, 60_000)]).await;
        ledger::order(db, ada, SETTLED_AT + DAY_MS, 4_990, None).await;
        ledger::order(db, ada, SETTLED_AT + 2 * DAY_MS, 1_010, None).await;
        // Before the click, after the window, and of one who never clicked.
        ledger::order(db, ada, SETTLED_AT + 30_000, 9_999, None).await;
        ledger::order(db, bob, SETTLED_AT + 8 * DAY_MS, 9_999, None).await;
        ledger::order(db, eve, SETTLED_AT + DAY_MS, 9_999, None).await;
        let now = SETTLED_AT + 30 * DAY_MS;
        assert_eq!(attribute_orders(db, &rules(), SETTLED_AT).await.unwrap(), 0, "no order was made yet");
        assert_eq!(attribute_orders(db, &rules(), now).await.unwrap(), 2);
        assert_eq!(attribute_orders(db, &rules(), now).await.unwrap(), 0);
        let counters = counters(db, wave).await;
        for (counter, value) in [("orders", 2), ("orders.customers", 1), ("revenue_cents", 6_000), ("responders", 1)] {
            assert_eq!(counters.get(counter), Some(&value), "{counter}");
        }
        assert_eq!(engagement(db, "ada").await, 13);
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers WHERE stage = 'customer'").await, 1);
        assert_eq!(number(db, "SELECT COUNT(*) FROM orders WHERE wave_id IS NOT NULL AND seq = 1 AND campaign_id IS NOT NULL").await, 2);
    }

    async fn an_order_that_names_its_campaign_needs_no_click(db: &TestDb) {
        let wave = ledger::wave(db, ORDERS).await;
        let campaign = number(db, "SELECT campaign_id FROM waves").await;
        let ada = ledger::customer(db, "ada", "fr", "none").await;
        let eve = ledger::customer(db, "eve", "fr", "none").await;
        ledger::delivery(db, wave, 1, ada).await;
        ledger::order(db, ada, SETTLED_AT + 30 * DAY_MS, 500, Some(campaign)).await;
        // She was not contacted: the campaign did not earn this.
        ledger::order(db, eve, SETTLED_AT + DAY_MS, 500, Some(campaign)).await;
        assert_eq!(attribute_orders(db, &rules(), SETTLED_AT + 40 * DAY_MS).await.unwrap(), 1);
        let counters = counters(db, wave).await;
        assert_eq!((counters.get("orders"), counters.get("responders")), (Some(&1), None), "after the window it is no response");
    }

    async fn two_nodes_attribute_each_order_once(db: &TestDb) {
        let wave = ledger::wave(db, ORDERS).await;
        for seq in 1..=60 {
            let customer = ledger::customer(db, &format!("c{seq}"), "fr", "none").await;
            let delivery = ledger::delivery(db, wave, seq, customer).await;
            record(db, &[click(delivery, 0, 60_000)]).await;
            ledger::order(db, customer, SETTLED_AT + DAY_MS, 100, None).await;
        }
        let now = SETTLED_AT + 2 * DAY_MS;
        let rules = rules();
        let (one, other) = tokio::join!(attribute_orders(db, &rules, now), attribute_orders(db, &rules, now));
        assert_eq!(one.unwrap() + other.unwrap(), 60);
        assert_eq!(counters(db, wave).await.get("revenue_cents"), Some(&6_000));
    }
}
