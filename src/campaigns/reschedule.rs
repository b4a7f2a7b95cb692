//! Another time for a campaign that waits for its own.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use super::model::Status;
use super::plan::{PlanError, ensure_not_drafted};
use super::{schedule, store};
use crate::accounts::audit;
use crate::ids::CampaignId;
use crate::storage::Db;

/// Where a campaign is moved to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveTo {
    /// Another day, at the same hour.
    Day(NaiveDate),
    /// A local date-time in the zone of its schedule.
    At(NaiveDateTime),
}

/// A campaign that was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    pub name: String,
    pub from: NaiveDateTime,
    pub to: NaiveDateTime,
}

/// Gives a scheduled campaign another date-time; all else of it stays, its templates too.
///
/// # Errors
/// When it is gone, is planned anew as a draft, does not wait for a date-time, or the new one lies behind us, after
/// its end or after the deadline of its offer.
pub async fn reschedule(
    db: &Db,
    id: CampaignId,
    to: MoveTo,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<Moved, PlanError> {
    let now_ms = now.timestamp_millis();
    let txn = db.begin().await?;
    let campaign = store::lock(&txn, id)
        .await?
        .ok_or_else(|| PlanError::NotFound {
            name: id.to_string(),
        })?;
    let name = campaign.definition.name.clone();
    if campaign.status != Status::Scheduled {
        return Err(PlanError::WrongStatus {
            name,
            status: campaign.status,
            verb: "moved",
        });
    }
    ensure_not_drafted(&txn, &name).await?;
    let mut definition = campaign.definition.clone();
    let Some((plan, from)) = definition
        .schedule
        .as_mut()
        .and_then(|plan| plan.at.map(|at| (plan, at)))
    else {
        return Err(PlanError::Schedule(format!(
            "{name} comes again and again, so that no single day of it is moved; change its schedule"
        )));
    };
    let to = match to {
        MoveTo::Day(day) => day.and_time(from.time()),
        MoveTo::At(at) => at,
    };
    plan.at = Some(to);
    let due = schedule::next(plan, now)
        .filter(|due| schedule::last_instant(plan, due.at) >= now)
        .ok_or_else(|| {
            PlanError::Schedule(format!(
                "{} lies behind us; give a time to come",
                spoken(to)
            ))
        })?;
    if definition.ends_at.is_some_and(|end| end <= to) {
        return Err(PlanError::Schedule(format!(
            "{name} ends before {}; move its end first",
            spoken(to)
        )));
    }
    definition
        .validate()
        .map_err(|(key, problem)| PlanError::Schedule(format!("{key}: {problem}")))?;
    let version = campaign.template_version;
    store::save(&txn, &definition, version, Status::Scheduled, now_ms).await?;
    if !store::schedule(&txn, id, Some(&due)).await? {
        return Err(PlanError::Schedule(format!(
            "{name} was launched for {} already; give another time",
            spoken(to)
        )));
    }
    let detail = format!("{} to {}", spoken(from), spoken(to));
    audit::note(&*txn, actor, "campaign.reschedule", &name, &detail, now_ms).await?;
    txn.commit().await?;
    Ok(Moved { name, from, to })
}

fn spoken(at: NaiveDateTime) -> String {
    at.format("%Y-%m-%d %H:%M").to_string()
}
