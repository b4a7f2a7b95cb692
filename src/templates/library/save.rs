//! Saving: a new revision, never a changed one.

use std::path::Path;

use super::error::LibraryError;
use super::model::{Change, Origin, Saved};
use super::{open_within, original, revision_within, store};
use crate::accounts::audit;
use crate::storage::{Db, Txn};
use crate::templates::draft;
use crate::templates::texts::FileTexts;
use crate::templates::{Template, is_name};

/// Saves texts as the next revision. One that is not in the library yet begins with the files it had, as
/// revision 1; an archived one is taken back. What the copywriter would say is no reason to refuse.
///
/// # Errors
/// When the texts cannot be read, say another name, or another saved meanwhile.
pub async fn save(
    db: &Db,
    folder: &Path,
    change: &Change<'_>,
    now_ms: i64,
) -> Result<Saved, LibraryError> {
    let txn = db.begin().await?;
    let saved = save_within(&txn, folder, change, now_ms).await?;
    txn.commit().await?;
    Ok(saved)
}

/// As [`save`], in a transaction of the caller's; one that fails is to be given up.
async fn save_within(
    txn: &Txn,
    folder: &Path,
    change: &Change<'_>,
    now_ms: i64,
) -> Result<Saved, LibraryError> {
    let Change {
        name, texts, base, ..
    } = *change;
    if !is_name(name) {
        return Err(LibraryError::Name(name.to_owned()));
    }
    let template = Template::from_texts(texts)?;
    if template.name() != name {
        return Err(LibraryError::OtherName {
            written: template.name().to_owned(),
            name: name.to_owned(),
        });
    }
    let original = original(folder, name).await?.map(|(_, texts)| texts);
    let Some(current) = store::current(&**txn, name).await? else {
        if base.is_some_and(|base| base != 0) {
            return Err(LibraryError::NoSuchRevision {
                name: name.to_owned(),
                number: base.unwrap_or_default(),
            });
        }
        if original.as_ref() == Some(texts) {
            return Ok(Saved {
                revision: 0,
                is_new: false,
            });
        }
        let Some(id) = begin(txn, name, original.as_ref(), now_ms).await? else {
            return Err(overtaken(txn, name).await);
        };
        let from = i64::from(original.is_some());
        return add(txn, id, from, change, now_ms).await;
    };
    if base.is_some_and(|base| base != current.revision.number) {
        return Err(LibraryError::Conflict {
            name: name.to_owned(),
            revision: current.revision.number,
            by: current.revision.saved_by,
        });
    }
    if current.revision.files == *texts && !current.is_archived {
        return Ok(Saved {
            revision: current.revision.number,
            is_new: false,
        });
    }
    if !store::advance(txn, current.id, current.revision.number).await? {
        return Err(overtaken(txn, name).await);
    }
    add(txn, current.id, current.revision.number, change, now_ms).await
}

/// Makes a template of another's texts.
///
/// # Errors
/// When there is one of this name already, and as for [`save`].
pub async fn copy(
    db: &Db,
    folder: &Path,
    texts: &FileTexts,
    name: &str,
    by: &str,
    now_ms: i64,
) -> Result<Saved, LibraryError> {
    let txn = db.begin().await?;
    let saved = copy_within(&txn, folder, texts, name, by, now_ms).await?;
    txn.commit().await?;
    Ok(saved)
}

/// As [`copy`], in a transaction of the caller's.
///
/// # Errors
/// As for [`copy`]; the transaction is then to be given up.
pub async fn copy_within(
    txn: &Txn,
    folder: &Path,
    texts: &FileTexts,
    name: &str,
    by: &str,
    now_ms: i64,
) -> Result<Saved, LibraryError> {
    if !is_name(name) {
        return Err(LibraryError::Name(name.to_owned()));
    }
    let is_taken =
        store::current(&**txn, name).await?.is_some() || original(folder, name).await?.is_some();
    if is_taken {
        return Err(LibraryError::Exists(name.to_owned()));
    }
    let texts = draft::renamed(texts, name)?;
    let change = Change {
        name,
        texts: &texts,
        base: Some(0),
        by,
        note: "",
    };
    save_within(txn, folder, &change, now_ms).await
}

/// Makes a past revision the newest one.
///
/// # Errors
/// When there is none of this number, or this program cannot read it any more.
pub async fn restore(
    db: &Db,
    folder: &Path,
    name: &str,
    number: i64,
    by: &str,
    now_ms: i64,
) -> Result<Saved, LibraryError> {
    let txn = db.begin().await?;
    let saved = restore_within(&txn, folder, name, number, by, now_ms).await?;
    txn.commit().await?;
    Ok(saved)
}

/// As [`restore`], in a transaction of the caller's.
///
/// # Errors
/// As for [`restore`]; the transaction is then to be given up.
pub async fn restore_within(
    txn: &Txn,
    folder: &Path,
    name: &str,
    number: i64,
    by: &str,
    now_ms: i64,
) -> Result<Saved, LibraryError> {
    let old = revision_within(&**txn, name, number).await?;
    let note = format!("as revision {number}");
    let change = Change {
        name,
        texts: &old.files,
        base: None,
        by,
        note: &note,
    };
    save_within(txn, folder, &change, now_ms).await
}

/// Puts a template away, so that no campaign can take it, or takes it back.
///
/// # Errors
/// When there is no such template.
pub async fn archive(
    db: &Db,
    folder: &Path,
    name: &str,
    is_archived: bool,
    by: &str,
    now_ms: i64,
) -> Result<(), LibraryError> {
    let txn = db.begin().await?;
    archive_within(&txn, folder, name, is_archived, by, now_ms).await?;
    txn.commit().await?;
    Ok(())
}

/// As [`archive`], in a transaction of the caller's.
///
/// # Errors
/// As for [`archive`]; the transaction is then to be given up.
pub async fn archive_within(
    txn: &Txn,
    folder: &Path,
    name: &str,
    is_archived: bool,
    by: &str,
    now_ms: i64,
) -> Result<(), LibraryError> {
    let found = open_within(&**txn, folder, name).await?;
    if found.is_archived == is_archived {
        return Ok(());
    }
    // One from outside stays there, and the library remembers that it is put away.
    if !matches!(found.origin, Origin::Library { .. })
        && begin(txn, name, Some(&found.texts), now_ms)
            .await?
            .is_none()
    {
        return Err(overtaken(txn, name).await);
    }
    store::archive(txn, name, is_archived).await?;
    let action = match is_archived {
        true => "template.archive",
        false => "template.take_back",
    };
    audit::note(&**txn, by, action, name, "", now_ms).await?;
    Ok(())
}

/// Enters a template, with the files it has outside of the library; none when another did so just now.
async fn begin(
    txn: &Txn,
    name: &str,
    original: Option<&FileTexts>,
    now_ms: i64,
) -> Result<Option<i64>, LibraryError> {
    let Some(id) = store::create(txn, name).await? else {
        return Ok(None);
    };
    if let Some(files) = original {
        store::add(txn, id, 1, files, "", "", now_ms).await?;
    }
    Ok(Some(id))
}

/// Adds the revision after `from`.
async fn add(
    txn: &Txn,
    id: i64,
    from: i64,
    change: &Change<'_>,
    now_ms: i64,
) -> Result<Saved, LibraryError> {
    let number = from + 1;
    let note: String = change.note.chars().take(200).collect();
    store::add(txn, id, number, change.texts, change.by, &note, now_ms).await?;
    let detail = format!("revision {number}");
    audit::note(
        &**txn,
        change.by,
        "template.save",
        change.name,
        &detail,
        now_ms,
    )
    .await?;
    Ok(Saved {
        revision: number,
        is_new: true,
    })
}

/// Another saved between our look and our writing.
async fn overtaken(txn: &Txn, name: &str) -> LibraryError {
    match store::current(&**txn, name).await {
        Ok(current) => {
            let (revision, by) = current.map_or((0, String::new()), |current| {
                (current.revision.number, current.revision.saved_by)
            });
            LibraryError::Conflict {
                name: name.to_owned(),
                revision,
                by,
            }
        }
        Err(error) => error.into(),
    }
}
