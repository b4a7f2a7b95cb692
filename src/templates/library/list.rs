//! All templates, wherever they come from.

use std::collections::BTreeMap;
use std::path::Path;

use sea_orm::ConnectionTrait;

use super::error::LibraryError;
use super::model::Origin;
use super::{folders, store};
use crate::storage::Db;
use crate::templates::Template;
use crate::templates::read::embedded_names;

/// A template in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub description: String,
    /// The default one first; none when it cannot be read.
    pub languages: Vec<String>,
    pub origin: Origin,
    /// Milliseconds since the epoch; none outside of the library.
    pub saved_at: Option<i64>,
    pub saved_by: String,
    pub is_archived: bool,
    /// Why it cannot be read.
    pub problem: Option<String>,
}

/// All templates by name, the archived ones among them; of two of one name the one that [`super::find`]
/// finds.
///
/// # Errors
/// When the database is away.
pub async fn list(db: &Db, folder: &Path) -> Result<Vec<Entry>, LibraryError> {
    entries(&**db, folder).await
}

/// As [`list`], also within a transaction.
pub(super) async fn entries(
    connection: &impl ConnectionTrait,
    folder: &Path,
) -> Result<Vec<Entry>, LibraryError> {
    let folder = folder.to_owned();
    let outside = move || {
        let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
        for name in embedded_names() {
            let read = Template::embedded(&name).map_err(|error| error.to_string());
            entries.insert(name.clone(), entry(name, Origin::Binary, read));
        }
        for path in folders(&folder) {
            let name = path.file_name().and_then(|name| name.to_str());
            if let Some(name) = name.filter(|name| crate::templates::is_name(name)) {
                let read = Template::load(&path).map_err(|error| error.to_string());
                entries.insert(
                    name.to_owned(),
                    entry(name.to_owned(), Origin::Folder, read),
                );
            }
        }
        entries
    };
    let mut entries = tokio::task::spawn_blocking(outside)
        .await
        .map_err(LibraryError::Interrupted)?;
    for stored in store::all(connection).await? {
        let read = Template::from_texts(&stored.revision.files).map_err(|error| error.to_string());
        let origin = Origin::Library {
            revision: stored.revision.number,
        };
        let known = Entry {
            saved_at: Some(stored.revision.saved_at),
            saved_by: stored.revision.saved_by,
            is_archived: stored.is_archived,
            ..entry(stored.name.clone(), origin, read)
        };
        entries.insert(stored.name, known);
    }
    Ok(entries.into_values().collect())
}

fn entry(name: String, origin: Origin, read: Result<Template, String>) -> Entry {
    let (description, languages, problem) = match read {
        Ok(template) => (
            template.description().to_owned(),
            template.languages().to_vec(),
            None,
        ),
        Err(problem) => (String::new(), Vec::new(), Some(problem)),
    };
    Entry {
        name,
        description,
        languages,
        origin,
        saved_at: None,
        saved_by: String::new(),
        is_archived: false,
        problem,
    }
}
