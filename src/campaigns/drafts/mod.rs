//! Drafts: a campaign while it is being planned, step by step, and the second person's word on it.
//!
//! Promise: a draft may be incomplete, and says what is missing; who saves over somebody else's change is
//! told; an approval is of one definition with its templates as they were when it was read, any change voids it, and
//! it holds as long as its giver may give it; who
//! asked for an approval does not give it; while a campaign is planned as a draft, nothing else changes it or launches
//! it by hand.

pub mod approval;
pub mod edit;
pub mod model;
pub mod store;

use std::fmt;
use std::path::Path;

use data_encoding::HEXLOWER;
use ring::digest::{Context, SHA256};
use sea_orm::DbErr;

use super::definition::Definition;
use super::model::Status;
use crate::statistics::sentence::{Sentence, Value};
use crate::storage::Db;
use crate::templates::Template;
use crate::templates::library::{self, LibraryError};

pub use model::{Author, Draft, Gap, Review, Said, Seen, Standing, Step, gaps};

/// Why something cannot be done with a draft.
#[derive(Debug)]
pub enum DraftError {
    NotFound {
        name: String,
    },
    /// There is none to begin from.
    NoCampaign {
        name: String,
    },
    /// Another campaign has the name.
    Taken {
        name: String,
    },
    /// Nothing can be called so.
    Name {
        name: String,
    },
    /// Somebody else changed it since.
    Stale,
    Incomplete(Vec<Gap>),
    NotAsked,
    OwnRequest,
    MayNotApprove,
    NeedsApproval,
    ChangedSince,
    /// The plan or a template is not what was looked at.
    Unseen,
    /// Who gave the approval may not any more.
    ApproverGone {
        name: String,
    },
    NotEditable {
        name: String,
        status: Status,
    },
    Database(DbErr),
}

impl DraftError {
    /// What happened and what to do next.
    pub fn sentence(&self) -> Sentence {
        let about = |name: &String| Value::from(format!("{name:?}"));
        match self {
            Self::NotFound { name } => Sentence::new(
                "there is no draft {name}; it was launched or deleted, or never begun",
            )
            .with("name", about(name)),
            Self::NoCampaign { name } => {
                Sentence::new("there is no campaign {name} to begin from").with("name", about(name))
            }
            Self::Taken { name } => {
                Sentence::new("{name} is taken by another campaign; take another name")
                    .with("name", about(name))
            }
            Self::Name { name } => Sentence::new(
                "{name} is no name for a campaign; take 1 to 60 lower-case letters, digits, - or _",
            )
            .with("name", about(name)),
            Self::Stale => Sentence::new(
                "somebody else changed it since you opened it; look at the change and do yours again",
            ),
            Self::Incomplete(gaps) => {
                let told = gaps.iter().map(|gap| {
                    Sentence::new("{key}: {problem}")
                        .with("key", gap.key.as_str())
                        .with("problem", gap.problem.clone())
                });
                Sentence::new("it is not complete: {gaps}")
                    .with("gaps", Value::clauses(told.collect()))
            }
            Self::NotAsked => {
                Sentence::new("nobody asked for an approval, or it was answered already")
            }
            Self::OwnRequest => {
                Sentence::new("you asked for this approval, so another person gives it")
            }
            Self::MayNotApprove => {
                Sentence::new("your role approves nothing; an approver or an administrator does")
            }
            Self::NeedsApproval => {
                Sentence::new("your role needs the approval of a second person; ask for it")
            }
            Self::ChangedSince => Sentence::new(
                "it was changed after the approval, so that it no longer holds; ask again",
            ),
            Self::Unseen => Sentence::new(
                "the plan or one of its templates was changed since you looked at it; look at it again",
            ),
            Self::ApproverGone { name } => Sentence::new(
                "{name}, who approved it, may approve nothing any more; withdraw the request and ask again",
            )
            .with("name", name.as_str()),
            Self::NotEditable { name, status } => Sentence::new(
                "campaign {name} is {status}, and a running plan is not changed; duplicate it",
            )
            .with("name", about(name))
            .with("status", Value::word(status.as_str())),
            Self::Database(error) => {
                Sentence::new("the database failed: {error}").named("error", error)
            }
        }
    }
}

impl fmt::Display for DraftError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sentence().fmt(f)
    }
}

impl std::error::Error for DraftError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Database(error) => Some(error),
            _ => None,
        }
    }
}

impl From<DbErr> for DraftError {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
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
