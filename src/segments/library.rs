//! Segments that bear a name: kept, found, changed by one at a time, and put away.

use std::collections::BTreeMap;

use sea_orm::DbErr;

use super::model::Rule;
use super::store::library as store;
pub use super::store::library::{Archived, Counted, Segment};
use crate::accounts::audit;
use crate::ids::SegmentId;
use crate::storage::text::fold;
use crate::storage::{self, Db, Txn};

/// The most characters of a name.
pub const MAX_NAME: usize = 80;
/// The most characters of a description.
pub const MAX_DESCRIPTION: usize = 2_000;

/// Why a segment was not kept.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    #[error("the segment has no name; a word or two tell it from the others")]
    NoName,
    #[error("the name has more than {MAX_NAME} characters; the description has room for more")]
    LongName,
    #[error("the name holds characters that cannot be seen, such as tabs; write it anew")]
    OddName,
    #[error("the description has more than {MAX_DESCRIPTION} characters; shorten it")]
    LongDescription,
    #[error("there is a segment {name:?} already; choose another name, or change that one")]
    Taken { name: String },
    #[error("a line of the rule is not complete; fill it in or remove it")]
    Incomplete,
    #[error("there is no segment {name:?}; `visavis segment list` shows those there are")]
    Unknown { name: String },
    #[error(
        "{by} changed the segment while you worked on it; compare both, then save yours again or take the other"
    )]
    Changed { by: String, at: i64, revision: i64 },
    #[error("the database failed: {0}")]
    Database(#[from] DbErr),
}

/// What somebody wants to be kept.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    pub name: &'a str,
    pub description: &'a str,
    pub rule: &'a Rule,
}

/// A campaign planned with a segment's rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    pub campaign: String,
    pub status: String,
    /// Whether the segment's rule is still the campaign's.
    pub is_current: bool,
}

/// All segments by name, those put away or those in use.
///
/// # Errors
/// When the database is away.
pub async fn list(db: &Db, archived: Archived) -> Result<Vec<Segment>, DbErr> {
    store::list(db, archived).await
}

/// At most `limit` of them by name, behind the one of the name `after`.
///
/// # Errors
/// When the database is away.
pub async fn page(
    db: &Db,
    archived: Archived,
    after: &str,
    limit: i64,
) -> Result<Vec<Segment>, DbErr> {
    store::page(db, archived, &fold(after), limit).await
}

/// The segment of this number.
///
/// # Errors
/// When the database is away.
pub async fn by_id(db: &Db, id: SegmentId) -> Result<Option<Segment>, DbErr> {
    store::by_id(&**db, id).await
}

/// The segment of this name, whatever its case and accents.
///
/// # Errors
/// When the database is away.
pub async fn by_name(db: &Db, name: &str) -> Result<Option<Segment>, DbErr> {
    store::by_key(&**db, &fold(name)).await
}

/// What was found last about a segment as it stands, as the caller wrote it.
///
/// # Errors
/// When the database is away.
pub async fn study(db: &Db, id: SegmentId) -> Result<Option<String>, DbErr> {
    store::study(db, id).await
}

/// Keeps a new segment.
///
/// # Errors
/// What is wrong with the draft, or a segment of that name.
pub async fn create(
    db: &Db,
    draft: Draft<'_>,
    actor: &str,
    now_ms: i64,
) -> Result<Segment, LibraryError> {
    let txn = db.begin().await?;
    let segment = create_within(&txn, draft, actor, now_ms).await?;
    txn.commit().await?;
    Ok(segment)
}

/// As [`create`], in a transaction of the caller's.
///
/// # Errors
/// As for [`create`]; the transaction is then to be given up.
pub async fn create_within(
    txn: &Txn,
    draft: Draft<'_>,
    actor: &str,
    now_ms: i64,
) -> Result<Segment, LibraryError> {
    let name = checked(draft)?;
    if store::by_key(&**txn, &fold(name)).await?.is_some() {
        return Err(taken(name));
    }
    let written = async {
        let id = store::insert(txn, name, draft, actor, now_ms).await?;
        store::note_revision(txn, id, 1, draft.rule, actor, now_ms).await?;
        Ok::<_, DbErr>(id)
    };
    let id = match written.await {
        Ok(id) => id,
        // Somebody kept one of that name a moment ago.
        Err(error) if storage::is_conflict(&error) => return Err(taken(name)),
        Err(error) => return Err(error.into()),
    };
    let segment = store::by_id(&**txn, id).await?;
    let segment = segment.ok_or_else(|| unknown(name))?;
    let detail = format!("revision {}", segment.revision);
    audit::note(&**txn, actor, "segment.save", name, &detail, now_ms).await?;
    Ok(segment)
}

/// Keeps a changed segment, if nobody else changed it since `revision`.
///
/// # Errors
/// What is wrong with the draft, another segment of that name, or [`LibraryError::Changed`].
pub async fn change(
    db: &Db,
    id: SegmentId,
    revision: i64,
    draft: Draft<'_>,
    actor: &str,
    now_ms: i64,
) -> Result<Segment, LibraryError> {
    let name = checked(draft)?;
    let txn = db.begin().await?;
    let before = store::lock(&txn, id).await?.ok_or_else(|| unknown(name))?;
    if before.revision != revision {
        return Err(LibraryError::Changed {
            by: before.updated_by,
            at: before.updated_at,
            revision: before.revision,
        });
    }
    let other = store::by_key(&*txn, &fold(name)).await?;
    if other.is_some_and(|other| other.id != id) {
        return Err(taken(name));
    }
    let is_other_rule = before.rule != draft.rule.to_string();
    let written = async {
        store::update(&txn, id, name, draft, is_other_rule, actor, now_ms).await?;
        if is_other_rule {
            let next = before.revision + 1;
            store::note_revision(&txn, id, next, draft.rule, actor, now_ms).await?;
        }
        Ok::<_, DbErr>(())
    };
    match written.await {
        Ok(()) => {}
        Err(error) if storage::is_conflict(&error) => return Err(taken(name)),
        Err(error) => return Err(error.into()),
    }
    let segment = store::by_id(&*txn, id).await?;
    let segment = segment.ok_or_else(|| unknown(name))?;
    let detail = format!("revision {}", segment.revision);
    audit::note(&*txn, actor, "segment.save", name, &detail, now_ms).await?;
    txn.commit().await?;
    Ok(segment)
}

/// Puts a segment away, or takes it back; campaigns keep their rules.
///
/// # Errors
/// When there is no such segment, or the database is away.
pub async fn archive(
    db: &Db,
    id: SegmentId,
    is_archived: bool,
    actor: &str,
    now_ms: i64,
) -> Result<Segment, LibraryError> {
    let txn = db.begin().await?;
    let segment = archive_within(&txn, id, is_archived, actor, now_ms).await?;
    txn.commit().await?;
    Ok(segment)
}

/// As [`archive`], in a transaction of the caller's.
///
/// # Errors
/// As for [`archive`]; the transaction is then to be given up.
pub async fn archive_within(
    txn: &Txn,
    id: SegmentId,
    is_archived: bool,
    actor: &str,
    now_ms: i64,
) -> Result<Segment, LibraryError> {
    let missing = || unknown(&id.to_string());
    let before = store::lock(txn, id).await?.ok_or_else(missing)?;
    if before.is_archived == is_archived {
        return Ok(before);
    }
    store::archive(txn, id, is_archived, actor, now_ms).await?;
    let segment = store::by_id(&**txn, id).await?.ok_or_else(missing)?;
    let action = if is_archived {
        "segment.archive"
    } else {
        "segment.take_back"
    };
    audit::note(&**txn, actor, action, &segment.name, "", now_ms).await?;
    Ok(segment)
}

/// Notes what was counted of a rule, on every segment that has it now.
///
/// # Errors
/// When the database is away.
pub async fn note_count(db: &Db, rule: &Rule, counted: &Counted, study: &str) -> Result<(), DbErr> {
    store::note_count(db, &rule.to_string(), counted, study).await
}

/// The campaigns planned with each segment's rule, as it is or was.
///
/// # Errors
/// When the database is away.
pub async fn uses(db: &Db) -> Result<BTreeMap<SegmentId, Vec<Use>>, DbErr> {
    let mut planned: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for campaign in store::planned(db).await? {
        // The canonical text, by which two rules are the same; what cannot be read is nobody's.
        let Ok(rule) = Rule::parse(&campaign.rule) else {
            continue;
        };
        let of_rule = planned.entry(rule.to_string()).or_default();
        of_rule.push((campaign.name, campaign.status));
    }
    let mut uses: BTreeMap<SegmentId, Vec<Use>> = BTreeMap::new();
    for form in store::forms(db).await? {
        let Some(campaigns) = planned.get(&form.rule) else {
            continue;
        };
        let of_segment = uses.entry(form.segment).or_default();
        for (campaign, status) in campaigns {
            if of_segment.iter().all(|known| known.campaign != *campaign) {
                of_segment.push(Use {
                    campaign: campaign.clone(),
                    status: status.clone(),
                    is_current: form.is_current,
                });
            }
        }
    }
    for of_segment in uses.values_mut() {
        of_segment.sort();
    }
    Ok(uses)
}

/// The names of campaigns, the latest changed first, to be suggested where one is asked for.
///
/// # Errors
/// When the database is away.
pub async fn campaigns(db: &Db, limit: usize) -> Result<Vec<String>, DbErr> {
    store::campaigns(db, limit).await
}

/// The name as it is kept.
fn checked<'d>(draft: Draft<'d>) -> Result<&'d str, LibraryError> {
    let name = draft.name.trim();
    if name.is_empty() || fold(name).is_empty() {
        return Err(LibraryError::NoName);
    }
    if name.chars().count() > MAX_NAME {
        return Err(LibraryError::LongName);
    }
    if name.chars().any(char::is_control) {
        return Err(LibraryError::OddName);
    }
    if draft.description.chars().count() > MAX_DESCRIPTION {
        return Err(LibraryError::LongDescription);
    }
    Ok(name)
}

fn taken(name: &str) -> LibraryError {
    LibraryError::Taken {
        name: name.to_owned(),
    }
}

fn unknown(name: &str) -> LibraryError {
    LibraryError::Unknown {
        name: name.to_owned(),
    }
}
