//! Suppressions that concern a change of address.

use sea_orm::DbErr;

use crate::consent::model::{Channel, Scope};
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
