//! What a campaign cost and earned, and what was expected of it, through the real thing.

use chrono::Duration;
use visavis::campaigns::check;
use visavis::campaigns::definition::Definition;
use visavis::campaigns::forecast::Forecast;
use visavis::ids::{DeliveryKey, WaveId};
use visavis::reports::forecast::Verdict;
use visavis::reports::store;
use visavis::responses::ResponseWriter;
use visavis::responses::model::{MadeBy, Response, What};
use visavis::storage::Sql;
use visavis::templates::Template;

use crate::kit::house::{House, definition};
use crate::on_both;

fn priced(name: &str, more: &str) -> Definition {
    let mut plan = definition(name);
    let extra = format!(
        r#"
        name = "x"
        segment = "everyone"
        template = "super-chef"
        topic = "offers"
        goal = "order"
        {more}
        [offer]
        name = "Pans"
        margin_percent = 40.0
        cost_cents = 100
        [costs]
        fixed_cents = 1000
        per_thousand_cents = 20000
        [sender]
        name = "Maison Vaisselle"
        address = "bonjour@vaisselle.example"
        postal_address = "12 rue des Chaudronniers, 80000 Amiens"
        "#
    );
    let extra = Definition::parse(&extra, "test").expect("a good definition");
    plan.goal = extra.goal;
    plan.offer = extra.offer;
    plan.costs = extra.costs;
    plan.expected_response_percent = extra.expected_response_percent;
    plan
}

async fn forecast(house: &House, wave: WaveId) -> Forecast {
    let row = house
        .parts
        .db
        .row("SELECT forecast FROM waves WHERE id = $1", [wave.0.into()])
        .await
        .unwrap()
        .unwrap();
    let text: String = row.try_get("", "forecast").unwrap();
    serde_json::from_str(&text).unwrap()
}

async fn order(house: &House, wave: WaveId, seqs: std::ops::RangeInclusive<i64>, cents: i64) {
    let writer = ResponseWriter::start(house.parts.db.clone());
    for seq in seqs {
        writer
            .record(Response {
                delivery: DeliveryKey { wave, seq },
                what: What::Order {
                    amount_cents: cents,
                },
                made_by: MadeBy::Person,
                at: house.clock_ms() + 60_000,
            })
            .await;
    }
    writer.drain().await;
}

on_both! {
    async fn a_campaign_is_reckoned_from_its_costs_and_its_offer(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(200, "mail.example").await;
        let id = house.apply(&priced("spring", "")).await;
        let wave = house.launch(id).await.wave;
        house.deliver_to_the_end(wave).await;
        house.closed_ledger(wave).await;
        order(&house, wave, 1..=10, 5_000).await;
        let report = store::report(&house.parts.db, "spring").await.unwrap().unwrap();
        let economics = &report.economics;
        // 10.00 fixed, 200 mails at 200.00 a thousand, 10 gifts at 1.00.
        let cost = economics.cost.unwrap();
        assert!((cost.total_cents - 6_000.0).abs() < 1e-6, "{cost:?}");
        assert!((economics.profit_cents.unwrap() - 14_000.0).abs() < 1e-6);
        // (0.20 + 10.00/200) ÷ (20.00 − 1.00).
        assert!((economics.break_even_rate.unwrap() - 0.25 / 19.0).abs() < 1e-9);
        assert!((economics.return_on_cost.unwrap() - 14.0 / 6.0).abs() < 1e-9);
        assert_eq!(economics.missing, []);
    }

    async fn a_wave_is_forecast_from_those_before_it_and_compared_when_its_window_is_over(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(300, "mail.example").await;
        let id = house.apply(&priced("first", "expected_response_percent = 10.0")).await;
        let first = house.launch(id).await.wave;
        let stated = forecast(&house, first).await;
        assert!((stated.responses.unwrap().expected - 30.0).abs() < 1e-9);
        house.deliver_to_the_end(first).await;
        order(&house, first, 1..=60, 5_000).await;
        let now = house.clock_ms();
        let report = store::report(&house.parts.db, "first").await.unwrap().unwrap().at(now);
        let compared = report.forecast.unwrap();
        let verdict = |figure: &str| compared.lines.iter().find(|line| line.figure == figure).unwrap().verdict;
        assert!(!compared.is_over);
        assert_eq!(verdict("responses"), Verdict::Above);

        // Not over yet: nothing is known of it.
        house.advance(Duration::days(3));
        let id = house.apply(&priced("second", "")).await;
        let second = house.launch(id).await.wave;
        assert_eq!(forecast(&house, second).await.responses, None);
        house.deliver_to_the_end(second).await;

        house.advance(Duration::days(20));
        let id = house.apply(&priced("third", "")).await;
        let third = house.launch(id).await.wave;
        let learnt = forecast(&house, third).await;
        let rate = learnt.response_rate.unwrap();
        assert!((rate.expected - 0.1).abs() < 1e-9, "60 of 600: {rate:?}");
        let orders = learnt.orders.unwrap();
        assert!((learnt.revenue_cents.unwrap().expected - orders.expected * 5_000.0).abs() < 1e-6);
        assert!(learnt.profit_cents.is_some());
        let template = Template::embedded("super-chef").unwrap();
        let plan = priced("fourth", "");
        let checked = check::check(&house.parts.db, &plan, &[&template], &house.parts.settings, house.now()).await.unwrap();
        assert!((checked.forecast.response_rate.unwrap().expected - 0.1).abs() < 1e-9);
        assert!(checked.to_string().contains("rests on 2 earlier waves"), "{checked}");
    }
}
