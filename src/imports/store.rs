//! Queries about uploaded files.

use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use serde::de::DeserializeOwned;

use super::model::{Outcome, Plan, State, Upload};
use super::shelf::Kept;
use crate::ids::UploadId;
use crate::storage::{Db, Dialect, Sql, Txn};

fn columns(dialect: Dialect) -> String {
    format!(
        "id, name, stored, bytes, state, {} AS plan, is_dry_run, is_imported, {} AS report, problem, actor, \
         uploaded_at, began_at, ended_at",
        dialect.json_text("plan"),
        dialect.json_text("report")
    )
}

fn upload(row: &QueryResult) -> Result<Upload, DbErr> {
    let state: String = row.try_get("", "state")?;
    let plan: String = row.try_get("", "plan")?;
    let report: Option<String> = row.try_get("", "report")?;
    Ok(Upload {
        id: UploadId(row.try_get("", "id")?),
        name: row.try_get("", "name")?,
        stored: row.try_get("", "stored")?,
        bytes: row.try_get("", "bytes")?,
        state: State::from_column(&state)
            .ok_or_else(|| DbErr::Type(format!("imports.state: {state}")))?,
        plan: read("imports.plan", &plan)?,
        is_dry_run: row.try_get("", "is_dry_run")?,
        is_imported: row.try_get("", "is_imported")?,
        outcome: report
            .map(|report| read("imports.report", &report))
            .transpose()?,
        problem: row.try_get("", "problem")?,
        actor: row.try_get("", "actor")?,
        uploaded_at: row.try_get("", "uploaded_at")?,
        began_at: row.try_get("", "began_at")?,
        ended_at: row.try_get("", "ended_at")?,
    })
}

fn read<T: DeserializeOwned>(column: &str, text: &str) -> Result<T, DbErr> {
    serde_json::from_str(text).map_err(|error| DbErr::Json(format!("{column}: {error}")))
}

fn written(column: &str, value: &impl serde::Serialize) -> Result<String, DbErr> {
    serde_json::to_string(value).map_err(|error| DbErr::Json(format!("{column}: {error}")))
}

pub(super) async fn add(
    txn: &Txn,
    name: &str,
    kept: &Kept,
    plan: &Plan,
    actor: &str,
    now_ms: i64,
) -> Result<UploadId, DbErr> {
    let sql = format!(
        "INSERT INTO imports (name, stored, bytes, state, plan, is_dry_run, is_imported, actor, uploaded_at)
         VALUES ($1, $2, $3, 'uploaded', {}, FALSE, FALSE, $5, $6) RETURNING id",
        txn.dialect().json(4)
    );
    let row = txn
        .row(
            sql,
            [
                name.into(),
                kept.stored.as_str().into(),
                i64::try_from(kept.bytes).unwrap_or(i64::MAX).into(),
                written("imports.plan", plan)?.into(),
                actor.into(),
                now_ms.into(),
            ],
        )
        .await?;
    let row = row.ok_or(DbErr::RecordNotInserted)?;
    row.try_get("", "id").map(UploadId)
}

pub(super) async fn get(
    connection: &impl ConnectionTrait,
    id: UploadId,
) -> Result<Option<Upload>, DbErr> {
    let sql = format!(
        "SELECT {} FROM imports WHERE id = $1",
        columns(Dialect::of(connection))
    );
    let row = connection.row(sql, [id.0.into()]).await?;
    row.as_ref().map(upload).transpose()
}

/// At most `limit` of them that came before `before`, the newest first.
pub(super) async fn newest(db: &Db, before: UploadId, limit: i64) -> Result<Vec<Upload>, DbErr> {
    let sql = format!(
        "SELECT {} FROM imports WHERE id < $1 ORDER BY id DESC LIMIT $2",
        columns(db.dialect())
    );
    let rows = db.rows(sql, [before.0.into(), limit.into()]).await?;
    rows.iter().map(upload).collect()
}

/// Sets how a file is to be read, as if it had not been read yet.
pub(super) async fn set_plan(txn: &Txn, id: UploadId, plan: &Plan) -> Result<(), DbErr> {
    let sql = format!(
        "UPDATE imports SET state = 'uploaded', plan = {}, is_dry_run = FALSE, began_at = NULL, ended_at = NULL,
             report = NULL, problem = NULL
         WHERE id = $1",
        txn.dialect().json(2)
    );
    txn.run(sql, [id.0.into(), written("imports.plan", plan)?.into()])
        .await?;
    Ok(())
}

/// Notes that a run begins; `false` when the file was imported, or removed, meanwhile.
pub(super) async fn begin(
    txn: &Txn,
    id: UploadId,
    plan: &Plan,
    is_dry_run: bool,
    now_ms: i64,
) -> Result<bool, DbErr> {
    let sql = format!(
        "UPDATE imports SET state = 'running', plan = {}, is_dry_run = $3, began_at = $4, ended_at = NULL,
             report = NULL, problem = NULL
         WHERE id = $1 AND NOT is_imported",
        txn.dialect().json(2)
    );
    let done = txn
        .run(
            sql,
            [
                id.0.into(),
                written("imports.plan", plan)?.into(),
                is_dry_run.into(),
                now_ms.into(),
            ],
        )
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Notes that a file is imported, in the transaction of the import.
pub(super) async fn seal(txn: &Txn, id: UploadId, outcome: &Outcome) -> Result<(), DbErr> {
    let sql = format!(
        "UPDATE imports SET is_imported = TRUE, report = {} WHERE id = $1",
        txn.dialect().json(2)
    );
    let report = written("imports.report", outcome)?;
    txn.run(sql, [id.0.into(), report.into()]).await.map(drop)
}

/// Notes how a run ended; what is imported stays so, whatever went wrong behind it.
pub(super) async fn end(
    txn: &Txn,
    id: UploadId,
    ended: &Result<Outcome, String>,
    now_ms: i64,
) -> Result<(), DbErr> {
    let (state, report, problem) = match ended {
        Ok(outcome) => (State::Done, Some(written("imports.report", outcome)?), None),
        Err(problem) => (State::Failed, None, Some(problem.as_str())),
    };
    let sql = format!(
        "UPDATE imports SET state = CASE WHEN is_imported THEN 'done' ELSE $2 END,
             report = COALESCE({}, report), problem = CASE WHEN is_imported THEN NULL ELSE $4 END, ended_at = $5
         WHERE id = $1",
        txn.dialect().json(3)
    );
    txn.run(
        sql,
        [
            id.0.into(),
            state.as_str().into(),
            report.into(),
            problem.into(),
            now_ms.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Forgets a file; whether it was known.
pub(super) async fn remove(txn: &Txn, id: UploadId) -> Result<bool, DbErr> {
    let removed = txn
        .run("DELETE FROM imports WHERE id = $1", [id.0.into()])
        .await?;
    Ok(removed.rows_affected() > 0)
}

/// The names in the folder of files that were uploaded since `since`.
pub(super) async fn stored_since(db: &Db, since: i64) -> Result<Vec<String>, DbErr> {
    let rows = db
        .rows(
            "SELECT stored FROM imports WHERE uploaded_at >= $1",
            [since.into()],
        )
        .await?;
    rows.iter().map(|row| row.try_get("", "stored")).collect()
}
