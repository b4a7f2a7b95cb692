//! `/api/v1/templates`: what we say, read, saved, checked and shown as a customer would get it.

pub(in crate::web::api) mod check;
pub(in crate::web::api) mod library;
pub(in crate::web::api) mod revisions;
mod text;

use super::faults;
use crate::templates::library::{self as templates, Found};
use crate::web::{ApiError, State};

/// The template of this name with its texts, archived or not, whether they can be read or not.
///
/// # Errors
/// 404 when there is none.
async fn open(state: &State, name: &str) -> Result<Found, ApiError> {
    templates::open(&state.db, &state.settings.templates_dir, name)
        .await
        .map_err(|error| faults::library("", error))
}
