//! Finding a person by what he tells of himself.

use super::DialogueError;
use super::store::lookup::{self as store, By};
use crate::consent::audit;
use crate::customers::normalise;
use crate::ids::CustomerId;
use crate::keys::Keys;
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

/// What stands before the number of a customer where the firm's own keys are numbers too.
const NUMBER: &str = "number:";

/// The customer whom an operator means: by number, by the firm's own key, or by an e-mail address that
/// only one has. A number of one customer that is the key of another is refused unless it is written
/// `number:42`. A number nobody has (any more) is taken as it is.
///
/// # Errors
/// When nobody or more than one is meant, or the database is away.
pub async fn one(db: &Db, text: &str) -> Result<CustomerId, DialogueError> {
    let text = text.trim();
    if let Some(number) = text.strip_prefix(NUMBER).and_then(|text| text.parse().ok()) {
        return Ok(CustomerId(number));
    }
    let mut found = store::find(db, By::ExternalId, text).await?;
    if found.is_empty() && text.contains('@') {
        found = find(db, &Who::Email(text.to_owned())).await?;
    }
    let number = text.parse().ok().map(CustomerId);
    match (found.as_slice(), number) {
        ([only], None) => Ok(*only),
        ([only], Some(number)) if *only == number => Ok(number),
        ([only], Some(number)) if store::is_there(db, number).await? => {
            Err(DialogueError::Whom(format!(
                "{text} is the number of one customer and your own key of customer {only}; write {NUMBER}{number} or {NUMBER}{only}"
            )))
        }
        ([only], Some(_)) => Ok(*only),
        ([], Some(number)) => Ok(number),
        ([], None) => Err(DialogueError::Whom(
            "nobody in the base is known by that; `visavis customer find` looks for an address, a telephone number or your own key"
                .to_owned(),
        )),
        (several, _) => {
            let numbers: Vec<String> = several.iter().map(|id| format!("{NUMBER}{id}")).collect();
            Err(DialogueError::Whom(format!(
                "several customers are known by that: {}; name one",
                numbers.join(", ")
            )))
        }
    }
}

/// The other customers with the same e-mail address or telephone number, oldest first.
///
/// # Errors
/// When the database is away.
pub async fn sharing_an_address(
    db: &Db,
    customer: CustomerId,
) -> Result<Vec<CustomerId>, DialogueError> {
    Ok(store::sharing(db, customer).await?)
}

/// How many sign-ups of this e-mail address wait for their confirmation.
///
/// # Errors
/// When the address is none, or the database is away.
pub async fn waiting_sign_ups(db: &Db, keys: &Keys, email: &str) -> Result<u64, DialogueError> {
    Ok(store::count_waiting(db, &fingerprint(keys, email)?).await?)
}

/// Deletes the sign-ups of this e-mail address that wait for their confirmation; how many there were.
///
/// # Errors
/// When the address is none, or the database is away; then nothing is changed.
pub async fn delete_waiting_sign_ups(
    db: &Db,
    keys: &Keys,
    email: &str,
    actor: &str,
    now_ms: i64,
) -> Result<u64, DialogueError> {
    let fingerprint = fingerprint(keys, email)?;
    let txn = db.begin().await?;
    let deleted = store::delete_waiting(&txn, &fingerprint).await?;
    let details = serde_json::json!({ "deleted": deleted });
    audit::record(&*txn, now_ms, actor, SIGN_UP_DELETED, None, details).await?;
    txn.commit().await?;
    Ok(deleted)
}

/// The action of the audit record.
pub const SIGN_UP_DELETED: &str = "sign_up_deleted";

fn fingerprint(keys: &Keys, email: &str) -> Result<String, DialogueError> {
    normalise::email(email)
        .map(|email| keys.fingerprint(&email.key))
        .map_err(|error| DialogueError::Field(format!("the e-mail address: {error}")))
}
