//! Samples for the tests of the providers.

use chrono::DateTime;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use crate::channels::sms::model::SmsMessage;
use crate::channels::sms::provider::{Answer, PathSecret, Post, PostError, PostKind, Provider};
use crate::channels::sms::providers::{Account, Hooks};
use crate::config::StopBy;
use crate::templates::sms::{Encoding, Size};

pub const SECRET: &str = "0123456789abcdef";

pub fn account() -> Account {
    Account {
        key: "sms.providers.main".to_owned(),
        hooks: Hooks::new("https://shop.example", "main", Some(SECRET)),
        secret: PathSecret::new(Some(SECRET)),
        stop_by: Some(StopBy::Us),
    }
}

pub fn message() -> SmsMessage {
    SmsMessage {
        reference: "w7-42".to_owned(),
        to: "+33612345678".to_owned(),
        sender: "Boutique".to_owned(),
        text: "Soldes d'été: -30 %. STOP 36111".to_owned(),
        size: Size {
            encoding: Encoding::Gsm7,
            units: 31,
            parts: 1,
        },
        is_marketing: true,
    }
}

/// Method, address, headers without their secrets hidden, and body.
pub fn shown(request: &reqwest::Request) -> String {
    let mut lines = vec![format!("{} {}", request.method(), request.url())];
    for (name, value) in request.headers() {
        lines.push(format!(
            "{name}: {}",
            value.to_str().unwrap_or("(not text)")
        ));
    }
    let body = request.body().and_then(reqwest::Body::as_bytes);
    lines.push(String::from_utf8_lossy(body.unwrap_or_default()).into_owned());
    lines.join("\n")
}

pub fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status,
        retry_after: None,
        body: body.as_bytes().to_vec(),
    }
}

pub fn post<'a>(
    kind: PostKind,
    secret: Option<&'a str>,
    query: &'a [(String, String)],
    body: &'a [u8],
) -> Post<'a> {
    Post {
        kind,
        method: if body.is_empty() { "GET" } else { "POST" },
        url: "https://shop.example/hooks/sms/main/receipt/…",
        secret,
        query,
        headers: &[],
        body,
        now: DateTime::UNIX_EPOCH,
    }
}

pub fn query(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// JSON that is nearly what a provider writes: its names, with anything under them.
pub fn documents(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        select(names).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((select(names), inner), 0..6).prop_map(|fields| {
                fields
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect()
            }),
        ]
    })
}

/// Whatever comes, it is read or refused.
pub fn survives(provider: &dyn Provider, status: u16, body: &[u8], pairs: &[(String, String)]) {
    provider.answer(&Answer {
        status,
        retry_after: None,
        body: body.to_vec(),
    });
    for kind in [PostKind::Receipt, PostKind::Inbound] {
        let _ = provider.read(&post(kind, Some(SECRET), pairs, body));
        assert_eq!(
            provider.read(&post(kind, Some("another"), pairs, body)),
            Err(PostError::Forged)
        );
        assert_eq!(
            provider.read(&post(kind, None, pairs, body)),
            Err(PostError::Forged)
        );
    }
}
