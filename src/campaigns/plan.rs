//! Apply, pause, resume, cancel: the life of a plan. Launch and delivery are the next room's.

use chrono::{DateTime, Utc};
use sea_orm::DbErr;

use super::definition::Definition;
use super::model::Status;
use super::store::{self, Campaign};
use crate::ids::CampaignId;
use crate::segments::{ParseError, Rule};
use crate::storage::Db;
use crate::templates::{Template, TemplateError};

/// Why a campaign could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("there is no campaign {name:?}; `visavis campaign list` shows what there is")]
    NotFound { name: String },
    #[error("campaign {name:?} is {status}: its definition can no longer be changed; {advice}")]
    NotEditable {
        name: String,
        status: Status,
        advice: &'static str,
    },
    #[error("campaign {name:?} is {status}: it cannot be {verb}")]
    WrongStatus {
        name: String,
        status: Status,
        verb: &'static str,
    },
    #[error("segment: {0}")]
    Segment(#[from] ParseError),
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error("schedule: {0}")]
    Schedule(String),
    #[error("the database failed: {0}")]
    Database(#[from] DbErr),
}

/// What `apply` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    Created,
    Updated,
    Unchanged,
}

/// Checks a definition against what it names and stores it, with its template frozen.
///
/// # Errors
/// When the segment or the template is wrong, the time lies behind, or the campaign runs.
pub async fn apply(
    db: &Db,
    definition: &Definition,
    template: &Template,
    now: DateTime<Utc>,
) -> Result<(CampaignId, Applied), PlanError> {
    Rule::parse(&definition.segment)?;
    let now_ms = now.timestamp_millis();
    let due = definition
        .schedule
        .as_ref()
        .map(|schedule| super::schedule::next(schedule, now).ok_or(schedule))
        .transpose()
        .map_err(|schedule| {
            PlanError::Schedule(format!(
                "{:?} has no next occurrence",
                schedule.every.as_deref().unwrap_or_default()
            ))
        })?;
    let txn = db.begin().await?;
    let version = store::freeze_template(
        &txn,
        template.name(),
        template.digest(),
        &template.source(),
        now_ms,
    )
    .await?;
    let existing = match store::by_name(&*txn, &definition.name).await? {
        Some(found) => store::lock(&txn, found.id).await?,
        None => None,
    };
    if let Some(existing) = &existing {
        if existing.definition == *definition && existing.template_version == version {
            txn.commit().await?;
            return Ok((existing.id, Applied::Unchanged));
        }
        if !existing.status.is_editable() {
            return Err(PlanError::NotEditable {
                name: definition.name.clone(),
                status: existing.status,
                advice: match existing.status {
                    Status::Cancelled => "give the new plan another name",
                    _ => "cancel it, or give the new plan another name",
                },
            });
        }
    }
    if let (Some(due), Some(schedule)) = (&due, &definition.schedule)
        && schedule.at.is_some()
        && latest(definition, due.at) < now
    {
        return Err(PlanError::Schedule(format!(
            "at = {} lies behind us; give a time to come, or leave [schedule] out and launch by hand",
            due.key
        )));
    }
    let status = if due.is_some() {
        Status::Scheduled
    } else {
        Status::Ready
    };
    let id = store::save(&txn, definition, version, status, now_ms).await?;
    store::schedule(&txn, id, due.as_ref()).await?;
    txn.commit().await?;
    Ok((
        id,
        if existing.is_some() {
            Applied::Updated
        } else {
            Applied::Created
        },
    ))
}

/// When the last recipient of an `at` is due: zones span 26 hours.
fn latest(definition: &Definition, first: DateTime<Utc>) -> DateTime<Utc> {
    match definition.schedule.as_ref().map(|schedule| schedule.zone) {
        Some(super::definition::Zone::Recipient) => first + chrono::Duration::hours(26),
        _ => first,
    }
}

/// Stops a running or scheduled campaign for a while: nothing more is handed over within a second.
///
/// # Errors
/// When there is no such campaign or it is not under way.
pub async fn pause(db: &Db, name: &str, reason: &str, now_ms: i64) -> Result<Campaign, PlanError> {
    change(db, name, "paused", now_ms, |campaign| {
        matches!(campaign.status, Status::Running | Status::Scheduled)
            .then(|| (Status::Paused, Some(reason.to_owned())))
    })
    .await
}

/// Goes on with a paused campaign.
///
/// # Errors
/// When there is no such campaign or it is not paused.
pub async fn resume(db: &Db, name: &str, now_ms: i64) -> Result<Campaign, PlanError> {
    let campaign = find(db, name).await?;
    let has_open_wave = store::has_open_wave(&**db, campaign.id).await?;
    let next = if has_open_wave {
        Status::Running
    } else if store::next_due(&**db, campaign.id).await?.is_some() {
        Status::Scheduled
    } else {
        Status::Ready
    };
    change(db, name, "resumed", now_ms, |campaign| {
        (campaign.status == Status::Paused).then_some((next, None))
    })
    .await
}

/// Stops a campaign for good. What was handed over stays on record; the caller withholds the rest.
///
/// # Errors
/// When there is no such campaign or it has ended.
pub async fn cancel(db: &Db, name: &str, now_ms: i64) -> Result<Campaign, PlanError> {
    let campaign = change(db, name, "cancelled", now_ms, |campaign| {
        (!matches!(campaign.status, Status::Finished | Status::Cancelled))
            .then_some((Status::Cancelled, None))
    })
    .await?;
    let txn = db.begin().await?;
    store::schedule(&txn, campaign.id, None).await?;
    txn.commit().await?;
    Ok(campaign)
}

/// The campaign of this name.
///
/// # Errors
/// When there is none.
pub async fn find(db: &Db, name: &str) -> Result<Campaign, PlanError> {
    store::by_name(&**db, name)
        .await?
        .ok_or_else(|| PlanError::NotFound {
            name: name.to_owned(),
        })
}

async fn change(
    db: &Db,
    name: &str,
    verb: &'static str,
    now_ms: i64,
    next: impl FnOnce(&Campaign) -> Option<(Status, Option<String>)>,
) -> Result<Campaign, PlanError> {
    let id = find(db, name).await?.id;
    let txn = db.begin().await?;
    let mut campaign = store::lock(&txn, id)
        .await?
        .ok_or_else(|| PlanError::NotFound {
            name: name.to_owned(),
        })?;
    let Some((status, reason)) = next(&campaign) else {
        return Err(PlanError::WrongStatus {
            name: name.to_owned(),
            status: campaign.status,
            verb,
        });
    };
    store::set_status(&*txn, id, status, reason.as_deref(), now_ms).await?;
    txn.commit().await?;
    campaign.status = status;
    campaign.status_reason = reason;
    Ok(campaign)
}
