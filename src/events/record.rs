//! Writes down what happened, in the transaction in which it happened.

use std::collections::HashMap;

use chrono::SecondsFormat;
use data_encoding::BASE64URL_NOPAD;
use ring::rand::SecureRandom as _;
use sea_orm::{ConnectionTrait, DbErr};
use serde_json::{Value, json};

use super::model::EventKind;
use super::store::line;
use crate::clock::from_ms;
use crate::ids::CustomerId;

/// Entries of a list in one event: an answer to a click is read at once, and an import of a million people is no
/// million requests.
pub const LIST: usize = 100;

/// Whether somebody wants to be told of this; to be asked once for a batch, before anything is read for it.
///
/// # Errors
/// When the database is away.
pub async fn is_wanted(connection: &impl ConnectionTrait, kind: EventKind) -> Result<bool, DbErr> {
    line::is_wanted(connection, kind).await
}

/// Writes an event for whoever wants it; for nobody, nothing. `connection` is the transaction of what happened.
///
/// # Errors
/// When the database is away.
pub async fn record(
    connection: &impl ConnectionTrait,
    kind: EventKind,
    content: &Value,
    now_ms: i64,
) -> Result<(), DbErr> {
    let body = body(kind, content, now_ms);
    line::add_event(connection, &message_id()?, kind, &body, now_ms).await
}

/// [`record`] for many people: `content` is parted into lists of [`LIST`], which stand at `name`.
///
/// # Errors
/// When the database is away.
pub async fn record_list(
    connection: &impl ConnectionTrait,
    kind: EventKind,
    name: &str,
    content: &[Value],
    now_ms: i64,
) -> Result<(), DbErr> {
    for part in content.chunks(LIST) {
        record(connection, kind, &json!({ name: part }), now_ms).await?;
    }
    Ok(())
}

/// The firm's own keys of these customers, where they have one.
///
/// # Errors
/// When the database is away.
pub async fn keys_of(
    connection: &impl ConnectionTrait,
    customers: impl IntoIterator<Item = CustomerId>,
) -> Result<HashMap<CustomerId, String>, DbErr> {
    line::keys_of(connection, customers).await
}

/// A person, as events name one.
pub fn person(customer: CustomerId, keys: &HashMap<CustomerId, String>) -> Value {
    json!({ "id": customer, "key": keys.get(&customer) })
}

/// What is sent, byte by byte.
pub(super) fn body(kind: EventKind, content: &Value, now_ms: i64) -> String {
    json!({ "type": kind, "timestamp": told(now_ms), "data": content }).to_string()
}

/// An instant, as events tell it.
pub fn told(ms: i64) -> String {
    from_ms(ms).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A name for an event that no other has, here or after the database was made anew.
pub(super) fn message_id() -> Result<String, DbErr> {
    Ok(format!("msg_{}", BASE64URL_NOPAD.encode(&random::<18>()?)))
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], DbErr> {
    let mut bytes = [0_u8; N];
    ring::rand::SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|ring::error::Unspecified| {
            DbErr::Custom("the system gave no random bytes".to_owned())
        })?;
    Ok(bytes)
}
