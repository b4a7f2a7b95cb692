//! Whom a rule means: in SQL on both databases and in memory.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::json;
use visavis::ids::CustomerId;
use visavis::segments::model::{Field, Node};
use visavis::segments::{Profile, Rule, store};
use visavis::storage::{Db, Dialect, Sql};

use super::base::{self, Delivery, Order, Permission, Person, Response};
use super::trees;
use super::varied::{DAY, varied};
use crate::on_both;

/// An ordinary day, and the last millisecond of a leap day.
const NOWS: [&str; 2] = ["2026-11-22T13:37:42.123Z", "2028-02-29T23:59:59.999Z"];

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// How many customers the varied base has.
const SIZE: usize = 150;

async fn clear(db: &Db) {
    let txn = db.begin().await.unwrap();
    for table in [
        "responses",
        "deliveries",
        "waves",
        "campaigns",
        "template_versions",
        "suppressions",
        "contacts",
        "customers",
    ] {
        txn.run(format!("DELETE FROM {table}"), []).await.unwrap();
    }
    txn.commit().await.unwrap();
}

async fn profiles(db: &Db, size: usize) -> BTreeMap<i64, Profile> {
    let mut profiles = BTreeMap::new();
    for id in (1_i64..).take(size) {
        profiles.insert(
            id,
            store::profile(db, CustomerId(id)).await.unwrap().unwrap(),
        );
    }
    profiles
}

async fn selected(db: &Db, rule: &Rule, now: DateTime<Utc>) -> Vec<i64> {
    let ids = store::ids(db, rule, now, 10_000).await;
    let ids = ids.unwrap_or_else(|error| panic!("{rule}: {error}"));
    ids.into_iter().map(|id| id.0).collect()
}

/// `n` rules from `strategy`, the same every time.
fn sample(strategy: impl Strategy<Value = Node>, n: usize) -> Vec<Rule> {
    let mut runner = TestRunner::deterministic();
    (0..n)
        .map(|_| Rule::from_tree(strategy.new_tree(&mut runner).unwrap().current()).unwrap())
        .collect()
}

/// Holds SQL against memory for each rule; returns how many rules select some, but not all.
async fn compare(
    db: &Db,
    rules: &[Rule],
    profiles: &BTreeMap<i64, Profile>,
    now: DateTime<Utc>,
) -> usize {
    let mut telling = 0;
    for rule in rules {
        let by_sql = selected(db, rule, now).await;
        let in_memory: Vec<i64> = profiles
            .iter()
            .filter(|(_, profile)| rule.matches(profile, now))
            .map(|(id, _)| *id)
            .collect();
        assert_eq!(
            by_sql, in_memory,
            "left is SQL, right is memory, at {now}: {rule}"
        );
        telling += usize::from(!by_sql.is_empty() && by_sql.len() < profiles.len());
    }
    telling
}

on_both! {
    async fn every_condition_means_the_same_in_sql_and_in_memory(db: &TestDb) {
        let mut leaves: Vec<Rule> = Field::ALL.into_iter().flat_map(|field| sample(trees::field(field), 60)).collect();
        leaves.extend(sample(trees::attribute(), 250));
        leaves.extend(sample(trees::did(), 250));
        leaves.extend(sample(trees::permitted(), 20));
        leaves.extend(sample(trees::tagged(), 10));
        for now in NOWS.map(instant) {
            clear(db).await;
            base::insert(db, &varied(SIZE, now.timestamp_millis(), now.date_naive())).await;
            let profiles = profiles(db, SIZE).await;
            // Most must tell customers apart, or agreement would prove little.
            let telling = compare(db, &leaves, &profiles, now).await;
            assert!(telling * 3 > leaves.len() * 2, "only {telling} of {} tell customers apart", leaves.len());
        }
    }

    async fn every_rule_means_the_same_in_sql_and_in_memory(db: &TestDb) {
        let now = instant(NOWS[0]);
        base::insert(db, &varied(SIZE, now.timestamp_millis(), now.date_naive())).await;
        let profiles = profiles(db, SIZE).await;
        let rules = sample(trees::tree(), 200);
        let telling = compare(db, &rules, &profiles, now).await;
        assert!(telling > 100, "only {telling} of 200 tell customers apart");
        for rule in rules.iter().take(60) {
            let n = profiles.values().filter(|profile| rule.explain(profile, now).is_true).count();
            assert_eq!(store::count(db, rule, now).await.unwrap(), n as u64, "{rule}");
        }
    }

    async fn de_morgan_holds(db: &TestDb) {
        const SIZE: usize = 60;
        let now = instant(NOWS[0]);
        base::insert(db, &varied(SIZE, now.timestamp_millis(), now.date_naive())).await;
        let not = |node: &Node| Node::Not(Box::new(node.clone()));
        let leaves = sample(trees::leaf(), 200);
        for pair in leaves.chunks_exact(2) {
            let (a, b) = (pair[0].root(), pair[1].root());
            let equal = [
                (not(&trees::all(vec![a.clone(), b.clone()])), trees::any(vec![not(a), not(b)])),
                (not(&trees::any(vec![a.clone(), b.clone()])), trees::all(vec![not(a), not(b)])),
                (not(&not(a)), a.clone()),
                // Two values: everyone is meant by a condition or by its contrary.
                (trees::any(vec![a.clone(), not(a)]), Node::Everyone),
            ];
            for (left, right) in equal {
                let (left, right) = (Rule::from_tree(left).unwrap(), Rule::from_tree(right).unwrap());
                assert_eq!(selected(db, &left, now).await, selected(db, &right, now).await, "{left}\n{right}");
            }
        }
    }

    async fn the_five_kinds_of_segmentation_can_be_said(db: &TestDb) {
        let now = instant(NOWS[0]);
        base::insert(db, &people(now.timestamp_millis())).await;
        let expected = [
            // Geographic.
            (r#"country = "FR" and city in ("Amiens", "lille")"#, vec![1, 2]),
            (r#"region = "hauts-de-france" and not postal_code starts with "59""#, vec![1]),
            (r#"country = "be""#, vec![4]),
            // Socio-demographic.
            (r#"age between 30 and 60 and gender = "F""#, vec![1]),
            (r#"company is known and language = "fr""#, vec![3]),
            // Generational.
            (r#"generation in ("x", "boomer")"#, vec![2, 3]),
            (r#"generation = "y""#, vec![1]),
            ("generation is unknown", vec![4, 5]),
            // Psychographic.
            (r#"attribute.lifestyle contains "ecolo" or attribute."cooks at home" = true"#, vec![1, 3]),
            ("attribute.openness >= 0.7", vec![2]),
            // Behavioural.
            ("ordered at least 2 times within 365 days", vec![1]),
            (r#"ordered product "PANS" for at least 199.99"#, vec![1]),
            (r#"received campaign "spring" and not opened campaign "spring""#, vec![2, 3]),
            (r#"clicked campaign "Spring" within 2 weeks"#, vec![1]),
            ("responded", vec![1, 3]),
            ("revenue >= 120.50 and last_order more than 2 years ago", vec![3]),
            ("last_order not within 90 days", vec![2, 3, 4, 5]),
            (r#"stage in ("customer", "lapsed") and tagged "vip""#, vec![1, 3]),
            // Permission.
            (r#"can receive email about "offers""#, vec![1, 4]),
            (r#"can receive sms about "offers""#, vec![2]),
            ("everyone", vec![1, 2, 3, 4, 5]),
            ("not everyone", vec![]),
        ];
        for (text, ids) in expected {
            let rule = Rule::parse(text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(selected(db, &rule, now).await, ids, "{text}");
            assert_eq!(store::count(db, &rule, now).await.unwrap(), ids.len() as u64, "{text}");
        }
        let everyone = Rule::parse("everyone").unwrap();
        assert_eq!(store::ids(db, &everyone, now, 2).await.unwrap(), [CustomerId(1), CustomerId(2)]);
    }

    async fn dangerous_texts_mean_only_themselves(db: &TestDb) {
        let texts = [
            "'; DROP TABLE customers; --", "\" OR 1=1 --", "100%", "%", "_", "\\", "\\'", "a_c", "abc", "$1", "?", "{}",
            "' || (SELECT email FROM customers) || '", "*", "\u{202e}", "🍳",
        ];
        let people: Vec<Person> = texts.iter().map(|text| Person {
            external_id: Some((*text).to_owned()),
            first_name: Some((*text).to_owned()),
            attributes: json!({*text: *text, "about": text}),
            tags: vec![(*text).to_owned()],
            ..Person::default()
        }).collect();
        base::insert(db, &people).await;
        let now = instant(NOWS[0]);
        for (id, text) in (1_i64..).zip(texts) {
            let quoted = format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
            let rules = [
                format!("first_name = {quoted}"),
                format!("external_id in ({quoted})"),
                format!("attribute.about = {quoted}"),
                format!("attribute.{quoted} = {quoted}"),
                format!("attribute.{quoted} is known"),
                format!("tagged {quoted}"),
            ];
            for rule in rules {
                let rule = Rule::parse(&rule).unwrap_or_else(|error| panic!("{error}"));
                assert_eq!(selected(db, &rule, now).await, [id], "{rule}");
            }
            for test in ["contains", "starts with", "ends with"] {
                let rule = Rule::parse(&format!("external_id {test} {quoted}")).unwrap();
                let expected: Vec<i64> = (1_i64..).zip(texts).filter(|(_, other)| match test {
                    "contains" => other.contains(text),
                    "starts with" => other.starts_with(text),
                    _ => other.ends_with(text),
                }).map(|(id, _)| id).collect();
                assert_eq!(selected(db, &rule, now).await, expected, "{rule}");
            }
            for named in ["ordered campaign", "ordered product", "can receive email about"] {
                let rule = Rule::parse(&format!("{named} {quoted}")).unwrap();
                assert_eq!(selected(db, &rule, now).await, [0_i64; 0], "{rule}");
            }
        }
        assert_eq!(store::count(db, &Rule::parse("everyone").unwrap(), now).await.unwrap(), texts.len() as u64);
    }

    async fn the_largest_rules_run(db: &TestDb) {
        let now = instant(NOWS[0]);
        base::insert(db, &varied(5, now.timestamp_millis(), now.date_naive())).await;
        let profiles = profiles(db, 5).await;
        let wide = |part: &str, joint: &str| {
            vec![part; 19_900 / (part.len() + joint.len())].join(joint)
        };
        let texts = [
            wide("age = 42", " or "),
            wide("age != 42", " and "),
            ["ordered"; 60].join(" and "),
            ["can receive email about \"offers\""; 60].join(" or "),
            wide("attribute.score > 1.5", " or "),
            wide("attribute.x contains \"e\"", " and not "),
            ["clicked campaign \"spring\" at least 2 times within 2 months"; 60].join(" and "),
            format!("id in ({})", wide("7", ", ")),
            format!("birth_date in ({})", wide("1990-01-01", ", ")),
            format!("created in ({})", wide("2025-01-01", ", ")),
            format!("age in ({})", wide("42", ", ")),
            format!("first_name in ({})", wide("\"\"", ", ")),
            format!("first_name contains \"{}\"", "🍳".repeat(19_900)),
            format!("{}age > 18{}", "not (city is unknown or ".repeat(50), ")".repeat(50)),
            format!("{}age > 18{}", "(city is known or age < 3 and ".repeat(100), ")".repeat(100)),
        ];
        let one_too_many = Rule::parse(&["ordered"; 61].join(" and "));
        assert!(one_too_many.unwrap_err().to_string().contains("more than 60"));
        for text in texts {
            let rule = Rule::parse(&text).unwrap_or_else(|error| panic!("{error}"));
            compare(db, &[rule], &profiles, now).await;
        }
    }

    async fn the_selection_stands_in_a_larger_statement(db: &TestDb) {
        let now = instant(NOWS[0]);
        base::insert(db, &people(now.timestamp_millis())).await;
        let rule = Rule::parse(r#"country = "FR" and age > 20"#).unwrap();
        let (sql, mut values) = store::selection_sql(&rule, db.dialect(), now);
        let next = values.len() + 1;
        values.push(2_i64.into());
        let sql = format!("WITH meant AS ({sql}) SELECT COUNT(*) AS n FROM meant WHERE id >= ${next}");
        let row = db.row(sql, values).await.unwrap().unwrap();
        assert_eq!(row.try_get::<i64>("", "n").unwrap(), 2);
    }

    async fn an_explanation_names_each_part_and_what_was_found(db: &TestDb) {
        let now = instant(NOWS[0]);
        base::insert(db, &people(now.timestamp_millis())).await;
        let rule = Rule::parse(r#"
            age between 30 and 60 and (city = "Lille" or tagged "vip") and not clicked campaign "summer 100%_\\"
            and ordered at least 2 times and attribute.lifestyle contains "eco" and attribute.openness > 0.5
            and can receive email about "offers" and revenue > 500 and last_response within 3 months
            and not (generation = "z" or stage = "lapsed")
        "#).unwrap();
        let mut outlines = Vec::new();
        for id in [1, 3, 5] {
            let profile = store::profile(db, CustomerId(id)).await.unwrap().unwrap();
            outlines.push(rule.explain(&profile, now).to_string());
        }
        insta::allow_duplicates! {
            insta::assert_snapshot!("explanation", outlines.join("\n\n"));
        }
        assert_eq!(store::profile(db, CustomerId(99)).await.unwrap(), None);
    }
}

#[test]
fn the_sql_of_a_rule() {
    let rule = r#"age >= 30 and not (city = "Amiens" or country = "fr") and attribute.openness >= 0.7
        and (clicked campaign "spring" at least 2 times within 30 days or can receive email about "offers")"#;
    let rule = Rule::parse(rule).unwrap();
    let now = instant(NOWS[0]);
    let told = [Dialect::Sqlite, Dialect::Postgres].map(|dialect| {
        let (sql, values) = store::selection_sql(&rule, dialect, now);
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        format!("{dialect:?}\n{sql}\n{}", values.join(", "))
    });
    insta::assert_snapshot!(told.join("\n\n"));
}

/// Five people one can keep in mind.
fn people(now: i64) -> Vec<Person> {
    let text = |text: &str| Some(text.to_owned());
    let grant = |channel, basis, since_at| Permission {
        channel,
        topic: "offers".to_owned(),
        is_granted: true,
        basis: Some(basis),
        since_at,
    };
    let response = |kind, is_machine, at| Response {
        campaign: 1,
        kind,
        is_machine,
        at,
    };
    let order = |days: i64, cents, product: &str| Order {
        at: now - days * DAY,
        cents,
        product: text(product),
        category: text("kitchen"),
        campaign: Some(1),
    };
    let received = Delivery {
        campaign: 1,
        state: 2,
        settled_at: Some(now - 10 * DAY),
    };
    vec![
        // Élodie: consented, opted out, consented again.
        Person {
            email: text("elodie@example.org"),
            first_name: text("Élodie"),
            gender: text("f"),
            birth_date: Some("1990-11-22".parse().unwrap()),
            region: text("Hauts-de-France"),
            postal_code: text("80000"),
            city: text("AMIENS"),
            stage: "customer",
            attributes: json!({"lifestyle": "Écologiste", "openness": 0.5}),
            tags: vec!["VIP".to_owned()],
            orders: vec![
                order(20, 19_999, "Pans"),
                order(100, 40_001, "Knives"),
                order(900, 500, "Spoon"),
            ],
            deliveries: vec![received.clone()],
            responses: vec![
                response("open", false, now - 9 * DAY),
                response("click", false, now - 9 * DAY),
            ],
            last_response_at: Some(now - 9 * DAY),
            permissions: vec![grant("email", "consent", now - 30 * DAY)],
            email_suppressions: vec![("*".to_owned(), now - 60 * DAY)],
            ..Person::default()
        },
        // Jean: only a machine opened; reachable by phone.
        Person {
            email: text("jean@example.org"),
            email_state: "refused",
            phone: text("+33612345678"),
            first_name: text("Jean"),
            gender: text("m"),
            birth_date: Some("1964-12-31".parse().unwrap()),
            region: text("Hauts-de-France"),
            postal_code: text("59000"),
            city: text("Lille"),
            stage: "prospect",
            attributes: json!({"openness": 0.7, "lifestyle": 3, "cooks at home": "true"}),
            deliveries: vec![received.clone()],
            responses: vec![
                response("open", true, now - DAY),
                response("click", true, now - DAY),
            ],
            permissions: vec![
                grant("email", "consent", now),
                grant("sms", "consent", now - DAY),
            ],
            ..Person::default()
        },
        // Zoë: withdrew on another basis than consent.
        Person {
            email: text("zoe@example.org"),
            first_name: text("Zoë"),
            company: text("Casseroles & Fils"),
            gender: text("F"),
            birth_date: Some("1965-01-01".parse().unwrap()),
            city: text("Paris"),
            stage: "lapsed",
            attributes: json!({"cooks at home": true, "openness": "0.9"}),
            tags: vec!["vip".to_owned(), "Press".to_owned()],
            orders: vec![order(800, 12_050, "Pans")],
            deliveries: vec![received],
            responses: vec![
                response("order", false, now - 800 * DAY),
                response("opt_out", false, now - 8 * DAY),
            ],
            permissions: vec![grant("email", "soft_opt_in", now)],
            email_suppressions: vec![("offers".to_owned(), now - 8 * DAY)],
            ..Person::default()
        },
        Person {
            email: text("info@example.be"),
            country: "BE",
            language: "nl",
            company: text("Pannen NV"),
            birth_date: Some("1927-12-31".parse().unwrap()),
            responses: vec![response("opt_out", false, now)],
            permissions: vec![grant("email", "b2b_legitimate_interest", now)],
            email_suppressions: vec![("news".to_owned(), now)],
            ..Person::default()
        },
        Person::default(),
    ]
}
