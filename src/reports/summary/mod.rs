//! A summary for the people who run the campaigns, by email: what ran since the last one, and what to look at.
//!
//! Promise: each reader gets each period once, on any number of nodes (a row names both; what a dead process
//! had in hand goes again with the same Message-ID); no person's data stands in it; every figure stands in the
//! text too, since pictures are not seen by all.

mod chart;
mod letter;
pub mod model;
pub mod period;
mod send;

pub use letter::text;
pub use send::Summaries;

use super::ReportError;
use super::improve::improve;
use super::store::grid as grid_store;
use super::store::summary as store;
use crate::responses::effects;
use crate::storage::Db;
use model::Summary;

/// Periods that are drawn beside each other.
const PERIODS: i64 = 8;

/// What ran from one instant up to another, in milliseconds since the epoch.
///
/// # Errors
/// When the database is away.
pub async fn of_period(
    db: &Db,
    since: i64,
    until: i64,
    now_ms: i64,
) -> Result<Summary, ReportError> {
    let length = until.saturating_sub(since).max(1);
    let first = until.saturating_sub(length.saturating_mul(PERIODS));
    let waves = store::waves(db, first, until).await?;
    let mut summary = Summary::new(&waves, since, until, PERIODS);
    let scope = grid_store::Scope {
        since: Some(since),
        until: Some(until),
        ..grid_store::Scope::default()
    };
    let loaded = grid_store::load(db, &scope).await?;
    summary.criteria = improve(&loaded.slices, "")
        .criteria
        .into_iter()
        .filter(|line| line.is_beyond_chance)
        .take(3)
        .collect();
    for line in &mut summary.campaigns {
        let of_waves = effects::of_campaign(db, line.campaign).await?;
        line.held_back = model::held_back(&of_waves, (since, until), now_ms);
    }
    Ok(summary)
}
