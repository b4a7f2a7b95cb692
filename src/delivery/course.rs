//! Where a lane is, without I/O: whom it asks about next, who waits for a connection, what is to be settled,
//! and why it ends.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sea_orm::DbErr;

use super::model::{Lease, LeaseKind, Settlement, Verdict};
use super::parcel::GATE_HOLDS;
use super::store::{Candidate, Wanted};
use crate::channels::model::Class;

/// How long the lane waits for customers whom others have in hand, before it puts its lease off.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);

/// How long an outcome waits for others to be settled with it.
const SETTLE_AFTER: Duration = Duration::from_millis(100);

/// Why nobody else of the lease is asked about.
#[derive(Debug)]
pub(super) enum End {
    /// Nothing is left that is due.
    Empty,
    /// Paused, cancelled, or the process stops.
    Stopped,
    /// Others have the people left in hand.
    Busy,
    /// The lease is another's.
    Lost,
    /// The gate failed, perhaps in its commit.
    Failed(DbErr),
}

/// Where the lane is.
pub(super) struct Course {
    /// How many pass the gate together.
    pub size: usize,
    /// From which place on the next are asked about.
    from_seq: i64,
    /// Whether anybody was found since the lease was last looked at from its beginning.
    has_found: bool,
    ready: VecDeque<Candidate>,
    gated: Instant,
    /// Handed to the channel and not answered.
    in_hand: usize,
    pub answered: Vec<Settlement>,
    /// Answers since the last gate that came too late for it.
    stale: usize,
    pub stepped: Instant,
    pub pause: Option<(Instant, Duration)>,
    pub busy_since: Option<Instant>,
    /// The sender's fault for which the campaign is to be paused.
    pub fault: Option<Class>,
    pub end: Option<End>,
}

impl Course {
    pub fn new(from_seq: i64, size: usize) -> Self {
        let now = Instant::now();
        Self {
            size: size.max(1),
            from_seq,
            has_found: false,
            ready: VecDeque::new(),
            gated: now,
            in_hand: 0,
            answered: Vec::new(),
            stale: 0,
            stepped: now,
            pause: None,
            busy_since: None,
            fault: None,
            end: None,
        }
    }

    /// Nobody is in hand, nothing waits to be settled, and nobody will be asked about.
    pub fn is_over(&self) -> bool {
        let is_settled = self.answered.is_empty() || matches!(self.end, Some(End::Lost));
        self.end.is_some() && self.in_hand == 0 && is_settled
    }

    /// Asks about nobody else; who waits here goes back.
    pub fn finish(&mut self, end: End) {
        for candidate in self.ready.drain(..) {
            self.answered.push(Settlement::new(
                candidate.seq,
                candidate.customer.id,
                Verdict::NotHandedOver,
            ));
        }
        // A lease that is lost stays so; what failed is told in any case.
        let is_final = matches!(self.end, Some(End::Lost | End::Failed(_)));
        if !is_final {
            self.end = Some(end);
        }
    }

    /// Puts back who has waited here for longer than the gate's answer holds: behind a relay that hangs
    /// nobody shall wait for him in vain.
    pub fn give_back_stale(&mut self) {
        while let Some(candidate) = self
            .ready
            .pop_front_if(|candidate| candidate.gated.elapsed() > GATE_HOLDS)
        {
            self.stale += 1;
            self.answered.push(Settlement::new(
                candidate.seq,
                candidate.customer.id,
                Verdict::NotHandedOver,
            ));
        }
    }

    pub fn take_ready(&mut self) -> Option<Candidate> {
        let candidate = self.ready.pop_front()?;
        self.in_hand += 1;
        Some(candidate)
    }

    pub fn take_answered(&mut self) -> Vec<Settlement> {
        std::mem::take(&mut self.answered)
    }

    /// Takes an answer; 1 when it was accepted.
    pub fn take(&mut self, settlement: Settlement) -> u64 {
        self.in_hand = self.in_hand.saturating_sub(1);
        let is_accepted = settlement.verdict == Verdict::Accepted;
        if settlement.verdict == Verdict::NotHandedOver {
            self.stale += 1;
        }
        self.answered.push(settlement);
        u64::from(is_accepted)
    }

    /// Takes who passed the gate.
    pub fn passed(
        &mut self,
        candidates: Vec<Candidate>,
        up_to: i64,
        lease: &Lease,
        largest: usize,
    ) {
        self.busy_since = None;
        if candidates.is_empty() {
            // Who was put back, or was in the hands of others, stands before: once more from the beginning.
            if self.has_found {
                self.has_found = false;
                self.from_seq = lease.from_seq;
            } else {
                self.finish(End::Empty);
            }
            return;
        }
        self.has_found = true;
        if lease.kind == LeaseKind::First {
            self.from_seq = up_to + 1;
        }
        // Starts small and grows while the answers stay fresh: a slow relay gets small batches.
        if self.stale > 0 {
            self.size = (self.size / 2).max(1);
        } else if self.gated.elapsed() < GATE_HOLDS / 2 {
            self.size = (self.size * 2).min(largest);
        }
        self.stale = 0;
        self.gated = Instant::now();
        self.ready.extend(candidates);
        if let Some(end) = self.end.take() {
            // It ended while the gate was asked.
            self.finish(end);
        }
    }

    /// Whether a step is due, and whom it asks about.
    pub fn next_step(&self, lease: &Lease, keep_after: Duration) -> Option<Option<Wanted>> {
        if matches!(self.end, Some(End::Lost))
            || self.pause.is_some_and(|(until, _)| Instant::now() < until)
        {
            return None;
        }
        let since = self.stepped.elapsed();
        let outside = self.ready.len() + self.in_hand;
        let is_hungry = self.end.is_none()
            && match lease.kind {
                // While half of the last are still on their way.
                LeaseKind::First if self.from_seq > lease.from_seq => outside <= self.size / 2,
                // From the beginning, and where the order is not that of the places: when nobody is in hand.
                LeaseKind::First | LeaseKind::Retry => outside == 0,
            }
            && (self.busy_since.is_none() || since >= PATIENCE / 10);
        if is_hungry {
            return Some(Some(Wanted {
                from_seq: self.from_seq,
                limit: self.size,
            }));
        }
        let is_due = !self.answered.is_empty() && (since >= SETTLE_AFTER || outside == 0);
        (is_due || since >= keep_after).then_some(None)
    }

    /// How long to wait at most before the next look.
    pub fn rest(&self) -> Duration {
        let pause = self
            .pause
            .map(|(until, _)| until.saturating_duration_since(Instant::now()));
        if self.busy_since.is_some() {
            return PATIENCE / 10;
        }
        pause.unwrap_or(SETTLE_AFTER).max(Duration::from_millis(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::WaveId;
    use crate::templates::sample_customer;

    const LEASE: Lease = Lease {
        id: 1,
        wave: WaveId(1),
        route: String::new(),
        cell: String::new(),
        kind: LeaseKind::First,
        from_seq: 1,
        to_seq: 1_000,
        fence: 1,
    };

    #[derive(Debug, Clone, Copy)]
    enum Event {
        Passed(i64),
        Submitted,
        Answered,
        Settled,
        GivenBack,
        Ended,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (0_i64..9).prop_map(Event::Passed),
            Just(Event::Submitted),
            Just(Event::Answered),
            Just(Event::Settled),
            Just(Event::GivenBack),
            Just(Event::Ended),
        ]
    }

    proptest! {
        /// Whatever happens in whatever order, whom the gate let pass is settled once, or still there.
        #[test]
        fn nobody_is_lost_and_nobody_is_settled_twice(
            events in prop::collection::vec(event(), 0..120),
            is_stale in any::<bool>(),
        ) {
            let mut course = Course::new(LEASE.from_seq, 4);
            let (mut last, mut submitted, mut settled) = (0, Vec::new(), Vec::new());
            let gated = if is_stale {
                Instant::now().checked_sub(GATE_HOLDS * 2).unwrap()
            } else {
                Instant::now()
            };
            for event in events {
                match event {
                    Event::Passed(n) => {
                        let candidates = (last + 1..=last + n)
                            .map(|seq| Candidate { seq, attempt: 1, gated, customer: sample_customer() })
                            .collect();
                        last += n;
                        course.passed(candidates, last, &LEASE, 8);
                    }
                    Event::Submitted => submitted.extend(course.take_ready().map(|one| (one.seq, one.customer.id))),
                    Event::Answered => {
                        if let Some((seq, customer)) = submitted.pop() {
                            course.take(Settlement::new(seq, customer, Verdict::Accepted));
                        }
                    }
                    Event::Settled => settled.extend(course.take_answered().into_iter().map(|one| one.seq)),
                    Event::GivenBack => course.give_back_stale(),
                    Event::Ended => course.finish(End::Stopped),
                }
                prop_assert!(!course.is_over() || submitted.is_empty());
            }
            course.finish(End::Stopped);
            while let Some((seq, customer)) = submitted.pop() {
                course.take(Settlement::new(seq, customer, Verdict::Accepted));
            }
            settled.extend(course.take_answered().into_iter().map(|one| one.seq));
            prop_assert!(course.is_over());
            settled.sort_unstable();
            prop_assert_eq!(settled, (1..=last).collect::<Vec<_>>());
        }
    }
}
