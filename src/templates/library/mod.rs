//! The library: the templates that are edited in the console or saved from the command line, as revisions.
//!
//! A template is looked for in the library first, then in the folder of templates, then in the binary; the
//! first edit of one that comes from there makes revision 1 of its files. Promise: what is saved can be read;
//! no revision is ever lost or changed; who saves over another's work is told first.

mod error;
mod list;
mod model;
mod save;
pub mod start;
mod store;

pub use error::LibraryError;
pub use list::{Entry, list};
pub use model::{Change, Found, Origin, Revision, Saved};
pub use save::{archive, archive_within, copy, copy_within, restore, restore_within, save};

use std::path::{Path, PathBuf};

use sea_orm::ConnectionTrait;

use super::Template;
use super::error::TemplateError;
use super::read::{MAIN, embedded_names};
use super::tags::nearest;
use super::texts::FileTexts;
use crate::storage::Db;

/// The template of this name: of the library, of the folder, or of the binary.
///
/// # Errors
/// When there is none, it is archived, or it cannot be read.
pub async fn find(db: &Db, folder: &Path, name: &str) -> Result<Template, LibraryError> {
    let found = open(db, folder, name).await?;
    if found.is_archived {
        return Err(LibraryError::Archived {
            name: name.to_owned(),
        });
    }
    found.template()
}

/// The template of this name with its texts, archived or not, whether they can be read or not.
///
/// # Errors
/// When there is none, or the database is away.
pub async fn open(db: &Db, folder: &Path, name: &str) -> Result<Found, LibraryError> {
    open_within(&**db, folder, name).await
}

/// As [`open`], also within a transaction.
async fn open_within(
    connection: &impl ConnectionTrait,
    folder: &Path,
    name: &str,
) -> Result<Found, LibraryError> {
    if let Some(stored) = store::current(connection, name).await? {
        return Ok(Found {
            name: stored.name,
            texts: stored.revision.files,
            origin: Origin::Library {
                revision: stored.revision.number,
            },
            is_archived: stored.is_archived,
            saved_at: Some(stored.revision.saved_at),
            saved_by: stored.revision.saved_by,
        });
    }
    match original(folder, name).await? {
        Some((origin, texts)) => Ok(Found {
            name: name.to_owned(),
            texts,
            origin,
            is_archived: false,
            saved_at: None,
            saved_by: String::new(),
        }),
        None => {
            let mut names: Vec<String> = list::entries(connection, folder)
                .await?
                .into_iter()
                .map(|entry| entry.name)
                .collect();
            names.sort();
            Err(no_such(name, &names).into())
        }
    }
}

/// The template of this name where there is no database: of the folder, or of the binary.
///
/// # Errors
/// When there is none, or it cannot be read.
pub fn find_outside(folder: &Path, name: &str) -> Result<Template, TemplateError> {
    let own = folder.join(name);
    if super::is_name(name) && own.join(MAIN).exists() {
        return Template::load(&own);
    }
    Template::embedded(name)
}

/// The template folders below `folder`, in order of their names.
pub fn folders(folder: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join(MAIN).exists())
        .collect();
    folders.sort();
    folders
}

/// A past revision of a template.
///
/// # Errors
/// When there is none of this number, or the database is away.
pub async fn revision(db: &Db, name: &str, number: i64) -> Result<Revision, LibraryError> {
    revision_within(&**db, name, number).await
}

async fn revision_within(
    connection: &impl ConnectionTrait,
    name: &str,
    number: i64,
) -> Result<Revision, LibraryError> {
    store::revision(connection, name, number)
        .await?
        .ok_or_else(|| LibraryError::NoSuchRevision {
            name: name.to_owned(),
            number,
        })
}

/// The revisions of a template, the newest first, without their texts; none for one that is not in the
/// library.
///
/// # Errors
/// When the database is away.
pub async fn history(db: &Db, name: &str) -> Result<Vec<Revision>, LibraryError> {
    Ok(store::history(&**db, name).await?)
}

/// The texts outside of the library.
async fn original(folder: &Path, name: &str) -> Result<Option<(Origin, FileTexts)>, LibraryError> {
    if !super::is_name(name) {
        return Ok(None);
    }
    let own = folder.join(name);
    let name = name.to_owned();
    let read = move || {
        if own.join(MAIN).exists() {
            return FileTexts::of_folder(&own).map(|texts| Some((Origin::Folder, texts)));
        }
        if embedded_names().contains(&name) {
            return FileTexts::embedded(&name).map(|texts| Some((Origin::Binary, texts)));
        }
        Ok(None)
    };
    Ok(tokio::task::spawn_blocking(read)
        .await
        .map_err(LibraryError::Interrupted)??)
}

fn no_such(name: &str, names: &[String]) -> TemplateError {
    let all = names.join(", ");
    TemplateError::NoSuchTemplate {
        name: name.to_owned(),
        known: match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("{all} (did you mean {near:?}?)"),
            None => all,
        },
    }
}
