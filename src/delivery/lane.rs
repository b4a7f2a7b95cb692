//! A lane works one lease: it keeps candidates ahead of the connections, gathers the answers, and settles
//! them with the next gate in one transaction, until nothing is left.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::OptionFuture;
use sea_orm::DbErr;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio_util::sync::CancellationToken;

use super::course::{Course, End, PATIENCE};
use super::model::{Lease, Settlement};
use super::opted_out;
use super::parcel::{HandOver, Sending};
use super::store::{self, Passed, Wanted};
use super::wave::{WaveContext, Way};
use super::worker::Worker;
use crate::accounts::audit;
use crate::campaigns::plan;
use crate::channels::model::Class;
use crate::consent::model::Channel;

/// How long a lease rests whose people another transaction has in hand, in milliseconds.
const BUSY_MS: i64 = 1_000;

/// How long a lane keeps its lease while it is not done with it: then whoever is next in turn goes on.
const SLICE: Duration = Duration::from_secs(5);

/// The first pause after the database failed, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A step under way, with what it settles.
type Step<'a> = Pin<Box<dyn Future<Output = Stepped> + Send + 'a>>;

struct Stepped {
    settlements: Vec<Settlement>,
    was_asked: bool,
    passed: Result<Passed, DbErr>,
}

impl Worker {
    /// Works a lease until it is empty, stopped or lost, and gives it back; returns how many were accepted.
    ///
    /// # Errors
    /// When the database fails at the gate (nobody of that batch was handed over), or stays away during a
    /// stop until the drain ends (what was in flight is then `unknown`).
    pub(super) async fn work(
        &self,
        lease: Lease,
        context: Arc<WaveContext>,
        stop: &CancellationToken,
    ) -> Result<u64, DbErr> {
        let page = match self.journal.page(&lease) {
            Ok(page) => page,
            Err(cause) => {
                self.give_back(&lease).await;
                return Err(DbErr::Custom(format!(
                    "the journal in the data folder cannot be written: {cause}"
                )));
            }
        };
        let (told, answers) = mpsc::unbounded_channel();
        let sending = Arc::new(Sending {
            lease: lease.clone(),
            context,
            clock: Arc::clone(&self.clock),
            page,
            told,
            hand_overs: self.hand_overs.clone(),
            give_up: Duration::from_secs(u64::from(self.settings.delivery.give_up_hours) * 3_600),
            stop: stop.clone(),
            given_up: self.given_up.clone(),
            is_barred: AtomicBool::new(false),
        });
        let (accepted, end) = self.run_lane(&sending, answers, stop).await?;
        match end {
            End::Lost => {
                tracing::warn!(wave = %lease.wave, "the lease ran out and was taken over");
            }
            End::Failed(error) => {
                self.give_back(&lease).await;
                sending.page.close();
                return Err(error);
            }
            End::Empty | End::Stopped | End::Busy => {
                let not_before =
                    matches!(end, End::Busy).then(|| self.clock.now_ms().saturating_add(BUSY_MS));
                let now_ms = self.clock.now_ms();
                if let Err(error) = store::release(&self.db, &lease, not_before, now_ms).await {
                    self.give_back(&lease).await;
                    return Err(error);
                }
            }
        }
        sending.page.close();
        Ok(accepted)
    }

    /// Runs until nobody is in hand and nobody will be.
    async fn run_lane(
        &self,
        sending: &Arc<Sending>,
        mut answers: UnboundedReceiver<Settlement>,
        stop: &CancellationToken,
    ) -> Result<(u64, End), DbErr> {
        let begun = Instant::now();
        let largest = self.largest_batch(&sending.context);
        let connections = sending.context.connections;
        // What the leases before have learned of the relay holds for this one.
        let size = match sending.context.batch.load(Ordering::Relaxed) {
            0 => connections * 2,
            learned => learned,
        };
        let mut course = Course::new(sending.lease.from_seq, largest.min(size));
        let mut accepted = 0;
        let mut stopped_at: Option<Instant> = None;
        let mut step: Option<Step<'_>> = None;
        let mut submitting: Option<Pin<Box<dyn Future<Output = ()> + Send>>> = None;
        loop {
            if stop.is_cancelled() && stopped_at.is_none() {
                stopped_at = Some(Instant::now());
                course.finish(End::Stopped);
            }
            // A relay that rests gets nothing, and what waits for it uses up no attempt.
            let is_at_rest = !sending.context.is_well();
            let is_to_end = sending.is_barred() || is_at_rest || begun.elapsed() >= SLICE;
            if is_to_end && course.end.is_none() {
                course.finish(End::Stopped);
            }
            course.give_back_stale();
            if step.is_none() {
                // A step holds the database's one writer, or rows: two at once would wait for each other.
                if let Some(fault) = course.fault.take() {
                    self.pause_for_fault(&sending.context, fault).await;
                }
                if course.is_over() {
                    return Ok((accepted, course.end.take().unwrap_or(End::Empty)));
                }
                let lease_seconds = self.settings.delivery.lease_seconds;
                let keep_after = Duration::from_secs(lease_seconds) / 3;
                step = course
                    .next_step(&sending.lease, keep_after)
                    .map(|wanted| self.step(sending, course.take_answered(), wanted));
            }
            if submitting.is_none()
                && let Some(candidate) = course.take_ready()
            {
                let parcel = HandOver::new(sending, candidate);
                submitting = Some(Box::pin(submit(Arc::clone(sending), parcel)));
            }
            tokio::select! {
                Some(stepped) = OptionFuture::from(step.as_mut()) => {
                    step = None;
                    let has_drained = stopped_at.is_some_and(|at| {
                        at.elapsed().as_secs() >= self.settings.delivery.drain_seconds
                    });
                    self.stepped(&mut course, stepped, sending, largest, has_drained)?;
                }
                Some(()) = OptionFuture::from(submitting.as_mut()) => submitting = None,
                Some(answer) = answers.recv() => {
                    accepted += course.take(answer);
                    while let Ok(answer) = answers.try_recv() {
                        accepted += course.take(answer);
                    }
                    course.fault = sending.context.faults().take_pause_reason().or(course.fault);
                    if course.fault.is_some() {
                        course.finish(End::Stopped);
                    }
                }
                () = tokio::time::sleep(course.rest()), if step.is_none() => {}
                () = stop.cancelled(), if stopped_at.is_none() => {}
            }
            if course.end.is_some() {
                // Who waits for his turn at the line goes back.
                submitting = None;
            }
        }
    }

    /// No more than a rate limit lets through while the gate's answer holds.
    fn largest_batch(&self, context: &WaveContext) -> usize {
        // Of a rate no more than goes out in half a second: two lanes may work at it, and who has waited
        // until the gate's answer is too old has lost his slot.
        let rate = context.entry.rate().map(|rate| rate.div_ceil(2));
        let limits = [Some(self.settings.delivery.batch), rate];
        let largest = limits.into_iter().flatten().min().unwrap_or(1);
        usize::try_from(largest).unwrap_or(1)
    }

    /// Settles and asks, beside the dialogues, which must go on while the database takes its time.
    fn step<'a>(
        &'a self,
        sending: &'a Sending,
        settlements: Vec<Settlement>,
        wanted: Option<Wanted>,
    ) -> Step<'a> {
        Box::pin(async move {
            let passed = store::advance(
                &self.db,
                &sending.lease,
                &sending.context.entry,
                &settlements,
                wanted,
                self.settings.delivery.lease_seconds,
                self.clock.now_ms(),
            )
            .await;
            let passed = match passed {
                Ok(Passed::Candidates(candidates, up_to)) => {
                    let seqs = candidates.iter().map(|candidate| candidate.seq);
                    let offering = &sending.context.offering;
                    let fetched = offering.fetch(&self.db, sending.lease.wave, seqs).await;
                    fetched.map(|()| Passed::Candidates(candidates, up_to))
                }
                other => other,
            };
            if passed.is_ok() {
                opted_out::record(&self.db, &settlements, self.clock.now_ms()).await;
            }
            Stepped {
                settlements,
                was_asked: wanted.is_some(),
                passed,
            }
        })
    }

    /// What a step came to. A database that is away is asked again and again for the settlement: an outcome
    /// is worth keeping, and its fence keeps it from harm however late it comes.
    fn stepped(
        &self,
        course: &mut Course,
        stepped: Stepped,
        sending: &Sending,
        largest: usize,
        has_drained: bool,
    ) -> Result<(), DbErr> {
        let wave = sending.lease.wave;
        course.stepped = Instant::now();
        match stepped.passed {
            Ok(passed) => {
                course.pause = None;
                match passed {
                    Passed::Settled => {}
                    Passed::Candidates(candidates, up_to) => {
                        course.passed(candidates, up_to, &sending.lease, largest);
                        sending.context.batch.store(course.size, Ordering::Relaxed);
                    }
                    Passed::Busy => {
                        let since = course.busy_since.get_or_insert_with(Instant::now);
                        if since.elapsed() >= PATIENCE {
                            self.has_put_off.store(true, Ordering::Relaxed);
                            tracing::info!(%wave,
                                "the people left of a lease are in the hands of another transaction; it comes back");
                            course.finish(End::Busy);
                        }
                    }
                    // It comes back when there are slots again; others go on meanwhile.
                    Passed::Resting | Passed::Stopped => course.finish(End::Stopped),
                    Passed::LeaseLost => {
                        sending.bar();
                        course.finish(End::Lost);
                    }
                }
            }
            Err(error) => {
                if has_drained {
                    return Err(error);
                }
                tracing::error!(%error, %wave, outcomes = stepped.settlements.len(),
                    "the database is away: outcomes wait");
                course.answered.extend(stepped.settlements);
                let pause = course.pause.map_or(FIRST_PAUSE, |(_, pause)| pause * 2);
                let pause = pause.min(LONGEST_PAUSE);
                course.pause = Some((Instant::now() + pause, pause));
                if stepped.was_asked {
                    // Whom it let pass, if it stands, nobody knows: they are taken back at the end.
                    course.finish(End::Failed(error));
                }
            }
        }
        Ok(())
    }

    /// After a gate or a release that failed, perhaps in its commit: nothing is in flight under the lease.
    pub(super) async fn give_back(&self, lease: &Lease) {
        let begin = Instant::now();
        let mut wait = FIRST_PAUSE;
        while let Err(error) = store::take_back(&self.db, lease, self.clock.now_ms()).await {
            if begin.elapsed().as_secs() >= self.settings.delivery.lease_seconds {
                tracing::error!(%error, wave = %lease.wave, "a lease is left to run out");
                return;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_PAUSE);
        }
    }

    async fn pause_for_fault(&self, context: &WaveContext, class: Class) {
        let reason = format!(
            "the receiving side refuses the sender, not the recipients ({}): {}",
            class.as_str(),
            advice(class, context.way.channel())
        );
        let name = &context.row.definition.name;
        let now_ms = self.clock.now_ms();
        match plan::pause(&self.db, name, &reason, audit::PROGRAM, now_ms).await {
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

/// Waits for a place in the line; who is dropped here goes back.
async fn submit(sending: Arc<Sending>, parcel: HandOver) {
    match &sending.context.way {
        Way::Email(way) => way.wave.submit(Box::new(parcel)).await,
        Way::Sms(way) => way.wave.submit(Box::new(parcel)).await,
    }
}

fn advice(class: Class, channel: Channel) -> &'static str {
    match (class, channel) {
        (Class::Relay, Channel::Sms) => {
            "check the account, its credit and the sender with `visavis check`, then resume"
        }
        (_, Channel::Sms) => {
            "ask the provider what it objects to in the text or the sender, then resume"
        }
        (Class::Relay, Channel::Email) => {
            "check [email.relay] and the sender's address with `visavis check`, then resume"
        }
        (Class::Blocked, Channel::Email) => {
            "look the sending address up at the blocklist the reply names, slow down, then resume"
        }
        _ => "check SPF, DKIM and DMARC of the sender's domain, then resume",
    }
}
