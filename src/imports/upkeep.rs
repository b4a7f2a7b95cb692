//! Uploaded files go when they are old, or when nothing knows them any more.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use super::store;
use crate::clock::DAY_MS;
use crate::storage::Db;

/// A file younger than this may be one that is just coming in.
const COMING_IN: Duration = Duration::from_secs(86_400);

/// Takes the files away that were uploaded more than `keep_days` ago, with their rejected rows, and those that
/// no upload knows; how many files went. What the uploads did is kept.
///
/// # Errors
/// When the database is away or the folder cannot be read.
pub async fn let_go_old(
    db: &Db,
    data_dir: &Path,
    keep_days: u32,
    now_ms: i64,
) -> Result<u64, sea_orm::DbErr> {
    let since = now_ms - i64::from(keep_days) * DAY_MS;
    let kept: HashSet<String> = store::stored_since(db, since).await?.into_iter().collect();
    let folder = data_dir.join("imports");
    let swept = tokio::task::spawn_blocking(move || sweep(&folder, &kept)).await;
    match swept {
        Ok(Ok(removed)) => Ok(removed),
        Ok(Err(error)) => {
            tracing::warn!(%error, "old uploads could not be removed; the next upkeep tries again");
            Ok(0)
        }
        Err(error) => {
            tracing::warn!(%error, "old uploads were not looked at");
            Ok(0)
        }
    }
}

fn sweep(folder: &Path, kept: &HashSet<String>) -> std::io::Result<u64> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut removed = 0;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Rejected rows are called after their file.
        let is_kept = kept
            .iter()
            .any(|stored| name == *stored || name.starts_with(&format!("{stored}.")));
        let is_young = entry
            .metadata()?
            .modified()?
            .elapsed()
            .is_ok_and(|age| age < COMING_IN);
        let is_known = is_kept || is_young;
        if !is_known {
            std::fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}
