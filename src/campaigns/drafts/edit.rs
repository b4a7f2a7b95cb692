//! Begin, save, duplicate, delete: a draft in the hands of who plans it.

use super::model::{Author, Draft, Review, Standing, Step, blank, gaps, is_name};
use super::{DraftError, store};
use crate::accounts::audit;
use crate::campaigns::definition::Definition;
use crate::campaigns::store as campaign_store;
use crate::storage::{Db, Txn};

/// Begins a draft of this name, of which nothing is chosen yet but what seldom changes: the sender and the topic
/// of the latest campaign.
///
/// # Errors
/// When the name is taken or cannot be one.
pub async fn begin(db: &Db, name: &str, author: &Author, now_ms: i64) -> Result<Draft, DraftError> {
    let mut definition = blank(name);
    let latest = campaign_store::Search {
        limit: 1,
        ..campaign_store::Search::default()
    };
    if let Some(latest) = campaign_store::search(&**db, &latest).await?.pop() {
        definition.sender = latest.definition.sender;
        // What is about text messages stands in no plan that sends none.
        definition.sender.sms = None;
        definition.topic = latest.definition.topic;
    }
    create(db, definition, author, "draft.begin", "", now_ms).await
}

/// Begins a draft from a whole definition, as the API gives it.
///
/// # Errors
/// When the name is taken or cannot be one.
pub async fn begin_with(
    db: &Db,
    definition: Definition,
    author: &Author,
    now_ms: i64,
) -> Result<Draft, DraftError> {
    create(db, definition, author, "draft.begin", "", now_ms).await
}

/// Begins a draft that is like another draft, or like a campaign. A time that may have passed is not taken over.
///
/// # Errors
/// When there is nothing of this name, or the new name is taken or cannot be one.
pub async fn duplicate(
    db: &Db,
    from: &str,
    name: &str,
    author: &Author,
    now_ms: i64,
) -> Result<Draft, DraftError> {
    let mut definition = match store::by_name(&**db, from).await? {
        Some(draft) => draft.definition,
        None => campaign_store::by_name(&**db, from)
            .await?
            .map(|campaign| campaign.definition)
            .ok_or_else(|| DraftError::NoCampaign {
                name: from.to_owned(),
            })?,
    };
    name.clone_into(&mut definition.name);
    definition.schedule = definition.schedule.filter(|plan| plan.at.is_none());
    definition.ends_at = None;
    create(db, definition, author, "draft.duplicate", from, now_ms).await
}

/// Opens a campaign that is not under way for a change: the draft bears its name, and its launch replaces it.
///
/// # Errors
/// When there is no such campaign, or it runs, is paused or was cancelled.
pub async fn reopen(
    db: &Db,
    name: &str,
    author: &Author,
    now_ms: i64,
) -> Result<Draft, DraftError> {
    let none = || DraftError::NoCampaign {
        name: name.to_owned(),
    };
    let txn = db.begin().await?;
    let id = campaign_store::by_name(&*txn, name)
        .await?
        .ok_or_else(none)?
        .id;
    let campaign = campaign_store::lock(&txn, id).await?.ok_or_else(none)?;
    if !campaign.status.is_editable() {
        return Err(DraftError::NotEditable {
            name: name.to_owned(),
            status: campaign.status,
        });
    }
    if store::insert(&txn, &campaign.definition, Step::Review, author, now_ms).await? {
        audit::note(&*txn, &author.actor, "draft.reopen", name, "", now_ms).await?;
    }
    finish(txn, name).await
}

async fn create(
    db: &Db,
    definition: Definition,
    author: &Author,
    action: &str,
    detail: &str,
    now_ms: i64,
) -> Result<Draft, DraftError> {
    let name = definition.name.clone();
    if !is_name(&name) {
        return Err(DraftError::Name { name });
    }
    let txn = db.begin().await?;
    // What begins whole has nothing left to be chosen.
    let step = match gaps(&definition).is_empty() {
        true => Step::Review,
        false => Step::Audience,
    };
    if campaign_store::by_name(&*txn, &name).await?.is_some()
        || !store::insert(&txn, &definition, step, author, now_ms).await?
    {
        return Err(DraftError::Taken { name });
    }
    audit::note(&*txn, &author.actor, action, &name, detail, now_ms).await?;
    finish(txn, &name).await
}

/// Ends the transaction and reads what it wrote.
async fn finish(txn: Txn, name: &str) -> Result<Draft, DraftError> {
    let draft = store::by_name(&*txn, name)
        .await?
        .ok_or_else(|| DraftError::NotFound {
            name: name.to_owned(),
        })?;
    txn.commit().await?;
    Ok(draft)
}

/// Keeps a change, with how far the planning has come. A change voids what was asked and approved; saving
/// what is there already changes nothing.
///
/// # Errors
/// When there is no such draft, or somebody else changed it since `revision`.
pub async fn save(
    db: &Db,
    name: &str,
    revision: i64,
    mut definition: Definition,
    step: Step,
    author: &Author,
    now_ms: i64,
) -> Result<Draft, DraftError> {
    name.clone_into(&mut definition.name);
    let txn = db.begin().await?;
    let mut draft = lock(&txn, name).await?;
    let is_same = draft.definition == definition;
    // Who sends the same form twice has done nothing to anybody.
    if is_same && draft.step >= step {
        txn.commit().await?;
        return Ok(draft);
    }
    if draft.revision != revision {
        return Err(DraftError::Stale);
    }
    draft.step = draft.step.max(step);
    if !is_same {
        draft.definition = definition;
        draft.changed_at = now_ms;
        draft.standing = Standing::Open;
        draft.review = Review::default();
        audit::note(
            &*txn,
            &author.actor,
            "draft.save",
            name,
            step.as_str(),
            now_ms,
        )
        .await?;
    }
    store::update(&txn, &draft).await?;
    finish(txn, name).await
}

/// Takes a draft away.
///
/// # Errors
/// When there is none.
pub async fn delete(db: &Db, name: &str, author: &Author, now_ms: i64) -> Result<(), DraftError> {
    let txn = db.begin().await?;
    let draft = lock(&txn, name).await?;
    store::delete(&txn, draft.id).await?;
    audit::note(&*txn, &author.actor, "draft.delete", name, "", now_ms).await?;
    txn.commit().await?;
    Ok(())
}

/// The draft of this name.
///
/// # Errors
/// When there is none.
pub async fn find(db: &Db, name: &str) -> Result<Draft, DraftError> {
    store::by_name(&**db, name)
        .await?
        .ok_or_else(|| DraftError::NotFound {
            name: name.to_owned(),
        })
}

pub(super) async fn lock(txn: &Txn, name: &str) -> Result<Draft, DraftError> {
    store::lock(txn, name)
        .await?
        .ok_or_else(|| DraftError::NotFound {
            name: name.to_owned(),
        })
}
