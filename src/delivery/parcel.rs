//! One candidate on his way through the channel: composed when a connection is free, entered into the
//! journal before his first byte, and judged by the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::RngExt;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::journal::Page;
use super::model::{Lease, Settlement, TextFacts, Verdict, judge};
use super::store::Candidate;
use super::wave::{EmailWay, SmsWay, WaveContext, Way};
use super::{in_flight, message, worker};
use crate::channels::email::{Composed, refused};
use crate::channels::model::{Class, Moment, Outcome};
use crate::channels::parcel::{Parcel, Passage};
use crate::channels::sms::model::SmsMessage;
use crate::clock::SharedClock;
use crate::gate::model::Withheld;
use crate::ids::DeliveryKey;
use crate::templates::RenderError;

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
    /// What is known of his text message.
    text: Option<TextFacts>,
    is_told: bool,
}

impl HandOver {
    pub fn new(sending: &Arc<Sending>, candidate: Candidate) -> Self {
        Self {
            sending: Arc::clone(sending),
            candidate,
            has_begun: false,
            verdict: None,
            text: None,
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
        let is_kept = matches!(verdict, Verdict::Accepted | Verdict::Unknown);
        let settlement = Settlement {
            has_pixel: message::has_pixel(
                self.sending.lease.channel(),
                self.candidate.customer.tracking,
            ),
            text: self.text.take().filter(|_| is_kept),
            ..Settlement::new(self.candidate.seq, self.candidate.customer.id, verdict)
        };
        // Nobody listens any more when a stop took too long: the row is then unknown.
        let _ = self.sending.told.send(settlement);
    }
}

impl HandOver {
    fn delivery(&self) -> DeliveryKey {
        DeliveryKey {
            wave: self.sending.lease.wave,
            seq: self.candidate.seq,
        }
    }

    /// Who cannot be written to as the template wants it is withheld.
    fn rendered<T>(&mut self, rendered: Result<T, RenderError>) -> Option<T> {
        match rendered {
            Ok(rendered) => Some(rendered),
            Err(error) => {
                let delivery = self.delivery();
                tracing::error!(%delivery, %error, "a message could not be rendered and is withheld");
                self.verdict = Some(Verdict::Withheld(Withheld::Unrenderable));
                None
            }
        }
    }

    fn email(&mut self, context: &WaveContext, way: &EmailWay) -> Option<Composed> {
        let (delivery, now_ms) = (self.delivery(), self.sending.clock.now_ms());
        let message = message::compose(context, way, delivery, &self.candidate.customer, now_ms);
        let message = self.rendered(message)?;
        match way.wave.compose(&message) {
            Ok(composed) => Some(composed),
            Err(fault) => {
                self.verdict = Some(self.judge(&refused(fault)));
                None
            }
        }
    }

    fn sms(&mut self, context: &WaveContext, way: &SmsWay) -> Option<SmsMessage> {
        let delivery = self.delivery();
        let message = message::compose_sms(context, way, delivery, &self.candidate.customer);
        let (message, facts) = self.rendered(message)?;
        self.text = Some(facts);
        Some(message)
    }
}

impl Parcel<Composed> for HandOver {
    fn compose(&mut self) -> Option<Composed> {
        let context = Arc::clone(&self.sending.context);
        match &context.way {
            Way::Email(way) => self.email(&context, way),
            Way::Sms(_) => None,
        }
    }
}

impl Parcel<SmsMessage> for HandOver {
    fn compose(&mut self) -> Option<SmsMessage> {
        let context = Arc::clone(&self.sending.context);
        match &context.way {
            Way::Email(_) => None,
            Way::Sms(way) => self.sms(&context, way),
        }
    }
}

impl Passage for HandOver {
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

    fn named(&mut self, message_id: Option<String>, parts: Option<u16>) {
        let Some(text) = &mut self.text else {
            return;
        };
        text.message_id = message_id;
        // What the provider bills is what it counts.
        if let (Some(bill), Some(parts)) = (&mut text.bill, parts.filter(|parts| *parts > 0)) {
            let price = bill
                .cost_micros
                .map(|cost| cost / i64::from(bill.parts.max(1)));
            bill.cost_micros = price.map(|price| price.saturating_mul(i64::from(parts)));
            bill.parts = parts;
        }
    }

    fn end(mut self: Box<Self>, outcome: Option<Outcome>) {
        let verdict = match (&outcome, self.verdict.take()) {
            (Some(outcome), _) => {
                if self.has_begun && !matches!(outcome, Outcome::Unknown { .. }) {
                    let is_accepted = *outcome == Outcome::Accepted;
                    let bill = self.text.as_ref().and_then(|text| text.bill);
                    self.sending
                        .page
                        .answered(self.candidate.seq, is_accepted, bill);
                }
                self.judge(outcome)
            }
            (None, Some(verdict)) => verdict,
            (None, None) => {
                if self.has_begun {
                    self.sending.page.answered(self.candidate.seq, false, None);
                }
                Verdict::NotHandedOver
            }
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
