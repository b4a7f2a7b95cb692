//! The audience query, beside the rules it is made of.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sea_orm::Value;
use visavis::campaigns::audience::{Audience, DueBy, circle};
use visavis::campaigns::split::Split;
use visavis::config::{PressureSettings, WindowKind};
use visavis::consent::model::Channel;
use visavis::gate::model::Rival;
use visavis::gate::moment::Moment;
use visavis::gate::store::{Question, places, places_of};
use visavis::segments::Rule;
use visavis::storage::{Db, Sql};

use crate::kit::house::{House, definition};
use crate::on_both;

const DAY: i64 = 86_400_000;
const PEOPLE: i64 = 120;

/// Whatever may be known of a person, by chance.
async fn shuffle(db: &Db, first: i64, now: i64, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let txn = db.begin().await.unwrap();
    for id in first..first + PEOPLE {
        let mut changes: Vec<(&str, Vec<Value>)> = Vec::new();
        if rng.random_ratio(1, 6) {
            changes.push((
                "UPDATE customers SET email_key = o.email_key, email_fingerprint = o.email_fingerprint
                 FROM (SELECT email_key, email_fingerprint FROM customers WHERE id = $2) AS o WHERE id = $1",
                vec![rng.random_range(first..first + PEOPLE).into()],
            ));
        }
        if rng.random_ratio(1, 10) {
            changes.push((
                "UPDATE customers SET paused_until = $2 WHERE id = $1",
                vec![(now + rng.random_range(-2..3) * DAY).into()],
            ));
        }
        if rng.random_ratio(1, 6) {
            changes.push((
                "UPDATE customers SET frequency_days = $2 WHERE id = $1",
                vec![rng.random_range(1..30_i64).into()],
            ));
        }
        if rng.random_ratio(1, 5) {
            let scope = ["offers", "news", "*"][rng.random_range(0..3)];
            changes.push((
                "INSERT INTO suppressions (fingerprint, channel, scope, reason, suppressed_at)
                 SELECT email_fingerprint, 'email', $2, 'opt_out', $3 FROM customers WHERE id = $1
                 ON CONFLICT DO NOTHING",
                vec![scope.into(), (now - rng.random_range(0..60) * DAY).into()],
            ));
        }
        if rng.random_ratio(1, 10) {
            changes.push((
                "UPDATE permissions SET is_granted = FALSE, basis = NULL WHERE customer_id = $1 AND $2 = $2",
                vec![0_i64.into()],
            ));
        }
        if rng.random_ratio(1, 20) {
            changes.push((
                "DELETE FROM permissions WHERE customer_id = $1 AND customer_id > $2",
                vec![0_i64.into()],
            ));
        }
        for seq in 0..rng.random_range(0..4_i64) {
            changes.push((
                "INSERT INTO contacts (customer_id, contacted_at, wave_id, seq, channel, topic)
                 VALUES ($1, $2, 900, $3, 'email', 'offers')",
                vec![
                    (now - rng.random_range(0..12) * DAY - 1).into(),
                    (id * 10 + seq).into(),
                ],
            ));
        }
        if rng.random_ratio(1, 8) {
            changes.push((
                "INSERT INTO deliveries (wave_id, seq, customer_id, channel, cell, state, attempt, fence, due_at, marks)
                 VALUES (901, $1, $1, 'email', 'all', $2, 0, 0, $3, 0)",
                vec![[0_i16, 2][rng.random_range(0..2)].into(), now.into()],
            ));
        }
        for (sql, mut values) in changes {
            values.insert(0, id.into());
            txn.run(sql, values).await.unwrap();
        }
    }
    txn.commit().await.unwrap();
}

/// Some share a household or a telephone, and some of these may be written to by it.
async fn live_together(db: &Db, first: i64, seed: u64) {
    let mut rng = StdRng::seed_from_u64(1_000 + seed);
    let txn = db.begin().await.unwrap();
    for id in first..first + PEOPLE {
        let household = format!("h{}", rng.random_range(0..PEOPLE / 2));
        let phone = format!("+3361234{:04}", first + rng.random_range(0..PEOPLE));
        txn.run(
            "UPDATE customers SET household_key = $2, phone = $3, phone_kind = 'mobile', phone_country = 'FR'
             WHERE id = $1",
            [id.into(), household.into(), phone.into()],
        )
        .await
        .unwrap();
        if rng.random_bool(0.5) {
            txn.run(
                "INSERT INTO permissions (customer_id, channel, topic, is_granted, basis, since_at, evidence_id)
                 SELECT customer_id, 'sms', topic, is_granted, basis, since_at, evidence_id FROM permissions
                 WHERE customer_id = $1 AND channel = 'email'",
                [id.into()],
            )
            .await
            .unwrap();
        }
    }
    txn.commit().await.unwrap();
}

async fn reasons(db: &Db, sql: String, values: Vec<Value>) -> BTreeMap<i64, Option<String>> {
    db.rows(sql, values)
        .await
        .unwrap()
        .iter()
        .map(|row| {
            (
                row.try_get("", "id").unwrap(),
                row.try_get("", "reason").unwrap(),
            )
        })
        .collect()
}

on_both! {
    async fn a_whole_base_is_answered_as_each_person_alone(db: &TestDb) {
        let mut house = House::new(db, None);
        house.change_settings(|settings| {
            settings.pressure = vec![PressureSettings {
                max: 2,
                days: 7,
                window: WindowKind::Sliding,
                channel: None,
                topic: None,
            }];
        });
        let definition = definition("spring");
        let requests = definition.requests();
        let request = definition.request(definition.channel);
        let rival = Rival { wave: 901, channel: request.channel, topic: "offers".to_owned() };
        let mut seen = BTreeMap::new();
        for seed in 0..4 {
            let first = house.add_customers(PEOPLE, &format!("mail{seed}.example")).await;
            let db = &house.parts.db;
            shuffle(db, first, house.clock_ms(), seed).await;
            let places = places(&**db, request.fallback_zone).await.unwrap();
            let rivals = if seed % 2 == 0 { vec![rival.clone()] } else { Vec::new() };
            let audience = Audience {
                rule: &Rule::parse("everyone").unwrap(),
                rules: &house.parts.rules,
                requests: &requests,
                rivals: &rivals,
                places: &places,
                control_percent: 0,
                standing: None,
                split: &Split::default(),
                salt: 1,
                now: house.now(),
                due: DueBy::Instant(house.now()),
            };
            let asked = db.get_database_backend().build(&audience.asked(db.dialect()));
            let together = reasons(db, asked.sql, asked.values.map(|values| values.0).unwrap_or_default()).await;
            let now_ms = house.clock_ms();
            let moment = Moment::of_instant(&now_ms.to_string(), now_ms, "c", &house.parts.rules, &places);
            let question = Question {
                dialect: db.dialect(),
                rules: &house.parts.rules,
                request: &request,
                moment: &moment,
                rivals: &rivals,
                c: "c",
                p: "p",
            };
            let alone = format!(
                "SELECT c.id AS id, {} AS reason FROM customers c LEFT JOIN permissions p ON {}",
                question.reason(|_| None),
                question.permission_join()
            );
            let alone = reasons(db, alone, Vec::new()).await;
            assert_eq!(together, alone, "seed {seed}");
            for reason in alone.into_values().flatten() {
                *seen.entry(reason).or_insert(0) += 1;
            }
        }
        for reason in ["suppressed", "no_permission", "paused", "pressure"] {
            assert!(seen.contains_key(reason), "{reason} came up: {seen:?}");
        }
    }

    async fn one_person_is_told_what_the_whole_base_is(db: &TestDb) {
        let house = House::new(db, None);
        let mut seen = BTreeMap::new();
        for seed in 0..3_u64 {
            let first = house.add_customers(PEOPLE, &format!("mail{seed}.example")).await;
            let db = &house.parts.db;
            shuffle(db, first, house.clock_ms(), seed).await;
            live_together(db, first, seed).await;
            let mut definition = definition("spring");
            definition.per_household = seed != 0;
            if seed == 2 {
                definition.channel = Channel::Sms;
                definition.channels = vec![Channel::Sms, Channel::Email];
            }
            let requests = definition.requests();
            let places = places(&**db, definition.fallback_zone()).await.unwrap();
            let audience = Audience {
                rule: &Rule::parse("everyone").unwrap(),
                rules: &house.parts.rules,
                requests: &requests,
                rivals: &[],
                places: &places,
                control_percent: 10,
                standing: None,
                split: &Split::default(),
                salt: 1,
                now: house.now(),
                due: DueBy::Instant(house.now()),
            };
            let all = db.get_database_backend().build(&audience.select(db.dialect()));
            let together = reasons(db, all.sql, all.values.map(|values| values.0).unwrap_or_default()).await;
            for id in first..first + PEOPLE {
                // With the places of the few alone.
                let few = places_of(&**db, circle(&requests, id), definition.fallback_zone()).await.unwrap();
                let alone = Audience { places: &few, ..audience };
                let one = db.get_database_backend().build(&alone.select_one(db.dialect(), id));
                let row = db.row(one.sql, one.values.map(|values| values.0).unwrap_or_default()).await.unwrap().unwrap();
                let alone: Option<String> = row.try_get("", "reason").unwrap();
                assert_eq!(alone, together[&id], "customer {id}, seed {seed}");
                *seen.entry(alone.unwrap_or_default()).or_insert(0) += 1;
            }
        }
        for reason in ["suppressed", "duplicate_address", "household", "control", ""] {
            assert!(seen.contains_key(reason), "{reason} came up: {seen:?}");
        }
    }
}
