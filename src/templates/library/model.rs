//! The words of the library.

use crate::templates::Template;
use crate::templates::error::TemplateError;
use crate::templates::texts::FileTexts;

/// Where a template comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The database; revisions count from 1.
    Library { revision: i64 },
    /// `templates_dir`
    Folder,
    /// The program itself.
    Binary,
}

impl Origin {
    /// The number of the revision that stands in the library; 0 for what is not there yet.
    pub fn revision(self) -> i64 {
        match self {
            Self::Library { revision } => revision,
            Self::Folder | Self::Binary => 0,
        }
    }
}

/// A template as it was found.
#[derive(Debug, Clone)]
pub struct Found {
    pub name: String,
    pub texts: FileTexts,
    pub origin: Origin,
    pub is_archived: bool,
    /// Milliseconds since the epoch; none outside of the library.
    pub saved_at: Option<i64>,
    pub saved_by: String,
}

impl Found {
    /// The template that the texts make.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn template(&self) -> Result<Template, LibraryError> {
        Template::from_texts(&self.texts).map_err(|source| LibraryError::Unreadable {
            name: self.name.clone(),
            source: Box::new(source),
        })
    }
}

/// One state of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Counted from 1.
    pub number: i64,
    /// Empty in a history.
    pub files: FileTexts,
    /// Who saved it, as the audit log names him; empty for what came from a folder or the binary.
    pub saved_by: String,
    /// Milliseconds since the epoch.
    pub saved_at: i64,
    pub note: String,
}

/// What is to be saved.
#[derive(Debug, Clone)]
pub struct Change<'a> {
    pub name: &'a str,
    pub texts: &'a FileTexts,
    /// The revision that was edited, 0 for one outside of the library; none saves over whatever stands there.
    pub base: Option<i64>,
    /// Who saves, as the audit log names him.
    pub by: &'a str,
    pub note: &'a str,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saved {
    /// The revision that stands now.
    pub revision: i64,
    /// Whether it is a new one; the same texts make none.
    pub is_new: bool,
}

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
