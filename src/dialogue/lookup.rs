//! Finding a person by what he tells of himself.

use super::DialogueError;
use super::store::lookup::{self as store, By};
use crate::customers::normalise;
use crate::ids::CustomerId;
use crate::storage::Db;

/// What a person tells of himself.
#[derive(Debug, Clone)]
pub enum Who {
    Email(String),
    /// With the country of a number without a prefix (ISO 3166-1 alpha-2).
    Phone(String, String),
    ExternalId(String),
}

/// The numbers of the customers of whom it is so, oldest first.
///
/// # Errors
/// When an address or number is none, or the database is away.
pub async fn find(db: &Db, who: &Who) -> Result<Vec<CustomerId>, DialogueError> {
    let (by, value) = match who {
        Who::Email(text) => {
            let email = normalise::email(text)
                .map_err(|error| DialogueError::Field(format!("the e-mail address: {error}")))?;
            (By::Email, email.key)
        }
        Who::Phone(text, region) => {
            let phone = normalise::phone(text, region)
                .map_err(|error| DialogueError::Field(format!("the telephone number: {error}")))?;
            (By::Phone, phone)
        }
        Who::ExternalId(id) => (By::ExternalId, id.trim().to_owned()),
    };
    Ok(store::find(db, by, &value).await?)
}
