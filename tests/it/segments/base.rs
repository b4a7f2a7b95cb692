//! Customers put into the database by SQL.

use chrono::NaiveDate;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use sea_orm::Value;
use serde_json::{Map, Value as Json, json};
use visavis::storage::text::fold;
use visavis::storage::{Db, Sql, Txn};

/// A customer and what is known about him; ids are given in order, from 1.
#[derive(Debug, Clone)]
pub struct Person {
    pub external_id: Option<String>,
    pub email: Option<String>,
    pub email_state: &'static str,
    pub phone: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub company: Option<String>,
    pub gender: Option<String>,
    pub birth_date: Option<NaiveDate>,
    pub language: &'static str,
    pub country: &'static str,
    pub region: Option<String>,
    pub postal_code: Option<String>,
    pub city: Option<String>,
    pub time_zone: Option<String>,
    pub stage: &'static str,
    pub attributes: Json,
    pub engagement: i64,
    pub last_contact_at: Option<i64>,
    pub last_response_at: Option<i64>,
    pub created_at: i64,
    pub tags: Vec<String>,
    pub orders: Vec<Order>,
    pub deliveries: Vec<Delivery>,
    pub responses: Vec<Response>,
    pub permissions: Vec<Permission>,
    /// Of the mail address.
    pub email_suppressions: Vec<(String, i64)>,
    /// Of the phone number.
    pub phone_suppressions: Vec<(String, i64)>,
}

#[derive(Debug, Clone)]
pub struct Order {
    pub at: i64,
    pub cents: i64,
    pub product: Option<String>,
    pub category: Option<String>,
    pub campaign: Option<i64>,
}

/// To the one wave of a campaign.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub campaign: i64,
    pub state: i16,
    pub settled_at: Option<i64>,
}

#[derive(Debug, Clone)]
pub struct Response {
    pub campaign: i64,
    pub kind: &'static str,
    pub is_machine: bool,
    pub at: i64,
}

#[derive(Debug, Clone)]
pub struct Permission {
    pub channel: &'static str,
    pub topic: String,
    pub is_granted: bool,
    pub basis: Option<&'static str>,
    pub since_at: i64,
}

impl Default for Person {
    fn default() -> Self {
        Self {
            external_id: None,
            email: None,
            email_state: "ok",
            phone: None,
            first_name: None,
            last_name: None,
            company: None,
            gender: None,
            birth_date: None,
            language: "fr",
            country: "FR",
            region: None,
            postal_code: None,
            city: None,
            time_zone: None,
            stage: "suspect",
            attributes: json!({}),
            engagement: 0,
            last_contact_at: None,
            last_response_at: None,
            created_at: 0,
            tags: Vec::new(),
            orders: Vec::new(),
            deliveries: Vec::new(),
            responses: Vec::new(),
            permissions: Vec::new(),
            email_suppressions: Vec::new(),
            phone_suppressions: Vec::new(),
        }
    }
}

/// The campaigns of every base, numbered from 1; each has one wave of its number.
pub const CAMPAIGNS: [&str; 3] = ["spring", "Summer 100%_\\", "o'brien \"x\""];

/// Puts the campaigns and the customers in.
pub async fn insert(db: &Db, people: &[Person]) {
    let txn = db.begin().await.unwrap();
    put(
        &txn,
        "template_versions",
        [
            ("id", 1_i64.into()),
            ("name", "t".into()),
            ("digest", "d".into()),
            ("source", "".into()),
            ("frozen_at", 0_i64.into()),
        ],
    )
    .await;
    for (n, name) in (1_i64..).zip(CAMPAIGNS) {
        put(
            &txn,
            "campaigns",
            [
                ("id", n.into()),
                ("name", name.into()),
                ("definition", "{}".into()),
                ("template_version_id", 1_i64.into()),
                ("status", "done".into()),
                ("revision", 1_i64.into()),
                ("created_at", 0_i64.into()),
                ("updated_at", 0_i64.into()),
            ],
        )
        .await;
        put(
            &txn,
            "waves",
            [
                ("id", n.into()),
                ("campaign_id", n.into()),
                ("due_key", "k".into()),
                ("template_version_id", 1_i64.into()),
                ("definition", "{}".into()),
                ("status", "done".into()),
                ("is_simulated", false.into()),
                ("launched_at", 0_i64.into()),
            ],
        )
        .await;
    }
    for (id, person) in (1_i64..).zip(people) {
        insert_person(&txn, id, person).await;
    }
    txn.commit().await.unwrap();
}

async fn insert_person(txn: &Txn, id: i64, person: &Person) {
    let folded = |text: &Option<String>| Value::from(text.as_deref().map(fold));
    let keys: Map<String, Json> = person
        .attributes
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| {
            let value = value
                .as_str()
                .map_or_else(|| value.clone(), |text| fold(text).into());
            (name.clone(), value)
        })
        .collect();
    let fingerprint = |kind: &str, address: &Option<String>| {
        Value::from(address.as_ref().map(|address| format!("{kind}:{address}")))
    };
    put(
        txn,
        "customers",
        [
            ("id", id.into()),
            ("external_id", person.external_id.clone().into()),
            ("email", person.email.clone().into()),
            (
                "email_key",
                person
                    .email
                    .as_ref()
                    .map(|email| email.to_lowercase())
                    .into(),
            ),
            ("email_fingerprint", fingerprint("email", &person.email)),
            ("email_state", person.email_state.into()),
            ("phone", person.phone.clone().into()),
            ("phone_fingerprint", fingerprint("sms", &person.phone)),
            ("first_name", person.first_name.clone().into()),
            ("first_name_key", folded(&person.first_name)),
            ("last_name", person.last_name.clone().into()),
            ("last_name_key", folded(&person.last_name)),
            ("company", person.company.clone().into()),
            ("company_key", folded(&person.company)),
            ("gender", person.gender.clone().into()),
            ("birth_date", person.birth_date.into()),
            ("language", person.language.into()),
            ("country", person.country.into()),
            ("region", person.region.clone().into()),
            ("region_key", folded(&person.region)),
            ("postal_code", person.postal_code.clone().into()),
            ("city", person.city.clone().into()),
            ("city_key", folded(&person.city)),
            ("time_zone", person.time_zone.clone().into()),
            ("stage", person.stage.into()),
            ("attributes:json", person.attributes.to_string().into()),
            ("attributes_key:json", Json::Object(keys).to_string().into()),
            ("tracking", "none".into()),
            (
                "orders_count",
                i64::try_from(person.orders.len()).unwrap().into(),
            ),
            (
                "revenue_cents",
                person
                    .orders
                    .iter()
                    .map(|order| order.cents)
                    .sum::<i64>()
                    .into(),
            ),
            (
                "first_order_at",
                person.orders.iter().map(|order| order.at).min().into(),
            ),
            (
                "last_order_at",
                person.orders.iter().map(|order| order.at).max().into(),
            ),
            ("last_contact_at", person.last_contact_at.into()),
            ("last_response_at", person.last_response_at.into()),
            ("engagement", person.engagement.into()),
            ("created_at", person.created_at.into()),
            ("updated_at", person.created_at.into()),
        ],
    )
    .await;
    for tag in &person.tags {
        put(
            txn,
            "customer_tags",
            [
                ("customer_id", id.into()),
                ("tag_key", fold(tag).into()),
                ("tag", tag.clone().into()),
            ],
        )
        .await;
    }
    for order in &person.orders {
        put(
            txn,
            "orders",
            [
                ("customer_id", id.into()),
                ("ordered_at", order.at.into()),
                ("amount_cents", order.cents.into()),
                ("currency", "EUR".into()),
                ("product", order.product.clone().into()),
                ("category", order.category.clone().into()),
                ("campaign_id", order.campaign.into()),
            ],
        )
        .await;
    }
    for delivery in &person.deliveries {
        put(
            txn,
            "deliveries",
            [
                ("wave_id", delivery.campaign.into()),
                ("seq", id.into()),
                ("customer_id", id.into()),
                ("channel", "email".into()),
                ("cell", "a".into()),
                ("state", delivery.state.into()),
                ("attempt", 1_i16.into()),
                ("fence", 0_i64.into()),
                ("due_at", 0_i64.into()),
                ("marks", 0_i64.into()),
                ("settled_at", delivery.settled_at.into()),
            ],
        )
        .await;
    }
    for response in &person.responses {
        put(
            txn,
            "responses",
            [
                ("wave_id", response.campaign.into()),
                ("seq", id.into()),
                ("campaign_id", response.campaign.into()),
                ("customer_id", id.into()),
                ("kind", response.kind.into()),
                ("is_machine", response.is_machine.into()),
                ("responded_at", response.at.into()),
            ],
        )
        .await;
    }
    for permission in &person.permissions {
        put(
            txn,
            "permissions",
            [
                ("customer_id", id.into()),
                ("channel", permission.channel.into()),
                ("topic", permission.topic.clone().into()),
                ("is_granted", permission.is_granted.into()),
                ("basis", permission.basis.map(str::to_owned).into()),
                ("since_at", permission.since_at.into()),
                ("evidence_id", 0_i64.into()),
            ],
        )
        .await;
    }
    let suppressions = [
        ("email", &person.email, &person.email_suppressions),
        ("sms", &person.phone, &person.phone_suppressions),
    ];
    for (channel, address, suppressions) in suppressions {
        for (scope, at) in suppressions {
            put(
                txn,
                "suppressions",
                [
                    ("fingerprint", fingerprint(channel, address)),
                    ("channel", channel.into()),
                    ("scope", scope.clone().into()),
                    ("reason", "opt_out".into()),
                    ("suppressed_at", (*at).into()),
                ],
            )
            .await;
        }
    }
}

/// Inserts one row; a column named `x:json` is the JSON column `x`.
async fn put<const N: usize>(txn: &Txn, table: &str, row: [(&str, Value); N]) {
    let columns = row
        .each_ref()
        .map(|(name, _)| name.trim_end_matches(":json"))
        .join(", ");
    let mut n = 0;
    let places = row
        .each_ref()
        .map(|(name, _)| {
            n += 1;
            if name.ends_with(":json") {
                txn.dialect().json(n)
            } else {
                format!("${n}")
            }
        })
        .join(", ");
    let values = row.map(|(_, value)| value);
    txn.run(
        format!("INSERT INTO {table} ({columns}) VALUES ({places})"),
        values,
    )
    .await
    .unwrap_or_else(|error| panic!("{table}: {error}"));
}

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
        engagement: rng.random_range(-2..6),
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
                kind: ["open", "click", "order", "opt_out"].choose(rng).unwrap(),
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

fn maybe<T>(rng: &mut StdRng, chance: f64, make: impl FnOnce(&mut StdRng) -> T) -> Option<T> {
    rng.random_bool(chance).then(|| make(rng))
}
