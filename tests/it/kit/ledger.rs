//! Campaigns, waves, customers and deliveries put into the database as the other rooms leave them.

use std::collections::BTreeMap;

use sea_orm::{QueryResult, Value};
use visavis::consent::model::{Basis, Channel, Evidence};
use visavis::consent::store as consent;
use visavis::ids::{CustomerId, DeliveryKey, WaveId};
use visavis::storage::{Db, Sql};
use visavis::templates::Template;

/// When every wave of the tests is launched: 2026-11-22 12:00 UTC.
pub const LAUNCHED_AT: i64 = 1_795_348_800_000;

/// When every delivery of the tests is settled: ten seconds later.
pub const SETTLED_AT: i64 = LAUNCHED_AT + 10_000;

pub const DAY_MS: i64 = 86_400_000;

/// The destination of link `n` of the tests' template; links 0 and 1 stand in interest and action.
pub const DESTINATIONS: [&str; 2] = [
    "https://shop.example/pans?from=mail&x=%C3%A9",
    "https://shop.example/order",
];

/// What a wave is like.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub campaign: &'static str,
    pub goal: &'static str,
    pub window_days: i64,
    pub is_simulated: bool,
}

pub const CLICKS: Plan = Plan {
    campaign: "super-chef",
    goal: "click",
    window_days: 14,
    is_simulated: false,
};

async fn insert(db: &Db, sql: &str, values: Vec<Value>) -> i64 {
    let row = db.row(format!("{sql} RETURNING id"), values).await.unwrap();
    row.unwrap().try_get("", "id").unwrap()
}

/// A template with two links, as it is frozen.
fn source() -> String {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        r#"
        name = "pans"
        language = "en"
        description = "Two links"
        [attention]
        subject = "Pans"
        headline = "Pans"
        [interest]
        body = "[See the pans]({})"
        [desire]
        body = "Good pans."
        [action]
        button = "Order now"
        link = "{}"
        [interests]
        "{}" = "Pans"
        "#,
        DESTINATIONS[0], DESTINATIONS[1], DESTINATIONS[0]
    );
    std::fs::write(folder.path().join("template.toml"), text).unwrap();
    Template::load(folder.path()).unwrap().source()
}

/// A finished wave of a campaign of its own.
pub async fn wave(db: &Db, plan: Plan) -> WaveId {
    let source = source();
    let template = insert(
        db,
        "INSERT INTO template_versions (name, digest, source, frozen_at) VALUES ('pans', $1, $2, $3)",
        vec![plan.campaign.into(), source.into(), LAUNCHED_AT.into()],
    )
    .await;
    let definition = serde_json::json!({
        "name": plan.campaign, "topic": "offers", "goal": plan.goal, "window_days": plan.window_days,
        "segment": "everyone", "template": "pans",
        "sender": { "name": "Shop", "address": "us@shop.example", "postal_address": "1 Main Street" },
    })
    .to_string();
    let campaign = insert(
        db,
        "INSERT INTO campaigns (name, definition, template_version_id, status, revision, created_at, updated_at)
         VALUES ($1, $2, $3, 'finished', 1, $4, $4)",
        vec![plan.campaign.into(), definition.clone().into(), template.into(), LAUNCHED_AT.into()],
    )
    .await;
    let wave = insert(
        db,
        "INSERT INTO waves (campaign_id, due_key, template_version_id, definition, status, is_simulated, launched_at, finished_at)
         VALUES ($1, 'once', $2, $3, 'finished', $4, $5, $5)",
        vec![campaign.into(), template.into(), definition.into(), plan.is_simulated.into(), LAUNCHED_AT.into()],
    )
    .await;
    WaveId(wave)
}

/// A customer with permission for offers by email.
pub async fn customer(db: &Db, name: &str, language: &str, tracking: &str) -> CustomerId {
    let id = insert(
        db,
        "INSERT INTO customers (external_id, email, email_key, email_fingerprint, email_state, language, country, stage,
            attributes, attributes_key, tracking, orders_count, revenue_cents, engagement, created_at, updated_at)
         VALUES ($1, $2, $2, $3, 'ok', $4, 'FR', 'lapsed', '{}', '{}', $5, 0, 0, 0, $6, $6)",
        vec![
            name.into(),
            format!("{name}@example.org").into(),
            format!("fingerprint of {name}").into(),
            language.into(),
            tracking.into(),
            LAUNCHED_AT.into(),
        ],
    )
    .await;
    for topic in ["offers", "news"] {
        let evidence = Evidence::grant(
            CustomerId(id),
            Channel::Email,
            topic,
            Basis::Consent,
            "test",
            LAUNCHED_AT,
        );
        consent::record(&**db, &evidence, None, LAUNCHED_AT)
            .await
            .unwrap();
    }
    CustomerId(id)
}

/// An accepted delivery, settled at [`SETTLED_AT`].
pub async fn delivery(db: &Db, wave: WaveId, seq: i64, customer: CustomerId) -> DeliveryKey {
    db.run(
        "INSERT INTO deliveries (wave_id, seq, customer_id, channel, cell, state, attempt, fence, due_at, marks, settled_at)
         VALUES ($1, $2, $3, 'email', 'all', 2, 1, 0, $4, 0, $4)",
        [wave.0.into(), seq.into(), customer.0.into(), SETTLED_AT.into()],
    )
    .await
    .unwrap();
    DeliveryKey { wave, seq }
}

/// An order of a customer.
pub async fn order(
    db: &Db,
    customer: CustomerId,
    at: i64,
    cents: i64,
    campaign: Option<i64>,
) -> i64 {
    insert(
        db,
        "INSERT INTO orders (customer_id, ordered_at, amount_cents, currency, campaign_id) VALUES ($1, $2, $3, 'EUR', $4)",
        vec![customer.0.into(), at.into(), cents.into(), campaign.into()],
    )
    .await
}

/// Rows, asked again where the connection was opened by a server that has stopped since: it went with that
/// server's threads, and the pool then gives another.
async fn rows(db: &Db, sql: &str, values: Vec<Value>) -> Vec<QueryResult> {
    for _ in 0..10 {
        if let Ok(rows) = db.rows(sql.to_owned(), values.clone()).await {
            return rows;
        }
    }
    db.rows(sql.to_owned(), values).await.unwrap()
}

/// The counters of a wave that are not 0, but for those of stages and times, which follow from the marks.
pub async fn counters(db: &Db, wave: WaveId) -> BTreeMap<String, i64> {
    rows(
        db,
        "SELECT counter, value FROM wave_counters WHERE wave_id = $1 AND value <> 0
             AND counter NOT LIKE '%stage.%' AND counter NOT LIKE 'responders.%'",
        vec![wave.0.into()],
    )
    .await
    .iter()
    .map(|row| {
        (
            row.try_get("", "counter").unwrap(),
            row.try_get("", "value").unwrap(),
        )
    })
    .collect()
}

/// Counters as they are expected.
pub fn expected<const N: usize>(counters: [(&str, i64); N]) -> BTreeMap<String, i64> {
    counters
        .into_iter()
        .map(|(counter, value)| (counter.to_owned(), value))
        .collect()
}

/// One number from the database.
pub async fn number(db: &Db, sql: &str) -> i64 {
    let row = rows(db, sql, vec![]).await.pop().unwrap();
    row.try_get_by_index(0).unwrap()
}
