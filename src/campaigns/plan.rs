//! Apply, pause, resume, cancel: the life of a plan. Launch and delivery are the next room's.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::DbErr;

use super::definition::{Definition, Schedule};
use super::drafts::store as drafts;
use super::model::Status;
use super::schedule::{self, Due};
use super::store::{self, Campaign};
use crate::accounts::audit;
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
    #[error(
        "{name:?} is being planned as a draft, so only its launch changes or sends the campaign; launch the draft or delete it"
    )]
    Drafted { name: String },
    #[error(
        "somebody else changed campaign {name:?} since it was read; look at the change and do yours again"
    )]
    Stale { name: String },
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
/// that [`Definition::templates`] names, in any order. `seen` is the revision it replaces; `None`: any.
///
/// A campaign that is being planned as a draft is changed by the launch of the draft alone, so that nobody passes by
/// the approval it waits for.
///
/// # Errors
/// When the segment or a template is wrong or missing, the time lies behind, the campaign runs, has a draft, or is no
/// more at the revision `seen`.
pub async fn apply(
    db: &Db,
    definition: &Definition,
    templates: &[&Template],
    seen: Option<i64>,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<(CampaignId, Applied), PlanError> {
    let name = &definition.name;
    let txn = db.begin().await?;
    let known = match store::by_name(&*txn, name).await? {
        Some(found) => store::lock(&txn, found.id).await?,
        None => None,
    };
    if seen.is_some_and(|seen| known.is_none_or(|known| known.revision != seen)) {
        return Err(PlanError::Stale { name: name.clone() });
    }
    ensure_not_drafted(&txn, name).await?;
    let (id, applied) = apply_within(&txn, definition, templates, now).await?;
    if applied != Applied::Unchanged {
        let now_ms = now.timestamp_millis();
        audit::note(&*txn, actor, "campaign.save", name, "", now_ms).await?;
    }
    txn.commit().await?;
    Ok((id, applied))
}

/// Refuses what would pass by a draft of this name; the campaign is locked, so that none is begun meanwhile.
///
/// # Errors
/// When there is one.
pub async fn ensure_not_drafted(txn: &Txn, name: &str) -> Result<(), PlanError> {
    match drafts::by_name(&**txn, name).await? {
        Some(_) => Err(PlanError::Drafted {
            name: name.to_owned(),
        }),
        None => Ok(()),
    }
}

/// As [`apply`], within a transaction that does more and has looked at the draft.
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
pub async fn pause(
    db: &Db,
    name: &str,
    reason: &str,
    actor: &str,
    now_ms: i64,
) -> Result<Campaign, PlanError> {
    let (txn, mut campaign) = open(db, name).await?;
    if !matches!(campaign.status, Status::Running | Status::Scheduled) {
        return Err(wrong_status(&campaign, "paused"));
    }
    campaign.status = Status::Paused;
    campaign.status_reason = Some(reason.to_owned());
    store::set_status(&*txn, campaign.id, campaign.status, Some(reason), now_ms).await?;
    audit::note(&*txn, actor, "campaign.pause", name, reason, now_ms).await?;
    txn.commit().await?;
    Ok(campaign)
}

/// Goes on with a paused campaign: with its wave, with waiting for its due time, or, where the last wave
/// ended during the pause, not at all.
///
/// # Errors
/// When there is no such campaign or it is not paused.
pub async fn resume(db: &Db, name: &str, actor: &str, now_ms: i64) -> Result<Campaign, PlanError> {
    let (txn, mut campaign) = open(db, name).await?;
    let id = campaign.id;
    if campaign.status != Status::Paused {
        return Err(wrong_status(&campaign, "resumed"));
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
    audit::note(&*txn, actor, "campaign.resume", name, "", now_ms).await?;
    txn.commit().await?;
    Ok(campaign)
}

/// Stops a campaign for good. What was handed over stays on record; the caller withholds the rest. Doing
/// it again is harmless, so that a cancellation cut short can be repeated.
///
/// # Errors
/// When there is no such campaign or it has finished.
pub async fn cancel(db: &Db, name: &str, actor: &str, now_ms: i64) -> Result<Campaign, PlanError> {
    let (txn, mut campaign) = open(db, name).await?;
    if campaign.status == Status::Finished {
        return Err(wrong_status(&campaign, "cancelled"));
    }
    if campaign.status != Status::Cancelled {
        audit::note(&*txn, actor, "campaign.cancel", name, "", now_ms).await?;
    }
    campaign.status = Status::Cancelled;
    campaign.status_reason = None;
    store::set_status(&*txn, campaign.id, campaign.status, None, now_ms).await?;
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

/// Begins a change of the campaign of this name.
async fn open(db: &Db, name: &str) -> Result<(Txn, Campaign), PlanError> {
    let id = find(db, name).await?.id;
    let txn = db.begin().await?;
    let campaign = store::lock(&txn, id)
        .await?
        .ok_or_else(|| PlanError::NotFound {
            name: name.to_owned(),
        })?;
    Ok((txn, campaign))
}

fn wrong_status(campaign: &Campaign, verb: &'static str) -> PlanError {
    PlanError::WrongStatus {
        name: campaign.definition.name.clone(),
        status: campaign.status,
        verb,
    }
}
