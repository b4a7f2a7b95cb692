//! Samples for the tests of the providers.

use crate::channels::sms::model::SmsMessage;
use crate::channels::sms::provider::{Answer, PathSecret, Post, PostKind};
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
    }
}

pub fn query(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}
