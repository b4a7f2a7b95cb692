//! The workers of this process: claim a lease, work it, claim the next.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prometheus::{IntCounterVec, IntGaugeVec, Opts};
use sea_orm::DbErr;
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::journal::Journal;
use super::model::Lease;
use super::store::{self, NewRest};
use super::wave::{WaveContext, WaveError};
use crate::accounts::audit;
use crate::campaigns::plan;
use crate::channels::Channels;
use crate::channels::breaker::Permit;
use crate::channels::health::News;
use crate::channels::model::Outcome;
use crate::clock::SharedClock;
use crate::config::Settings;
use crate::gate::rules::Rules;
use crate::ids::WaveId;
use crate::keys::Keys;
use crate::storage::Db;

/// How long a worker without work waits before it looks again.
const IDLE: Duration = Duration::from_millis(500);

/// How often unused limits are forgotten.
const TIDY: Duration = Duration::from_secs(600);

/// What came of looking for work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// A lease was worked, and so many messages were accepted.
    Worked(u64),
    Nothing,
    /// The relay failed again and again, and is left alone.
    Resting,
}

/// Counts one hand-over.
pub(super) fn count(hand_overs: &IntCounterVec, outcome: &Outcome) {
    let label = match outcome {
        Outcome::Accepted => "accepted",
        Outcome::Deferred { .. } => "deferred",
        Outcome::Rejected { .. } => "rejected",
        Outcome::Unknown { .. } => "unknown",
    };
    hand_overs.with_label_values(&[label]).inc();
}

/// Works the ledger.
#[derive(Debug)]
pub struct Worker {
    pub(super) db: Db,
    pub(super) clock: SharedClock,
    pub(super) settings: Arc<Settings>,
    pub(super) hand_overs: IntCounterVec,
    resting: IntGaugeVec,
    rules: Arc<Rules>,
    keys: Keys,
    channels: Channels,
    /// What this node hands over, under its name.
    pub(super) journal: Journal,
    /// Cancelled when a stop took too long: nobody waits for answers any more.
    pub(super) given_up: CancellationToken,
    /// Waves made ready; few at a time.
    contexts: Mutex<HashMap<(WaveId, String, String), Arc<WaveContext>>>,
    /// Whether a lease was given back because other transactions have its people in hand.
    pub(super) has_put_off: AtomicBool,
    /// Told when a wave is launched or resumed, so that nobody waits out the idle time.
    wake: Arc<Notify>,
}

impl Worker {
    /// The workers of the node whose journal is given.
    ///
    /// # Errors
    /// Never for a metric whose name and labels are well-formed, as these are.
    pub fn new(
        db: Db,
        clock: SharedClock,
        keys: Keys,
        settings: Arc<Settings>,
        rules: Arc<Rules>,
        channels: Channels,
        journal: Journal,
    ) -> Result<Self, prometheus::Error> {
        let hand_overs = IntCounterVec::new(
            Opts::new(
                "visavis_hand_overs_total",
                "Messages handed to the channel, by outcome.",
            ),
            &["outcome"],
        )?;
        let resting = IntGaugeVec::new(
            Opts::new(
                "visavis_relay_resting",
                "Whether a relay gets nothing for a while because it fails, by relay.",
            ),
            &["relay"],
        )?;
        for route in channels.routes() {
            resting.with_label_values(&[&*route]).set(0);
        }
        Ok(Self {
            db,
            clock,
            settings,
            hand_overs,
            resting,
            rules,
            keys,
            channels,
            journal,
            given_up: CancellationToken::new(),
            contexts: Mutex::new(HashMap::new()),
            has_put_off: AtomicBool::new(false),
            wake: Arc::new(Notify::new()),
        })
    }

    /// What to tell when a wave was launched, so that nobody waits out the idle time.
    pub fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// Hand-overs by outcome since the process began.
    pub fn hand_overs(&self) -> IntCounterVec {
        self.hand_overs.clone()
    }

    /// Which relays rest here.
    pub fn resting(&self) -> IntGaugeVec {
        self.resting.clone()
    }

    /// Gives up waiting for answers: after a stop that took too long.
    pub fn give_up(&self) {
        self.given_up.cancel();
    }

    /// Works until `stop`, then settles what is in flight; `workers` leases at once for each relay.
    pub async fn run(self: &Arc<Self>, stop: &CancellationToken) {
        self.forget_rests().await;
        let mut lanes = JoinSet::new();
        for relay in self.lanes() {
            let (worker, stop) = (Arc::clone(self), stop.clone());
            lanes.spawn(async move { worker.run_one(&relay, &stop).await });
        }
        let (worker, stop) = (Arc::clone(self), stop.clone());
        lanes.spawn(async move { worker.tidy(&stop).await });
        while lanes.join_next().await.is_some() {}
        self.forget_rests().await;
    }

    /// Works until no lease is due that a relay would take, or `stop`; returns how many messages were
    /// accepted. Who waits for his turn under a limit is waited for.
    ///
    /// # Errors
    /// When the database fails; what was in flight may be `unknown`.
    pub async fn run_until_idle(self: &Arc<Self>, stop: &CancellationToken) -> Result<u64, DbErr> {
        self.forget_rests().await;
        let mut lanes = JoinSet::new();
        for relay in self.lanes() {
            let (worker, stop) = (Arc::clone(self), stop.clone());
            lanes.spawn(async move { worker.run_one_until_idle(&relay, &stop).await });
        }
        let mut accepted = 0;
        let mut failed = None;
        while let Some(ended) = lanes.join_next().await {
            match ended {
                Ok(Ok(n)) => accepted += n,
                Ok(Err(error)) => failed = Some(error),
                Err(broken) => {
                    failed = Some(DbErr::Custom(format!("a worker broke off: {broken}")));
                }
            }
        }
        failed.map_or(Ok(accepted), Err)
    }

    /// The relay of each lane: `workers` for each, so that one that hangs holds up nobody else.
    fn lanes(&self) -> Vec<String> {
        let workers = usize::try_from(self.settings.delivery.workers).unwrap_or(1);
        self.channels
            .routes()
            .into_iter()
            .flat_map(|route| std::iter::repeat_n(route, workers))
            .collect()
    }

    async fn run_one_until_idle(
        &self,
        relay: &str,
        stop: &CancellationToken,
    ) -> Result<u64, DbErr> {
        let mut accepted = 0;
        while !stop.is_cancelled() {
            match self.next(relay, stop).await? {
                Next::Worked(n) => accepted += n,
                // A lease that was put off is not idle.
                Next::Nothing if self.has_put_off.swap(false, Ordering::Relaxed) => {
                    tokio::time::sleep(IDLE * 2).await;
                }
                Next::Nothing if store::is_waiting(&*self.db, relay).await? => {
                    tokio::time::sleep(IDLE / 2).await;
                }
                Next::Nothing | Next::Resting => break,
            }
        }
        Ok(accepted)
    }

    async fn run_one(&self, relay: &str, stop: &CancellationToken) {
        let mut wait = IDLE;
        while !stop.is_cancelled() {
            match self.next(relay, stop).await {
                Ok(Next::Worked(_)) => {
                    wait = IDLE;
                    continue;
                }
                Ok(Next::Nothing | Next::Resting) => wait = IDLE,
                Err(error) => {
                    tracing::error!(%error, "the database failed; the worker tries again");
                    wait = (wait * 2).min(Duration::from_secs(15));
                }
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.wake.notified() => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Forgets from time to time what limits no longer need.
    async fn tidy(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            if let Err(error) = store::forget_idle(&self.db).await {
                tracing::warn!(%error, "limits that nobody uses could not be forgotten");
            }
            tokio::select! {
                () = tokio::time::sleep(TIDY) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Claims and works one lease of a relay.
    async fn next(&self, relay: &str, stop: &CancellationToken) -> Result<Next, DbErr> {
        self.tell(relay).await;
        match self.channels.permit(relay) {
            Permit::Go => {}
            Permit::Wait(_) => return Ok(Next::Resting),
            Permit::Try => {
                tokio::select! {
                    () = self.channels.try_again(relay) => {}
                    () = stop.cancelled() => return Ok(Next::Nothing),
                }
                self.tell(relay).await;
                if self.channels.permit(relay) != Permit::Go {
                    return Ok(Next::Resting);
                }
            }
        }
        let lease = store::claim(
            &self.db,
            self.journal.node(),
            relay,
            self.settings.delivery.lease_seconds,
            self.clock.now_ms(),
        )
        .await?;
        let Some(lease) = lease else {
            return Ok(Next::Nothing);
        };
        match self.context(&lease).await {
            Ok(context) => self.work(lease, context, stop).await.map(Next::Worked),
            Err(WaveError::Database(error)) => {
                self.give_back(&lease).await;
                Err(error)
            }
            Err(error) => {
                // It would fail for every recipient: a person must look.
                tracing::error!(wave = %lease.wave, %error, "the wave cannot be sent");
                store::release(&self.db, &lease, None, self.clock.now_ms()).await?;
                if let Some(row) = store::wave(&*self.db, lease.wave).await? {
                    let reason = error.to_string();
                    let now_ms = self.clock.now_ms();
                    let name = &row.definition.name;
                    let paused = plan::pause(&self.db, name, &reason, audit::PROGRAM, now_ms).await;
                    if let Err(error) = paused {
                        tracing::warn!(wave = %lease.wave, %error, "campaign not paused");
                    }
                }
                Ok(Next::Worked(0))
            }
        }
    }

    /// Tells everybody when a relay begins to rest here, and when it works again.
    async fn tell(&self, relay: &str) {
        let Some(news) = self.channels.take_news(relay) else {
            return;
        };
        let is_resting = matches!(news, News::Rests { .. });
        self.resting
            .with_label_values(&[relay])
            .set(i64::from(is_resting));
        let told = match news {
            News::Rests {
                reason,
                failures,
                wait,
            } => {
                let rest = NewRest {
                    relay,
                    node: self.journal.node(),
                    reason: &reason,
                    failures,
                    wait,
                };
                store::begin_rest(&self.db, rest, self.clock.now_ms()).await
            }
            News::Works => store::end_rest(&self.db, Some(relay), self.journal.node()).await,
        };
        if let Err(error) = told {
            tracing::warn!(%error, relay, "that a relay rests, or works again, could not be written");
        }
    }

    /// What an earlier run of this node said of relays is no longer so.
    async fn forget_rests(&self) {
        if let Err(error) = store::end_rest(&self.db, None, self.journal.node()).await {
            tracing::warn!(%error, "that a relay rested could not be taken back");
        }
    }

    async fn context(&self, lease: &Lease) -> Result<Arc<WaveContext>, WaveError> {
        let key = (lease.wave, lease.route.clone(), lease.cell.clone());
        let mut contexts = self.contexts.lock().await;
        if let Some(context) = contexts.get(&key) {
            return Ok(Arc::clone(context));
        }
        let context = Arc::new(
            WaveContext::load(
                &self.db,
                &self.keys,
                &self.settings,
                &self.channels,
                &self.rules,
                (lease.wave, &lease.route, &lease.cell),
                self.clock.now_ms(),
            )
            .await?,
        );
        // Old waves come back only for retries; making one ready again costs milliseconds. One in use
        // stays, since its pace and its tally of faults are shared.
        if contexts.len() >= 16 {
            contexts.retain(|_, context| Arc::strong_count(context) > 1);
        }
        contexts.insert(key, Arc::clone(&context));
        Ok(context)
    }
}
