//! The grid, improving the target, and summaries by email, on both databases.

use std::sync::Arc;

use mail_parser::{MessageParser, MimeHeaders};
use tokio_util::sync::CancellationToken;
use visavis::accounts::model::Role;
use visavis::clock::{SetClock, SharedClock, from_ms};
use visavis::ids::{CustomerId, WaveId};
use visavis::reports::grid::cross::{UNKNOWN, choices};
use visavis::reports::grid::people::{self, Wanted};
use visavis::reports::grid::{Crossing, Dimension, Table, count};
use visavis::reports::store::grid::{self as store, Loaded, Scope};
use visavis::reports::summary::Summaries;
use visavis::responses::ResponseWriter;
use visavis::responses::model::{MadeBy, Response, What};
use visavis::responses::orders::attribute_orders;
use visavis::storage::{Db, Sql};
use visavis::templates::model::Part;

use crate::kit::console;
use crate::kit::house::House;
use crate::kit::ledger::{self, CLICKS, DAY_MS, LAUNCHED_AT, Plan, SETTLED_AT, counters};
use crate::kit::smtp::{Act, Script, SmtpPeer, Step, When};
use crate::on_both;
use crate::reports::pages::shared;
use crate::reports::set;
use crate::responses::rules;
use crate::web::Site;

const REGIONS: [Option<&str>; 3] = [Some("Somme"), Some("Nord"), None];

/// A wave to `people` customers of three regions in turn, of whom every fifth clicks and every tenth orders.
async fn wave(db: &Db, plan: Plan, people: i64) -> (WaveId, Vec<CustomerId>) {
    let wave = ledger::wave(db, plan).await;
    let mut customers = Vec::new();
    let writer = ResponseWriter::start(db.clone());
    for seq in 1..=people {
        let name = format!("{}{seq}", plan.campaign);
        let customer = ledger::customer(db, &name, "fr", "none").await;
        let region = REGIONS[usize::try_from(seq % 3).unwrap()];
        db.run(
            "UPDATE customers SET region = $2, first_name = $3, last_name = 'Q' WHERE id = $1",
            [customer.0.into(), region.into(), name.into()],
        )
        .await
        .unwrap();
        let delivery = ledger::delivery(db, wave, seq, customer).await;
        let respond = |what| Response {
            delivery,
            what,
            made_by: MadeBy::Person,
            at: SETTLED_AT + 600_000,
        };
        if seq % 5 == 0 {
            let part = Part::Action;
            writer.record(respond(What::Click { link: 1, part })).await;
        }
        if seq % 10 == 0 {
            ledger::order(db, customer, SETTLED_AT + 700_000, 2_500, None).await;
        }
        customers.push(customer);
    }
    writer.drain().await;
    attribute_orders(db, &rules(), SETTLED_AT + DAY_MS)
        .await
        .unwrap();
    set(db, wave, &[("accepted", people)]).await;
    (wave, customers)
}

async fn counted(db: &Db) -> (usize, Loaded) {
    let clock: SharedClock = SetClock::at(from_ms(SETTLED_AT + DAY_MS));
    let stop = CancellationToken::new();
    let counted = count::moved(db, &clock, count::Pace::AtOnce, &stop)
        .await
        .unwrap();
    (counted, store::load(db, &Scope::default()).await.unwrap())
}

fn by(loaded: &Loaded, rows: Dimension, filters: &[(Dimension, &str)]) -> Table {
    let filters = filters
        .iter()
        .map(|(dimension, value)| (*dimension, (*value).to_owned()));
    let crossing = Crossing {
        rows,
        columns: Some(Dimension::Channel),
        filters: filters.collect(),
    };
    crossing.table(&loaded.slices)
}

on_both! {
    async fn the_sums_of_the_grid_over_any_dimension_are_the_counters(db: &TestDb) {
        let (wave, customers) = wave(db, CLICKS, 60).await;
        // One who was refused and one who was held back are no part of it.
        for (seq, state) in [(61, 4), (62, 6)] {
            let customer = ledger::customer(db, &format!("other{seq}"), "fr", "none").await;
            ledger::delivery(db, wave, seq, customer).await;
            db.run("UPDATE deliveries SET state = $2 WHERE seq = $1", [seq.into(), state.into()]).await.unwrap();
        }
        db.run("DELETE FROM customers WHERE id = $1", [customers[0].0.into()]).await.unwrap();
        let (waves, loaded) = counted(db).await;
        assert_eq!(waves, 1);
        let counters = counters(db, wave).await;
        for dimension in Dimension::ALL {
            let total = by(&loaded, dimension, &[]).total.counts;
            assert_eq!(i64::try_from(total.delivered).unwrap(), counters["accepted"], "{dimension}");
            assert_eq!(i64::try_from(total.responders).unwrap(), counters["responders"], "{dimension}");
            assert_eq!(i64::try_from(total.orders).unwrap(), counters["orders"], "{dimension}");
            assert_eq!(total.revenue_cents, counters["revenue_cents"], "{dimension}");
            // What was summed beforehand says the same as what is summed now.
            let crossing = Crossing { rows: dimension, columns: Some(Dimension::Channel), filters: Vec::new() };
            let crossings = std::slice::from_ref(&crossing);
            let summed = store::load_for(db, &Scope::default(), crossings).await.unwrap();
            assert_eq!(crossing.table(&summed.slices), crossing.table(&loaded.slices), "{dimension}");
            assert_eq!(choices(&summed.slices), choices(&loaded.slices), "{dimension}");
            assert!(summed.slices.iter().all(|slice| slice.cube.entries.len() < 20), "{dimension}");
        }
        // As an older program leaves it: counted anew, and not summed.
        let crossing = Crossing { rows: Dimension::Region, columns: None, filters: Vec::new() };
        let crossings = std::slice::from_ref(&crossing);
        for older in ["UPDATE grid_sums SET counted_at = counted_at - 1", "DELETE FROM grid_sums"] {
            db.run(older, []).await.unwrap();
            let read = store::load_for(db, &Scope::default(), crossings).await.unwrap();
            assert_eq!(crossing.table(&read.slices), crossing.table(&loaded.slices));
        }
        let regions = by(&loaded, Dimension::Region, &[]);
        assert_eq!(regions.row_names, ["Somme", "Nord", UNKNOWN]);
        // Of the seqs up to 60 every third is of Somme, and every fifth of those clicked.
        assert_eq!((regions.row_totals[0].counts.delivered, regions.row_totals[0].counts.responders), (20, 4));
        let somme = by(&loaded, Dimension::Campaign, &[(Dimension::Region, "Somme")]);
        assert_eq!(somme.total.counts, regions.row_totals[0].counts);
    }

    async fn a_wave_is_counted_again_only_when_it_moved(db: &TestDb) {
        let (first, _) = wave(db, CLICKS, 10).await;
        assert_eq!(counted(db).await.0, 1);
        assert_eq!(counted(db).await.0, 0);
        db.run("UPDATE wave_counters SET value = value + 1 WHERE wave_id = $1 AND counter = 'accepted'", [first.0.into()])
            .await
            .unwrap();
        assert_eq!(counted(db).await.0, 1);
        // Long after its window it is counted for good.
        let clock: SharedClock = SetClock::at(from_ms(SETTLED_AT + 60 * DAY_MS));
        let stop = CancellationToken::new();
        for expected in [1, 0] {
            let counted = count::moved(db, &clock, count::Pace::Steady, &stop).await.unwrap();
            assert_eq!(counted, expected);
        }
        db.run("UPDATE wave_counters SET value = value + 1 WHERE wave_id = $1 AND counter = 'accepted'", [first.0.into()])
            .await
            .unwrap();
        assert_eq!(counted(db).await.0, 0, "final");
    }

    async fn what_a_campaign_earned_does_not_describe_whom_it_was_sent_to(db: &TestDb) {
        let (_, customers) = wave(db, CLICKS, 10).await;
        // The tenth ordered: it is his second order, the first came a year before the launch.
        let tenth = customers[9];
        ledger::order(db, tenth, LAUNCHED_AT - 300 * DAY_MS, 9_000, None).await;
        db.run(
            "UPDATE customers SET orders_count = 2, revenue_cents = 11500, last_order_at = $2 WHERE id = $1",
            [tenth.0.into(), (SETTLED_AT + 700_000).into()],
        )
        .await
        .unwrap();
        let (_, loaded) = counted(db).await;
        let of = |dimension, value| by(&loaded, Dimension::Campaign, &[(dimension, value)]).total.counts;
        assert_eq!(of(Dimension::Orders, "1").orders, 1);
        assert_eq!(of(Dimension::Revenue, "50 to 200").orders, 1);
        assert_eq!(of(Dimension::LastOrder, "within a year").orders, 1);
        assert_eq!(of(Dimension::Clicked, "yes").delivered, 0, "he clicked after the launch");
        assert_eq!(of(Dimension::Clicked, "no").responders, 2);
    }

    async fn the_people_of_a_cell_are_those_that_were_counted(db: &TestDb) {
        wave(db, CLICKS, 60).await;
        wave(db, Plan { campaign: "autumn", ..CLICKS }, 60).await;
        let (_, loaded) = counted(db).await;
        let mut wanted = Wanted {
            filters: vec![(Dimension::Region, UNKNOWN.to_owned()), (Dimension::Campaign, "autumn".to_owned())],
            only_responders: true,
            after: None,
            limit: 3,
        };
        let filters: Vec<(Dimension, &str)> =
            wanted.filters.iter().map(|(dimension, value)| (*dimension, value.as_str())).collect();
        let cell = by(&loaded, Dimension::Wave, &filters).total.counts;
        let mut found = Vec::new();
        loop {
            let page = people::people(db, &loaded, &wanted).await.unwrap();
            assert!(page.people.len() <= 3);
            found.extend(page.people);
            match page.next {
                Some(next) => wanted.after = Some(next),
                None => break,
            }
        }
        assert_eq!(found.len() as u64, cell.responders);
        assert!(found.iter().all(|one| one.has_responded && one.wave.starts_with("autumn ")));
        let mut keys: Vec<_> = found.iter().map(|one| one.delivery).collect();
        keys.dedup();
        assert_eq!(keys.len(), found.len(), "nobody comes twice");
        let orders: u64 = found.iter().map(|one| one.orders).sum();
        assert_eq!(orders, cell.orders);
        wanted = Wanted { only_responders: false, after: None, limit: 100, ..wanted };
        let everyone = people::people(db, &loaded, &wanted).await.unwrap();
        assert_eq!(everyone.people.len() as u64, cell.delivered);
    }

    async fn who_may_not_see_people_reads_nobody_in_a_rule(db: &TestDb) {
        wave(db, CLICKS, 20).await;
        for table in ["campaigns", "waves"] {
            let rule = "'\"city = \\\"Amiens\\\" or email = \\\"ada@mail.example\\\"\"'";
            let named = format!("UPDATE {table} SET definition = REPLACE(definition, '\"everyone\"', {rule})");
            db.run(named, []).await.unwrap();
        }
        counted(db).await;
        let token = "a-token-that-may-read-reports-only";
        let site = Site::open_set(db, |settings| {
            crate::api::give(settings, "reports", token, &[visavis::config::Scope::ReportsRead].into());
        })
        .await;
        let (_, cookie) = console::sign_in(db, Role::Analyst, SETTLED_AT + 60_000).await;
        let analyst = console::with_cookie(&cookie);
        for path in [
            "/reports/grid?rows=segment", "/reports/grid?rows=region&columns=segment",
            "/reports/campaigns/super-chef", "/reports/campaigns/super-chef/improve", "/calendar",
        ] {
            let page = analyst.get(format!("{}{path}", site.base)).send().await.unwrap();
            assert_eq!(page.status(), 200, "{path}");
            let page = page.text().await.unwrap();
            assert!(!page.contains("ada@mail.example"), "{path}: {page}");
        }
        let page = site.get("/reports/grid?rows=segment").await.text().await.unwrap();
        assert!(page.contains("ada@mail.example"), "who may sees it: {page}");
        let page = analyst.get(format!("{}/reports/grid?rows=segment", site.base)).send().await.unwrap().text().await.unwrap();
        assert!(page.contains("Amiens") && page.contains('…'), "{page}");
        let grid = format!("{}/api/v1/reports/grid?rows=segment", site.base);
        let answer = analyst.get(grid).bearer_auth(token).send().await.unwrap().text().await.unwrap();
        assert!(answer.contains("Amiens") && !answer.contains("ada@mail.example"), "{answer}");
        // Who has a link sees no rule at all.
        let link = shared(&site, "super-chef", 30).await;
        let page = reqwest::get(format!("{}{link}", site.base)).await.unwrap().text().await.unwrap();
        assert!(!page.contains("ada@mail.example") && !page.contains("Amiens"), "{page}");
        site.close().await;
    }

    async fn the_pages_need_no_script_and_lead_from_cell_to_person(db: &TestDb) {
        wave(db, CLICKS, 60).await;
        let site = Site::open(db).await;
        let before = site.get("/reports/grid").await.text().await.unwrap();
        assert!(before.contains("not counted yet"), "{before}");
        counted(db).await;
        let page = site.get("/reports/grid?rows=region&columns=channel").await.text().await.unwrap();
        for expected in ["Somme", "20.00\u{a0}%", "of 60", "As of 23 November 2026"] {
            assert!(page.contains(expected), "{expected} in {page}");
        }
        assert!(!page.contains("<script>"));
        let link = page.split("href=\"").find(|rest| rest.starts_with("/reports/grid/people?")).unwrap();
        let link = link.split('"').next().unwrap().replace("&amp;", "&").replace("&#x3D;", "=");
        let people = site.get(&link).await.text().await.unwrap();
        assert!(people.contains("/customers/") && people.contains("responded"), "{people}");
        let shown = people.matches("href=\"/customers/").count();
        let report = site.get("/reports/campaigns/super-chef").await.text().await.unwrap();
        let people = report.split("id=\"people\"").nth(1).unwrap();
        assert!(people.contains("As of 23 November 2026"), "these figures are older than the others: {people}");
        let looks = crate::kit::ledger::number(db, "SELECT COUNT(*) FROM audit_records WHERE action = 'access'").await;
        assert!(looks > 0 && looks == i64::try_from(shown).unwrap(), "{looks} looks at {shown} people");
        let improve = site.get("/reports/campaigns/super-chef/improve?count=1").await.text().await.unwrap();
        assert!(improve.contains("No narrower segment is proposed"), "{improve}");
        assert_eq!(site.get("/reports/campaigns/nothing/improve").await.status(), 404);
        for bad in ["rows=shoe_size", "from=yesterday"] {
            let answer = site.get(&format!("/reports/grid?{bad}")).await;
            assert_eq!(answer.status(), 400, "{bad}");
        }
        site.close().await;
    }

    async fn each_reader_gets_each_period_once(db: &TestDb) {
        wave(db, Plan { campaign: "Pans & <lids>", ..CLICKS }, 30).await;
        let mut house = House::new(db, None);
        house.change_settings(|settings| {
            settings.summary.to = vec!["eva@firm.example".into(), "max@firm.example".into()];
            // 12:00 in UTC is 13:00 in Paris: it is due now.
            settings.summary.every = "0 13 * * *".into();
        });
        // The kit's waves are launched at this very moment; the next day tells of them.
        house.advance(chrono::Duration::days(1));
        let engine = house.engine().await;
        let parts = &house.parts;
        let other = Summaries::new(
            parts.db.clone(),
            parts.clock.clone(),
            parts.keys.clone(),
            Arc::clone(&parts.settings),
            &engine.channels().email,
        );
        let stop = CancellationToken::new();
        let (one, two) = tokio::join!(engine.summaries().run_until_idle(&stop), other.run_until_idle(&stop));
        let rest = engine.summaries().run_until_idle(&stop).await.unwrap();
        assert_eq!(one.unwrap() + two.unwrap() + rest, 2);
        let outbox = engine.channels().email.outbox().unwrap();
        assert_eq!(outbox.count().unwrap(), 2);
        let raw = outbox.read(1).unwrap().unwrap();
        let message = MessageParser::default().parse(&raw).unwrap();
        assert!(message.subject().unwrap().starts_with("1 campaign until 23 November 2026"), "{:?}", message.subject());
        let html = message.body_html(0).unwrap().into_owned();
        let text = message.body_text(0).unwrap().into_owned();
        assert!(html.contains("Pans &amp; &lt;lids&gt;") && text.contains("PANS & <LIDS>"), "{html}");
        assert!(text.contains("20.00 %") && text.contains("revenue 75.00 EUR"), "{text}");
        assert!(!html.contains("@example.org") && !text.contains("@example.org"));
        let pictures: Vec<String> = message
            .attachments()
            .map(|part| {
                assert!(part.contents().starts_with(b"\x89PNG\r\n\x1a\n"));
                format!("cid:{}", part.content_id().unwrap())
            })
            .collect();
        assert!(!pictures.is_empty());
        assert_eq!(html.matches("\"cid:").count(), pictures.len());
        assert!(pictures.iter().all(|picture| html.contains(picture)), "{pictures:?}");
        // Nothing is due until the next period.
        house.advance(chrono::Duration::hours(23));
        assert_eq!(engine.summaries().run_until_idle(&stop).await.unwrap(), 0);
        house.advance(chrono::Duration::hours(1));
        assert_eq!(engine.summaries().run_until_idle(&stop).await.unwrap(), 2);
        let raw = outbox.read(3).unwrap().unwrap();
        let message = MessageParser::default().parse(&raw).unwrap();
        assert!(message.subject().unwrap().starts_with("No campaign until"), "{:?}", message.subject());
        engine.close().await;
    }

    async fn a_summary_that_is_put_off_goes_later_as_the_same_message(db: &TestDb) {
        // The answer to the first is lost: it may have arrived. The second is put off, the third taken.
        let script = Script::new()
            .on(Step::Dot, When::Nth(1), Act::AcceptAndHangUp)
            .on(Step::Dot, When::Nth(2), Act::Reply("451 4.7.1 later"));
        let peer = SmtpPeer::start(script).await;
        let mut house = House::new(db, Some(peer.settings()));
        house.change_settings(|settings| {
            settings.summary.to = vec!["eva@firm.example".into()];
            settings.summary.every = "0 13 * * SUN".into();
        });
        let engine = house.engine().await;
        let stop = CancellationToken::new();
        let mut sent = Vec::new();
        for _ in 0..5 {
            sent.push(engine.summaries().run_until_idle(&stop).await.unwrap());
            // Longer than any wait between attempts.
            house.advance(chrono::Duration::hours(10));
        }
        assert_eq!(sent, [0, 0, 1, 0, 0]);
        engine.close().await;
        let messages = peer.messages();
        let ids: Vec<_> = messages.iter().map(|message| message.header("Message-ID").unwrap()).collect();
        assert_eq!(ids.len(), 2, "{ids:?}");
        assert_eq!(ids[0], ids[1], "a reader's mail program shows it once");
    }
}
