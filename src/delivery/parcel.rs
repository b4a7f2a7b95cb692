//! One candidate on his way through the channel: composed when a connection is free, entered into the
//! journal before his first byte, and judged by the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::RngExt;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::journal::Page;
use super::model::{Lease, Settlement, Verdict, judge};
use super::store::Candidate;
use super::wave::WaveContext;
use super::{in_flight, message, worker};
use crate::channels::email::{Composed, Parcel, refused};
use crate::channels::model::{Class, Moment, Outcome};
use crate::clock::SharedClock;
use crate::gate::model::Withheld;
use crate::ids::DeliveryKey;

/// How old a gate's answer may be when a message is handed over.
pub(super) const GATE_HOLDS: Duration = Duration::from_secs(1);

/// How old it may be when the message itself follows, after a relay that was slow over the envelope: with
/// [`GATE_HOLDS`] for both, a relay that always takes longer would never get anything. Less than an opt-out
/// waits ([`in_flight::AT_MOST`]), so that nothing begins to leave once that is answered.
const HOLDS_FOR_MESSAGE: Duration = Duration::from_secs(in_flight::AT_MOST.as_secs() - 1);

/// What the parcels of a lease share.
#[derive(Debug)]
pub(super) struct Sending {
    pub lease: Lease,
    pub context: Arc<WaveContext>,
    pub clock: SharedClock,
    pub page: Page,
    /// Where the verdicts go.
    pub told: UnboundedSender<Settlement>,
    pub hand_overs: prometheus::IntCounterVec,
    /// How long a deferred message is tried.
    pub give_up: Duration,
    pub stop: CancellationToken,
    pub given_up: CancellationToken,
    /// Nothing more may begin: the lease is lost, or the journal cannot be written.
    pub is_barred: AtomicBool,
}

impl Sending {
    pub fn bar(&self) {
        self.is_barred.store(true, Ordering::Relaxed);
    }

    pub fn is_barred(&self) -> bool {
        self.is_barred.load(Ordering::Relaxed)
    }
}

/// A candidate in hand.
pub(super) struct HandOver {
    sending: Arc<Sending>,
    candidate: Candidate,
    has_begun: bool,
    /// What is known without handing him over.
    verdict: Option<Verdict>,
    is_told: bool,
}

impl HandOver {
    pub fn new(sending: &Arc<Sending>, candidate: Candidate) -> Self {
        Self {
            sending: Arc::clone(sending),
            candidate,
            has_begun: false,
            verdict: None,
            is_told: false,
        }
    }

    /// What an outcome means for him.
    fn judge(&self, outcome: &Outcome) -> Verdict {
        self.sending.context.faults().add(fault_of(outcome));
        let verdict = judge(
            outcome,
            self.candidate.attempt,
            self.sending.clock.now_ms(),
            self.sending.give_up,
            rand::rng().random(),
        );
        worker::count(&self.sending.hand_overs, outcome);
        verdict
    }

    fn tell(&mut self, verdict: Verdict) {
        self.is_told = true;
        let settlement = Settlement {
            seq: self.candidate.seq,
            customer: self.candidate.customer.id,
            verdict,
        };
        // Nobody listens any more when a stop took too long: the row is then unknown.
        let _ = self.sending.told.send(settlement);
    }
}

impl Parcel for HandOver {
    fn may_go(&self, moment: Moment) -> bool {
        if self.sending.is_barred() {
            return false;
        }
        match moment {
            Moment::Begin => {
                self.candidate.gated.elapsed() <= GATE_HOLDS && !self.sending.stop.is_cancelled()
            }
            Moment::Message => self.candidate.gated.elapsed() <= HOLDS_FOR_MESSAGE,
        }
    }

    fn compose(&mut self) -> Option<Composed> {
        let Sending { lease, context, .. } = &*self.sending;
        let delivery = DeliveryKey {
            wave: lease.wave,
            seq: self.candidate.seq,
        };
        let now_ms = self.sending.clock.now_ms();
        let message = match message::compose(context, delivery, &self.candidate.customer, now_ms) {
            Ok(message) => message,
            Err(error) => {
                tracing::error!(%delivery, %error, "a message could not be rendered and is withheld");
                self.verdict = Some(Verdict::Withheld(Withheld::Unrenderable));
                return None;
            }
        };
        match context.email.compose(&message) {
            Ok(composed) => Some(composed),
            Err(fault) => {
                self.verdict = Some(self.judge(&refused(fault)));
                None
            }
        }
    }

    fn begin(&mut self) -> bool {
        match self.sending.page.begun(self.candidate.seq) {
            Ok(()) => {
                self.has_begun = true;
                true
            }
            Err(cause) => {
                tracing::error!(%cause, "the journal cannot be written: nothing is handed over");
                self.sending.bar();
                false
            }
        }
    }

    fn end(mut self: Box<Self>, outcome: Option<Outcome>) {
        let verdict = match (&outcome, self.verdict.take()) {
            (Some(outcome), _) => {
                if self.has_begun && !matches!(outcome, Outcome::Unknown { .. }) {
                    let is_accepted = *outcome == Outcome::Accepted;
                    self.sending.page.answered(self.candidate.seq, is_accepted);
                }
                self.judge(outcome)
            }
            (None, Some(verdict)) => verdict,
            (None, None) => Verdict::NotHandedOver,
        };
        self.tell(verdict);
    }

    fn unreachable(self: Box<Self>, _outcome: Outcome) {
        // He stays where he is until the relay is back: that is no attempt.
        self.end(None);
    }

    fn given_up(&self) -> &CancellationToken {
        &self.sending.given_up
    }
}

impl Drop for HandOver {
    /// A task that broke off, or a candidate who never came into the line.
    fn drop(&mut self) {
        if !self.is_told {
            self.tell(if self.has_begun {
                Verdict::Unknown
            } else {
                Verdict::NotHandedOver
            });
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
