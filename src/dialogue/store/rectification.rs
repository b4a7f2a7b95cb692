//! Suppressions that concern a change of address.

use sea_orm::DbErr;

use crate::consent::model::{Channel, Scope};
use crate::consent::store as consent;
use crate::ids::CustomerId;
use crate::storage::{Sql, Txn};

/// The scopes of an address's suppressions.
pub(in crate::dialogue) async fn scopes(
    txn: &Txn,
    fingerprint: &str,
    channel: Channel,
) -> Result<Vec<Scope>, DbErr> {
    txn.rows(
        "SELECT scope FROM suppressions WHERE fingerprint = $1 AND channel = $2 ORDER BY scope",
        [fingerprint.into(), channel.as_str().into()],
    )
    .await?
    .iter()
    .map(|row| row.try_get("", "scope").map(Scope::from_column))
    .collect()
}

/// Those of them that no permission of the customer has lifted: there is none for the topic, or the
/// suppression stands against it.
pub(in crate::dialogue) async fn standing(
    txn: &Txn,
    customer: CustomerId,
    fingerprint: &str,
    channel: Channel,
) -> Result<Vec<Scope>, DbErr> {
    let sql = format!(
        "SELECT s.scope FROM suppressions s WHERE s.fingerprint = $1 AND s.channel = $2
         AND NOT EXISTS (SELECT 1 FROM permissions p WHERE p.customer_id = $3 AND p.channel = s.channel
             AND (s.scope = '*' OR p.topic = s.scope) AND NOT ({}))
         ORDER BY s.scope",
        consent::stands_against("s", "p")
    );
    txn.rows(
        sql,
        [
            fingerprint.into(),
            channel.as_str().into(),
            customer.0.into(),
        ],
    )
    .await?
    .iter()
    .map(|row| row.try_get("", "scope").map(Scope::from_column))
    .collect()
}
