//! Where a list goes on: opaque to whoever holds it, and of no use for another list.

use std::fmt::Display;
use std::str::FromStr;

use actix_web::http::StatusCode;
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::keys::{Keys, MAC_BYTES, Purpose};
use crate::web::ApiError;

/// Entries of a page, unless another number is asked for.
const USUAL: u32 = 50;
/// Entries of a page at most.
const MOST: u32 = 500;

/// Which page of a list is asked for.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// Entries of the page at most.
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before; without it the list begins.
    #[param(example = json!("AAAAAAAAACqVjWh1cG0zb3Jk"))]
    pub cursor: Option<String>,
}

/// A page of a list. A list goes on while `next_cursor` is there, also when a page is empty.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    pub data: Vec<T>,
    /// Where the list goes on; null at its end.
    pub next_cursor: Option<String>,
}

impl Paging {
    /// How many entries.
    ///
    /// # Errors
    /// 422 for a number that is too small or too large.
    pub fn limit(&self) -> Result<i64, ApiError> {
        limit(self.limit)
    }

    /// After which entry of the list `name`.
    ///
    /// # Errors
    /// 422 for a cursor that is not of this list.
    pub fn after<K: FromStr>(&self, keys: &Keys, name: &str) -> Result<Option<K>, ApiError> {
        after(self.cursor.as_deref(), keys, name)
    }
}

/// How many entries a page has.
///
/// # Errors
/// 422 for a number that is too small or too large.
pub(super) fn limit(asked: Option<u32>) -> Result<i64, ApiError> {
    let limit = asked.unwrap_or(USUAL);
    if (1..=MOST).contains(&limit) {
        return Ok(limit.into());
    }
    Err(super::refused("limit", "is not between 1 and 500"))
}

/// The entry after which a page of the list `name` begins.
///
/// # Errors
/// 422 for a cursor that is not of this list.
pub(super) fn after<K: FromStr>(
    cursor: Option<&str>,
    keys: &Keys,
    name: &str,
) -> Result<Option<K>, ApiError> {
    let Some(cursor) = cursor else {
        return Ok(None);
    };
    let read = || {
        let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?;
        let (key, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC_BYTES)?)?;
        let key = std::str::from_utf8(key).ok()?;
        keys.is_authentic(Purpose::Cursor, &signed(name, key), mac)
            .then_some(key)?
            .parse()
            .ok()
    };
    read().map(Some).ok_or_else(|| {
        super::refused(
            "cursor",
            "is not one of this list; take next_cursor as it is",
        )
    })
}

/// The page of `entries`, which are one more than `limit` where the list goes on; `key` tells the place of one.
pub(super) fn page<E, T, K: Display>(
    keys: &Keys,
    name: &str,
    mut entries: Vec<E>,
    limit: i64,
    key: impl Fn(&E) -> K,
    show: impl FnMut(E) -> T,
) -> Page<T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let goes_on = entries.len() > limit;
    entries.truncate(limit);
    let last = entries.last().filter(|_| goes_on);
    Page {
        next_cursor: last.map(|last| encode(keys, name, &key(last).to_string())),
        data: entries.into_iter().map(show).collect(),
    }
}

/// The cursor of a place.
pub(super) fn encode(keys: &Keys, name: &str, key: &str) -> String {
    let mut bytes = key.as_bytes().to_vec();
    bytes.extend_from_slice(&keys.mac(Purpose::Cursor, &signed(name, key)));
    BASE64URL_NOPAD.encode(&bytes)
}

fn signed(name: &str, key: &str) -> Vec<u8> {
    format!("{name}\n{key}").into_bytes()
}

/// The answer of a list.
///
/// # Errors
/// Never, of what our lists hold.
pub(super) fn answer<T: Serialize>(page: &Page<T>) -> Result<actix_web::HttpResponse, ApiError> {
    super::answer(StatusCode::OK, page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_of_its_list_and_of_nobody_elses_making() {
        let keys = Keys::from_secret(&[7; 32]);
        let cursor = encode(&keys, "customers", "42");
        let read = |keys, name| after::<i64>(Some(&cursor), keys, name).ok().flatten();
        assert_eq!(read(&keys, "customers"), Some(42));
        assert_eq!(read(&keys, "mails"), None);
        assert_eq!(read(&Keys::from_secret(&[8; 32]), "customers"), None);
        let forged = BASE64URL_NOPAD.encode(&[b"43".as_slice(), &[0; MAC_BYTES]].concat());
        for wrong in ["", "42", "ä", &cursor[1..], &forged] {
            assert!(
                after::<i64>(Some(wrong), &keys, "customers").is_err(),
                "{wrong}"
            );
        }
    }
}
