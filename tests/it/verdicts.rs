//! What a test comes to, from the launch to the page.

use chrono::Duration;
use reqwest::StatusCode;
use visavis::campaigns::check;
use visavis::campaigns::definition::Definition;
use visavis::ids::{DeliveryKey, WaveId};
use visavis::reports::cells::Cells;
use visavis::reports::{Report, store, table};
use visavis::responses::model::{MadeBy, Response, What};
use visavis::responses::{ResponseWriter, effects};
use visavis::statistics::verdict::Word;
use visavis::storage::Sql;
use visavis::templates::Template;
use visavis::templates::model::Part;

use crate::kit::house::{House, definition};
use crate::on_both;
use crate::web::Site;

/// Two cells one to one, and a third of the people held back.
fn plan(more: &str) -> Definition {
    let text = format!(
        r#"
        name = "spring"
        segment = "everyone"
        template = "super-chef"
        topic = "offers"
        control_percent = 33
        window_days = 10
        [sender]
        name = "Maison Vaisselle"
        address = "bonjour@vaisselle.example"
        postal_address = "12 rue des Chaudronniers, 80000 Amiens"
        [[cells]]
        name = "pan"
        [[cells]]
        name = "back"
        template = "win-back"
        {more}
        "#
    );
    Definition::parse(&text, "test").expect("a good definition")
}

/// Place and customer of everybody in a cell, in order.
async fn people(house: &House, wave: WaveId, cell: &str) -> Vec<(i64, i64)> {
    let rows = house
        .parts
        .db
        .rows(
            "SELECT seq, customer_id FROM deliveries WHERE wave_id = $1 AND cell = $2 ORDER BY seq",
            [wave.0.into(), cell.into()],
        )
        .await
        .unwrap();
    rows.iter()
        .map(|row| {
            (
                row.try_get("", "seq").unwrap(),
                row.try_get("", "customer_id").unwrap(),
            )
        })
        .collect()
}

async fn click(house: &House, wave: WaveId, people: &[(i64, i64)]) {
    let writer = ResponseWriter::start(house.parts.db.clone());
    for (seq, _) in people {
        writer
            .record(Response {
                delivery: DeliveryKey { wave, seq: *seq },
                what: What::Click {
                    link: 0,
                    part: Part::Interest,
                },
                made_by: MadeBy::Person,
                at: house.clock_ms() + 60_000,
            })
            .await;
    }
    writer.drain().await;
}

/// Each of them orders for 50.00, a day after now.
async fn order(house: &House, people: &[(i64, i64)]) {
    let at = house.clock_ms() + 86_400_000;
    let txn = house.parts.db.begin().await.unwrap();
    for (_, customer) in people {
        txn.run(
            "INSERT INTO orders (customer_id, ordered_at, amount_cents, currency) VALUES ($1, $2, 5000, 'EUR')",
            [(*customer).into(), at.into()],
        )
        .await
        .unwrap();
    }
    txn.commit().await.unwrap();
}

async fn report(house: &House) -> Report {
    store::report(&house.parts.db, "spring")
        .await
        .unwrap()
        .expect("a report")
}

async fn cells(house: &House) -> Cells {
    report(house).await.cells.expect("cells")
}

on_both! {
    async fn a_test_is_judged_when_its_time_has_come(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(900, "mail.example").await;
        let id = house.apply(&plan("")).await;
        let wave = house.launch(id).await.wave;
        assert!(cells(&house).await.judgement.headline.to_string().contains("is still being sent"));
        house.deliver_to_the_end(wave).await;
        let pan = people(&house, wave, "pan").await;
        let back = people(&house, wave, "back").await;
        let control = people(&house, wave, "control").await;
        click(&house, wave, &pan[..60]).await;
        click(&house, wave, &back[..20]).await;
        order(&house, &pan[..40]).await;
        order(&house, &back[..20]).await;
        order(&house, &control[..9]).await;

        effects::reckon(&house.parts.db, "EUR", house.clock_ms()).await.unwrap();
        let early = report(&house).await;
        let (cells, effect) = (early.cells.unwrap(), early.effect.unwrap());
        assert_eq!((cells.judgement.verdict, effect.verdict), (Word::TooEarly, Word::TooEarly));
        assert!(effect.buyers.is_none() && cells.judgement.pairs.iter().all(|pair| pair.p.is_none()));

        house.advance(Duration::days(11));
        effects::reckon(&house.parts.db, "EUR", house.clock_ms()).await.unwrap();
        let late = report(&house).await;
        let (cells, effect) = (late.cells.clone().unwrap(), late.effect.clone().unwrap());
        assert_eq!(cells.judgement.verdict, Word::Significant, "{}", cells.judgement.headline);
        assert!(cells.judgement.headline.to_string().starts_with("pan does better than back: significant ("), "{}", cells.judgement.headline);
        let counts: Vec<_> = cells.lines.iter().map(|line| (line.cell.as_str(), line.people, line.delivered, line.response_of_assigned.count)).collect();
        let len = |people: &[(i64, i64)]| u64::try_from(people.len()).unwrap();
        assert_eq!(counts, [("pan", len(&pan), len(&pan), 60), ("back", len(&back), len(&back), 20)]);
        assert!(cells.split_p.unwrap() > 0.001);

        assert_eq!(effect.verdict, Word::Significant, "{}", effect.sentence);
        assert_eq!((effect.contacted.buyers.count, effect.contacted.buyers.of), (60, len(&pan) + len(&back)));
        assert_eq!((effect.held_back.buyers.count, effect.held_back.buyers.of), (9, len(&control)));
        assert_eq!((effect.contacted.revenue_cents, effect.held_back.revenue_cents), (300_000, 45_000));
        let buyers = effect.buyers.unwrap();
        assert!(buyers.value > 30.0 && buyers.interval_95.unwrap().low > 0.0, "{buyers:?}");
        let written = table::write(&late);
        assert!(written.contains("What the campaign caused") && written.contains("The cells of the test"), "{written}");

        let site = Site::open(db).await;
        let page = site.get("/reports/campaigns/spring").await;
        assert_eq!(page.status(), StatusCode::OK);
        let page = page.text().await.unwrap();
        for expected in ["The cells of the test", "pan does better than back", "What the campaign caused", "the control group of this campaign"] {
            assert!(page.contains(expected), "{expected} in {page}");
        }
        assert!(!page.contains("style=\""), "the policy allows none");
        let json: serde_json::Value = site.get("/reports/campaigns/spring.json").await.json().await.unwrap();
        assert_eq!(json["cells"]["verdict"], "significant");
        assert_eq!(json["effect"]["held_back"]["buyers"]["count"], 9);
        let csv = site.get("/reports/campaigns/spring.csv").await.text().await.unwrap();
        assert!(csv.contains(",effect_held_back,buyers,9,") && csv.contains(",cell_pan,people,"), "{csv}");
        site.close().await;
    }

    async fn nothing_is_found_where_nothing_is(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(600, "mail.example").await;
        let id = house.apply(&plan("[test]\ndifference_points = 20.0")).await;
        let wave = house.launch(id).await.wave;
        house.deliver_to_the_end(wave).await;
        for cell in ["pan", "back", "control"] {
            let people = people(&house, wave, cell).await;
            let tenth = &people[..people.len() / 10];
            if cell != "control" {
                click(&house, wave, tenth).await;
            }
            order(&house, tenth).await;
        }
        house.advance(Duration::days(11));
        effects::reckon(&house.parts.db, "EUR", house.clock_ms()).await.unwrap();
        let report = report(&house).await;
        let (cells, effect) = (report.cells.unwrap(), report.effect.unwrap());
        assert_eq!(cells.judgement.verdict, Word::NotSignificant, "{}", cells.judgement.headline);
        assert_eq!(effect.verdict, Word::NotSignificant, "{}", effect.sentence);
    }

    async fn a_disturbed_split_gets_no_verdict(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(400, "mail.example").await;
        let id = house.apply(&plan("")).await;
        let wave = house.launch(id).await.wave;
        house.deliver_to_the_end(wave).await;
        house.advance(Duration::days(11));
        effects::reckon(&house.parts.db, "EUR", house.clock_ms()).await.unwrap();
        db.run(
            "UPDATE wave_cells SET people = people * 2 WHERE wave_id = $1 AND cell = 'pan'",
            [wave.0.into()],
        )
        .await
        .unwrap();
        let judged = cells(&house).await.judgement;
        assert_eq!(judged.verdict, Word::Refused, "{}", judged.headline);
    }

    async fn whether_a_test_has_enough_people_is_said_before_it_is_launched(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(900, "mail.example").await;
        let (first, second) = (Template::embedded("super-chef").unwrap(), Template::embedded("win-back").unwrap());
        let settings = &house.parts.settings;
        let ask = async |plan: &Definition| {
            check::check(&house.parts.db, plan, &[&first, &second], settings, house.now()).await.unwrap()
        };
        assert_eq!(ask(&definition("plain")).await.test, None);
        let checked = ask(&plan("")).await;
        let test = checked.test.clone().unwrap();
        let people: u64 = test.cells.iter().map(|cell| cell.people).sum();
        assert!(checked.will_receive - people <= 1);
        assert_eq!((test.base_rate, test.comparisons), (0.02, 1));
        assert!(test.base_from.starts_with("assumed"), "{}", test.base_from);
        assert!(checked.warnings.iter().any(|warning| warning.to_string().starts_with("the cells are small: ")), "{checked}");
        assert!(checked.to_string().contains("  needed "), "{checked}");

        // What a wave showed is what the next is reckoned with.
        let id = house.apply(&plan("")).await;
        let wave = house.launch(id).await.wave;
        house.deliver_to_the_end(wave).await;
        let pan = self::people(&house, wave, "pan").await;
        click(&house, wave, &pan[..60]).await;
        let early = ask(&plan("")).await.test.unwrap();
        assert!(early.base_from.starts_with("assumed"), "its window is open: {}", early.base_from);
        house.advance(chrono::Duration::days(15));
        let test = ask(&plan("")).await.test.unwrap();
        assert_eq!(test.base_from, "as the last wave had it");
        assert!((0.08..0.13).contains(&test.base_rate), "{}", test.base_rate);
    }
}
