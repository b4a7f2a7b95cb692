//! A base of people who differ in everything, near every edge the language knows.

use chrono::NaiveDate;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Map, Value as Json, json};

use visavis::customers::fading::Fading;

use super::base::{Delivery, Order, Permission, Person, Response};

pub const DAY: i64 = 86_400_000;

/// Texts that are near to each other for a reader, or dangerous to a database.
pub const TEXTS: [&str; 20] = [
    "Élodie",
    "elodie",
    "ÉLODIE  Anne",
    "Zoë",
    "José",
    "Łódź",
    "Straße",
    "strasse",
    "Œuvre",
    "O'Neil",
    "Robert'); DROP TABLE customers;--",
    "100%",
    "%",
    "_",
    "a_c",
    "abc",
    "back\\slash",
    "say \"hi\"",
    "",
    "日本",
];

/// Names of attributes, plain and awkward.
pub const NAMES: [&str; 10] = [
    "hobby",
    "score",
    "vip",
    "favourite colour",
    "quo\"te",
    "back\\slash",
    "été",
    "a.b",
    "0",
    "$",
];

/// Values of every JSON type.
pub fn attribute_values() -> Vec<Json> {
    let mut values: Vec<Json> = TEXTS.iter().map(|text| json!(text)).collect();
    values.extend([
        json!(0),
        json!(1),
        json!(-5),
        json!(42),
        json!(0.1),
        json!(12.5),
        json!(-0.25),
        json!(1e-7),
        json!(1e20),
        json!(9_007_199_254_740_993_i64),
        json!(u64::MAX),
        json!(0.30000000000000004),
        json!(true),
        json!(false),
        Json::Null,
        json!([1, "abc"]),
        json!({"deep": 1}),
        json!("42"),
        json!("true"),
        json!(1.0),
    ]);
    values
}

/// Instants at and about the edges of days and spans before `now`.
pub fn instants(now: i64) -> Vec<i64> {
    let today = now.div_euclid(DAY) * DAY;
    let mut instants = vec![
        now,
        now + 1,
        now - 1,
        now + 3 * DAY,
        today,
        today - 1,
        today + DAY - 1,
        0,
        -1,
        -DAY * 400,
    ];
    for days in [
        1, 7, 14, 28, 29, 30, 31, 60, 90, 364, 365, 366, 730, 731, 1000,
    ] {
        instants.extend([
            now - days * DAY,
            now - days * DAY - 1,
            today - days * DAY,
            now - days * DAY + 7_200_000,
        ]);
    }
    instants
}

/// Days of birth, leap days and the bounds of generations among them.
pub fn births(today: NaiveDate) -> Vec<NaiveDate> {
    let mut births: Vec<NaiveDate> = [
        "1904-02-29",
        "1927-12-31",
        "1928-01-01",
        "1945-12-31",
        "1946-01-01",
        "1964-12-31",
        "1965-01-01",
        "1980-12-31",
        "1981-01-01",
        "1996-02-28",
        "1996-02-29",
        "1996-03-01",
        "1996-12-31",
        "1997-01-01",
        "2000-02-29",
        "2003-02-28",
        "2012-12-31",
        "2013-01-01",
        "2024-12-31",
        "2025-01-01",
        "2031-05-05",
    ]
    .map(|day| day.parse().unwrap())
    .to_vec();
    for years in [18, 30, 45, 60] {
        let birthday = today - chrono::Months::new(years * 12);
        births.extend([
            birthday.pred_opt().unwrap(),
            birthday,
            birthday.succ_opt().unwrap(),
        ]);
    }
    births
}

/// A base of `size` people, different in everything, the same every time.
pub fn varied(size: usize, now: i64, today: NaiveDate) -> Vec<Person> {
    let mut rng = StdRng::seed_from_u64(7);
    let instants = instants(now);
    let births = births(today);
    let attributes = attribute_values();
    (0..size)
        .map(|n| person(&mut rng, n, &instants, &births, &attributes))
        .collect()
}

fn person(
    rng: &mut StdRng,
    n: usize,
    instants: &[i64],
    births: &[NaiveDate],
    values: &[Json],
) -> Person {
    let instant = |rng: &mut StdRng| *instants.choose(rng).unwrap();
    let text = |rng: &mut StdRng| maybe(rng, 0.75, |rng| TEXTS.choose(rng).unwrap().to_string());
    let topic = |rng: &mut StdRng| ["offers", "news"].choose(rng).unwrap().to_string();
    let some = |rng: &mut StdRng, most: usize| 0..rng.random_range(0..=most);
    let suppressions = |rng: &mut StdRng| {
        let mut list = Vec::new();
        for scope in ["offers", "*"] {
            if rng.random_bool(0.15) {
                list.push((scope.to_owned(), instant(rng)));
            }
        }
        list
    };
    let names: Vec<&str> = NAMES.into_iter().filter(|_| rng.random_bool(0.6)).collect();
    Person {
        external_id: maybe(rng, 0.7, |rng| {
            format!("{}{n}", ["A-", "a-", "Ab%", "x_"].choose(rng).unwrap())
        }),
        email: maybe(rng, 0.8, |rng| {
            let name = ["Marie", "o'neil", "a_b", "Élise"].choose(rng).unwrap();
            format!(
                "{name}{n}@{}",
                ["Example.org", "exemple.FR"].choose(rng).unwrap()
            )
        }),
        email_state: ["ok", "ok", "ok", "malformed", "refused"]
            .choose(rng)
            .unwrap(),
        phone: maybe(rng, 0.6, |_| format!("+336{n:08}")),
        phone_kind: *[
            Some("mobile"),
            Some("mobile"),
            Some("fixed"),
            Some("other"),
            None,
        ]
        .choose(rng)
        .unwrap(),
        phone_state: ["ok", "ok", "ok", "refused"].choose(rng).unwrap(),
        first_name: text(rng),
        last_name: text(rng),
        company: text(rng),
        gender: maybe(rng, 0.7, |rng| {
            ["f", "F", "m", "x"].choose(rng).unwrap().to_string()
        }),
        birth_date: maybe(rng, 0.85, |rng| *births.choose(rng).unwrap()),
        language: ["fr", "en", "de"].choose(rng).unwrap(),
        country: ["FR", "BE", "de"].choose(rng).unwrap(),
        region: text(rng),
        postal_code: maybe(rng, 0.7, |rng| {
            ["80000", "59000", "SW1A 1AA", "sw1a 2bb", "É1"]
                .choose(rng)
                .unwrap()
                .to_string()
        }),
        city: text(rng),
        time_zone: maybe(rng, 0.6, |rng| {
            ["Europe/Paris", "America/New_York"]
                .choose(rng)
                .unwrap()
                .to_string()
        }),
        stage: ["suspect", "prospect", "customer", "lapsed"]
            .choose(rng)
            .unwrap(),
        attributes: names
            .into_iter()
            .map(|name| (name.to_owned(), values.choose(rng).unwrap().clone()))
            .collect::<Map<_, _>>()
            .into(),
        tracking: ["full", "full", "none"].choose(rng).unwrap(),
        engagement: points(rng, instants),
        preferred_channel: maybe(rng, 0.6, |rng| *["email", "sms"].choose(rng).unwrap()),
        preferred_hour: maybe(rng, 0.6, |rng| rng.random_range(0..8)),
        interests: ["Knives", "Été  pans", "100%"]
            .into_iter()
            .filter(|_| rng.random_bool(0.5))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|interest| (interest.to_owned(), points(rng, instants)))
            .collect(),
        last_contact_at: maybe(rng, 0.6, instant),
        last_response_at: maybe(rng, 0.5, instant),
        created_at: instant(rng),
        tags: ["VIP", "Éco  friendly", "100%"]
            .into_iter()
            .filter(|_| rng.random_bool(0.4))
            .map(str::to_owned)
            .collect(),
        orders: some(rng, 5)
            .map(|_| Order {
                at: instant(rng),
                cents: *[999, 1000, 5000, 12_050, 12_051, -500, 0]
                    .choose(rng)
                    .unwrap(),
                product: maybe(rng, 0.8, |rng| {
                    ["Pan", "PAN", "Poêle", "100%"]
                        .choose(rng)
                        .unwrap()
                        .to_string()
                }),
                category: maybe(rng, 0.8, |rng| {
                    ["kitchen", "Garden"].choose(rng).unwrap().to_string()
                }),
                campaign: maybe(rng, 0.5, |rng| rng.random_range(1..=3)),
            })
            .collect(),
        deliveries: (1..=3)
            .filter(|_| rng.random_bool(0.6))
            .collect::<Vec<i64>>()
            .into_iter()
            .map(|campaign| Delivery {
                campaign,
                state: *[0, 2, 2, 2, 4, 6].choose(rng).unwrap(),
                settled_at: maybe(rng, 0.85, instant),
            })
            .collect(),
        responses: some(rng, 5)
            .map(|_| Response {
                campaign: rng.random_range(1..=3),
                kind: [
                    "open",
                    "click",
                    "order",
                    "opt_out",
                    "reply",
                    "redeem",
                    "answer",
                    "bounce",
                    "complaint",
                    "scan",
                ]
                .choose(rng)
                .unwrap(),
                is_machine: rng.random_bool(0.3),
                at: instant(rng),
            })
            .collect(),
        permissions: ["email", "sms"]
            .into_iter()
            .flat_map(|channel| {
                maybe(rng, 0.8, |rng| Permission {
                    channel,
                    topic: topic(rng),
                    is_granted: rng.random_bool(0.75),
                    basis: [None, Some("consent"), Some("consent"), Some("soft_opt_in")]
                        .choose(rng)
                        .copied()
                        .unwrap(),
                    since_at: instant(rng),
                })
            })
            .collect(),
        email_suppressions: suppressions(rng),
        phone_suppressions: suppressions(rng),
    }
    .with_addresses_for_suppressions()
}

impl Person {
    /// A suppression is of an address; without one there is none.
    fn with_addresses_for_suppressions(mut self) -> Self {
        if self.email.is_none() {
            self.email_suppressions.clear();
        }
        if self.phone.is_none() {
            self.phone_suppressions.clear();
        }
        self
    }
}

/// Points won at any time, now and then a rest of what was taken back.
fn points(rng: &mut StdRng, instants: &[i64]) -> Fading {
    match rng.random_range(0..8) {
        0 => Fading::default(),
        1 => Fading(-1e-12),
        _ => Fading::won(rng.random_range(1..9), *instants.choose(rng).unwrap()),
    }
}

fn maybe<T>(rng: &mut StdRng, chance: f64, make: impl FnOnce(&mut StdRng) -> T) -> Option<T> {
    rng.random_bool(chance).then(|| make(rng))
}
