//! Erasure (GDPR art. 17): what is left is the fingerprint that keeps us from writing again, and the
//! proof that we were allowed to write.

use serde_json::json;

use super::store::erasure as store;
use super::{DialogueError, Meant, gone};
use crate::consent::audit;
use crate::consent::model::Scope;
use crate::consent::store::{self as consent, Suppression};
use crate::delivery::in_flight;
use crate::ids::CustomerId;
use crate::keys::Keys;
use crate::storage::{Db, Txn};

/// Why his addresses are suppressed from then on.
pub const ERASED: &str = "erased";

/// Erases a customer for `actor` (`person`, `operator`, `system`), and waits for what is being handed over
/// to him.
///
/// All his addresses are suppressed, so that an import does not bring him back; a later sign-up of his own
/// lifts that like any newer consent. Evidence stays without its details, the ledger and the responses keep
/// his number: reports do not change, and the chain of evidence stays whole.
///
/// # Errors
/// When there is no such customer (any more) or none as read, or the database is away; then nothing is changed.
pub async fn erase(
    db: &Db,
    keys: &Keys,
    customer: impl Into<Meant<'_>>,
    actor: &str,
    now_ms: i64,
) -> Result<(), DialogueError> {
    let txn = db.begin().await?;
    let meant = customer.into();
    consent::hold_mailboxes(&*txn, meant.id).await?;
    meant.ensure_seen(&txn).await?;
    let mailbox = erase_within(&txn, keys, meant.id, actor, "asked", now_ms).await?;
    txn.commit().await?;
    db.checkpoint().await;
    in_flight::settled(db, &mailbox, now_ms, in_flight::AT_MOST).await?;
    Ok(())
}

/// [`erase`] within a transaction; `reason` stands in the audit record. Returns who shared a mailbox with him,
/// himself included.
pub(super) async fn erase_within(
    txn: &Txn,
    keys: &Keys,
    customer: CustomerId,
    actor: &str,
    reason: &str,
    now_ms: i64,
) -> Result<Vec<CustomerId>, DialogueError> {
    let Some(held) = store::hold(txn, keys, customer).await? else {
        return Err(gone(txn, customer).await);
    };
    // As new as whatever is on record, also where that came from a faster clock.
    let suppressed_at = now_ms.max(held.newest_at);
    let suppressions: Vec<Suppression> = held
        .fingerprints
        .iter()
        .map(|(channel, fingerprint)| Suppression {
            fingerprint: fingerprint.clone(),
            channel: *channel,
            scope: Scope::All,
            reason: ERASED.to_owned(),
            suppressed_at,
        })
        .collect();
    consent::suppress(&**txn, &suppressions).await?;
    let mut naming = 0;
    for address in [&held.email_key, &held.phone].into_iter().flatten() {
        naming += store::evidence_naming(txn, customer, address).await?;
    }
    store::take_away(txn, customer, &held.fingerprints).await?;
    let details = json!({
        "reason": reason,
        "addresses_suppressed": suppressions.len(),
        "evidence_that_names_an_address": naming,
    });
    audit::record(
        &**txn,
        now_ms,
        actor,
        audit::ERASURE,
        Some(customer),
        details,
    )
    .await?;
    if naming > 0 {
        tracing::warn!(%customer, naming, "sealed evidence names an address in its source or wording");
    }
    Ok(held.mailbox)
}
