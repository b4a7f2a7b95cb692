//! `/api/v1`, asked as programs ask it.

mod campaigns;
mod contract;
mod customers;
mod drafts;
mod imports;
mod misuse;
mod paging;
mod people;
mod permission;
mod requests;
mod rest;
mod segments;
mod settings;
mod templates;
mod webhooks;

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;
use visavis::accounts::tokens;
use visavis::config::{Scope, Settings};
use visavis::storage::Db;

use crate::web::Site;

/// Of a program that may do everything.
pub const ALL: &str = "a-token-that-may-do-everything-there-is";

/// Gives a program a token.
pub fn give(settings: &mut Settings, name: &str, secret: &str, scopes: &BTreeSet<Scope>) {
    let words: Vec<String> = scopes
        .iter()
        .map(|scope| format!("\"{}\"", scope.as_str()))
        .collect();
    let text = format!("secret = \"{secret}\"\nscopes = [{}]", words.join(", "));
    let token = toml::from_str(&text).unwrap();
    settings.api.tokens.insert(name.to_owned(), token);
}

/// The secret of a token that the console makes.
pub async fn made(db: &Db, name: &str, scopes: &[Scope]) -> String {
    let txn = db.begin().await.unwrap();
    let scopes = scopes.iter().copied().collect();
    let made = tokens::make(&txn, name, &scopes, None, "user 1 Ada", 1).await;
    txn.commit().await.unwrap();
    made.unwrap().secret
}

/// What was answered.
pub struct Answered {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answered {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The fields a problem names.
    pub fn fields(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array();
        errors
            .into_iter()
            .flatten()
            .map(|one| one["field"].as_str().unwrap())
            .collect()
    }
}

/// A site with a program that may do everything.
pub struct Api(pub Site);

impl Api {
    pub async fn open(db: &Db) -> Self {
        Self::open_set(db, |_| {}).await
    }

    pub async fn open_set(db: &Db, change: impl FnOnce(&mut Settings)) -> Self {
        let site = Site::open_set(db, |settings| {
            give(settings, "all", ALL, &BTreeSet::from(Scope::ALL));
            change(settings);
        });
        Self(site.await)
    }

    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Answered {
        self.ask_as(ALL, method, path, body, headers).await
    }

    /// With another token.
    pub async fn ask_as(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Answered {
        let mut request = self
            .0
            .client
            .request(method, format!("{}{path}", self.0.base))
            .bearer_auth(token);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null);
        Answered {
            status,
            headers,
            body,
        }
    }

    pub async fn get(&self, path: &str) -> Answered {
        self.ask(Method::GET, path, None, &[]).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answered {
        self.ask(Method::POST, path, Some(body), &[]).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answered {
        self.ask(Method::PATCH, path, Some(body), &[]).await
    }

    /// A POST under an Idempotency-Key.
    pub async fn post_once(&self, path: &str, key: &str, body: Option<&Value>) -> Answered {
        self.ask(Method::POST, path, body, &[("idempotency-key", key)])
            .await
    }

    pub async fn delete(&self, path: &str) -> Answered {
        self.ask(Method::DELETE, path, None, &[]).await
    }

    /// A POST without a body.
    pub async fn act(&self, path: &str) -> Answered {
        self.ask(Method::POST, path, None, &[]).await
    }
}
