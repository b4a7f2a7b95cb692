//! Drafts: a campaign while it is being planned, step by step, and the second person's word on it.
//!
//! Promise: a draft may be incomplete, and says what is missing; who saves over somebody else's change is
//! told; an approval is of one definition with its templates as they were, and any change voids it; who
//! asked for an approval does not give it; while a campaign is planned as a draft, nothing else changes it or launches
//! it by hand.

pub mod approval;
pub mod edit;
pub mod model;
pub mod store;

use std::path::Path;

use data_encoding::HEXLOWER;
use ring::digest::{Context, SHA256};
use sea_orm::DbErr;

use super::definition::Definition;
use crate::storage::Db;
use crate::templates::Template;
use crate::templates::library::{self, LibraryError};

pub use model::{Author, Draft, Gap, Review, Said, Standing, Step, gaps};

/// Why something cannot be done with a draft.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    #[error("there is no draft {name:?}; it was launched or deleted, or never begun")]
    NotFound { name: String },
    #[error("there is no campaign {name:?} to begin from")]
    NoCampaign { name: String },
    #[error("{name:?} is taken by another campaign; take another name")]
    Taken { name: String },
    #[error("{name:?} is no name for a campaign; take 1 to 60 lower-case letters, digits, - or _")]
    Name { name: String },
    #[error("somebody else changed it since you opened it; look at the change and do yours again")]
    Stale,
    #[error("it is not complete: {}", told(.0))]
    Incomplete(Vec<Gap>),
    #[error("nobody asked for an approval, or it was answered already")]
    NotAsked,
    #[error("you asked for this approval, so another person gives it")]
    OwnRequest,
    #[error("your role approves nothing; an approver or an administrator does")]
    MayNotApprove,
    #[error("your role needs the approval of a second person; ask for it")]
    NeedsApproval,
    #[error("it was changed after the approval, so that it no longer holds; ask again")]
    ChangedSince,
    #[error("campaign {name:?} is {status}, and a running plan is not changed; duplicate it")]
    NotEditable {
        name: String,
        status: super::model::Status,
    },
    #[error("the database failed: {0}")]
    Database(#[from] DbErr),
}

fn told(gaps: &[Gap]) -> String {
    let told: Vec<String> = gaps
        .iter()
        .map(|gap| format!("{}: {}", gap.key, gap.problem))
        .collect();
    told.join("; ")
}

/// What an approval is of: the definition, and the templates as they are now.
///
/// # Errors
/// When the definition cannot be written down: a defect of this program.
pub fn digest(definition: &Definition, templates: &[&Template]) -> Result<String, DbErr> {
    let text = store::write(definition)?;
    let mut context = Context::new(&SHA256);
    context.update(text.as_bytes());
    for template in templates {
        context.update(b"\0");
        context.update(template.digest().as_bytes());
    }
    Ok(HEXLOWER.encode(context.finish().as_ref()))
}

/// The templates a definition names, its own first.
///
/// # Errors
/// When one is missing or cannot be read.
pub async fn templates(
    db: &Db,
    folder: &Path,
    definition: &Definition,
) -> Result<Vec<Template>, LibraryError> {
    let mut templates = Vec::new();
    for name in definition.templates() {
        templates.push(library::find(db, folder, name).await?);
    }
    Ok(templates)
}
