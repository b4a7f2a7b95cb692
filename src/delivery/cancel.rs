//! Cancel: the plan is over, what was sent stays on record, the rest is withheld with that reason.

use super::model::WaveStatus;
use super::store;
use crate::campaigns::plan::{self, PlanError};
use crate::storage::Db;

/// Cancels a campaign and withholds what was not handed over; returns how many messages that were.
///
/// # Errors
/// When there is no such campaign or it has ended.
pub async fn cancel(db: &Db, name: &str, actor: &str, now_ms: i64) -> Result<i64, PlanError> {
    let campaign = plan::cancel(db, name, actor, now_ms).await?;
    let mut withheld = 0;
    for wave in store::waves_of(db, campaign.id).await? {
        if wave.status == WaveStatus::Running {
            withheld += store::withhold_rest(db, wave.id, now_ms).await?;
        }
    }
    Ok(withheld)
}
