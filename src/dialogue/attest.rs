//! A yes or a no with its evidence that reached us otherwise than by our own pages: from the form of a shop, the
//! telephone, another system.

use serde_json::json;

use super::store::erasure;
use super::{DialogueError, gone};
use crate::consent::audit;
use crate::consent::model::{Action, Evidence};
use crate::consent::store as consent;
use crate::customers::import::told::Said;
use crate::ids::CustomerId;
use crate::keys::Keys;
use crate::storage::Txn;

/// The action of the audit record.
pub const PERMISSION: &str = "permission";

/// Records what a customer said, within a transaction. Of a no his address is suppressed; one that is said now to a
/// person is better taken by [`super::object`], which takes it for his former addresses too and waits for what is
/// being handed over.
///
/// # Errors
/// When there is no such customer (any more), something of the evidence is missing, or the database is away.
pub async fn attest(
    txn: &Txn,
    keys: &Keys,
    customer: CustomerId,
    said: &Said,
    actor: &str,
    now_ms: i64,
) -> Result<(), DialogueError> {
    if let Some((field, problem)) = said.problem() {
        return Err(DialogueError::Field(format!("{field} {problem}")));
    }
    let Some(held) = erasure::hold(txn, keys, customer).await? else {
        return Err(gone(txn, customer).await);
    };
    let evidence = Evidence {
        customer,
        channel: said.channel,
        scope: said.scope.clone(),
        action: said.action,
        basis: said.basis.filter(|_| said.action == Action::Grant),
        source: said.source.clone(),
        wording: said.wording.clone(),
        occurred_at: said.occurred_at.unwrap_or(now_ms).min(now_ms),
        level: said.level,
        expires_at: said.expires_at,
        locale: None,
        actor: Some("operator".to_owned()),
        confirmation: None,
        details: None,
    };
    let current = held.current.iter().find(|(of, _)| *of == said.channel);
    let fingerprint = current.map(|(_, fingerprint)| fingerprint.as_str());
    consent::record(&**txn, &evidence, fingerprint, now_ms).await?;
    let details = json!({
        "channel": said.channel.as_str(),
        "scope": said.scope.as_str(),
        "action": said.action.as_str(),
    });
    audit::record(&**txn, now_ms, actor, PERMISSION, Some(customer), details).await?;
    Ok(())
}
