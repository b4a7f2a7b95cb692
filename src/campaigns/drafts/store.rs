//! Queries about drafts.

use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use super::model::{Author, Draft, Standing, Step};
use crate::campaigns::check::CheckedCampaign;
use crate::campaigns::definition::Definition;
use crate::storage::{Sql, Txn};

const COLUMNS: &str = "id, name, definition, step, standing, review, revision, made_by, made_by_name, made_at, \
     changed_at";

/// A definition as the database keeps it.
///
/// # Errors
/// When it cannot be written as JSON: a defect of this program.
pub(super) fn write(definition: &Definition) -> Result<String, DbErr> {
    serde_json::to_string(definition)
        .map_err(|error| DbErr::Type(format!("campaign_drafts.definition: {error}")))
}

fn from_row(row: &QueryResult) -> Result<Draft, DbErr> {
    let (definition, review): (String, String) =
        (row.try_get("", "definition")?, row.try_get("", "review")?);
    let (step, standing): (String, String) =
        (row.try_get("", "step")?, row.try_get("", "standing")?);
    let wrong =
        |column: &str, value: &str| DbErr::Type(format!("campaign_drafts.{column}: {value}"));
    Ok(Draft {
        id: row.try_get("", "id")?,
        name: row.try_get("", "name")?,
        definition: serde_json::from_str(&definition)
            .map_err(|error| wrong("definition", &error.to_string()))?,
        step: Step::from_word(&step).ok_or_else(|| wrong("step", &step))?,
        standing: Standing::from_column(&standing).ok_or_else(|| wrong("standing", &standing))?,
        review: serde_json::from_str(&review)
            .map_err(|error| wrong("review", &error.to_string()))?,
        revision: row.try_get("", "revision")?,
        made_by: row.try_get("", "made_by")?,
        made_by_name: row.try_get("", "made_by_name")?,
        made_at: row.try_get("", "made_at")?,
        changed_at: row.try_get("", "changed_at")?,
    })
}

/// The draft of this name.
///
/// # Errors
/// When the database is away.
pub async fn by_name(
    connection: &impl ConnectionTrait,
    name: &str,
) -> Result<Option<Draft>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM campaign_drafts WHERE name = $1");
    connection
        .row(sql, [name.into()])
        .await?
        .as_ref()
        .map(from_row)
        .transpose()
}

/// Takes the draft's row for this transaction: who else wants it waits.
///
/// # Errors
/// When the database is away.
pub async fn lock(txn: &Txn, name: &str) -> Result<Option<Draft>, DbErr> {
    txn.run(
        "UPDATE campaign_drafts SET revision = revision WHERE name = $1",
        [name.into()],
    )
    .await?;
    by_name(&**txn, name).await
}

/// The drafts whose name holds this text, the latest changed first; at most `limit`.
///
/// # Errors
/// When the database is away.
pub async fn list(
    connection: &impl ConnectionTrait,
    text: &str,
    limit: u32,
) -> Result<Vec<Draft>, DbErr> {
    let sql = format!(
        "SELECT {COLUMNS} FROM campaign_drafts WHERE name LIKE $1 ESCAPE '\\'
         ORDER BY changed_at DESC, id DESC LIMIT $2"
    );
    connection
        .rows(
            sql,
            [
                super::super::store::holding(text).into(),
                i64::from(limit).into(),
            ],
        )
        .await?
        .iter()
        .map(from_row)
        .collect()
}

/// The drafts below `before`, the last begun first; with `standing`, those that stand so.
///
/// # Errors
/// When the database is away.
pub async fn before(
    connection: &impl ConnectionTrait,
    before: i64,
    standing: Option<Standing>,
    limit: i64,
) -> Result<Vec<Draft>, DbErr> {
    let sql = format!(
        "SELECT {COLUMNS} FROM campaign_drafts WHERE id < $1 AND ($2 = '' OR standing = $2)
         ORDER BY id DESC LIMIT $3"
    );
    let standing = standing.map_or("", Standing::as_str);
    connection
        .rows(sql, [before.into(), standing.into(), limit.into()])
        .await?
        .iter()
        .map(from_row)
        .collect()
}

/// Writes a new draft; `false` when there is one of this name.
///
/// # Errors
/// When the database is away.
pub async fn insert(
    txn: &Txn,
    definition: &Definition,
    step: Step,
    author: &Author,
    now_ms: i64,
) -> Result<bool, DbErr> {
    let written = txn
        .run(
            "INSERT INTO campaign_drafts (name, definition, step, standing, review, revision, made_by, made_by_name,
                made_at, changed_at)
             VALUES ($1, $2, $6, 'open', '{}', 1, $3, $4, $5, $5) ON CONFLICT (name) DO NOTHING",
            [
                definition.name.as_str().into(),
                write(definition)?.into(),
                author.key.as_str().into(),
                author.name.as_str().into(),
                now_ms.into(),
                step.as_str().into(),
            ],
        )
        .await?;
    Ok(written.rows_affected() == 1)
}

/// Writes what changed of a draft that is locked, as its next revision.
///
/// # Errors
/// When the database is away.
pub async fn update(txn: &Txn, draft: &Draft) -> Result<(), DbErr> {
    let review = serde_json::to_string(&draft.review)
        .map_err(|error| DbErr::Type(format!("campaign_drafts.review: {error}")))?;
    txn.run(
        "UPDATE campaign_drafts SET definition = $2, step = $3, standing = $4, review = $5, changed_at = $6,
            revision = revision + 1 WHERE id = $1",
        [
            draft.id.into(),
            write(&draft.definition)?.into(),
            draft.step.as_str().into(),
            draft.standing.as_str().into(),
            review.into(),
            draft.changed_at.into(),
        ],
    )
    .await
    .map(drop)
}

/// Takes a draft away.
///
/// # Errors
/// When the database is away.
pub async fn delete(txn: &Txn, id: i64) -> Result<(), DbErr> {
    txn.run("DELETE FROM campaign_drafts WHERE id = $1", [id.into()])
        .await
        .map(drop)
}

/// Keeps what a look at the audience found for the definition with this digest.
///
/// # Errors
/// When the database is away.
pub async fn keep_check(
    connection: &impl ConnectionTrait,
    name: &str,
    digest: &str,
    checked: &CheckedCampaign,
    now_ms: i64,
) -> Result<(), DbErr> {
    let text = serde_json::to_string(checked)
        .map_err(|error| DbErr::Type(format!("campaign_drafts.checked: {error}")))?;
    connection
        .run(
            "UPDATE campaign_drafts SET checked = $2, checked_digest = $3, checked_at = $4 WHERE name = $1",
            [name.into(), text.into(), digest.into(), now_ms.into()],
        )
        .await
        .map(drop)
}

/// What the last look found, and when, where it was at the definition with this digest.
///
/// # Errors
/// When the database is away.
pub async fn kept_check(
    connection: &impl ConnectionTrait,
    name: &str,
    digest: &str,
) -> Result<Option<(CheckedCampaign, i64)>, DbErr> {
    let row = connection
        .row(
            "SELECT checked, checked_at FROM campaign_drafts WHERE name = $1 AND checked_digest = $2",
            [name.into(), digest.into()],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let text: String = row.try_get("", "checked")?;
    let at: i64 = row.try_get("", "checked_at")?;
    // One that an older program wrote is looked at anew.
    Ok(serde_json::from_str(&text)
        .ok()
        .map(|checked| (checked, at)))
}
