//! What the library refuses.

use crate::templates::error::TemplateError;

/// Why the library cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    #[error("the database: {0}")]
    Database(#[from] sea_orm::DbErr),
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error("the template {name:?} cannot be read: {source}")]
    Unreadable {
        name: String,
        source: Box<TemplateError>,
    },
    #[error("{0:?} is no name; use small letters, digits and hyphens, such as spring-sale")]
    Name(String),
    #[error(
        "template.toml says name = {written:?}, and it is to be saved as {name:?}; make them the same"
    )]
    OtherName { written: String, name: String },
    #[error("there is a template {0:?} already; take another name")]
    Exists(String),
    #[error(
        "{name:?} was saved by {by} meanwhile, as revision {revision}; look at it, and save again"
    )]
    Conflict {
        name: String,
        revision: i64,
        by: String,
    },
    #[error("{name:?} has no revision {number}; `visavis template history {name}` lists them")]
    NoSuchRevision { name: String, number: i64 },
    #[error(
        "the template {name:?} is archived; take it back in the console, or restore one of its revisions: visavis template history {name}"
    )]
    Archived { name: String },
    #[error("reading the template was interrupted: {0}")]
    Interrupted(tokio::task::JoinError),
}
