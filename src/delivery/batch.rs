//! One lease: gate, render, hand over, settle, batch by batch, until nothing is left of it.

use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};
use rand::RngExt;
use sea_orm::DbErr;
use tokio_util::sync::CancellationToken;

use super::message;
use super::model::{Settlement, Verdict, is_pause_due, judge};
use super::store::{self, Candidate, Lease, Passed};
use super::wave::WaveContext;
use super::worker::{self, Worker};
use crate::campaigns::model::Withheld;
use crate::campaigns::plan;
use crate::channels::model::{Class, Outcome};
use crate::ids::DeliveryKey;

/// How old a gate's answer may be when a message is handed over.
const GATE_HOLDS: Duration = Duration::from_secs(1);

/// How long an outcome waits for others to be settled with it.
const SETTLE_AFTER: Duration = Duration::from_millis(250);

/// What became of one candidate.
struct Handed {
    settlement: Settlement,
    /// The sender's fault behind it, if there is one.
    fault: Option<Class>,
}

impl Worker {
    /// Works a lease until it is empty, stopped or lost, and gives it back.
    ///
    /// # Errors
    /// When the database stays away longer than the lease holds; what was in flight is then `unknown`.
    pub(super) async fn work(
        &self,
        lease: &Lease,
        context: &WaveContext,
        stop: &CancellationToken,
    ) -> Result<u64, DbErr> {
        let largest = usize::try_from(self.settings.delivery.batch).unwrap_or(100);
        let connections = usize::try_from(self.settings.email.connections).unwrap_or(10);
        // Starts small and grows while the answers stay fresh: a slow relay gets small batches.
        let mut size = largest.min(connections * 2);
        let mut accepted = 0;
        while !stop.is_cancelled() {
            let passed = store::gate(
                &self.db,
                lease,
                &context.row.definition,
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
                Passed::Stopped => break,
                Passed::LeaseLost => {
                    tracing::warn!(wave = %lease.wave, "the lease ran out and was taken over");
                    return Ok(accepted);
                }
            };
            let begin = Instant::now();
            let batch = candidates.len();
            let done = self.hand_over(lease, context, candidates, stop).await?;
            accepted += done.accepted;
            if is_pause_due(&done.faults, batch) {
                self.pause_for_fault(context, &done.faults).await;
                break;
            }
            if done.stale > 0 {
                size = (size / 2).max(1);
            } else if begin.elapsed() < GATE_HOLDS / 2 {
                size = (size * 2).min(largest);
            }
        }
        store::release(&self.db, lease, self.clock.now_ms()).await?;
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
        let mut tick = tokio::time::interval(SETTLE_AFTER);
        tick.tick().await;
        loop {
            tokio::select! {
                answer = answers.next() => match answer {
                    Some(handed) => {
                        done.count(&handed);
                        waiting.push(handed.settlement);
                    }
                    None => break,
                },
                _ = tick.tick() => {
                    // A slow answer must not keep the others unsettled, nor let the lease run out.
                    self.settle(lease, &mut waiting).await?;
                    self.keep(lease).await;
                }
            }
        }
        self.settle(lease, &mut waiting).await?;
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
    ) -> Handed {
        let seq = candidate.seq;
        let plain = |verdict| Handed {
            settlement: Settlement { seq, verdict },
            fault: None,
        };
        let Ok(_slot) = self.slots.acquire().await else {
            return plain(Verdict::NotHandedOver);
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
        if gated.elapsed() > GATE_HOLDS || stop.is_cancelled() {
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
        let outcome = context.email.send(&message).await;
        let (fault, chance) = (fault_of(&outcome), rand::rng().random::<f64>());
        let give_up_at = candidate.due_at.max(context.row.launched_at)
            + i64::from(self.settings.delivery.give_up_hours) * 3_600_000;
        let verdict = judge(
            &outcome,
            candidate.attempt,
            self.clock.now_ms(),
            give_up_at,
            chance,
        );
        worker::count(&self.hand_overs, &outcome);
        Handed {
            settlement: Settlement { seq, verdict },
            fault,
        }
    }

    /// Writes what is waiting; a database that is away is asked again for as long as the lease holds.
    async fn settle(&self, lease: &Lease, waiting: &mut Vec<Settlement>) -> Result<(), DbErr> {
        let begin = Instant::now();
        let mut wait = Duration::from_millis(100);
        loop {
            match store::settle(&self.db, lease, waiting, self.clock.now_ms()).await {
                Ok(written) => {
                    if written < waiting.len() {
                        tracing::warn!(wave = %lease.wave, lost = waiting.len() - written,
                            "outcomes came after the lease was taken over");
                    }
                    waiting.clear();
                    return Ok(());
                }
                Err(error) if begin.elapsed().as_secs() < self.settings.delivery.lease_seconds => {
                    tracing::error!(%error, wave = %lease.wave, outcomes = waiting.len(),
                        "the database is away: outcomes wait");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(Duration::from_secs(5));
                }
                Err(error) => return Err(error),
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

    /// After a gate that failed, perhaps in its commit: nothing of that batch was handed over.
    async fn give_back(&self, lease: &Lease) {
        let begin = Instant::now();
        let mut wait = Duration::from_millis(100);
        while let Err(error) = store::take_back(&self.db, lease).await {
            if begin.elapsed().as_secs() >= self.settings.delivery.lease_seconds {
                tracing::error!(%error, wave = %lease.wave, "a lease is left to run out");
                return;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(5));
        }
    }

    async fn pause_for_fault(&self, context: &WaveContext, faults: &[Class]) {
        let class = faults
            .iter()
            .find(|class| **class == Class::Relay)
            .or(faults.first())
            .copied()
            .unwrap_or(Class::Policy);
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
    faults: Vec<Class>,
}

impl Done {
    fn count(&mut self, handed: &Handed) {
        match handed.settlement.verdict {
            Verdict::Accepted => self.accepted += 1,
            Verdict::NotHandedOver => self.stale += 1,
            _ => {}
        }
        self.faults.extend(handed.fault);
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
