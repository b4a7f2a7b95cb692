//! A "no" that a person says now.

use sea_orm::{ConnectionTrait, DbErr};

use super::evidence::record;
use super::permission::permissions_of;
use super::suppression::{OPT_OUT, Suppression, has_suppression, suppress};
use crate::consent::model::{Channel, Evidence, Permission, Scope};
use crate::ids::CustomerId;
use crate::storage::{Dialect, Sql};

/// Takes a customer's "no" from a link in a message: evidence of withdrawal and a suppression of the
/// address. Returns whether that changed anything; saying no again, or after a newer consent that this
/// "no" precedes, changes nothing and is no error. Of a customer who is gone only the suppression is
/// kept.
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
    // The customer's row first, as an import takes it: two who take them the other way round would
    // wait for each other.
    let lock = match Dialect::of(connection) {
        Dialect::Sqlite => "",
        Dialect::Postgres => "FOR UPDATE",
    };
    let is_known = connection
        .row(
            format!("SELECT 1 AS one FROM customers WHERE id = $1 {lock}"),
            [customer.0.into()],
        )
        .await?
        .is_some();
    let permissions = permissions_of(connection, customer).await?;
    // A live "no" is newer than whatever is on record, also where that came from a faster clock.
    let at = permissions
        .iter()
        .filter(|permission| permission.channel == channel)
        .map(|permission| permission.since_at)
        .fold(at, i64::max);
    let was_suppressed = match fingerprint {
        Some(fingerprint) => has_suppression(connection, fingerprint, channel, scope).await?,
        None => true,
    };
    let was_out = !is_known || is_out(&permissions, channel, scope);
    if is_known && !was_out {
        let evidence = Evidence::withdrawal(customer, channel, scope.clone(), source, at);
        record(connection, &evidence, fingerprint, at).await?;
        return Ok(true);
    }
    if let Some(fingerprint) = fingerprint {
        let suppression = Suppression {
            fingerprint: fingerprint.to_owned(),
            channel,
            scope: scope.clone(),
            reason: OPT_OUT.to_owned(),
            suppressed_at: at,
        };
        suppress(connection, &[suppression]).await?;
    }
    Ok(!was_suppressed)
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
