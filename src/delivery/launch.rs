//! Launch: one transaction freezes the plan and writes the whole audience into the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::DbErr;
use serde_json::json;

use super::store::cells::CellTotals;
use super::{decide, store};
use crate::accounts::audit;
use crate::campaigns::audience::{Audience, DueBy};
use crate::campaigns::cells::ALL;
use crate::campaigns::definition::{Definition, Schedule};
use crate::campaigns::model::Status;
use crate::campaigns::plan::{PlanError, ensure_not_drafted};
use crate::campaigns::split::Split;
use crate::campaigns::{check, forecast, schedule, store as campaign_store};
use crate::clock::from_ms;
use crate::config::Settings;
use crate::events::{self, model::EventKind};
use crate::gate::model::Withheld;
use crate::gate::rules::Rules;
use crate::gate::store as gate_store;
use crate::ids::{CampaignId, TemplateVersionId, WaveId};
use crate::segments::{ParseError, Rule};
use crate::statistics::Sentence;
use crate::storage::{Db, Txn};
use crate::templates::Template;

const HOUR_MS: i64 = 3_600_000;

/// Why a wave could not be launched.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    #[error("there is no such campaign any more")]
    Gone,
    #[error("campaign {name:?} is {status}: {advice}")]
    WrongStatus {
        name: String,
        status: Status,
        advice: &'static str,
    },
    #[error(transparent)]
    Drafted(PlanError),
    #[error("segment: {0}")]
    Segment(#[from] ParseError),
    #[error("{0}; change the definition and apply it again")]
    Offer(Sentence),
    /// Coupons are missing, or the texts promise what the offer does not hold; says what to do.
    #[error("{0}")]
    Coupons(Sentence),
    #[error("{0}; name one of these, or none, and apply the definition again")]
    Relay(String),
    #[error("the occurrence {due_key} is not due any more; its schedule was changed")]
    NotDue { due_key: String },
    #[error("the database failed: {0}; `visavis campaign status` shows whether it was launched")]
    Database(#[from] DbErr),
}

/// What a launch wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launched {
    pub wave: WaveId,
    /// The same occurrence had been launched before: nothing was done.
    pub was_already: bool,
    pub deliveries: u64,
    pub withheld: BTreeMap<Withheld, u64>,
}

/// Which occurrence is launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occurrence<'a> {
    /// The one with this key, because it is due.
    Due(&'a str),
    /// By hand: the next due one if there is one, else the only one of this revision.
    ByHand,
}

/// How a wave is launched.
#[derive(Debug, Clone)]
pub struct LaunchOptions {
    /// Recipients a lease covers.
    pub chunk: u32,
    /// The responses to this wave will be played, not real; shown wherever they are.
    pub is_simulated: bool,
    /// Who may be contacted, when and how often.
    pub rules: Arc<Rules>,
    /// For the relay it goes through.
    pub settings: Arc<Settings>,
}

/// Launches an occurrence of a campaign; doing it twice is harmless. By hand a campaign is not launched while it is
/// planned anew as a draft; what is due is the plan in force.
///
/// # Errors
/// When the campaign's status or a draft forbids it or the database fails; then nothing was written.
pub async fn launch(
    db: &Db,
    id: CampaignId,
    occurrence: Occurrence<'_>,
    options: LaunchOptions,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<Launched, LaunchError> {
    let txn = db.begin().await?;
    let name = campaign_store::lock(&txn, id)
        .await?
        .ok_or(LaunchError::Gone)?
        .definition
        .name;
    if occurrence == Occurrence::ByHand {
        ensure_not_drafted(&txn, &name)
            .await
            .map_err(|error| match error {
                PlanError::Database(error) => LaunchError::Database(error),
                error => LaunchError::Drafted(error),
            })?;
    }
    let launched = launch_within(&txn, id, occurrence, &options, now).await?;
    if !launched.was_already {
        note(&txn, &name, &launched, actor, now).await?;
    }
    txn.commit().await?;
    if !launched.was_already {
        let (wave, deliveries) = (launched.wave, launched.deliveries);
        tracing::info!(%id, %wave, deliveries, "wave launched");
    }
    Ok(launched)
}

/// Notes in the audit log who launched a wave.
pub(super) async fn note(
    txn: &Txn,
    name: &str,
    launched: &Launched,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let detail = format!("{} messages", launched.deliveries);
    let now_ms = now.timestamp_millis();
    audit::note(&**txn, actor, "campaign.launch", name, &detail, now_ms).await
}

/// As [`launch`], within a transaction that does more.
///
/// # Errors
/// As [`launch`]; the transaction is then of no more use.
pub async fn launch_within(
    txn: &Txn,
    id: CampaignId,
    occurrence: Occurrence<'_>,
    options: &LaunchOptions,
    now: DateTime<Utc>,
) -> Result<Launched, LaunchError> {
    let now_ms = now.timestamp_millis();
    let campaign = campaign_store::lock(txn, id)
        .await?
        .ok_or(LaunchError::Gone)?;
    let definition = &campaign.definition;
    let (due_key, due_at) = match occurrence {
        Occurrence::Due(key) => {
            let due_at = campaign_store::waiting_due(&**txn, id, key).await?;
            (key.to_owned(), due_at)
        }
        Occurrence::ByHand => campaign_store::next_due(&**txn, id).await?.map_or_else(
            || (format!("by-hand-{}", campaign.revision), None),
            |(key, at)| (key, Some(at)),
        ),
    };
    if let Some(wave) = store::wave_of(&**txn, id, &due_key).await? {
        return Ok(Launched {
            wave,
            was_already: true,
            deliveries: 0,
            withheld: BTreeMap::new(),
        });
    }
    // Rescheduled since it was found due: its new time will come.
    if matches!(occurrence, Occurrence::Due(_)) && due_at.is_none_or(|at| at > now_ms) {
        return Err(LaunchError::NotDue { due_key });
    }
    let advice = match campaign.status {
        Status::Ready | Status::Scheduled => None,
        // The next occurrence of a recurring campaign may come while the last one is under way.
        Status::Running if matches!(occurrence, Occurrence::Due(_)) => None,
        Status::Running => Some("it is under way; `visavis campaign status` shows how far"),
        Status::Paused => Some("resume it first"),
        Status::Finished => {
            Some("apply a changed definition, or give it another name, to send again")
        }
        Status::Cancelled => Some("apply it under another name"),
    };
    if let Some(advice) = advice {
        return Err(LaunchError::WrongStatus {
            name: definition.name.clone(),
            status: campaign.status,
            advice,
        });
    }

    let rule = Rule::parse(&definition.segment)?;
    if let Some(refusal) = check::offer_refusal(definition, &options.rules) {
        return Err(LaunchError::Offer(refusal));
    }
    let routes = check::routes_of(definition, &options.settings).map_err(LaunchError::Relay)?;
    let requests = check::requests_by(definition, &routes);
    let request = definition.request(definition.channel);
    let places = gate_store::places(&**txn, request.fallback_zone).await?;
    let rivals = campaign_store::rivals(&**txn, request.priority, None).await?;
    let standing = match definition.global_control {
        true => campaign_store::begin_standing_control(txn, &options.rules, now).await?,
        false => None,
    };
    let split = split_of(txn, id, definition).await?;
    let audience = Audience {
        rule: &rule,
        rules: &options.rules,
        requests: &requests,
        rivals: &rivals,
        places: &places,
        control_percent: definition.control_percent,
        standing: standing.as_ref(),
        split: &split,
        salt: campaign.salt,
        now,
        due: DueBy::of(definition, now),
    };
    let wave = store::insert_wave(
        txn,
        &campaign,
        &due_key,
        &routes,
        options.is_simulated,
        now_ms,
    )
    .await?;
    let written = store::insert_audience(txn, wave, &audience).await?;
    // As `check` says: whoever is in the audience decides which rules hold.
    let countries = store::text_countries(txn, wave).await?;
    if let Some(refusal) = check::sender_refusal(definition, &options.settings, &countries) {
        return Err(LaunchError::Offer(refusal));
    }
    store::insert_counters(txn, wave, &written).await?;
    forecast::at_launch(txn, id, wave, definition, options.is_simulated, now_ms).await?;
    store::insert_leases(txn, wave, &written, &routes, options.chunk).await?;
    let versions = campaign_store::cell_versions(&**txn, id).await?;
    let own_version = campaign.template_version;
    store::cells::insert_cells(txn, wave, &split, &versions, own_version, &written).await?;
    if let Some(test) = definition.test.as_ref().filter(|_| split.has_rest()) {
        let wait_ms = i64::from(test.wait_hours) * HOUR_MS;
        let last_due = written.last_due_of_test().unwrap_or(now_ms).max(now_ms);
        store::cells::decide_at(txn, wave, Some(last_due.saturating_add(wait_ms))).await?;
    }
    if let Some(refusal) = broken_promise(txn, definition, &versions, own_version).await? {
        return Err(LaunchError::Coupons(refusal));
    }
    store::coupons::give_coupons(txn, wave, definition, written.deliveries)
        .await?
        .map_err(LaunchError::Coupons)?;
    campaign_store::close_due(txn, id, &due_key, "launched").await?;
    if let Some(every @ Schedule { every: Some(_), .. }) = &definition.schedule {
        // After the one just launched, also where that was launched before its time.
        let after = due_at.map_or(now, |at| now.max(from_ms(at)));
        let next = schedule::next(every, after);
        campaign_store::schedule(txn, id, next.as_ref()).await?;
    }
    campaign_store::set_status(&**txn, id, Status::Running, None, now_ms).await?;
    let deliveries = written.deliveries;
    let content = json!({
        "campaign": { "id": id, "name": definition.name },
        "wave": wave,
        "deliveries": deliveries,
        "withheld": written.withheld,
        "is_simulated": options.is_simulated,
    });
    events::record(&**txn, EventKind::CampaignLaunched, &content, now_ms).await?;
    store::finish_if_done(txn, wave, now_ms).await?;
    Ok(Launched {
        wave,
        was_already: false,
        deliveries: written.deliveries,
        withheld: written.withheld,
    })
}

/// What a template says of an offer that is not there.
async fn broken_promise(
    txn: &Txn,
    definition: &Definition,
    versions: &BTreeMap<String, TemplateVersionId>,
    own_version: TemplateVersionId,
) -> Result<Option<Sentence>, DbErr> {
    let mut cells: Vec<&str> = definition
        .cells
        .iter()
        .map(|cell| cell.name.as_str())
        .collect();
    if cells.is_empty() {
        cells.push(ALL);
    }
    for cell in cells {
        let version = versions.get(cell).copied().unwrap_or(own_version);
        let source = campaign_store::template_source(&**txn, version).await?;
        // Most speak of none, and are not worth reading.
        if !source.contains("coupon") && !source.contains("offer.") {
            continue;
        }
        if let Ok(template) = Template::from_source(&source)
            && let Some(refusal) = check::offer::unmet(definition.offer_of(cell), &template).pop()
        {
            return Ok(Some(refusal));
        }
    }
    Ok(None)
}

/// How the people are shared out among the cells: as planned, or by what the waves before have taught.
async fn split_of(txn: &Txn, id: CampaignId, definition: &Definition) -> Result<Split, DbErr> {
    let Some(test) = definition.test.as_ref().filter(|test| test.thompson) else {
        return Ok(Split::of(definition));
    };
    let names: Vec<String> = definition
        .cells
        .iter()
        .map(|cell| cell.name.clone())
        .collect();
    let mut sums = vec![CellTotals::default(); names.len()];
    for wave in store::cells::waves_with_cells(&**txn, id).await? {
        let totals = store::cells::totals(&**txn, wave, &names).await?;
        for (sum, one) in sums.iter_mut().zip(totals) {
            *sum += one;
        }
    }
    if sums.iter().all(|sum| sum.delivered == 0) {
        return Ok(Split::of(definition));
    }
    let shares = decide::shares(test.by, &sums);
    Ok(Split::with_weights(definition, shares.into_iter()))
}

/// Passes over an occurrence that came too late, and plans the next one.
///
/// # Errors
/// When the database is away.
pub async fn pass_over(
    db: &Db,
    id: CampaignId,
    due_key: &str,
    now: DateTime<Utc>,
) -> Result<(), LaunchError> {
    let txn = db.begin().await?;
    let campaign = campaign_store::lock(&txn, id)
        .await?
        .ok_or(LaunchError::Gone)?;
    if campaign_store::waiting_due(&*txn, id, due_key)
        .await?
        .is_none()
    {
        return Err(LaunchError::NotDue {
            due_key: due_key.to_owned(),
        });
    }
    campaign_store::close_due(&txn, id, due_key, "missed").await?;
    let next = campaign
        .definition
        .schedule
        .as_ref()
        .filter(|schedule| schedule.every.is_some())
        .and_then(|every| schedule::next(every, now));
    match &next {
        Some(due) => {
            campaign_store::schedule(&txn, id, Some(due)).await?;
        }
        None if campaign.status == Status::Scheduled => {
            let reason = format!("the time {due_key} passed while nothing ran");
            let now_ms = now.timestamp_millis();
            campaign_store::set_status(&*txn, id, Status::Finished, Some(&reason), now_ms).await?;
        }
        None => {}
    }
    txn.commit().await?;
    tracing::warn!(%id, "a due time was missed and passed over");
    Ok(())
}
