//! Start: a draft becomes a campaign, and is launched at once or waits for its time.
//!
//! One transaction: whoever starts the same draft twice, at once or later, finds it started.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sea_orm::DbErr;

use super::launch::{self, LaunchError, LaunchOptions, Launched, Occurrence, launch_within};
use crate::accounts::{audit, authority};
use crate::campaigns::drafts::{Author, DraftError, Seen, digest, gaps, store as drafts};
use crate::campaigns::model::Status;
use crate::campaigns::plan::{Applied, PlanError, apply_within};
use crate::campaigns::{check, store as campaign_store};
use crate::ids::CampaignId;
use crate::statistics::Sentence;
use crate::storage::{Db, Txn};
use crate::templates::Template;

/// Why a draft could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Draft(#[from] DraftError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The settings or the rules forbid it.
    #[error("{0}")]
    Refused(Sentence),
    #[error("nothing is changed since it was launched, so there is nothing to launch again")]
    NothingNew,
    #[error("the database failed: {0}")]
    Database(#[from] DbErr),
}

/// What became of a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    pub campaign: CampaignId,
    /// It had been started before: nothing was done.
    pub was_already: bool,
    /// What the launch wrote; `None`: it waits for its time.
    pub launched: Option<Launched>,
}

/// Starts the draft of this name as `author` has `seen` it, with the templates its definition names.
///
/// # Errors
/// When it is incomplete, changed since, needs another person's approval (of one who may still give it), or the plan
/// is refused; then nothing was done.
pub async fn start(
    db: &Db,
    (name, seen): (&str, Seen<'_>),
    templates: &[&Template],
    author: &Author,
    options: &LaunchOptions,
    now: DateTime<Utc>,
) -> Result<Started, StartError> {
    let txn = db.begin().await?;
    let Some(draft) = drafts::lock(&txn, name).await? else {
        let campaign = campaign_store::by_name(&*txn, name).await?;
        return match campaign {
            Some(campaign) => Ok(Started {
                campaign: campaign.id,
                was_already: true,
                launched: None,
            }),
            None => Err(DraftError::NotFound {
                name: name.to_owned(),
            }
            .into()),
        };
    };
    if draft.revision != seen.revision {
        return Err(DraftError::Stale.into());
    }
    let definition = &draft.definition;
    let missing = gaps(definition);
    if !missing.is_empty() {
        return Err(DraftError::Incomplete(missing).into());
    }
    let digest = digest(definition, templates)?;
    draft.launched_by(author, &digest)?;
    seen.ensure(&draft, &digest)?;
    if let Some(approved) = draft.needed_approval(author) {
        let (tokens, now_ms) = (&options.settings.api, now.timestamp_millis());
        if !authority::may_launch(&*txn, tokens, &approved.by, now_ms).await? {
            let name = approved.name.clone();
            return Err(DraftError::ApproverGone { name }.into());
        }
    }
    let refusals = check::offer_refusal(definition, &options.rules)
        .or_else(|| check::sender_refusal(definition, &options.settings, &BTreeSet::new()))
        .or_else(|| {
            let routes = check::routes_of(definition, &options.settings);
            routes.err().map(Sentence::from)
        })
        .or_else(|| {
            check::offer::unmet_by_cells(definition, templates)
                .into_iter()
                .next()
        });
    if let Some(refusal) = refusals {
        return Err(StartError::Refused(refusal));
    }
    let (campaign, applied) = apply_within(&txn, definition, templates, now).await?;
    if applied == Applied::Unchanged && !still_waits(&txn, campaign).await? {
        return Err(StartError::NothingNew);
    }
    let launched = match definition.schedule {
        Some(_) => None,
        None => {
            let by_hand = Occurrence::ByHand;
            Some(launch_within(&txn, campaign, by_hand, options, now).await?)
        }
    };
    if launched
        .as_ref()
        .is_some_and(|launched| launched.was_already)
    {
        return Err(StartError::NothingNew);
    }
    drafts::delete(&txn, draft.id).await?;
    let actor = &author.actor;
    match &launched {
        Some(launched) => launch::note(&txn, name, launched, actor, now).await?,
        None => {
            let now_ms = now.timestamp_millis();
            audit::note(&*txn, actor, "campaign.schedule", name, "", now_ms).await?;
        }
    }
    txn.commit().await?;
    tracing::info!(%campaign, is_launched = launched.is_some(), "a draft was started");
    Ok(Started {
        campaign,
        was_already: false,
        launched,
    })
}

/// Whether a campaign has its launch before it: by hand, or at its time.
async fn still_waits(txn: &Txn, campaign: CampaignId) -> Result<bool, DbErr> {
    let campaign = campaign_store::lock(txn, campaign).await?;
    Ok(campaign.is_some_and(|one| matches!(one.status, Status::Ready | Status::Scheduled)))
}
