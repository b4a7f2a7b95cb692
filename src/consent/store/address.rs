//! An address that became another one.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, DbErr};
use serde_json::json;

use super::permission::{derive, lock};
use super::suppression::{OPT_OUT, Suppression, stands_against, suppress};
use super::{CHUNK, as_text};
use crate::consent::model::{Channel, Scope};
use crate::ids::CustomerId;
use crate::storage::{Dialect, Kind, Sql};

/// What the person said, whatever his address. Any other reason is about the mailbox: that it refuses
/// mail, that it is on a scrub list, that whoever had it was erased.
pub(super) const HIS_OWN: [&str; 3] = [OPT_OUT, "complaint", "objection"];

/// Where a channel reached a customer, and where it reaches him now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressChange {
    pub customer: CustomerId,
    pub channel: Channel,
    /// A fingerprint; `None`: nowhere.
    pub former: Option<String>,
    pub new: Option<String>,
}

/// Lets a no follow the person: what he said against the former address, and no newer consent lifted,
/// suppresses the new one for the same reason and from the same date. His permissions stay as they are;
/// [`stands_against`] says what a yes to the former address is worth at the new one.
///
/// # Errors
/// When the database is away.
pub async fn follow(
    connection: &impl ConnectionTrait,
    changes: &[AddressChange],
) -> Result<(), DbErr> {
    let mut customers: Vec<CustomerId> = changes.iter().map(|change| change.customer).collect();
    customers.sort_unstable();
    customers.dedup();
    lock(connection, &customers).await?;
    let mut following = Vec::new();
    for chunk in changes.chunks(CHUNK) {
        following.extend(spoken(connection, chunk).await?);
    }
    suppress(connection, &following).await?;
    // A rung depends on the suppressions of the present address.
    derive(connection, &customers).await
}

/// A suppression of a former address, and the permissions it could stand against.
#[derive(Default)]
struct Spoken {
    is_lifted: bool,
    /// Topics against which it stands all the same.
    held: Vec<String>,
}

/// The suppressions that the new addresses are to have.
async fn spoken(
    connection: &impl ConnectionTrait,
    changes: &[AddressChange],
) -> Result<Vec<Suppression>, DbErr> {
    let rows: Vec<_> = changes
        .iter()
        .filter_map(|change| {
            let (former, new) = (change.former.as_ref()?, change.new.as_ref()?);
            Some(json!([
                change.customer,
                change.channel.as_str(),
                former,
                new
            ]))
        })
        .collect();
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let recordset = Dialect::of(connection).recordset(
        1,
        &[
            ("customer_id", Kind::Int),
            ("channel", Kind::Text),
            ("former", Kind::Text),
            ("present", Kind::Text),
        ],
    );
    let sql = format!(
        "SELECT r.customer_id, r.present AS fingerprint, s.channel, s.scope, s.reason, s.suppressed_at, p.topic, \
         {stands_against} AS stands FROM {recordset} AS r \
         JOIN suppressions s ON s.fingerprint = r.former AND s.channel = r.channel \
         AND s.reason IN ('{his_own}') \
         LEFT JOIN permissions p ON p.customer_id = r.customer_id AND p.channel = s.channel \
         AND p.topic <> '*' AND (s.scope = '*' OR p.topic = s.scope) \
         ORDER BY s.channel, s.scope, p.topic",
        stands_against = stands_against("s", "p"),
        his_own = HIS_OWN.join("', '"),
    );
    let mut found: BTreeMap<(i64, String, Channel, String, String, i64), Spoken> = BTreeMap::new();
    for row in connection.rows(sql, [as_text(rows).into()]).await? {
        let channel: String = row.try_get("", "channel")?;
        let spoken = found
            .entry((
                row.try_get("", "customer_id")?,
                row.try_get("", "fingerprint")?,
                channel.parse().map_err(DbErr::Type)?,
                row.try_get("", "scope")?,
                row.try_get("", "reason")?,
                row.try_get("", "suppressed_at")?,
            ))
            .or_default();
        if !row.try_get::<bool>("", "stands")? {
            spoken.is_lifted = true;
        } else if let Some(topic) = row.try_get::<Option<String>>("", "topic")? {
            spoken.held.push(topic);
        }
    }
    Ok(found
        .into_iter()
        .flat_map(
            |((_, fingerprint, channel, scope, reason, suppressed_at), spoken)| {
                // A no to everything that a later yes to one topic lifted still holds for the others.
                let scopes = if spoken.is_lifted {
                    spoken.held
                } else {
                    vec![scope]
                };
                scopes.into_iter().map(move |scope| Suppression {
                    fingerprint: fingerprint.clone(),
                    channel,
                    scope: Scope::from_column(scope),
                    reason: reason.clone(),
                    suppressed_at,
                })
            },
        )
        .collect())
}
