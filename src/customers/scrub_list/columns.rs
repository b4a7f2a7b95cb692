//! What the columns of a list hold, and one row of it.

use super::{instant, is_word};
use crate::consent::model::{Channel, Scope};
use crate::consent::store::Suppression;
use crate::customers::import::ImportKind;
use crate::customers::import::columns::Field;
use crate::customers::import::names::names;
use crate::customers::import::records::Cells;
use crate::customers::normalise;
use crate::keys::Keys;
use crate::storage::text::fold;

/// What a row takes where it says nothing itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowDefaults<'a> {
    pub channel: Option<Channel>,
    pub reason: Option<&'a str>,
    pub scope: &'a Scope,
    pub date: i64,
    pub region: &'a str,
    pub now_ms: i64,
}

/// Which cell holds what; without a header, the only one holds the address.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Columns {
    has_header: bool,
    email: Option<usize>,
    phone: Option<usize>,
    fingerprint: Option<usize>,
    /// Names the key of the fingerprints.
    key: Option<usize>,
    pub channel: Option<usize>,
    scope: Option<usize>,
    pub reason: Option<usize>,
    date: Option<usize>,
}

impl Columns {
    /// Reads a header; `None` when no cell names an address.
    pub fn of_header(cells: &Cells) -> Option<Self> {
        let folded: Vec<String> = cells.iter().map(|cell| fold(cell.trim())).collect();
        let place = |words: &[&str]| {
            folded
                .iter()
                .position(|name| words.contains(&name.as_str()))
        };
        let field = |wanted: &Field| {
            names(ImportKind::Customers)
                .iter()
                .find(|(_, field, _)| field == wanted)
                .and_then(|(name, _, aliases)| place(&[name]).or_else(|| place(aliases)))
        };
        let columns = Self {
            has_header: true,
            email: field(&Field::Email),
            phone: field(&Field::Phone),
            fingerprint: place(&["fingerprint"]),
            key: place(&["key"]),
            channel: place(&["channel", "canal", "kanal"]),
            scope: place(&["scope", "topic"]),
            reason: place(&["reason", "motif", "grund"]),
            date: place(&["date", "datum"]),
        };
        (columns.email.is_some() || columns.phone.is_some() || columns.fingerprint.is_some())
            .then_some(columns)
    }

    /// The channel of the only address column.
    pub fn own_channel(&self) -> Option<Channel> {
        match (self.email, self.phone, self.fingerprint) {
            (Some(_), None, None) => Some(Channel::Email),
            (None, Some(_), None) => Some(Channel::Sms),
            _ => None,
        }
    }

    /// Whether the row names an address by a fingerprint that was not made under this key.
    pub fn is_foreign(&self, cells: &Cells, key_id: &str) -> bool {
        let cell = |place: Option<usize>| {
            place
                .and_then(|place| cells.get(place))
                .map(str::trim)
                .filter(|text| !text.is_empty())
        };
        cell(self.fingerprint).is_some()
            && !cell(self.key).is_some_and(|key| key.eq_ignore_ascii_case(key_id))
    }

    /// Reads a row.
    ///
    /// # Errors
    /// Why it cannot be taken, without what stands in it.
    pub fn read(
        &self,
        cells: &Cells,
        keys: &Keys,
        defaults: &RowDefaults<'_>,
    ) -> Result<Suppression, String> {
        let cell = |place: Option<usize>| {
            place
                .and_then(|place| cells.get(place))
                .map(str::trim)
                .filter(|text| !text.is_empty())
        };
        if !self.has_header && cells.iter().skip(1).any(|cell| !cell.trim().is_empty()) {
            return Err("the row has more than one cell, and no header names them".to_owned());
        }
        let channel = match cell(self.channel) {
            Some(word) => fold(word)
                .parse()
                .map_err(|_problem| "the channel is not email or sms".to_owned())?,
            None => defaults
                .channel
                .ok_or_else(|| "the row names no channel".to_owned())?,
        };
        let address = |place| {
            if self.has_header {
                cell(place)
            } else {
                cell(Some(0))
            }
        };
        let fingerprint = match (cell(self.fingerprint), channel) {
            (Some(fingerprint), _) => Some(fingerprint)
                .filter(|text| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()))
                .map(str::to_ascii_lowercase)
                .ok_or_else(|| "the fingerprint is not 64 hexadecimal digits".to_owned())?,
            (None, Channel::Email) => {
                let text = address(self.email).ok_or("the row holds no e-mail address")?;
                let email = normalise::email(text)
                    .map_err(|problem| format!("the e-mail address is not one: {problem}"))?;
                keys.fingerprint(&email.key)
            }
            (None, Channel::Sms) => {
                let text = address(self.phone).ok_or("the row holds no telephone number")?;
                let phone = normalise::phone(text, defaults.region)
                    .map_err(|problem| format!("the telephone number is not one: {problem}"))?;
                keys.fingerprint(&phone)
            }
        };
        let reason = cell(self.reason)
            .or(defaults.reason)
            .filter(|word| is_word(word))
            .ok_or("the reason is missing or not a word")?;
        let scope = match cell(self.scope) {
            None => defaults.scope.clone(),
            Some(topic) if topic == "*" || is_word(topic) => Scope::from_column(topic.to_owned()),
            Some(_) => return Err("the scope is not a topic or *".to_owned()),
        };
        let suppressed_at = match cell(self.date) {
            None => defaults.date,
            Some(text) => {
                instant(text, defaults.now_ms).ok_or("the date cannot be read; write 2026-11-22")?
            }
        };
        Ok(Suppression {
            fingerprint,
            channel,
            scope,
            reason: reason.to_owned(),
            suppressed_at,
        })
    }
}
