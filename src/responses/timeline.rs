//! One person's contacts, responses and orders on every channel, the newest first.

use std::str::FromStr;

use sea_orm::DbErr;
use serde::Serialize;

use super::model::MadeBy;
use super::store::timeline as store;
use crate::consent::model::Channel;
use crate::ids::CustomerId;
use crate::storage::Db;

/// Something that happened between him and us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Milliseconds since the epoch.
    pub at: i64,
    /// `contact`, `order`, or the kind of the response.
    pub kind: String,
    /// `None` for an order that no message earned, and where the ledger has let the message go.
    pub channel: Option<Channel>,
    pub campaign: Option<String>,
    /// The part of the message a click came from, the class of a bounce, the product of an order.
    pub detail: Option<String>,
    /// Of an order.
    pub amount_cents: Option<i64>,
    pub made_by: MadeBy,
    /// Its place, by which the page after it is found.
    #[serde(skip)]
    pub key: Key,
}

/// The place of an entry among all: when, which kind of source, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    pub at: i64,
    pub source: i64,
    pub id: i64,
}

impl Key {
    /// Before which everything lies.
    pub const END: Self = Self {
        at: i64::MAX,
        source: i64::MAX,
        id: i64::MAX,
    };
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}_{}_{}", self.at, self.source, self.id)
    }
}

impl FromStr for Key {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, '_').map(str::parse::<i64>);
        let mut next = || parts.next().and_then(Result::ok).ok_or(());
        Ok(Self {
            at: next()?,
            source: next()?,
            id: next()?,
        })
    }
}

/// At most `limit` entries that come before `before`, the newest first.
///
/// # Errors
/// When the database is away.
pub async fn before(
    db: &Db,
    customer: CustomerId,
    before: Key,
    limit: i64,
) -> Result<Vec<Entry>, DbErr> {
    store::before(db, customer, before, limit).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_written() {
        let key = Key {
            at: -5,
            source: 2,
            id: 77,
        };
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!(Key::END.to_string().parse(), Ok(Key::END));
        for text in ["", "1", "1_2", "1_2_x", "1_2_3_4"] {
            assert_eq!(text.parse::<Key>(), Err(()), "{text}");
        }
    }
}
