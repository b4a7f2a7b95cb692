//! One lease: gate, render, hand over, settle, batch by batch, until nothing is left of it.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::future::OptionFuture;
use futures_util::stream::{self, StreamExt};
use rand::RngExt;
use sea_orm::DbErr;
use tokio_util::sync::CancellationToken;

use super::model::{Lease, Settlement, Verdict, judge};
use super::store::{self, Candidate, Passed};
use super::wave::WaveContext;
use super::worker::{self, Worker};
use super::{in_flight, message};
use crate::campaigns::plan;
use crate::channels::model::{Class, Moment, Outcome};
use crate::gate::model::Withheld;
use crate::ids::DeliveryKey;

/// How old a gate's answer may be when a message is handed over.
pub(super) const GATE_HOLDS: Duration = Duration::from_secs(1);

/// How long a lease rests whose people another transaction has in hand, in milliseconds.
const BUSY_MS: i64 = 1_000;

/// How old it may be when the message itself follows, after a relay that was slow over the envelope: with
/// [`GATE_HOLDS`] for both, a relay that always takes longer would never get anything. Less than an opt-out
/// waits ([`in_flight::AT_MOST`]), so that nothing begins to leave once that is answered.
const HOLDS_FOR_MESSAGE: Duration = Duration::from_secs(in_flight::AT_MOST.as_secs() - 1);

/// How long an outcome waits for others to be settled with it.
const SETTLE_AFTER: Duration = Duration::from_millis(250);

impl Worker {
    /// Works a lease until it is empty, stopped or lost, and gives it back.
    ///
    /// # Errors
    /// When the database fails at the gate (nothing of that batch was handed over), or stays away during a
    /// stop until the drain ends (what was in flight is then `unknown`).
    pub(super) async fn work(
        &self,
        lease: &Lease,
        context: &WaveContext,
        stop: &CancellationToken,
    ) -> Result<u64, DbErr> {
        // No more than a rate limit lets through while the gate's answer holds.
        let limits = [
            Some(self.settings.delivery.batch),
            self.settings.email.rate_per_second,
            context.row.definition.rate_per_second,
        ];
        let largest = limits.into_iter().flatten().min().unwrap_or(1);
        let largest = usize::try_from(largest).unwrap_or(1);
        let connections = usize::try_from(self.settings.email.connections).unwrap_or(10);
        // Starts small and grows while the answers stay fresh: a slow relay gets small batches.
        let mut size = largest.min(connections * 2);
        let mut accepted = 0;
        let mut not_before = None;
        while !stop.is_cancelled() {
            let passed = store::gate(
                &self.db,
                lease,
                &context.entry,
                size,
                self.settings.delivery.lease_seconds,
                self.clock.now_ms(),
            )
            .await;
            let passed = match passed {
                Ok(passed) => passed,
                Err(error) => {
                    self.give_back(lease).await;
                    return Err(error);
                }
            };
            let candidates = match passed {
                Passed::Candidates(candidates) if candidates.is_empty() => break,
                Passed::Candidates(candidates) => candidates,
                Passed::Busy => {
                    not_before = Some(self.clock.now_ms() + BUSY_MS);
                    self.has_put_off.store(true, Ordering::Relaxed);
                    tracing::info!(wave = %lease.wave,
                        "the people left of a lease are in the hands of another transaction; it comes back");
                    break;
                }
                Passed::Stopped => break,
                Passed::LeaseLost => {
                    tracing::warn!(wave = %lease.wave, "the lease ran out and was taken over");
                    return Ok(accepted);
                }
            };
            let begin = Instant::now();
            let done = self.hand_over(lease, context, candidates, stop).await?;
            accepted += done.accepted;
            let fault = context.faults().take_pause_reason();
            if let Some(fault) = fault {
                self.pause_for_fault(context, fault).await;
                break;
            }
            if done.stale > 0 {
                size = (size / 2).max(1);
            } else if begin.elapsed() < GATE_HOLDS / 2 {
                size = (size * 2).min(largest);
            }
        }
        if let Err(error) = store::release(&self.db, lease, not_before, self.clock.now_ms()).await {
            self.give_back(lease).await;
            return Err(error);
        }
        Ok(accepted)
    }

    /// Hands over a batch, as many at once as there are connections, and settles as answers arrive.
    async fn hand_over(
        &self,
        lease: &Lease,
        context: &WaveContext,
        candidates: Vec<Candidate>,
        stop: &CancellationToken,
    ) -> Result<Done, DbErr> {
        let gated = Instant::now();
        let connections = usize::try_from(self.settings.email.connections).unwrap_or(10);
        let mut answers = std::pin::pin!(
            stream::iter(candidates)
                .map(|candidate| self.send_one(lease, context, candidate, gated, stop))
                .buffer_unordered(connections)
        );
        let mut done = Done::default();
        let mut waiting: Vec<Settlement> = Vec::new();
        // Beside the dialogues, which must go on while the database takes its time.
        let mut settling = std::pin::pin!(OptionFuture::from(None));
        let mut is_settling = false;
        let mut tick = tokio::time::interval(SETTLE_AFTER);
        tick.tick().await;
        loop {
            tokio::select! {
                answer = answers.next() => match answer {
                    Some(settlement) => {
                        done.count(&settlement);
                        waiting.push(settlement);
                    }
                    None => break,
                },
                result = &mut settling, if is_settling => {
                    is_settling = false;
                    result.transpose()?;
                }
                _ = tick.tick(), if !is_settling => {
                    // A slow answer must not keep the others unsettled, nor let the lease run out.
                    let batch = std::mem::take(&mut waiting);
                    settling.set(Some(self.settle_and_keep(lease, batch, stop)).into());
                    is_settling = true;
                }
            }
        }
        if is_settling {
            settling.await.transpose()?;
        }
        self.settle(lease, &waiting, stop).await?;
        Ok(done)
    }

    /// Renders and hands over one message.
    async fn send_one(
        &self,
        lease: &Lease,
        context: &WaveContext,
        candidate: Candidate,
        gated: Instant,
        stop: &CancellationToken,
    ) -> Settlement {
        let seq = candidate.seq;
        let plain = |verdict| Settlement { seq, verdict };
        // The gate's answer holds for a moment only: what has waited longer goes through it again.
        let may_go = |moment| match moment {
            Moment::Begin => gated.elapsed() <= GATE_HOLDS && !stop.is_cancelled(),
            Moment::Message => gated.elapsed() <= HOLDS_FOR_MESSAGE,
        };
        if let Some(pace) = &context.pace {
            tokio::select! {
                () = pace.until_ready() => {}
                () = stop.cancelled() => return plain(Verdict::NotHandedOver),
                () = tokio::time::sleep_until((gated + GATE_HOLDS).into()) => {
                    return plain(Verdict::NotHandedOver);
                }
            }
        }
        if !may_go(Moment::Begin) {
            return plain(Verdict::NotHandedOver);
        }
        let delivery = DeliveryKey {
            wave: lease.wave,
            seq,
        };
        let now_ms = self.clock.now_ms();
        let message = match message::compose(context, delivery, &candidate.customer, now_ms) {
            Ok(message) => message,
            Err(error) => {
                tracing::error!(%delivery, %error, "a message could not be rendered and is withheld");
                return plain(Verdict::Withheld(Withheld::Unrenderable));
            }
        };
        let Some(outcome) = context.email.send_if(&message, may_go).await else {
            return plain(Verdict::NotHandedOver);
        };
        context.faults().add(fault_of(&outcome));
        let give_up = Duration::from_secs(u64::from(self.settings.delivery.give_up_hours) * 3_600);
        let verdict = judge(
            &outcome,
            candidate.attempt,
            self.clock.now_ms(),
            give_up,
            rand::rng().random(),
        );
        worker::count(&self.hand_overs, &outcome);
        plain(verdict)
    }

    async fn settle_and_keep(
        &self,
        lease: &Lease,
        settlements: Vec<Settlement>,
        stop: &CancellationToken,
    ) -> Result<(), DbErr> {
        let (settled, ()) = tokio::join!(self.settle(lease, &settlements, stop), self.keep(lease));
        settled
    }

    /// Writes outcomes. A database that is away is asked again and again: an outcome is worth keeping,
    /// and its fence keeps it from harm however late it comes.
    async fn settle(
        &self,
        lease: &Lease,
        settlements: &[Settlement],
        stop: &CancellationToken,
    ) -> Result<(), DbErr> {
        let mut wait = Duration::from_millis(100);
        let mut stopped = None;
        loop {
            match store::settle(&self.db, lease, settlements, self.clock.now_ms()).await {
                Ok(written) => {
                    if written < settlements.len() {
                        tracing::warn!(wave = %lease.wave, missing = settlements.len() - written,
                            "outcomes were settled before, or their lease was taken over");
                    }
                    return Ok(());
                }
                Err(error) => {
                    if stop.is_cancelled() {
                        let since = stopped.get_or_insert_with(Instant::now);
                        if since.elapsed().as_secs() >= self.settings.delivery.drain_seconds {
                            return Err(error);
                        }
                    }
                    tracing::error!(%error, wave = %lease.wave, outcomes = settlements.len(),
                        "the database is away: outcomes wait");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(Duration::from_secs(5));
                }
            }
        }
    }

    /// Renews the lease while a batch takes long. A renewal that fails is tried at the next tick: what is
    /// in flight must not be dropped for it.
    async fn keep(&self, lease: &Lease) {
        let renewal = async {
            let txn = self.db.begin().await?;
            let seconds = self.settings.delivery.lease_seconds;
            store::renew(&txn, lease, seconds, self.clock.now_ms()).await?;
            txn.commit().await
        };
        if let Err(error) = renewal.await {
            tracing::warn!(%error, wave = %lease.wave, "the lease could not be renewed");
        }
    }

    /// After a gate or a release that failed, perhaps in its commit: nothing is in flight under the lease.
    pub(super) async fn give_back(&self, lease: &Lease) {
        let begin = Instant::now();
        let mut wait = Duration::from_millis(100);
        while let Err(error) = store::take_back(&self.db, lease, self.clock.now_ms()).await {
            if begin.elapsed().as_secs() >= self.settings.delivery.lease_seconds {
                tracing::error!(%error, wave = %lease.wave, "a lease is left to run out");
                return;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(5));
        }
    }

    async fn pause_for_fault(&self, context: &WaveContext, class: Class) {
        let reason = format!(
            "the receiving side refuses the sender, not the recipients ({}): {}",
            class.as_str(),
            advice(class)
        );
        let name = &context.row.definition.name;
        match plan::pause(&self.db, name, &reason, self.clock.now_ms()).await {
            Ok(_) => tracing::error!(
                campaign = name,
                class = class.as_str(),
                "campaign paused: sender fault"
            ),
            // A person was faster, or it has ended.
            Err(error) => tracing::warn!(campaign = name, %error, "campaign not paused"),
        }
    }
}

/// What a batch came to.
#[derive(Default)]
struct Done {
    accepted: u64,
    stale: usize,
}

impl Done {
    fn count(&mut self, settlement: &Settlement) {
        match settlement.verdict {
            Verdict::Accepted => self.accepted += 1,
            Verdict::NotHandedOver => self.stale += 1,
            _ => {}
        }
    }
}

fn fault_of(outcome: &Outcome) -> Option<Class> {
    match outcome {
        Outcome::Rejected { class, .. } | Outcome::Deferred { class, .. }
            if class.is_sender_fault() =>
        {
            Some(*class)
        }
        _ => None,
    }
}

fn advice(class: Class) -> &'static str {
    match class {
        Class::Relay => {
            "check [email.relay] and the sender's address with `visavis check`, then resume"
        }
        Class::Blocked => {
            "look the sending address up at the blocklist the reply names, slow down, then resume"
        }
        _ => "check SPF, DKIM and DMARC of the sender's domain, then resume",
    }
}
