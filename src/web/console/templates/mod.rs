//! `/templates`: what we say, edited in its four parts.
//!
//! Promise: what stands in a template is shown as text, or as a mail within a sandboxed frame that runs no
//! script and loads nothing from elsewhere.

mod editor;
mod fields;
mod form;
mod history;
pub(super) mod labels;
mod list;
mod preview;
mod remarks;
mod view;

use actix_web::http::StatusCode;
use actix_web::web::{self, PayloadConfig, ServiceConfig};

use super::place;
use crate::accounts::model::Right;
use crate::statistics::Sentence;
use crate::templates::library::LibraryError;
use crate::templates::{FieldFacts, TemplateError};
use crate::web::{ApiError, State};

/// Bytes of a form: several languages of a long letter.
const FORM_LIMIT: usize = 1024 * 1024;
/// Customers that are asked how well the fields are filled.
const SAMPLE: i64 = 300;

/// Registers the routes.
pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(place("/templates", "GET", Right::Plan).route(web::get().to(list::page)))
        // Before the editor, whose pattern would take it too.
        .service(
            place("/templates/new", "GET, POST", Right::Plan)
                .route(web::get().to(list::new))
                .route(web::post().to(list::create)),
        )
        .service(
            place("/templates/{name}", "GET, POST", Right::Plan)
                .app_data(PayloadConfig::new(FORM_LIMIT))
                .route(web::get().to(editor::page))
                .route(web::post().to(editor::save)),
        )
        .service(
            place("/templates/{name}/preview", "GET, POST", Right::Plan)
                .app_data(PayloadConfig::new(FORM_LIMIT))
                .route(web::get().to(preview::stored))
                .route(web::post().to(preview::unsaved)),
        )
        .service(
            place("/templates/{name}/history", "GET", Right::Plan)
                .route(web::get().to(history::page)),
        )
        .service(
            place("/templates/{name}/restore", "POST", Right::Plan)
                .route(web::post().to(history::restore)),
        )
        .service(
            place("/templates/{name}/archive", "POST", Right::Plan)
                .route(web::post().to(history::archive)),
        )
        .service(
            place("/templates/{name}/files/{file}", "GET", Right::Plan)
                .route(web::get().to(history::file)),
        );
}

/// What the library refuses, in a sentence.
fn told(error: &LibraryError) -> Sentence {
    let quoted = |text: &str| format!("{text:?}");
    match error {
        LibraryError::Name(name) => Sentence::new(
            "{name} is no name; use small letters, digits and hyphens, such as spring-sale",
        )
        .with("name", quoted(name)),
        LibraryError::Exists(name) => {
            Sentence::new("there is a template {name} already; take another name")
                .with("name", quoted(name))
        }
        LibraryError::Conflict { name, revision, by } => Sentence::new(
            "{name} was saved by {by} meanwhile, as revision {revision}; look at it, and save again",
        )
        .with("name", quoted(name))
        .with("by", by.as_str())
        .named("revision", revision),
        LibraryError::Archived { name } => Sentence::new(
            "the template {name} is archived; take it back, or restore one of its revisions",
        )
        .with("name", quoted(name)),
        LibraryError::NoSuchRevision { name, number } => {
            Sentence::new("{name} has no revision {number}; its history shows those there are")
                .with("name", quoted(name))
                .named("number", number)
        }
        other => other.to_string().into(),
    }
}

/// What the library refuses, as the visitor reads it.
fn refused(error: LibraryError) -> ApiError {
    match &error {
        LibraryError::Database(_) | LibraryError::Interrupted(_) => ApiError::unavailable(error),
        LibraryError::Template(TemplateError::NoSuchTemplate { .. })
        | LibraryError::NoSuchRevision { .. } => {
            ApiError::new(StatusCode::NOT_FOUND).with_detail(told(&error))
        }
        _ => ApiError::new(StatusCode::UNPROCESSABLE_ENTITY).with_detail(told(&error)),
    }
}

/// What the base says about its fields.
async fn facts(state: &State) -> Result<FieldFacts, ApiError> {
    let mut facts = FieldFacts::unknown();
    let customers = crate::customers::store::spread::spread(&state.db, SAMPLE)
        .await
        .map_err(ApiError::unavailable)?;
    for customer in &customers {
        facts.observe(customer);
    }
    Ok(facts)
}
