//! Ask, approve, send back: the word of a second person.

use super::model::{Author, Draft, Review, Said, Seen, Standing, gaps};
use super::{DraftError, digest, edit, store};
use crate::accounts::audit;
use crate::storage::{Db, Txn};
use crate::templates::Template;

/// Asks for the approval of a draft as it is now.
///
/// # Errors
/// When it is incomplete, or somebody else changed it since `revision`.
pub async fn ask(
    db: &Db,
    name: &str,
    revision: i64,
    word: &str,
    author: &Author,
    now_ms: i64,
) -> Result<Draft, DraftError> {
    let (txn, mut draft) = open(db, name, revision).await?;
    let missing = gaps(&draft.definition);
    if !missing.is_empty() {
        return Err(DraftError::Incomplete(missing));
    }
    draft.standing = Standing::Asked;
    draft.review = Review {
        asked: Some(Said::by(author, word, now_ms)),
        ..Review::default()
    };
    close(txn, draft, author, "draft.ask", now_ms).await
}

/// Takes a request for approval, or an approval, back.
///
/// # Errors
/// When nothing was asked.
pub async fn withdraw(
    db: &Db,
    name: &str,
    revision: i64,
    author: &Author,
    now_ms: i64,
) -> Result<Draft, DraftError> {
    let (txn, mut draft) = open(db, name, revision).await?;
    if !matches!(draft.standing, Standing::Asked | Standing::Approved) {
        return Err(DraftError::NotAsked);
    }
    draft.standing = Standing::Open;
    draft.review = Review::default();
    close(txn, draft, author, "draft.withdraw", now_ms).await
}

/// Approves a draft with these templates, those that its definition names: as they are, who asked may launch it.
///
/// # Errors
/// When nobody asked, who asked approves himself, the role does not approve, or the draft or a template is not what
/// was `seen`.
pub async fn approve(
    db: &Db,
    name: &str,
    seen: Seen<'_>,
    templates: &[&Template],
    author: &Author,
    now_ms: i64,
) -> Result<Draft, DraftError> {
    let (txn, mut draft) = open(db, name, seen.revision).await?;
    let digest = digest(&draft.definition, templates)?;
    draft.answered_by(author)?;
    seen.ensure(&draft, &digest)?;
    draft.standing = Standing::Approved;
    draft.review.approved = Some(Said::by(author, "", now_ms));
    draft.review.digest = Some(digest);
    close(txn, draft, author, "draft.approve", now_ms).await
}

/// Gives a draft back to who asked, with a word.
///
/// # Errors
/// When nobody asked, who asked answers himself, the role does not approve, or the draft was changed since `revision`.
pub async fn send_back(
    db: &Db,
    name: &str,
    revision: i64,
    word: &str,
    author: &Author,
    now_ms: i64,
) -> Result<Draft, DraftError> {
    let (txn, mut draft) = open(db, name, revision).await?;
    draft.answered_by(author)?;
    draft.standing = Standing::SentBack;
    draft.review.sent_back = Some(Said::by(author, word, now_ms));
    close(txn, draft, author, "draft.send_back", now_ms).await
}

async fn open(db: &Db, name: &str, revision: i64) -> Result<(Txn, Draft), DraftError> {
    let txn = db.begin().await?;
    let draft = edit::lock(&txn, name).await?;
    if draft.revision != revision {
        return Err(DraftError::Stale);
    }
    Ok((txn, draft))
}

async fn close(
    txn: Txn,
    mut draft: Draft,
    author: &Author,
    action: &str,
    now_ms: i64,
) -> Result<Draft, DraftError> {
    store::update(&txn, &draft).await?;
    audit::note(&*txn, &author.actor, action, &draft.name, "", now_ms).await?;
    txn.commit().await?;
    draft.revision += 1;
    Ok(draft)
}
