//! Customers put into the database by SQL.

use chrono::NaiveDate;
use sea_orm::Value;
use serde_json::{Map, Value as Json, json};
use visavis::customers::fading::Fading;
use visavis::customers::value;
use visavis::storage::text::fold;
use visavis::storage::{Db, Sql, Txn};

/// A customer and what is known about him; ids are given in order, from 1.
#[derive(Debug, Clone)]
pub struct Person {
    pub external_id: Option<String>,
    pub email: Option<String>,
    pub email_state: &'static str,
    pub phone: Option<String>,
    pub phone_kind: Option<&'static str>,
    pub phone_state: &'static str,
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
    pub tracking: &'static str,
    pub engagement: Fading,
    pub preferred_channel: Option<&'static str>,
    pub preferred_hour: Option<i64>,
    pub interests: Vec<(String, Fading)>,
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
            phone_kind: Some("mobile"),
            phone_state: "ok",
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
            tracking: "none",
            engagement: Fading::default(),
            preferred_channel: None,
            preferred_hour: None,
            interests: Vec::new(),
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
    value::find_breaks(db, 0).await.unwrap();
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
            ("phone_kind", person.phone_kind.into()),
            ("phone_state", person.phone_state.into()),
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
            ("tracking", person.tracking.into()),
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
            ("last_response_at", person.last_response_at.into()),
            ("engagement", 0_i64.into()),
            ("engagement_weight", person.engagement.0.into()),
            ("preferred_channel", person.preferred_channel.into()),
            ("preferred_hour", person.preferred_hour.into()),
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
    for (interest, weight) in &person.interests {
        put(
            txn,
            "customer_interests",
            [
                ("customer_id", id.into()),
                ("interest_key", fold(interest).into()),
                ("interest", interest.clone().into()),
                ("weight", weight.0.into()),
                ("last_at", 0_i64.into()),
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
    if let Some(at) = person.last_contact_at {
        put(
            txn,
            "contacts",
            [
                ("customer_id", id.into()),
                ("contacted_at", at.into()),
                ("wave_id", 1_i64.into()),
                ("seq", id.into()),
                ("channel", "email".into()),
                ("topic", "offers".into()),
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
