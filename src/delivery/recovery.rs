//! After a crash: what an earlier run of this node had in hand.

use std::io;

use sea_orm::DbErr;

use super::journal::Journal;
use super::store;
use crate::storage::Db;

/// Why an earlier run could not be ended.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    #[error("the journal in the data folder cannot be read: {0}")]
    Journal(#[from] io::Error),
    #[error("the database failed: {0}")]
    Database(#[from] DbErr),
}

/// Ends the leases that an earlier run of this node left behind, by its journal where there is one; the
/// caller has proved that it is dead. Leases of a program before routes were theirs get that of their wave.
///
/// # Errors
/// When the journal cannot be read, or the database is away; then it can be done again.
pub async fn end_earlier_run(
    db: &Db,
    journal: &Journal,
    node: &str,
    now_ms: i64,
) -> Result<(), RecoveryError> {
    for (left, page) in journal.left_behind()? {
        let unknown = store::recover(db, left.lease, left.fence, &left.remains, now_ms).await?;
        if let Some(unknown) = unknown {
            tracing::warn!(
                lease = left.lease,
                accepted = left.remains.accepted.len(),
                unknown,
                "an earlier run ended without a stop: its journal told what it had in hand"
            );
        }
        page.close();
    }
    store::give_routes(db).await?;
    let revoked = store::revoke_of_node(db, node).await?;
    if revoked > 0 {
        tracing::warn!(
            revoked,
            "leases of an earlier run that ended without a stop, and left no journal"
        );
    }
    Ok(())
}
