//! Turns what is due into work, nothing else.
//!
//! Due times are rows; this room only looks every second. The cron crate is the ticker: it knows no
//! campaign, and a tick that is lost is made up for by the next.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use crate::campaigns::{schedule, store as campaign_store};
use crate::clock::{SharedClock, from_ms};
use crate::delivery::launch::{self, LaunchError, LaunchOptions, Occurrence};
use crate::ids::CampaignId;
use crate::storage::Db;

/// Launches every campaign whose time has come, the highest priority first; returns how many waves were launched.
///
/// # Errors
/// When the due times cannot be read. A campaign that cannot be launched is logged, does not stop the
/// others, and is tried again at the next tick.
pub async fn launch_due(
    db: &Db,
    options: LaunchOptions,
    now: DateTime<Utc>,
) -> Result<usize, LaunchError> {
    let mut launched = 0;
    for (id, due_key, due_at) in campaign_store::due(db, now.timestamp_millis()).await? {
        match launch_one(db, id, &due_key, due_at, options.clone(), now).await {
            Ok(true) => launched += 1,
            // A person or another node was faster.
            Ok(false) | Err(LaunchError::NotDue { .. }) => {}
            Err(error) => tracing::error!(%id, %error, "a due campaign could not be launched"),
        }
    }
    Ok(launched)
}

async fn launch_one(
    db: &Db,
    id: CampaignId,
    due_key: &str,
    due_at: i64,
    options: LaunchOptions,
    now: DateTime<Utc>,
) -> Result<bool, LaunchError> {
    let campaign = campaign_store::by_id(&**db, id).await?;
    let is_missed = campaign
        .and_then(|campaign| campaign.definition.schedule)
        .is_some_and(|plan| schedule::is_missed(&plan, from_ms(due_at), now));
    if is_missed {
        launch::pass_over(db, id, due_key, now).await?;
        return Ok(false);
    }
    let wave = launch::launch(db, id, Occurrence::Due(due_key), options, now).await?;
    Ok(!wave.was_already)
}

/// Looks every second for due campaigns, until it is stopped.
pub struct Ticker(JobScheduler);

impl std::fmt::Debug for Ticker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ticker")
    }
}

impl Ticker {
    /// Starts ticking; `wake` is told when a wave was launched.
    ///
    /// # Errors
    /// When the ticker cannot be started.
    pub async fn start(
        db: Db,
        clock: SharedClock,
        options: LaunchOptions,
        wake: Arc<Notify>,
    ) -> Result<Self, JobSchedulerError> {
        let ticker = JobScheduler::new().await?;
        // The crate starts a tick whether or not the last one has ended: one at a time here.
        let turn = Arc::new(tokio::sync::Mutex::new(()));
        let tick = Job::new_async("* * * * * *", move |_, _| {
            let (db, clock, options) = (db.clone(), Arc::clone(&clock), options.clone());
            let (wake, turn) = (Arc::clone(&wake), Arc::clone(&turn));
            Box::pin(async move {
                let Ok(_turn) = turn.try_lock() else {
                    return;
                };
                match launch_due(&db, options, clock.now()).await {
                    Ok(0) => {}
                    Ok(_) => wake.notify_waiters(),
                    Err(error) => tracing::error!(%error, "looking for due campaigns failed"),
                }
            })
        })?;
        ticker.add(tick).await?;
        ticker.start().await?;
        Ok(Self(ticker))
    }

    /// Stops ticking.
    pub async fn stop(mut self) {
        if let Err(error) = self.0.shutdown().await {
            tracing::warn!(%error, "stopping the ticker");
        }
    }
}
