//! Sets fields of one customer to what they should be.

use sea_orm::DbErr;

use super::import::Correction;
use super::profile::{Profile, TEXTS};
use super::store::import as store;
use crate::ids::CustomerId;
use crate::keys::Keys;
use crate::storage::Txn;

/// A customer before and after.
#[derive(Debug, Clone)]
pub struct Rectified {
    pub before: Profile,
    pub after: Profile,
}

/// Applies a correction under the lock of the customer's row; `None` when there is no such customer. What
/// an import would keep (a buyer stays a buyer, an address is not given up for a malformed one) is
/// overruled: somebody looked. Permissions are the caller's to follow up.
///
/// # Errors
/// When the database is away or another customer has the external id.
pub async fn rectify(
    txn: &Txn,
    keys: &Keys,
    customer: CustomerId,
    correction: &Correction,
    now_ms: i64,
) -> Result<Option<Rectified>, DbErr> {
    let Some(before) = store::hold(txn, customer).await? else {
        return Ok(None);
    };
    let mut after = before.clone();
    after.correct(correction);
    after.is_changed = after != before;
    let mut written = [after];
    store::write(txn, keys, &mut written, now_ms).await?;
    let [after] = written;
    Ok(Some(Rectified { before, after }))
}

impl Profile {
    fn correct(&mut self, correction: &Correction) {
        let row = &correction.row;
        for name in &correction.cleared {
            match name.as_str() {
                "external_id" => self.external_id = None,
                "email" => self.email = None,
                "phone" => self.phone = None,
                "birth_date" => self.birth_date = None,
                name => {
                    if let Some(text) = TEXTS
                        .iter()
                        .position(|column| *column == name)
                        .and_then(|place| self.texts.get_mut(place))
                    {
                        *text = None;
                    } else if let Some(name) = name.strip_prefix("attribute.") {
                        self.attributes.remove(name);
                    }
                }
            }
        }
        put(&mut self.external_id, row.external_id.as_ref());
        put(&mut self.phone, row.phone.as_ref());
        put(&mut self.birth_date, row.birth_date.as_ref());
        if let Some(address) = &row.email {
            match &mut self.email {
                // The same address, typed otherwise: what is known of its state stays.
                Some(known) if known.key == address.key => known.text.clone_from(&address.text),
                known => *known = Some(address.clone()),
            }
        }
        for (known, new) in self.texts.iter_mut().zip(&row.texts) {
            put(known, new.as_ref());
        }
        if let Some(language) = &row.language {
            self.language.clone_from(language);
        }
        if let Some(country) = &row.country {
            self.country.clone_from(country);
        }
        self.stage = row.stage.unwrap_or(self.stage);
        self.tracking = row.tracking.unwrap_or(self.tracking);
        self.attributes.extend(row.attributes.clone());
    }
}

fn put<T: Clone>(known: &mut Option<T>, new: Option<&T>) {
    if new.is_some() {
        *known = new.cloned();
    }
}
