//! The ledger of old waves is let go, and what must last lasts, on both databases.

use chrono::Duration as Span;
use tokio_util::sync::CancellationToken;
use visavis::dialogue::clean_up::CleanUpReport;
use visavis::dialogue::upkeep::{self, UpkeepReport};
use visavis::ids::{CustomerId, DeliveryKey};
use visavis::reports;
use visavis::responses::ResponseWriter;
use visavis::responses::model::{MadeBy, Response, What};
use visavis::storage::Sql;
use visavis::templates::model::Part;
use visavis::tokens::LinkKind;

use crate::kit::database::TestDb;
use crate::kit::house::House;
use crate::kit::ledger::{self, CLICKS, DAY_MS, DESTINATIONS, SETTLED_AT, counters, number};
use crate::on_both;
use crate::web::{Site, header};

async fn keep_up(house: &House, now_ms: i64, stop: &CancellationToken) -> UpkeepReport {
    let parts = &house.parts;
    upkeep::run(&parts.db, &parts.keys, &parts.settings, now_ms, stop)
        .await
        .unwrap()
}

async fn contact(db: &TestDb, delivery: DeliveryKey, customer: CustomerId, at: i64) {
    db.run(
        "INSERT INTO contacts (customer_id, contacted_at, wave_id, seq, channel, topic)
         VALUES ($1, $2, $3, $4, 'email', 'offers')",
        [
            customer.0.into(),
            at.into(),
            delivery.wave.0.into(),
            delivery.seq.into(),
        ],
    )
    .await
    .unwrap();
}

on_both! {
    async fn reports_and_links_outlast_the_ledger(db: &TestDb) {
        let mut house = House::new(db, None);
        // So that what is off at the end was switched off.
        house.change_settings(|settings| settings.permission.consent_days = 0);
        let wave = ledger::wave(db, CLICKS).await;
        let mut deliveries = Vec::new();
        for (seq, name) in [(1, "ada"), (2, "bob"), (3, "eve")] {
            let customer = ledger::customer(db, name, "en", "none").await;
            let delivery = ledger::delivery(db, wave, seq, customer).await;
            contact(db, delivery, customer, SETTLED_AT).await;
            deliveries.push((delivery, customer));
        }
        let [(ada, her), (_, bob), (eve, _)] = deliveries[..] else { unreachable!() };
        // Ada was written to again in a wave of today; Eve was withheld after all.
        contact(db, DeliveryKey { wave: visavis::ids::WaveId(99), seq: 1 }, her, SETTLED_AT + 1_000 * DAY_MS).await;
        db.run("UPDATE deliveries SET state = 6 WHERE seq = $1", [eve.seq.into()]).await.unwrap();
        db.run("INSERT INTO leases (wave_id, kind, from_seq, to_seq, due_at, fence, is_done) VALUES ($1, 'first', 1, 3, 0, 0, $2)",
            [wave.0.into(), true.into()]).await.unwrap();
        db.run("INSERT INTO sms_messages (wave_id, seq, provider, parts) VALUES ($1, 1, 'sandbox', 1), (99, 1, 'sandbox', 1)",
            [wave.0.into()]).await.unwrap();
        let click = Response {
            delivery: ada,
            what: What::Click { link: 0, part: Part::Interest },
            made_by: MadeBy::Person,
            at: SETTLED_AT + 60_000,
        };
        let writer = ResponseWriter::start(db.db.clone());
        writer.record(click).await;
        writer.drain().await;
        let counted = counters(db, wave).await;
        assert_eq!(counted.get("clicks"), Some(&1));

        // The wave's own window of 14 days comes on top of the 1095.
        let never = CancellationToken::new();
        let early = keep_up(&house, SETTLED_AT + 1_100 * DAY_MS, &never).await;
        assert_eq!(early.clean_up, CleanUpReport::default());
        let now = SETTLED_AT + 1_110 * DAY_MS;
        let would = upkeep::dry_run(db, &house.parts.keys, &house.parts.settings, now).await.unwrap();
        assert_eq!(would.clean_up, CleanUpReport { waves: 1, deliveries: 3 });
        let stopped = CancellationToken::new();
        stopped.cancel();
        assert_eq!(keep_up(&house, now, &stopped).await.clean_up, CleanUpReport::default());
        let report = keep_up(&house, now, &never).await;
        assert_eq!(report.clean_up, CleanUpReport { waves: 1, deliveries: 3 });
        assert!(report.to_string().contains("3  deliveries of old waves let go"), "{report}");
        assert_eq!(keep_up(&house, now, &never).await.clean_up, CleanUpReport::default());

        for table in ["deliveries", "responses", "leases"] {
            assert_eq!(number(db, &format!("SELECT COUNT(*) FROM {table}")).await, 0, "{table}");
        }
        assert_eq!(number(db, "SELECT COUNT(*) FROM sms_messages").await, 1, "of another wave");
        assert_eq!(counters(db, wave).await, counted);
        assert_eq!(number(db, "SELECT COUNT(*) FROM past_deliveries").await, 2, "nobody has a link of what was withheld");
        // Everyone's newest contact stays; the older are a sum, of which the proof still knows.
        assert_eq!(number(db, "SELECT COUNT(*) FROM contacts").await, 3);
        assert_eq!(number(db, &format!("SELECT COUNT(*) FROM contacts WHERE customer_id = {bob}")).await, 1);
        assert_eq!(number(db, &format!("SELECT contacts FROM past_contacts WHERE customer_id = {her} AND first_at = {SETTLED_AT}")).await, 1);

        let table = reports::store::report(db, CLICKS.campaign).await.unwrap().unwrap();
        assert_eq!((table.clicks, table.final_since.is_some()), (1, true));
        assert!(reports::table::write(&table).contains("were let go on"));

        // A click leads on and counts nowhere; the opt-out counts in full.
        let site = Site::open(db).await;
        let answer = site.get(&format!("/c/{}", site.token(ada, LinkKind::Click(0)))).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "location")), (302, DESTINATIONS[0]));
        let path = format!("/u/{}", site.token(ada, LinkKind::Unsubscribe));
        let page = site.get(&path).await.text().await.unwrap();
        assert!(page.contains("Unsubscribe"), "{page}");
        let answer = site.ask(reqwest::Method::POST, &path).body("List-Unsubscribe=One-Click").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        site.close().await;
        assert_eq!(counters(db, wave).await, counted);
        assert_eq!(number(db, "SELECT COUNT(*) FROM suppressions WHERE scope = 'offers' AND fingerprint = 'fingerprint of ada'").await, 1);
        assert_eq!(number(db, &format!("SELECT COUNT(*) FROM permissions WHERE topic = 'offers' AND NOT is_granted AND customer_id = {her}")).await, 1);
    }

    async fn a_wave_goes_out_beside_the_clean_up(db: &TestDb) {
        let mut house = House::new(db, None);
        house.change_settings(|settings| {
            settings.delivery.keep_days = 400;
            settings.delivery.chunk = 500;
            settings.delivery.batch = 100;
        });
        let people = 700;
        house.add_customers(people, "mail.example").await;
        let old = house.send("old").await;
        assert_eq!(house.deliver().await, people.unsigned_abs());
        house.advance(Span::days(420));
        let new = house.send("next").await;
        let never = CancellationToken::new();
        let now = house.clock_ms();
        let (report, accepted) = tokio::join!(keep_up(&house, now, &never), house.deliver());
        assert_eq!(accepted, people.unsigned_abs());
        assert_eq!(house.ledger(new).await, [("accepted", people)].into());
        assert_eq!(report.clean_up, CleanUpReport { waves: 1, deliveries: people.unsigned_abs() });
        assert_eq!(number(db, &format!("SELECT COUNT(*) FROM deliveries WHERE wave_id = {old}")).await, 0);
        assert_eq!(number(db, &format!("SELECT COUNT(*) FROM past_deliveries WHERE wave_id = {old}")).await, people);
        let listed = number(db, "SELECT COUNT(*) FROM contacts").await;
        let summed = number(db, "SELECT CAST(COALESCE(SUM(contacts), 0) AS BIGINT) FROM past_contacts").await;
        assert_eq!(listed + summed, 2 * people, "every contact is listed or summed up");
    }
}
