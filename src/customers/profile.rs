//! What an import may change of a customer, and how a row is laid over what the base knows. No I/O.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde_json::{Map, Value};

use super::model::{EmailState, Stage};
use crate::consent::model::{Channel, Tracking};
use crate::ids::CustomerId;
use crate::keys::Keys;

/// The fields that are one line of text, by their columns.
pub const TEXTS: [&str; 9] = [
    "first_name",
    "last_name",
    "company",
    "gender",
    "region",
    "postal_code",
    "city",
    "time_zone",
    "household",
];

/// An e-mail address and how it is matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub text: String,
    pub key: String,
    pub state: EmailState,
}

/// A row of a file: what is empty says nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row {
    pub external_id: Option<String>,
    pub email: Option<Address>,
    /// E.164.
    pub phone: Option<String>,
    /// In the order of [`TEXTS`].
    pub texts: [Option<String>; TEXTS.len()],
    pub birth_date: Option<NaiveDate>,
    pub language: Option<String>,
    pub country: Option<String>,
    pub stage: Option<Stage>,
    pub tracking: Option<Tracking>,
    /// When that was agreed to, in milliseconds since the epoch.
    pub tracking_at: Option<i64>,
    pub attributes: Map<String, Value>,
    /// Tags by their folded keys.
    pub tags: BTreeMap<String, String>,
}

/// A customer as the base has him, or will.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// `None` until he is written.
    pub id: Option<CustomerId>,
    pub external_id: Option<String>,
    pub email: Option<Address>,
    pub phone: Option<String>,
    pub texts: [Option<String>; TEXTS.len()],
    pub birth_date: Option<NaiveDate>,
    pub language: String,
    pub country: String,
    pub stage: Stage,
    pub tracking: Tracking,
    pub attributes: Map<String, Value>,
    /// Known tags by their folded keys.
    pub tags: BTreeMap<String, String>,
    /// Tags the base does not have yet.
    pub new_tags: BTreeMap<String, String>,
    /// Whether the row of the base must be written.
    pub is_changed: bool,
    pub updated_at: i64,
}

/// What laying a row over a profile did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Merged {
    pub is_changed: bool,
    /// The row's address is none; the known one was kept.
    pub is_email_kept: bool,
    /// The row's tracking consent is looser and not newer; the known one was kept.
    pub is_tracking_kept: bool,
}

impl Profile {
    /// A customer the base does not know yet.
    pub fn new(language: &str, country: &str) -> Self {
        Self {
            id: None,
            external_id: None,
            email: None,
            phone: None,
            texts: Default::default(),
            birth_date: None,
            language: language.to_owned(),
            country: country.to_owned(),
            stage: Stage::default(),
            tracking: Tracking::default(),
            attributes: Map::new(),
            tags: BTreeMap::new(),
            new_tags: BTreeMap::new(),
            is_changed: true,
            updated_at: 0,
        }
    }

    /// The fingerprint of where the channel would reach him.
    pub fn fingerprint(&self, channel: Channel, keys: &Keys) -> Option<String> {
        let key = match channel {
            Channel::Email => self
                .email
                .as_ref()
                .filter(|email| email.state != EmailState::Malformed)
                .map(|email| email.key.as_str()),
            Channel::Sms => self.phone.as_deref(),
        };
        key.map(|key| keys.fingerprint(key))
    }

    /// Lays a row over the profile. Empty fields erase nothing, tags are added, attributes are set one
    /// by one, who has bought does not become a prospect again, and a consent to tracking only gets looser
    /// when it is newer than all that is known.
    pub fn merge(&mut self, row: &Row) -> Merged {
        let mut merged = Merged::default();
        let mut is_changed = set(&mut self.external_id, row.external_id.as_ref());
        if let Some(address) = &row.email {
            let known = self.email.as_ref();
            let is_worse = address.state == EmailState::Malformed
                && known.is_some_and(|known| known.state != EmailState::Malformed);
            if is_worse {
                merged.is_email_kept = true;
            } else if known.is_none_or(|known| known.key != address.key) {
                self.email = Some(address.clone());
                is_changed = true;
            } else if let Some(known) = &mut self.email
                && known.text != address.text
            {
                // The same address, typed otherwise: what is known of its state stays.
                known.text.clone_from(&address.text);
                is_changed = true;
            }
        }
        is_changed |= set(&mut self.phone, row.phone.as_ref());
        for (known, new) in self.texts.iter_mut().zip(&row.texts) {
            is_changed |= set(known, new.as_ref());
        }
        is_changed |= set(&mut self.birth_date, row.birth_date.as_ref());
        is_changed |= put(&mut self.language, row.language.as_ref());
        is_changed |= put(&mut self.country, row.country.as_ref());
        let is_known_buyer = matches!(self.stage, Stage::Customer | Stage::Lapsed);
        let is_step_back = matches!(row.stage, Some(Stage::Suspect | Stage::Prospect));
        if !(is_known_buyer && is_step_back) {
            is_changed |= put(&mut self.stage, row.stage.as_ref());
        }
        if let Some(tracking) = row.tracking {
            let is_looser = tracking > self.tracking;
            let is_newer = row.tracking_at.is_some_and(|at| at > self.updated_at);
            if self.id.is_some() && is_looser && !is_newer {
                merged.is_tracking_kept = true;
            } else {
                is_changed |= put(&mut self.tracking, Some(&tracking));
            }
        }
        for (name, value) in &row.attributes {
            if self.attributes.get(name) != Some(value) {
                self.attributes.insert(name.clone(), value.clone());
                is_changed = true;
            }
        }
        for (key, tag) in &row.tags {
            if !self.tags.contains_key(key) {
                self.tags.insert(key.clone(), tag.clone());
                self.new_tags.insert(key.clone(), tag.clone());
                is_changed = true;
            }
        }
        self.is_changed |= is_changed;
        merged.is_changed = is_changed;
        merged
    }
}

fn set<T: PartialEq + Clone>(known: &mut Option<T>, new: Option<&T>) -> bool {
    let is_changed = new.is_some() && known.as_ref() != new;
    if is_changed {
        *known = new.cloned();
    }
    is_changed
}

fn put<T: PartialEq + Clone>(known: &mut T, new: Option<&T>) -> bool {
    match new {
        Some(new) if new != known => {
            *known = new.clone();
            true
        }
        _ => false,
    }
}
