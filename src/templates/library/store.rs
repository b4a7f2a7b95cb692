//! Queries about the library.

use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use super::model::Revision;
use crate::storage::{Sql, Txn};
use crate::templates::texts::FileTexts;

/// A template of the library, with its newest revision.
pub(super) struct Stored {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) is_archived: bool,
    pub(super) revision: Revision,
}

const COLUMNS: &str =
    "t.id, t.name, t.is_archived, r.number, r.files, r.saved_by, r.saved_at, r.note";

fn stored(row: &QueryResult) -> Result<Stored, DbErr> {
    Ok(Stored {
        id: row.try_get("", "id")?,
        name: row.try_get("", "name")?,
        is_archived: row.try_get("", "is_archived")?,
        revision: read(row)?,
    })
}

fn read(row: &QueryResult) -> Result<Revision, DbErr> {
    let files: String = row.try_get("", "files")?;
    Ok(Revision {
        files: serde_json::from_str(&files)
            .map_err(|error| DbErr::Type(format!("template_revisions.files: {error}")))?,
        ..bare(row)?
    })
}

fn bare(row: &QueryResult) -> Result<Revision, DbErr> {
    Ok(Revision {
        number: row.try_get("", "number")?,
        files: FileTexts::default(),
        saved_by: row.try_get("", "saved_by")?,
        saved_at: row.try_get("", "saved_at")?,
        note: row.try_get("", "note")?,
    })
}

pub(super) async fn current(
    connection: &impl ConnectionTrait,
    name: &str,
) -> Result<Option<Stored>, DbErr> {
    let sql = format!(
        "SELECT {COLUMNS} FROM templates t
         JOIN template_revisions r ON r.template_id = t.id AND r.number = t.revision WHERE t.name = $1"
    );
    let row = connection.row(sql, [name.into()]).await?;
    row.as_ref().map(stored).transpose()
}

pub(super) async fn all(connection: &impl ConnectionTrait) -> Result<Vec<Stored>, DbErr> {
    let sql = format!(
        "SELECT {COLUMNS} FROM templates t
         JOIN template_revisions r ON r.template_id = t.id AND r.number = t.revision ORDER BY t.name"
    );
    connection.rows(sql, []).await?.iter().map(stored).collect()
}

pub(super) async fn revision(
    connection: &impl ConnectionTrait,
    name: &str,
    number: i64,
) -> Result<Option<Revision>, DbErr> {
    let sql = format!(
        "SELECT {COLUMNS} FROM templates t
         JOIN template_revisions r ON r.template_id = t.id WHERE t.name = $1 AND r.number = $2"
    );
    let row = connection.row(sql, [name.into(), number.into()]).await?;
    row.as_ref().map(read).transpose()
}

pub(super) async fn history(
    connection: &impl ConnectionTrait,
    name: &str,
) -> Result<Vec<Revision>, DbErr> {
    let sql = "SELECT r.number, r.saved_by, r.saved_at, r.note FROM templates t
         JOIN template_revisions r ON r.template_id = t.id WHERE t.name = $1 ORDER BY r.number DESC";
    let rows = connection.rows(sql, [name.into()]).await?;
    rows.iter().map(bare).collect()
}

/// Enters a template, of which revision 1 is to follow; none when there is one of this name.
pub(super) async fn create(txn: &Txn, name: &str) -> Result<Option<i64>, DbErr> {
    let row = txn
        .row(
            "INSERT INTO templates (name, is_archived, revision) VALUES ($1, FALSE, 1)
             ON CONFLICT (name) DO NOTHING RETURNING id",
            [name.into()],
        )
        .await?;
    row.map(|row| row.try_get("", "id")).transpose()
}

/// Makes room for the revision after `from`; whether `from` was still the newest. Taken back is it, too.
pub(super) async fn advance(txn: &Txn, id: i64, from: i64) -> Result<bool, DbErr> {
    let done = txn
        .run(
            "UPDATE templates SET revision = revision + 1, is_archived = FALSE
             WHERE id = $1 AND revision = $2",
            [id.into(), from.into()],
        )
        .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn add(
    txn: &Txn,
    id: i64,
    number: i64,
    files: &FileTexts,
    by: &str,
    note: &str,
    now_ms: i64,
) -> Result<(), DbErr> {
    let files = serde_json::to_string(files)
        .map_err(|error| DbErr::Type(format!("template_revisions.files: {error}")))?;
    txn.run(
        "INSERT INTO template_revisions (template_id, number, files, saved_by, saved_at, note)
         VALUES ($1, $2, $3, $4, $5, $6)",
        [
            id.into(),
            number.into(),
            files.into(),
            by.into(),
            now_ms.into(),
            note.into(),
        ],
    )
    .await?;
    txn.run(
        "UPDATE templates SET revision = $2 WHERE id = $1 AND revision < $2",
        [id.into(), number.into()],
    )
    .await?;
    Ok(())
}

pub(super) async fn archive(txn: &Txn, name: &str, is_archived: bool) -> Result<(), DbErr> {
    txn.run(
        "UPDATE templates SET is_archived = $2 WHERE name = $1",
        [name.into(), is_archived.into()],
    )
    .await?;
    Ok(())
}
