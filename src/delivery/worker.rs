//! The workers of this process: claim a lease, work it, claim the next.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prometheus::{IntCounterVec, Opts};
use sea_orm::DbErr;
use tokio::sync::{Mutex, Notify};
use tokio_util::sync::CancellationToken;

use super::store;
use super::wave::{WaveContext, WaveError};
use crate::campaigns::plan;
use crate::channels::email::EmailChannel;
use crate::channels::model::Outcome;
use crate::clock::SharedClock;
use crate::config::Settings;
use crate::gate::rules::Rules;
use crate::ids::WaveId;
use crate::keys::Keys;
use crate::storage::Db;

/// How long a worker without work waits before it looks again.
const IDLE: Duration = Duration::from_millis(500);

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
    rules: Arc<Rules>,
    keys: Keys,
    channel: EmailChannel,
    node: String,
    /// Waves made ready; few at a time.
    contexts: Mutex<HashMap<WaveId, Arc<WaveContext>>>,
    /// Whether a lease was given back because other transactions have its people in hand.
    pub(super) has_put_off: AtomicBool,
    /// Told when a wave is launched or resumed, so that nobody waits out the idle time.
    wake: Arc<Notify>,
}

impl Worker {
    /// A worker of node `node`.
    ///
    /// # Errors
    /// Never for a metric whose name and labels are well-formed, as these are.
    pub fn new(
        db: Db,
        clock: SharedClock,
        keys: Keys,
        settings: Arc<Settings>,
        rules: Arc<Rules>,
        channel: EmailChannel,
        node: String,
    ) -> Result<Self, prometheus::Error> {
        let hand_overs = IntCounterVec::new(
            Opts::new(
                "visavis_hand_overs_total",
                "Messages handed to the channel, by outcome.",
            ),
            &["outcome"],
        )?;
        Ok(Self {
            db,
            clock,
            settings,
            hand_overs,
            rules,
            keys,
            channel,
            node,
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

    /// Works until `stop`, then settles what is in flight; `workers` leases at once.
    pub async fn run(&self, stop: &CancellationToken) {
        let workers = self.settings.delivery.workers;
        let loops = (0..workers).map(|_| self.run_one(stop));
        futures_util::future::join_all(loops).await;
    }

    /// Works until no lease is due, or `stop`; returns how many messages were accepted.
    ///
    /// # Errors
    /// When the database fails; what was in flight may be `unknown`.
    pub async fn run_until_idle(&self, stop: &CancellationToken) -> Result<u64, DbErr> {
        let workers = self.settings.delivery.workers;
        let loops = (0..workers).map(|_| async {
            let mut accepted = 0;
            while !stop.is_cancelled() {
                match self.next(stop).await? {
                    Some(n) => accepted += n,
                    // A lease that was put off is not idle.
                    None if self.has_put_off.swap(false, Ordering::Relaxed) => {
                        tokio::time::sleep(IDLE * 2).await;
                    }
                    None => break,
                }
            }
            Ok::<u64, DbErr>(accepted)
        });
        let results = futures_util::future::join_all(loops).await;
        results.into_iter().sum()
    }

    async fn run_one(&self, stop: &CancellationToken) {
        let mut wait = IDLE;
        while !stop.is_cancelled() {
            match self.next(stop).await {
                Ok(Some(_)) => {
                    wait = IDLE;
                    continue;
                }
                Ok(None) => wait = IDLE,
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

    /// Claims and works one lease; `None` when nothing is due.
    async fn next(&self, stop: &CancellationToken) -> Result<Option<u64>, DbErr> {
        let lease = store::claim(
            &self.db,
            &self.node,
            crate::config::DEFAULT_RELAY,
            self.settings.delivery.lease_seconds,
            self.clock.now_ms(),
        )
        .await?;
        let Some(lease) = lease else {
            return Ok(None);
        };
        match self.context(lease.wave).await {
            Ok(context) => self.work(&lease, &context, stop).await.map(Some),
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
                    let paused = plan::pause(&self.db, &row.definition.name, &reason, now_ms).await;
                    if let Err(error) = paused {
                        tracing::warn!(wave = %lease.wave, %error, "campaign not paused");
                    }
                }
                Ok(Some(0))
            }
        }
    }

    async fn context(&self, wave: WaveId) -> Result<Arc<WaveContext>, WaveError> {
        let mut contexts = self.contexts.lock().await;
        if let Some(context) = contexts.get(&wave) {
            return Ok(Arc::clone(context));
        }
        let context = Arc::new(
            WaveContext::load(
                &self.db,
                &self.keys,
                &self.settings.web.public_url,
                &self.channel,
                &self.rules,
                wave,
                self.clock.now_ms(),
            )
            .await?,
        );
        // Old waves come back only for retries; making one ready again costs milliseconds. One in use
        // stays, since its pace and its tally of faults are shared.
        if contexts.len() >= 16 {
            contexts.retain(|_, context| Arc::strong_count(context) > 1);
        }
        contexts.insert(wave, Arc::clone(&context));
        Ok(context)
    }
}
