//! Samples for the tests of the providers.

use serde_json::Value;

use super::model::{Brought, MailEvent, MailEventKind, Post, Verdict};
use crate::channels::model::Class;

/// A reference as it stands in a message; nothing here asks whether its MAC is right.
pub const TAG: &str = "7-42-abcdefghijklmnop";
pub const SECRET: &str = "a-secret-of-16-letters";

pub fn post<'a>(
    secret: Option<&'a str>,
    headers: &'a [(String, String)],
    body: &'a [u8],
    now_ms: i64,
) -> Post<'a> {
    Post {
        secret,
        headers,
        body,
        now_ms,
    }
}

pub fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// The one event that was brought.
pub fn only(brought: &Brought) -> &MailEvent {
    match &brought.events[..] {
        [event] => event,
        events => panic!("one event, not {events:?}"),
    }
}

/// The class of the one bounce that was brought.
pub fn class(brought: &Brought) -> Class {
    match only(brought).kind {
        MailEventKind::Bounce(Verdict { class, .. }) => class,
        other => panic!("a bounce, not {other:?}"),
    }
}

/// The same with one field changed; `pointer` is that of JSON.
pub fn with(mut value: Value, pointer: &str, new: Value) -> Value {
    *value.pointer_mut(pointer).expect("a place in the sample") = new;
    value
}
