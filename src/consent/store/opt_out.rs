//! A "no" that a person says now.

use sea_orm::{ConnectionTrait, DbErr};

use super::evidence::record;
use super::mailbox::hold_with;
use super::permission::{permissions_of, permissions_of_all};
use super::suppression::{COMPLAINT, OPT_OUT, Suppression, has_suppression, suppress};
use crate::consent::model::{Channel, Evidence, Permission, Scope};
use crate::ids::CustomerId;

/// Takes a customer's "no" from a link in a message: evidence of withdrawal, and a suppression of the
/// address at `fingerprint` and of every other he is known by on the channel, which holds for all who share
/// it. Returns whether that changed anything; saying no again changes nothing and is no error. Of a customer
/// who is gone the addresses of his evidence are suppressed, since one of them was written to.
///
/// # Errors
/// When the database is away.
pub async fn opt_out(
    connection: &impl ConnectionTrait,
    customer: CustomerId,
    fingerprint: Option<&str>,
    channel: Channel,
    scope: &Scope,
    source: &str,
    at: i64,
) -> Result<bool, DbErr> {
    let said = Evidence::withdrawal(customer, channel, scope.clone(), source, at);
    opt_out_by(connection, said, fingerprint).await
}

/// [`opt_out`], with all that proves it in the evidence, which is a withdrawal.
///
/// # Errors
/// When the database is away.
pub async fn opt_out_by(
    connection: &impl ConnectionTrait,
    said: Evidence,
    fingerprint: Option<&str>,
) -> Result<bool, DbErr> {
    withdraw(connection, said, fingerprint, OPT_OUT).await
}

/// Takes it that somebody called a message spam: a "no" to the whole channel of `said`, which is a withdrawal,
/// as [`opt_out_by`] takes one, and on record as a complaint.
///
/// # Errors
/// When the database is away.
pub async fn complain(
    connection: &impl ConnectionTrait,
    said: Evidence,
    fingerprint: Option<&str>,
) -> Result<bool, DbErr> {
    withdraw(connection, said, fingerprint, COMPLAINT).await
}

async fn withdraw(
    connection: &impl ConnectionTrait,
    mut said: Evidence,
    fingerprint: Option<&str>,
    reason: &str,
) -> Result<bool, DbErr> {
    let (customer, channel, scope) = (said.customer, said.channel, said.scope.clone());
    let address = fingerprint.map(|fingerprint| (channel, fingerprint));
    let held = hold_with(connection, customer, address).await?;
    // A live "no" is newer than whatever is on record, also where that came from a faster clock.
    let at = permissions_of_all(connection, &held.customers)
        .await?
        .iter()
        .filter(|(_, permission)| permission.channel == channel)
        .map(|(_, permission)| permission.since_at)
        .fold(said.occurred_at, i64::max);
    let mut was_suppressed = true;
    let mut suppressions = Vec::new();
    for (_, fingerprint) in held.fingerprints.iter().filter(|(of, _)| *of == channel) {
        was_suppressed &= has_suppression(connection, fingerprint, channel, &scope).await?;
        suppressions.push(Suppression {
            fingerprint: fingerprint.clone(),
            channel,
            scope: scope.clone(),
            reason: reason.to_owned(),
            suppressed_at: at,
        });
    }
    let is_known = held.customers.contains(&customer);
    let was_out = !is_known
        || is_out(
            &permissions_of(connection, customer).await?,
            channel,
            &scope,
        );
    // All in one statement, and before the evidence: who takes suppressions in one order cannot wait for
    // each other.
    suppress(connection, &suppressions).await?;
    if !was_out {
        said.occurred_at = at;
        record(connection, &said, fingerprint, at).await?;
    }
    Ok(!was_out || !was_suppressed)
}

/// Whether these permissions already say no to all of `scope`.
fn is_out(permissions: &[Permission], channel: Channel, scope: &Scope) -> bool {
    let mut on_channel = permissions.iter().filter(|p| p.channel == channel);
    let has_no_to_all = permissions
        .iter()
        .any(|p| p.channel == channel && p.scope == Scope::All);
    match scope {
        Scope::All => has_no_to_all && on_channel.all(|p| !p.is_granted),
        Scope::Topic(_) => on_channel
            .find(|p| p.scope == *scope)
            .map_or(has_no_to_all, |p| !p.is_granted),
    }
}
