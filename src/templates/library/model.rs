//! The words of the library.

use super::error::LibraryError;
use crate::templates::Template;
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
