//! What is under way, at a glance: counters and the last minutes, never the ledger.

use sea_orm::DbErr;
use serde::Serialize;

use super::estimate::Facts;
use super::model::{Rest, State};
use super::progress::least_limit;
use super::store;
use crate::campaigns::model::Status;
use crate::campaigns::store as campaign_store;
use crate::config::Settings;
use crate::storage::Db;

/// A campaign whose wave is under way, or paused.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Running {
    pub name: String,
    pub status: Status,
    /// Why it is paused, in words.
    pub reason: Option<String>,
    /// When its last wave was launched, in milliseconds since the epoch; none was where it waits for its first.
    pub launched_at: Option<i64>,
    /// Messages that are to go out.
    pub messages: i64,
    /// Those of them that are settled, whatever came of them.
    pub done: i64,
    pub accepted: i64,
    pub deferred: i64,
    pub failed: i64,
    /// Hand-overs a second over the last minutes.
    pub per_second: Option<f64>,
    /// When it will be through, as it goes now.
    pub done_at: Option<i64>,
    /// Which nodes give its relays no work now.
    pub resting: Vec<Rest>,
}

/// What is under way or paused, the latest changed first; at most `limit`.
///
/// # Errors
/// When the database is away.
pub async fn running(
    db: &Db,
    settings: &Settings,
    limit: usize,
    now_ms: i64,
) -> Result<Vec<Running>, DbErr> {
    let mut found = Vec::new();
    for campaign in campaign_store::under_way(db, limit).await? {
        let wave = store::latest_wave(db, campaign.id).await?;
        let mut one = Running {
            name: campaign.definition.name,
            status: campaign.status,
            reason: campaign.status_reason,
            launched_at: wave.as_ref().map(|wave| wave.launched_at),
            messages: 0,
            done: 0,
            accepted: 0,
            deferred: 0,
            failed: 0,
            per_second: None,
            done_at: None,
            resting: Vec::new(),
        };
        if let Some(wave) = wave {
            let counters = store::counters(&**db, wave.id).await?;
            let of = |state: State| counters.get(state.counter()).copied().unwrap_or(0);
            let open = of(State::Pending) + of(State::Sending) + of(State::Deferred);
            one.accepted = of(State::Accepted);
            one.deferred = of(State::Deferred);
            one.failed = of(State::Failed);
            one.done = one.accepted + one.failed + of(State::Unknown);
            one.messages = open + one.done;
            for route in wave.routes() {
                one.resting
                    .extend(store::rests_of(&**db, route, now_ms).await?);
            }
            if one.status == Status::Running && open > 0 {
                let estimate = Facts {
                    now_ms,
                    launched_at: wave.launched_at,
                    minutes: store::minutes(&**db, wave.id).await?,
                    pending: of(State::Pending),
                    next_due_at: store::next_lease_due(&**db, wave.id).await?,
                    last_due_at: store::last_lease_due(&**db, wave.id).await?,
                    limit: least_limit(settings, &wave),
                    resting_until: None,
                }
                .estimate();
                one.per_second = estimate.per_second;
                one.done_at = estimate.done_at;
            }
        }
        found.push(one);
    }
    Ok(found)
}
