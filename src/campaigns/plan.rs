//! Apply, pause, resume, cancel: the life of a plan. Launch and delivery are the next room's.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::DbErr;

use super::definition::{Definition, Schedule};
use super::model::Status;
use super::schedule::{self, Due};
use super::store::{self, Campaign};
use crate::ids::{CampaignId, TemplateVersionId};
use crate::segments::{ParseError, Rule};
use crate::storage::{Db, Txn};
use crate::templates::{FieldFacts, Severity, Template, TemplateError};

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
    #[error("the template {name:?} cannot be sent; mend this first:\n  {errors}")]
    Unsendable { name: String, errors: String },
    #[error(
        "the template {name:?}, which a cell asks for, was not given; apply the definition with all its templates"
    )]
    NoTemplate { name: String },
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

/// Checks a definition against what it names and stores it, with its templates frozen: `templates` are those
/// that [`Definition::templates`] names, in any order.
///
/// # Errors
/// When the segment or a template is wrong or missing, the time lies behind, or the campaign runs.
pub async fn apply(
    db: &Db,
    definition: &Definition,
    templates: &[&Template],
    now: DateTime<Utc>,
) -> Result<(CampaignId, Applied), PlanError> {
    let txn = db.begin().await?;
    let applied = apply_within(&txn, definition, templates, now).await?;
    txn.commit().await?;
    Ok(applied)
}

/// As [`apply`], within a transaction that does more.
///
/// # Errors
/// As [`apply`]; the transaction is then of no more use.
pub async fn apply_within(
    txn: &Txn,
    definition: &Definition,
    templates: &[&Template],
    now: DateTime<Utc>,
) -> Result<(CampaignId, Applied), PlanError> {
    Rule::parse(&definition.segment)?;
    for template in templates {
        check_sendable(template)?;
    }
    let now_ms = now.timestamp_millis();
    let version = freeze(txn, templates, &definition.template, now_ms).await?;
    let mut cells = BTreeMap::new();
    for cell in &definition.cells {
        let name = cell.template.as_ref().unwrap_or(&definition.template);
        cells.insert(
            cell.name.clone(),
            freeze(txn, templates, name, now_ms).await?,
        );
    }
    let existing = match store::by_name(&**txn, &definition.name).await? {
        Some(found) => store::lock(txn, found.id).await?,
        None => None,
    };
    if let Some(existing) = &existing {
        if existing.definition == *definition
            && existing.template_version == version
            && store::cell_versions(&**txn, existing.id).await? == cells
        {
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
    let due = match &definition.schedule {
        Some(plan) => Some(first_due(txn, definition, plan, existing.as_ref(), now).await?),
        None => None,
    };
    let status = if due.is_some() {
        Status::Scheduled
    } else {
        Status::Ready
    };
    let id = store::save(txn, definition, version, status, now_ms).await?;
    store::set_cell_versions(txn, id, &cells).await?;
    store::schedule(txn, id, due.as_ref()).await?;
    Ok((
        id,
        if existing.is_some() {
            Applied::Updated
        } else {
            Applied::Created
        },
    ))
}

/// What a copywriter has to mend before anything can be sent.
fn check_sendable(template: &Template) -> Result<(), PlanError> {
    let errors: Vec<String> = template
        .lint(&FieldFacts::unknown())
        .into_iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.to_string())
        .collect();
    if errors.is_empty() {
        return Ok(());
    }
    Err(PlanError::Unsendable {
        name: template.name().to_owned(),
        errors: errors.join("\n  "),
    })
}

async fn freeze(
    txn: &Txn,
    templates: &[&Template],
    name: &str,
    now_ms: i64,
) -> Result<TemplateVersionId, PlanError> {
    let template = templates
        .iter()
        .find(|template| template.name() == name)
        .ok_or_else(|| PlanError::NoTemplate {
            name: name.to_owned(),
        })?;
    let (digest, source) = (template.digest(), template.source());
    Ok(store::freeze_template(txn, template.name(), digest, &source, now_ms).await?)
}

/// Whether the one time of a definition is over in every zone.
pub fn lies_behind(definition: &Definition, now: DateTime<Utc>) -> bool {
    let once = definition
        .schedule
        .as_ref()
        .filter(|plan| plan.at.is_some());
    once.is_some_and(|plan| {
        schedule::next(plan, now).is_some_and(|due| schedule::last_instant(plan, due.at) < now)
    })
}

/// The first occurrence that is to come: one that was launched already (early, by hand) does not count.
async fn first_due(
    txn: &Txn,
    definition: &Definition,
    plan: &Schedule,
    existing: Option<&Campaign>,
    now: DateTime<Utc>,
) -> Result<Due, PlanError> {
    let none = || {
        PlanError::Schedule(format!(
            "{:?} has no next occurrence",
            plan.every.as_deref().unwrap_or_default()
        ))
    };
    let mut due = schedule::next(plan, now).ok_or_else(none)?;
    if lies_behind(definition, now) {
        return Err(PlanError::Schedule(format!(
            "at = {} lies behind us; give a time to come, or leave [schedule] out and launch by hand",
            due.key
        )));
    }
    while let Some(existing) = existing
        && store::is_closed(&**txn, existing.id, &due.key).await?
    {
        if plan.at.is_some() {
            return Err(PlanError::Schedule(format!(
                "{} was launched for at = {} already; give another time or another name",
                definition.name, due.key
            )));
        }
        due = schedule::next(plan, due.at).ok_or_else(none)?;
    }
    Ok(due)
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

/// Goes on with a paused campaign: with its wave, with waiting for its due time, or, where the last wave
/// ended during the pause, not at all.
///
/// # Errors
/// When there is no such campaign or it is not paused.
pub async fn resume(db: &Db, name: &str, now_ms: i64) -> Result<Campaign, PlanError> {
    let id = find(db, name).await?.id;
    let txn = db.begin().await?;
    let mut campaign = lock(&txn, id, name).await?;
    if campaign.status != Status::Paused {
        return Err(PlanError::WrongStatus {
            name: name.to_owned(),
            status: campaign.status,
            verb: "resumed",
        });
    }
    campaign.status = if store::has_open_wave(&*txn, id).await? {
        Status::Running
    } else if store::next_due(&*txn, id).await?.is_some() {
        Status::Scheduled
    } else if store::has_wave(&*txn, id).await? {
        Status::Finished
    } else {
        Status::Ready
    };
    campaign.status_reason = None;
    store::set_status(&*txn, id, campaign.status, None, now_ms).await?;
    txn.commit().await?;
    Ok(campaign)
}

/// Stops a campaign for good. What was handed over stays on record; the caller withholds the rest. Doing
/// it again is harmless, so that a cancellation cut short can be repeated.
///
/// # Errors
/// When there is no such campaign or it has finished.
pub async fn cancel(db: &Db, name: &str, now_ms: i64) -> Result<Campaign, PlanError> {
    let campaign = change(db, name, "cancelled", now_ms, |campaign| {
        (campaign.status != Status::Finished).then_some((Status::Cancelled, None))
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
    let mut campaign = lock(&txn, id, name).await?;
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

async fn lock(txn: &Txn, id: CampaignId, name: &str) -> Result<Campaign, PlanError> {
    store::lock(txn, id)
        .await?
        .ok_or_else(|| PlanError::NotFound {
            name: name.to_owned(),
        })
}
