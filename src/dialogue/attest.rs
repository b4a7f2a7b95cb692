//! A yes or a no with its evidence that reached us otherwise than by our own pages: on paper, by telephone, from the
//! form of a shop, from another system.

use serde_json::json;

use super::store::erasure;
use super::{DialogueError, gone};
use crate::config::Settings;
use crate::consent::audit;
use crate::consent::ladder::Level;
use crate::consent::model::{Action, Basis, Evidence, Scope};
use crate::consent::store as consent;
use crate::customers::import::told::Said;
use crate::ids::CustomerId;
use crate::keys::Keys;
use crate::storage::Txn;

/// The action of the audit record.
pub const PERMISSION: &str = "permission";
/// Characters of a source, and of the words that were agreed to.
pub const LONGEST: usize = 4_000;

/// Why what was said is not recorded.
#[derive(Debug, thiserror::Error)]
pub enum AttestError {
    /// Something of it does not hold.
    #[error("{field} {problem}")]
    Said {
        field: &'static str,
        problem: &'static str,
    },
    #[error(transparent)]
    Dialogue(#[from] DialogueError),
}

impl From<sea_orm::DbErr> for AttestError {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Dialogue(error.into())
    }
}

/// Records what a customer said, within a transaction; whether he may be written to about it from now on: a later no
/// stays above a yes. Of a no his address is suppressed; one that is said now to a person is better taken by
/// [`super::object`], which takes it for his former addresses too and waits for what is being handed over.
///
/// # Errors
/// When there is no such customer (any more), something of the evidence is missing or cannot be, a yes is to a topic
/// that the settings do not allow on its basis or on a channel where he has no address, or the database is away.
pub async fn attest(
    txn: &Txn,
    keys: &Keys,
    settings: &Settings,
    customer: CustomerId,
    said: &Said,
    actor: &str,
    now_ms: i64,
) -> Result<bool, AttestError> {
    let said = cleaned(said);
    check(settings, &said, now_ms)?;
    let Some(held) = erasure::hold(txn, keys, customer).await? else {
        return Err(gone(txn, customer).await.into());
    };
    let current = held.current.iter().find(|(of, _)| *of == said.channel);
    let fingerprint = current.map(|(_, fingerprint)| fingerprint.as_str());
    let is_yes = said.action == Action::Grant;
    if is_yes && fingerprint.is_none() {
        return refused("channel", "is one without an address; set it right first");
    }
    let evidence = Evidence {
        customer,
        channel: said.channel,
        scope: said.scope.clone(),
        action: said.action,
        basis: said.basis.filter(|_| is_yes),
        source: said.source,
        wording: said.wording,
        occurred_at: said.occurred_at.unwrap_or(now_ms),
        level: said
            .level
            .or_else(|| level(settings, &said.scope, said.basis))
            .filter(|_| is_yes),
        expires_at: said.expires_at,
        // Nobody told in which language it was said.
        locale: None,
        actor: Some("operator".to_owned()),
        confirmation: None,
        details: None,
    };
    consent::record(&**txn, &evidence, fingerprint, now_ms).await?;
    let details = json!({
        "channel": said.channel.as_str(),
        "scope": said.scope.as_str(),
        "action": said.action.as_str(),
        "basis": evidence.basis.map(Basis::as_str),
    });
    audit::record(&**txn, now_ms, actor, PERMISSION, Some(customer), details).await?;
    match (fingerprint, &said.scope) {
        (Some(print), Scope::Topic(topic)) if is_yes => {
            Ok(consent::may_contact(&**txn, customer, print, said.channel, topic).await?)
        }
        _ => Ok(false),
    }
}

fn refused<T>(field: &'static str, problem: &'static str) -> Result<T, AttestError> {
    Err(AttestError::Said { field, problem })
}

/// Its source on one line, and no words where there are none.
fn cleaned(said: &Said) -> Said {
    let source: Vec<&str> = said.source.split_whitespace().collect();
    let wording = said.wording.as_deref().map(str::trim);
    Said {
        source: source.join(" "),
        wording: wording.filter(|text| !text.is_empty()).map(str::to_owned),
        ..said.clone()
    }
}

fn check(settings: &Settings, said: &Said, now_ms: i64) -> Result<(), AttestError> {
    if let Some((field, problem)) = said.problem() {
        return refused(field, problem);
    }
    let is_too_long = |text: &str| text.chars().count() > LONGEST;
    if is_too_long(&said.source) {
        return refused("source", "is longer than 4,000 characters");
    }
    if said.wording.as_deref().is_some_and(is_too_long) {
        return refused("wording", "is longer than 4,000 characters");
    }
    if said.occurred_at.is_some_and(|at| at < 0) {
        return refused("occurred_at", "lies before 1970");
    }
    if said.occurred_at.is_some_and(|at| at > now_ms) {
        return refused("occurred_at", "lies in the future");
    }
    let (Action::Grant, Scope::Topic(name), Some(basis)) = (said.action, &said.scope, said.basis)
    else {
        return Ok(());
    };
    let mut topics = settings.permission.topics.iter();
    let Some(topic) = topics.find(|topic| topic.name == *name) else {
        return refused(
            "topic",
            "is none that can be allowed; [[permission.topics]] in the settings names those",
        );
    };
    if !topic.bases.iter().any(|word| word == basis.as_str()) {
        return refused(
            "basis",
            "does not suffice for this topic; [[permission.topics]] in the settings names those that do",
        );
    }
    Ok(())
}

/// The rung that the settings give a consent to this topic.
fn level(settings: &Settings, scope: &Scope, basis: Option<Basis>) -> Option<Level> {
    match scope {
        Scope::Topic(topic) if basis == Some(Basis::Consent) => {
            Level::of_topic(&settings.permission.topics, topic)
        }
        _ => None,
    }
}
