//! Engagement, interests and habits.

use sea_orm::ConnectionTrait;
use visavis::ids::DeliveryKey;
use visavis::responses::model::{MadeBy, Response, What};
use visavis::responses::{ResponseWriter, feedback};
use visavis::storage::Db;
use visavis::templates::model::Part;
use visavis::tokens::LinkKind;

use super::meant;
use crate::kit::ledger::{self, CLICKS, DAY_MS, Plan, SETTLED_AT, number};
use crate::on_both;
use crate::web::Site;

fn response(delivery: DeliveryKey, what: What, after_ms: i64) -> Response {
    Response {
        delivery,
        what,
        made_by: MadeBy::Person,
        at: SETTLED_AT + after_ms,
    }
}

fn click(delivery: DeliveryKey, link: u16, after_ms: i64) -> Response {
    let part = Part::Interest;
    response(delivery, What::Click { link, part }, after_ms)
}

async fn record(db: &Db, responses: &[Response]) {
    let writer = ResponseWriter::start(db.clone());
    for response in responses {
        writer.record(*response).await;
    }
    writer.drain().await;
    assert_eq!(writer.figures().lost, 0);
}

/// Waves of as many campaigns, each with a delivery to the customer.
async fn deliveries(db: &Db, customer: visavis::ids::CustomerId, n: usize) -> Vec<DeliveryKey> {
    let mut keys = Vec::new();
    for n in 0..n {
        let campaign: &'static str = Box::leak(format!("campaign {n}").into_boxed_str());
        let wave = ledger::wave(db, Plan { campaign, ..CLICKS }).await;
        keys.push(ledger::delivery(db, wave, 1, customer).await);
    }
    keys
}

on_both! {
    async fn a_click_is_seen_by_segments_and_the_page_at_once(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let ada = ledger::customer(db, "ada", "en", "full").await;
        let bob = ledger::customer(db, "bob", "en", "none").await;
        let site = Site::open(db).await;
        for (seq, customer) in [(1, ada), (2, bob)] {
            let delivery = ledger::delivery(db, wave, seq, customer).await;
            site.get(&format!("/c/{}", site.token(delivery, LinkKind::Click(0)))).await;
        }
        let page = format!("/customers/{ada}");
        let waiting = async {
            while number(db, "SELECT COUNT(*) FROM customers WHERE last_response_at IS NOT NULL").await < 2 {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), waiting).await.expect("it is written");
        let shown = site.get(&page).await.text().await.unwrap();
        assert!(shown.contains("Pans (1 point)") && shown.contains("offers (1 point)"), "{shown}");
        site.close().await;

        let now = SETTLED_AT + 61_000;
        for (rule, people) in [
            ("engagement = 3", 2),
            ("responded within 1 day", 2),
            ("clicked campaign \"super-chef\"", 2),
            // Only of who agrees to tracking.
            ("interested in \"pans\"", 1),
            ("interested in \"PANS\" and interested in \"offers\"", 1),
            ("interested in \"knives\"", 0),
            ("preferred_hour is known or preferred_channel is known", 0),
        ] {
            assert_eq!(meant(db, rule, now).await, people, "{rule}");
        }
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers WHERE last_response_kind = 'click'").await, 2);
        assert_eq!(number(db, &format!("SELECT COUNT(*) FROM customer_acts WHERE customer_id = {ada} AND hour = 13 AND acts = 1 AND clicks = 1")).await, 1);
        assert_eq!(number(db, "SELECT COUNT(*) FROM customer_acts").await, 1);
    }

    async fn points_fade_and_nothing_is_rewritten(db: &TestDb) {
        let ada = ledger::customer(db, "ada", "en", "full").await;
        let keys = deliveries(db, ada, 2).await;
        record(db, &[click(keys[0], 0, 60_000)]).await;
        // Ninety days later the first three are one and a half.
        record(db, &[click(keys[1], 0, 90 * DAY_MS + 60_000)]).await;
        let at = SETTLED_AT + 60_000;
        for (days, rule) in [
            (90, "engagement between 4 and 5"),
            (91, "engagement = 4 and interested in \"pans\""),
            (180, "engagement = 2 and interested in \"pans\""),
            (360, "engagement = 1 and not interested in \"pans\""),
            (2_000, "engagement = 0 and not engagement >= 1"),
        ] {
            assert_eq!(meant(db, rule, at + days * DAY_MS).await, 1, "{rule} after {days} days");
        }
    }

    async fn what_is_taken_back_is_gone_from_everywhere(db: &TestDb) {
        let ada = ledger::customer(db, "ada", "en", "full").await;
        let keys = deliveries(db, ada, 2).await;
        record(db, &[response(keys[1], What::Reply, 10_000)]).await;
        record(db, &[click(keys[0], 0, 30_000)]).await;
        let now = SETTLED_AT + 60_000;
        assert_eq!(meant(db, "engagement = 8 and interested in \"pans\"", now).await, 1);
        record(db, &[click(keys[0], 1, 30_400)]).await;
        assert_eq!(meant(db, "engagement = 5", now).await, 1);
        assert_eq!(meant(db, "interested in \"pans\" or interested in \"offers\"", now).await, 0);
        assert_eq!(number(db, "SELECT CAST(SUM(acts) AS BIGINT) FROM customer_acts").await, 1);
        assert_eq!(number(db, "SELECT CAST(SUM(clicks) AS BIGINT) FROM customer_acts").await, 0);
        assert_eq!(number(db, "SELECT last_response_at FROM customers WHERE last_response_kind = 'reply'").await, SETTLED_AT + 10_000);
        // The person comes after all.
        record(db, &[click(keys[0], 0, 3_600_000)]).await;
        assert_eq!(meant(db, "interested in \"pans\" and engagement = 8", SETTLED_AT + 3_700_000).await, 1);
    }

    async fn writers_at_once_lose_nothing(db: &TestDb) {
        let ada = ledger::customer(db, "ada", "en", "full").await;
        let keys = deliveries(db, ada, 6).await;
        let writers: Vec<ResponseWriter> = keys.iter().map(|_| ResponseWriter::start(db.db.clone())).collect();
        for (writer, key) in writers.iter().zip(&keys) {
            writer.record(click(*key, 0, 60_000)).await;
            writer.record(response(*key, What::Reply, 120_000)).await;
        }
        for writer in &writers {
            writer.drain().await;
            assert_eq!(writer.figures().lost, 0);
        }
        let now = SETTLED_AT + 180_000;
        assert_eq!(meant(db, "engagement = 48 and preferred_channel = \"email\" and preferred_hour = 13", now).await, 1);
        assert_eq!(meant(db, "replied at least 6 times within 1 day and last_response within 1 day", now).await, 1);
        assert_eq!(number(db, "SELECT acts FROM customer_acts").await, 12);
    }

    async fn who_no_longer_agrees_to_tracking_is_forgotten(db: &TestDb) {
        let ada = ledger::customer(db, "ada", "en", "full").await;
        let keys = deliveries(db, ada, 3).await;
        for key in &keys {
            record(db, &[click(*key, 0, 60_000)]).await;
        }
        let now = SETTLED_AT + 60_000;
        assert_eq!(meant(db, "interested in \"pans\" and preferred_hour = 13", now).await, 1);
        db.execute_unprepared("UPDATE customers SET tracking = 'none'").await.unwrap();
        assert_eq!(meant(db, "interested in \"pans\"", now).await, 0, "from this moment on");
        feedback::forget_untracked(db).await.unwrap();
        assert_eq!(number(db, "SELECT COUNT(*) FROM customer_interests").await, 0);
        assert_eq!(meant(db, "preferred_hour is unknown and preferred_channel is unknown", now).await, 1);
    }

    async fn an_erased_person_leaves_nothing_learned(db: &TestDb) {
        let ada = ledger::customer(db, "ada", "en", "full").await;
        let keys = deliveries(db, ada, 1).await;
        record(db, &[click(keys[0], 0, 60_000)]).await;
        db.execute_unprepared("DELETE FROM customers").await.unwrap();
        // A click of his that comes later.
        record(db, &[click(keys[0], 1, 90_000_000)]).await;
        assert_eq!(number(db, "SELECT COUNT(*) FROM customer_interests").await, 0);
        assert_eq!(number(db, "SELECT COUNT(*) FROM customer_acts").await, 0);
    }
}
