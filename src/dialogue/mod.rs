//! What a person asks of us, one to one: signing up, his preferences, his data.
//!
//! Promise: nothing is changed by looking; whatever he says is evidence or an audit record before he is
//! told so; and the same answer goes to everyone whether or not we know him.

pub mod admit;
pub mod attest;
pub mod clean_up;
pub mod confirmation;
pub mod erase;
pub mod export;
pub mod lookup;
pub mod model;
pub mod notice;
pub mod object;
pub mod preferences;
pub mod rectify;
pub mod replies;
pub mod retention;
pub mod sign_up;
pub mod store;
pub mod upkeep;

use chrono::NaiveDate;
use sea_orm::DbErr;

use crate::clock::from_ms;
use crate::config::ConfigError;
use crate::consent::audit;
use crate::customers::model::Customer;
use crate::customers::store as customers;
use crate::ids::CustomerId;
use crate::storage::Txn;

/// Why a wish could not be fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum DialogueError {
    #[error(
        "customer {0} does not exist; `visavis segment count everyone` shows whether the base is the right one"
    )]
    NoSuchCustomer(CustomerId),
    #[error(
        "customer {customer} was erased on {on}; what is left shows `visavis consent proof --customer {customer}`"
    )]
    Erased { customer: CustomerId, on: NaiveDate },
    #[error("{0}; nothing was changed")]
    Field(String),
    #[error("customer {0} is known by this key, address or number already; nothing was changed")]
    Known(CustomerId),
    #[error("{0}")]
    Whom(String),
    #[error("somebody else changed this customer since; look at the change and do yours again")]
    Stale,
    #[error("the archive could not be made: {0}; the export can be tried again")]
    Archive(zip::result::ZipError),
    #[error(transparent)]
    Settings(#[from] ConfigError),
    #[error("the database failed: {0}; nothing was changed")]
    Database(#[from] DbErr),
}

/// Whom a change is about.
#[derive(Debug, Clone, Copy)]
pub struct Meant<'a> {
    id: CustomerId,
    seen: Option<&'a Customer>,
}

impl From<CustomerId> for Meant<'_> {
    /// However things stand with this customer by now.
    fn from(id: CustomerId) -> Self {
        Self { id, seen: None }
    }
}

impl<'a> From<&'a Customer> for Meant<'a> {
    /// This customer as read, and no other.
    fn from(seen: &'a Customer) -> Self {
        Self {
            id: seen.id,
            seen: Some(seen),
        }
    }
}

impl Meant<'_> {
    /// Refuses a customer who is no more as read; the row is held.
    async fn ensure_seen(&self, txn: &Txn) -> Result<(), DialogueError> {
        let Some(seen) = self.seen else {
            return Ok(());
        };
        let now = customers::get(&**txn, txn.dialect(), self.id).await?;
        match now.is_none_or(|now| now == *seen) {
            // That one is gone is told by who looks for the row.
            true => Ok(()),
            false => Err(DialogueError::Stale),
        }
    }
}

/// Why there is no such customer (any more).
async fn gone(txn: &Txn, customer: CustomerId) -> DialogueError {
    match audit::of_customer(&**txn, customer).await {
        Ok(records) => records
            .iter()
            .rfind(|record| record.action == audit::ERASURE)
            .map_or(DialogueError::NoSuchCustomer(customer), |record| {
                DialogueError::Erased {
                    customer,
                    on: from_ms(record.at).date_naive(),
                }
            }),
        Err(error) => error.into(),
    }
}
