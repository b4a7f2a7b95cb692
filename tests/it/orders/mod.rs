//! Orders, coupons and answers, as shops, tills and clerks tell them.

mod answers;
mod api;
mod cli;
mod coupons;
mod hooks;
mod import;
mod matching;
mod sums;

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};
use visavis::clock::from_ms;
use visavis::config::{Scope, Settings};
use visavis::ids::WaveId;
use visavis::storage::Db;

use crate::kit::ledger::{self, SETTLED_AT};
use crate::web::Site;

pub const SHOP: &str = "a-token-of-the-shop-with-every-scope";
pub const TILL: &str = "a-token-of-the-till-for-coupons-only";

/// A site that the shop and the till may post to.
pub struct Shop(pub Site);

pub fn tokens(settings: &mut Settings) {
    let all = [
        Scope::OrdersWrite,
        Scope::CouponsRedeem,
        Scope::ResponsesWrite,
    ];
    for (name, secret, scopes) in [("shop", SHOP, &all[..]), ("till", TILL, &all[1..2])] {
        let token = format!(
            "secret = \"{secret}\"\nscopes = [{}]",
            scopes
                .iter()
                .map(|scope| format!("\"{}\"", scope.as_str()))
                .collect::<Vec<_>>()
                .join(", ")
        );
        let token = toml::from_str(&token).unwrap();
        settings.api.tokens.insert(name.to_owned(), token);
    }
}

impl Shop {
    pub async fn open(db: &Db) -> Self {
        Self(Site::open_set(db, tokens).await)
    }

    /// Posts with the shop's token; the status and the body.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.post_as(SHOP, path, body, None).await
    }

    pub async fn post_as(
        &self,
        token: &str,
        path: &str,
        body: &Value,
        key: Option<&str>,
    ) -> (u16, Value) {
        let mut request = self
            .0
            .ask(Method::POST, path)
            .bearer_auth(token)
            .body(body.to_string());
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    pub async fn order(&self, body: Value) -> (u16, Value) {
        self.post("/api/v1/orders", &body).await
    }
}

/// The counters of a wave that are not 0, without those of how far people went and when they responded.
pub async fn counters(db: &Db, wave: WaveId) -> BTreeMap<String, i64> {
    let mut counters = ledger::counters(db, wave).await;
    counters.retain(|name, _| !name.starts_with("stage.") && !name.starts_with("responders."));
    counters
}

/// An instant so many milliseconds after the hand-over, as a shop writes it.
pub fn after(ms: i64) -> String {
    from_ms(SETTLED_AT + ms).to_rfc3339()
}

/// An order of somebody, 49.90 in euros.
pub fn order(id: &str, whose: &str, ordered_at: &str) -> Value {
    json!({
        "id": id, "customer": {"external_id": whose}, "ordered_at": ordered_at, "amount": "49.90", "currency": "EUR",
    })
}

/// With another field.
pub fn with(mut order: Value, field: &str, value: impl Into<Value>) -> Value {
    order[field] = value.into();
    order
}
