//! What a person asks of us, one to one: signing up, his preferences, his data.
//!
//! Promise: nothing is changed by looking; whatever he says is evidence or an audit record before he is
//! told so; and the same answer goes to everyone whether or not we know him.

pub mod confirmation;
pub mod erase;
pub mod export;
pub mod model;
pub mod notice;
pub mod preferences;
pub mod retention;
pub mod sign_up;
pub mod store;
pub mod upkeep;

use sea_orm::DbErr;

/// Why a wish could not be fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum DialogueError {
    #[error(
        "customer {0} does not exist; `visavis segment count everyone` shows whether the base is the right one"
    )]
    NoSuchCustomer(crate::ids::CustomerId),
    #[error("the archive could not be made: {0}; the export can be tried again")]
    Archive(zip::result::ZipError),
    #[error("the database failed: {0}; nothing was changed")]
    Database(#[from] DbErr),
}
