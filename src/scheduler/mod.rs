//! Turns what is due into work, nothing else.
//!
//! Due times are rows; this room only looks every second, and every five seconds after evidence to seal and the upkeep. The
//! cron crate is the ticker: it knows no campaign, and a tick that is lost is made up for by the next.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tokio_util::sync::CancellationToken;

use crate::accounts::audit;
use crate::campaigns::{schedule, store as campaign_store};
use crate::clock::{SharedClock, from_ms};
use crate::config::Settings;
use crate::delivery::decide;
use crate::delivery::launch::{self, LaunchError, LaunchOptions, Occurrence};
use crate::dialogue::upkeep;
use crate::ids::CampaignId;
use crate::keys::Keys;
use crate::responses::effects;
use crate::responses::orders::{OrderRules, attribute_orders};
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
    let due = Occurrence::Due(due_key);
    let wave = launch::launch(db, id, due, options, audit::PROGRAM, now).await?;
    Ok(!wave.was_already)
}

/// Milliseconds of a minute.
const MINUTE_MS: i64 = 60_000;

/// What the ticker works with.
#[derive(Debug, Clone)]
pub struct Duties {
    pub db: Db,
    pub clock: SharedClock,
    pub keys: Keys,
    pub settings: Arc<Settings>,
    pub options: LaunchOptions,
    /// Told when a wave was launched.
    pub wake: Arc<Notify>,
}

impl Duties {
    /// Chooses the winners of tests whose time has come.
    async fn decide(&self) {
        match decide::decide_due(&self.db, self.clock.now()).await {
            Ok(0) => {}
            Ok(_) => self.wake.notify_waiters(),
            Err(error) => {
                tracing::error!(%error, "the winner of a test could not be chosen; it is tried again")
            }
        }
    }

    /// Gives orders to messages, and reckons once a minute what the people of each cell bought.
    async fn measure(&self, measured_at: &mut i64) {
        let now_ms = self.clock.now_ms();
        let rules = OrderRules::new(&self.keys, &self.settings);
        if let Err(error) = attribute_orders(&self.db, &rules, now_ms).await {
            tracing::error!(%error, "orders could not be given to messages; it is tried again");
        }
        if now_ms - *measured_at < MINUTE_MS {
            return;
        }
        *measured_at = now_ms;
        let currency = &self.settings.orders.currency;
        if let Err(error) = effects::reckon(&self.db, currency, now_ms).await {
            tracing::error!(%error, "what campaigns caused could not be reckoned; it is tried again");
        }
        if let Err(error) = effects::reckon_standing(&self.db, currency, now_ms).await {
            tracing::error!(%error, "what the standing control group tells could not be reckoned; it is tried again");
        }
    }

    async fn launch(&self) {
        match launch_due(&self.db, self.options.clone(), self.clock.now()).await {
            Ok(0) => {}
            Ok(_) => self.wake.notify_waiters(),
            Err(error) => tracing::error!(%error, "looking for due campaigns failed"),
        }
    }

    /// Seals new evidence. `told_at`: when it was last logged that this could not be done, once a minute.
    async fn seal(&self, told_at: &mut i64) {
        let now_ms = self.clock.now_ms();
        if let Err(error) = upkeep::seal(&self.db, &self.keys, &self.settings, now_ms).await
            && now_ms - *told_at >= MINUTE_MS
        {
            *told_at = now_ms;
            tracing::error!(%error, "evidence could not be sealed; it is tried again");
        }
    }

    /// Does the daily upkeep where it is due.
    async fn keep_up(&self, stop: &CancellationToken) {
        let now_ms = self.clock.now_ms();
        match upkeep::run_if_due(&self.db, &self.keys, &self.settings, now_ms, stop).await {
            Ok(None) => {}
            Ok(Some(report)) => {
                let kept = report.retention;
                tracing::info!(
                    expired = report.expired,
                    unconfirmed_deleted = report.unconfirmed_deleted,
                    asked = kept.asked,
                    erased = kept.erased_unanswered + kept.erased_unreachable,
                    is_acting = kept.is_acting,
                    let_go = report.clean_up.deliveries,
                    "daily upkeep done"
                );
            }
            Err(error) => tracing::error!(%error, "the daily upkeep failed; it is tried again"),
        }
    }
}

/// Looks for due campaigns and for what the upkeep has to do, until it is stopped.
pub struct Ticker {
    jobs: JobScheduler,
    stop: CancellationToken,
    sealing: Turn<i64>,
    measuring: Turn<i64>,
    upkeep: Turn<()>,
}

/// The crate starts a tick whether or not the last one has ended: one at a time here, with what it
/// remembers of the last.
type Turn<T> = Arc<tokio::sync::Mutex<T>>;

impl std::fmt::Debug for Ticker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ticker")
    }
}

impl Ticker {
    /// Starts ticking.
    ///
    /// # Errors
    /// When the ticker cannot be started.
    pub async fn start(duties: Duties) -> Result<Self, JobSchedulerError> {
        let jobs = JobScheduler::new().await?;
        let duties = Arc::new(duties);
        let launching = Turn::<()>::default();
        let to_launch = Arc::clone(&duties);
        let launch = Job::new_async("* * * * * *", move |_, _| {
            let (duties, turn) = (Arc::clone(&to_launch), Arc::clone(&launching));
            Box::pin(async move {
                if let Ok(_turn) = turn.try_lock() {
                    duties.launch().await;
                    duties.decide().await;
                }
            })
        })?;
        jobs.add(launch).await?;
        let stop = CancellationToken::new();
        let sealing = Turn::<i64>::default();
        let (to_seal, its_turn, its_stop) =
            (Arc::clone(&duties), Arc::clone(&sealing), stop.clone());
        let seal = Job::new_async("*/5 * * * * *", move |_, _| {
            let (duties, turn) = (Arc::clone(&to_seal), Arc::clone(&its_turn));
            let stop = its_stop.clone();
            Box::pin(async move {
                if let Ok(mut told_at) = turn.try_lock()
                    && !stop.is_cancelled()
                {
                    duties.seal(&mut told_at).await;
                }
            })
        })?;
        jobs.add(seal).await?;
        let measuring = Turn::<i64>::default();
        let (to_measure, its_turn) = (Arc::clone(&duties), Arc::clone(&measuring));
        let its_stop = stop.clone();
        let measure = Job::new_async("*/5 * * * * *", move |_, _| {
            let (duties, turn) = (Arc::clone(&to_measure), Arc::clone(&its_turn));
            let stop = its_stop.clone();
            Box::pin(async move {
                if let Ok(mut measured_at) = turn.try_lock()
                    && !stop.is_cancelled()
                {
                    duties.measure(&mut measured_at).await;
                }
            })
        })?;
        jobs.add(measure).await?;
        let upkeep = Turn::<()>::default();
        let (its_turn, its_stop) = (Arc::clone(&upkeep), stop.clone());
        // A turn of its own: a long upkeep holds up neither a campaign nor the sealing.
        let keep_up = Job::new_async("*/5 * * * * *", move |_, _| {
            let (duties, turn) = (Arc::clone(&duties), Arc::clone(&its_turn));
            let stop = its_stop.clone();
            Box::pin(async move {
                if let Ok(_turn) = turn.try_lock()
                    && !stop.is_cancelled()
                {
                    duties.keep_up(&stop).await;
                }
            })
        })?;
        jobs.add(keep_up).await?;
        jobs.start().await?;
        Ok(Self {
            jobs,
            stop,
            sealing,
            measuring,
            upkeep,
        })
    }

    /// Stops ticking; an upkeep under way ends at the next person.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Err(error) = self.jobs.shutdown().await {
            tracing::warn!(%error, "stopping the ticker");
        }
        drop(self.sealing.lock().await);
        drop(self.measuring.lock().await);
        drop(self.upkeep.lock().await);
    }
}
