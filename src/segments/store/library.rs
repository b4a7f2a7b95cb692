//! Queries about named segments.

use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use crate::ids::SegmentId;
use crate::segments::library::Draft;
use crate::segments::model::Rule;
use crate::storage::text::fold;
use crate::storage::{Db, Dialect, Sql, Txn};

/// A segment as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    pub id: SegmentId,
    pub name: String,
    /// The canonical text of its rule.
    pub rule: String,
    pub description: String,
    /// Counted up with each change.
    pub revision: i64,
    pub is_archived: bool,
    pub created_by: String,
    pub created_at: i64,
    pub updated_by: String,
    pub updated_at: i64,
    /// Of the rule as it stands; none: not counted yet.
    pub counted: Option<Counted>,
}

/// What was counted last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    pub at: i64,
    pub people: u64,
    /// How many customers there were.
    pub base: u64,
    /// What the reach is about.
    pub topic: String,
    pub reach_email: u64,
    pub reach_sms: u64,
}

/// Which segments are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Archived {
    Yes,
    No,
}

/// A campaign with the text of its rule, as it was planned.
pub(in crate::segments) struct Planned {
    pub name: String,
    pub status: String,
    pub rule: String,
}

/// A rule that a segment has or had.
pub(in crate::segments) struct Form {
    pub segment: SegmentId,
    pub rule: String,
    pub is_current: bool,
}

const COLUMNS: &str = "id, name, rule, description, revision, is_archived, created_by, created_at, updated_by, \
    updated_at, counted_at, counted_topic, people, base, reach_email, reach_sms";

fn from_row(row: &QueryResult) -> Result<Segment, DbErr> {
    let counted_at: Option<i64> = row.try_get("", "counted_at")?;
    let number = |column| {
        let number = row.try_get::<Option<i64>>("", column)?;
        Ok::<_, DbErr>(number.unwrap_or(0).unsigned_abs())
    };
    let counted = match counted_at {
        None => None,
        Some(at) => Some(Counted {
            at,
            people: number("people")?,
            base: number("base")?,
            topic: row
                .try_get::<Option<String>>("", "counted_topic")?
                .unwrap_or_default(),
            reach_email: number("reach_email")?,
            reach_sms: number("reach_sms")?,
        }),
    };
    Ok(Segment {
        id: SegmentId(row.try_get("", "id")?),
        name: row.try_get("", "name")?,
        rule: row.try_get("", "rule")?,
        description: row.try_get("", "description")?,
        revision: row.try_get("", "revision")?,
        is_archived: row.try_get("", "is_archived")?,
        created_by: row.try_get("", "created_by")?,
        created_at: row.try_get("", "created_at")?,
        updated_by: row.try_get("", "updated_by")?,
        updated_at: row.try_get("", "updated_at")?,
        counted,
    })
}

pub(in crate::segments) async fn list(db: &Db, archived: Archived) -> Result<Vec<Segment>, DbErr> {
    let sql =
        format!("SELECT {COLUMNS} FROM segments WHERE is_archived = $1 ORDER BY name_key, id");
    let is_archived = archived == Archived::Yes;
    let rows = db.rows(sql, [is_archived.into()]).await?;
    rows.iter().map(from_row).collect()
}

pub(in crate::segments) async fn page(
    db: &Db,
    archived: Archived,
    after: &str,
    limit: i64,
) -> Result<Vec<Segment>, DbErr> {
    let sql = format!(
        "SELECT {COLUMNS} FROM segments WHERE is_archived = $1 AND name_key > $2 ORDER BY name_key LIMIT $3"
    );
    let is_archived = archived == Archived::Yes;
    let rows = db
        .rows(sql, [is_archived.into(), after.into(), limit.into()])
        .await?;
    rows.iter().map(from_row).collect()
}

pub(in crate::segments) async fn by_id(
    connection: &impl ConnectionTrait,
    id: SegmentId,
) -> Result<Option<Segment>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM segments WHERE id = $1");
    let row = connection.row(sql, [id.0.into()]).await?;
    row.as_ref().map(from_row).transpose()
}

pub(in crate::segments) async fn by_key(
    connection: &impl ConnectionTrait,
    key: &str,
) -> Result<Option<Segment>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM segments WHERE name_key = $1");
    let row = connection.row(sql, [key.into()]).await?;
    row.as_ref().map(from_row).transpose()
}

pub(in crate::segments) async fn study(db: &Db, id: SegmentId) -> Result<Option<String>, DbErr> {
    let row = db
        .row("SELECT study FROM segments WHERE id = $1", [id.0.into()])
        .await?;
    row.map_or(Ok(None), |row| row.try_get("", "study"))
}

/// Takes the segment's row for this transaction: who else wants it waits.
pub(in crate::segments) async fn lock(txn: &Txn, id: SegmentId) -> Result<Option<Segment>, DbErr> {
    txn.run(
        "UPDATE segments SET revision = revision WHERE id = $1",
        [id.0.into()],
    )
    .await?;
    by_id(&**txn, id).await
}

pub(in crate::segments) async fn insert(
    txn: &Txn,
    name: &str,
    draft: Draft<'_>,
    actor: &str,
    now_ms: i64,
) -> Result<SegmentId, DbErr> {
    let row = txn
        .row(
            "INSERT INTO segments (name, name_key, rule, description, revision, is_archived, created_by, created_at,
                updated_by, updated_at)
             VALUES ($1, $2, $3, $4, 1, FALSE, $5, $6, $5, $6) RETURNING id",
            [
                name.into(),
                fold(name).into(),
                draft.rule.to_string().into(),
                draft.description.trim().into(),
                actor.into(),
                now_ms.into(),
            ],
        )
        .await?
        .ok_or(DbErr::RecordNotInserted)?;
    row.try_get("", "id").map(SegmentId)
}

/// A count of another rule is none.
pub(in crate::segments) async fn update(
    txn: &Txn,
    id: SegmentId,
    name: &str,
    draft: Draft<'_>,
    is_other_rule: bool,
    actor: &str,
    now_ms: i64,
) -> Result<(), DbErr> {
    let forget = if is_other_rule {
        ", counted_at = NULL, counted_topic = NULL, people = NULL, base = NULL, reach_email = NULL, \
         reach_sms = NULL, study = NULL"
    } else {
        ""
    };
    txn.run(
        format!(
            "UPDATE segments SET name = $1, name_key = $2, rule = $3, description = $4, revision = revision + 1, \
             updated_by = $5, updated_at = $6{forget} WHERE id = $7"
        ),
        [
            name.into(),
            fold(name).into(),
            draft.rule.to_string().into(),
            draft.description.trim().into(),
            actor.into(),
            now_ms.into(),
            id.0.into(),
        ],
    )
    .await?;
    Ok(())
}

pub(in crate::segments) async fn note_revision(
    txn: &Txn,
    id: SegmentId,
    revision: i64,
    rule: &Rule,
    actor: &str,
    now_ms: i64,
) -> Result<(), DbErr> {
    txn.run(
        "INSERT INTO segment_revisions (segment_id, revision, rule, saved_by, saved_at) VALUES ($1, $2, $3, $4, $5)",
        [
            id.0.into(),
            revision.into(),
            rule.to_string().into(),
            actor.into(),
            now_ms.into(),
        ],
    )
    .await?;
    Ok(())
}

pub(in crate::segments) async fn archive(
    txn: &Txn,
    id: SegmentId,
    is_archived: bool,
    actor: &str,
    now_ms: i64,
) -> Result<(), DbErr> {
    txn.run(
        "UPDATE segments SET is_archived = $1, revision = revision + 1, updated_by = $2, updated_at = $3 WHERE id = $4",
        [is_archived.into(), actor.into(), now_ms.into(), id.0.into()],
    )
    .await?;
    Ok(())
}

pub(in crate::segments) async fn note_count(
    db: &Db,
    rule: &str,
    counted: &Counted,
    study: &str,
) -> Result<(), DbErr> {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let txn = db.begin().await?;
    txn.run(
        "UPDATE segments SET counted_at = $1, counted_topic = $2, people = $3, base = $4, reach_email = $5,
            reach_sms = $6, study = $7 WHERE rule = $8",
        [
            counted.at.into(),
            counted.topic.as_str().into(),
            number(counted.people).into(),
            number(counted.base).into(),
            number(counted.reach_email).into(),
            number(counted.reach_sms).into(),
            study.into(),
            rule.into(),
        ],
    )
    .await?;
    txn.commit().await
}

pub(in crate::segments) async fn planned(db: &Db) -> Result<Vec<Planned>, DbErr> {
    let rule = match db.dialect() {
        Dialect::Sqlite => "definition->>'$.segment'",
        Dialect::Postgres => "definition::jsonb->>'segment'",
    };
    let sql = format!("SELECT name, status, {rule} AS rule FROM campaigns ORDER BY name");
    db.rows(sql, [])
        .await?
        .iter()
        .map(|row| {
            Ok(Planned {
                name: row.try_get("", "name")?,
                status: row.try_get("", "status")?,
                rule: row
                    .try_get::<Option<String>>("", "rule")?
                    .unwrap_or_default(),
            })
        })
        .collect()
}

pub(in crate::segments) async fn campaigns(db: &Db, limit: usize) -> Result<Vec<String>, DbErr> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let sql = "SELECT name FROM campaigns ORDER BY updated_at DESC, id DESC LIMIT $1";
    let rows = db.rows(sql, [limit.into()]).await?;
    rows.iter().map(|row| row.try_get("", "name")).collect()
}

/// Every rule a segment has or had, the present one first.
pub(in crate::segments) async fn forms(db: &Db) -> Result<Vec<Form>, DbErr> {
    let sql = "SELECT r.segment_id, r.rule, MAX(CASE WHEN r.rule = s.rule THEN 1 ELSE 0 END) AS is_current
        FROM segment_revisions r JOIN segments s ON s.id = r.segment_id
        GROUP BY r.segment_id, r.rule ORDER BY 3 DESC, 1";
    db.rows(sql, [])
        .await?
        .iter()
        .map(|row| {
            let is_current: i32 = row.try_get("", "is_current")?;
            Ok(Form {
                segment: SegmentId(row.try_get("", "segment_id")?),
                rule: row.try_get("", "rule")?,
                is_current: is_current == 1,
            })
        })
        .collect()
}
