//! What the people of each cell did, by assignment: whether the campaign caused it can only be told from that.
//!
//! Counted are the orders of everybody a cell was given to at launch, from the launch to the end of the window,
//! whether or not the message arrived, was opened or earned the order: the same for those who were contacted
//! and for those who were held back (METHODS M6: analyse by assignment, one window for both arms). Where some wait
//! for the winner of a test, the window of all begins when it is chosen: before, nothing could move them.

use serde::Serialize;

use super::ResponseError;
use super::store::effects as store;
use crate::delivery::decide::Decision;
use crate::ids::{CampaignId, WaveId};
use crate::storage::Db;

/// How long after its window a wave is reckoned anew, for orders that come late, in milliseconds.
const GRACE_MS: i64 = 45 * 86_400_000;
/// How long a reckoning holds while no order has come, in milliseconds: orders may have been corrected.
const HOLDS_MS: i64 = 3_600_000;

/// What the people of a cell bought within the window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Effect {
    pub cell: String,
    /// Assigned at launch.
    pub people: i64,
    /// Of them, who ordered at least once.
    pub buyers: i64,
    pub orders: i64,
    pub spend_cents: i64,
    /// The sum over people of what each spent, squared, in cents squared: the variance is reckoned from it.
    pub spend_squares: f64,
}

/// The effects of a wave.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OfWave {
    pub wave: WaveId,
    /// Milliseconds since the epoch.
    pub launched_at: i64,
    /// When the window begins and ends, milliseconds since the epoch; not before that, while the winner of a test
    /// is still to be chosen.
    pub window_begins_at: i64,
    pub window_ends_at: i64,
    /// When they were reckoned; `None`: not yet, and they say nothing.
    pub reckoned_at: Option<i64>,
    /// In the order of the plan, those who were held back last.
    pub cells: Vec<Effect>,
}

/// The effects of each wave of a campaign, the newest first; waves of before there were cells have none.
///
/// # Errors
/// When the database is away.
pub async fn of_campaign(db: &Db, campaign: CampaignId) -> Result<Vec<OfWave>, ResponseError> {
    Ok(store::of_campaign(db, campaign).await?)
}

/// Reckons the effects of the waves that orders may still belong to; returns of how many.
///
/// `currency`: orders in others do not count, since sums of different moneys mean nothing.
///
/// # Errors
/// When the database is away; what was reckoned until then stands.
pub async fn reckon(db: &Db, currency: &str, now_ms: i64) -> Result<u64, ResponseError> {
    let newest_order = store::newest_order(db).await?;
    let mut reckoned = 0;
    for wave in store::reckoned_waves(db).await? {
        if wave.window.is_undecided {
            continue;
        }
        let end = wave.window.ends_at;
        if now_ms > end.saturating_add(GRACE_MS) && wave.reckoned_at.is_some_and(|at| at > end) {
            continue;
        }
        let is_fresh = wave.newest_order == Some(newest_order)
            && wave.reckoned_at.is_some_and(|at| now_ms < at + HOLDS_MS);
        if is_fresh {
            continue;
        }
        store::reckon(
            db,
            wave.id,
            (wave.window.begins_at, end),
            currency,
            newest_order,
            now_ms,
        )
        .await?;
        reckoned += 1;
    }
    Ok(reckoned)
}

/// What the base bought while a standing control group stood, in it and outside it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Standing {
    /// `2026-Q4` and the like.
    pub period: String,
    /// Percent of the base that was held back.
    pub percent: i64,
    /// When the first campaign left the group out, milliseconds since the epoch: orders count from then on.
    pub begun_at: i64,
    /// The first instant after the period.
    pub until_at: i64,
    pub reckoned_at: Option<i64>,
    /// Those whom campaigns could contact, then those who were held back; people who were in the base when it
    /// began.
    pub arms: Vec<Effect>,
}

/// How long a reckoning of the whole base holds, in milliseconds.
const STANDING_HOLDS_MS: i64 = 6 * HOLDS_MS;

/// Reckons what the standing control groups tell that orders may still belong to; returns of how many periods.
///
/// # Errors
/// When the database is away; what was reckoned until then stands.
pub async fn reckon_standing(db: &Db, currency: &str, now_ms: i64) -> Result<u64, ResponseError> {
    let mut reckoned = 0;
    for standing in store::standings(db).await? {
        let is_over = now_ms > standing.until_at.saturating_add(GRACE_MS)
            && standing
                .reckoned_at
                .is_some_and(|at| at > standing.until_at);
        let is_fresh = standing
            .reckoned_at
            .is_some_and(|at| now_ms < at + STANDING_HOLDS_MS);
        if is_over || is_fresh {
            continue;
        }
        store::reckon_standing(db, &standing.period, currency, now_ms).await?;
        reckoned += 1;
    }
    Ok(reckoned)
}

/// What each standing control group tells, the latest first.
///
/// # Errors
/// When the database is away.
pub async fn standings(db: &Db) -> Result<Vec<Standing>, ResponseError> {
    Ok(store::standings(db).await?)
}

/// A wave whose effects are reckoned.
#[derive(Debug, Clone)]
pub(super) struct ReckonedWave {
    pub id: WaveId,
    pub window: Window,
    pub reckoned_at: Option<i64>,
    /// The newest order when it was reckoned.
    pub newest_order: Option<i64>,
}

/// When orders count for the effects of a wave, milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub begins_at: i64,
    pub ends_at: i64,
    /// The winner of a test is still to be chosen: it begins no earlier than that.
    pub is_undecided: bool,
}

impl Window {
    /// The window of a wave: `waits_until` is when the winner of its test is to be chosen, `decision` what was
    /// chosen (JSON).
    pub fn new(
        launched_at: i64,
        waits_until: Option<i64>,
        decision: Option<&str>,
        window_ms: i64,
    ) -> Self {
        let decided_at = decision.and_then(Decision::read).map(|chosen| chosen.at);
        let begins_at = waits_until
            .or(decided_at)
            .map_or(launched_at, |at| at.max(launched_at));
        Self {
            begins_at,
            ends_at: begins_at.saturating_add(window_ms),
            is_undecided: waits_until.is_some(),
        }
    }
}
