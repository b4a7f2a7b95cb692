//! Takes in somebody who proved that an address is his.

use std::collections::BTreeMap;

use sea_orm::DbErr;
use serde_json::Value;

use super::model::{EmailState, Stage};
use super::normalise::Email;
use super::profile::{Address, Profile, Row, TEXTS};
use super::store::import as store;
use crate::ids::CustomerId;
use crate::keys::Keys;
use crate::storage::Txn;

/// What is known of him by that.
#[derive(Debug, Clone)]
pub struct Enrolment<'a> {
    pub email: &'a Email,
    /// ISO 639-1.
    pub language: &'a str,
    /// ISO 3166-1 alpha-2.
    pub country: &'a str,
    /// What he said about himself: the columns of [`TEXTS`], anything else an attribute.
    pub fields: &'a BTreeMap<String, String>,
}

/// The customer of this address, the oldest where several share it, or a new one. Of one the base knows
/// only what it does not know yet is set; who was a suspect becomes a prospect, since he came to us; and
/// an address once refused is good again, since he read his mail.
///
/// Two at once for one address are to be kept apart by the caller.
///
/// # Errors
/// When the database is away.
pub async fn enrol(
    txn: &Txn,
    keys: &Keys,
    enrolment: &Enrolment<'_>,
    now_ms: i64,
) -> Result<CustomerId, DbErr> {
    let address = Address {
        text: enrolment.email.address.clone(),
        key: enrolment.email.key.clone(),
        state: EmailState::Ok,
    };
    let row = Row {
        email: Some(address.clone()),
        ..Row::default()
    };
    let oldest = store::matching(txn, &[&row]).await?.into_iter().next();
    let mut profile = oldest.unwrap_or_else(|| Profile::new(enrolment.language, enrolment.country));
    profile.is_changed |= fill(&mut profile, address, enrolment.fields);
    let mut profiles = [profile];
    store::write(txn, keys, &mut profiles, now_ms).await?;
    let [profile] = profiles;
    profile.id.ok_or(DbErr::RecordNotInserted)
}

/// The customer whom the base knows by the key, the address or the number of a row, the oldest where there are
/// several. From then on until the transaction ends nobody is imported, so that he stays the only one.
///
/// # Errors
/// When the database is away.
pub async fn known(txn: &Txn, row: &Row) -> Result<Option<CustomerId>, DbErr> {
    store::begin(txn).await?;
    let by_address = store::matching(txn, &[row]).await?;
    // A file looks for a number only where there is no address; somebody who asks wants to know both.
    let by_phone = Row {
        phone: row.phone.clone(),
        ..Row::default()
    };
    let by_phone = store::matching(txn, &[&by_phone]).await?;
    let mut known = by_address.iter().chain(&by_phone);
    Ok(known.find_map(|profile| profile.id))
}

/// Writes a customer whom nobody knows yet ([`known`]), as somebody told him.
///
/// # Errors
/// When the database is away.
pub async fn by_hand(txn: &Txn, keys: &Keys, row: &Row, now_ms: i64) -> Result<CustomerId, DbErr> {
    let mut profile = Profile::new("fr", "FR");
    profile.merge(row);
    let mut profiles = [profile];
    store::write(txn, keys, &mut profiles, now_ms).await?;
    let [profile] = profiles;
    profile.id.ok_or(DbErr::RecordNotInserted)
}

/// Sets what is not known yet; whether there was anything.
fn fill(profile: &mut Profile, address: Address, fields: &BTreeMap<String, String>) -> bool {
    let mut is_changed = false;
    match &mut profile.email {
        Some(known) if known.state == EmailState::Ok => {}
        Some(known) => {
            known.state = EmailState::Ok;
            is_changed = true;
        }
        None => {
            profile.email = Some(address);
            is_changed = true;
        }
    }
    if profile.stage == Stage::Suspect {
        profile.stage = Stage::Prospect;
        is_changed = true;
    }
    for (name, value) in fields {
        let place = TEXTS.iter().position(|column| column == name);
        match place.and_then(|place| profile.texts.get_mut(place)) {
            Some(Some(_)) => {}
            Some(text) => {
                *text = Some(value.clone());
                is_changed = true;
            }
            None if profile.attributes.contains_key(name) => {}
            None => {
                let value = Value::String(value.clone());
                profile.attributes.insert(name.clone(), value);
                is_changed = true;
            }
        }
    }
    is_changed
}
