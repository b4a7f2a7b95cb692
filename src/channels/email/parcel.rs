//! A single message whose end somebody waits for, as a parcel.

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::Composed;
use crate::channels::model::{Moment, Outcome};
use crate::channels::parcel::{Parcel, Passage};

/// A message composed already, whose end somebody waits for.
pub(super) struct Single<F> {
    pub mail: Option<Composed>,
    pub may_go: F,
    pub given_up: CancellationToken,
    pub told: oneshot::Sender<Option<Outcome>>,
}

impl<F: Fn(Moment) -> bool + Send + Sync> Parcel<Composed> for Single<F> {
    fn compose(&mut self) -> Option<Composed> {
        self.mail.take()
    }
}

impl<F: Fn(Moment) -> bool + Send + Sync> Passage for Single<F> {
    fn may_go(&self, moment: Moment) -> bool {
        (self.may_go)(moment)
    }

    fn begin(&mut self) -> bool {
        true
    }

    fn named(&mut self, _message_id: Option<String>, _parts: Option<u16>) {}

    fn end(self: Box<Self>, outcome: Option<Outcome>) {
        // Who waited may have gone.
        let _ = self.told.send(outcome);
    }

    fn unreachable(self: Box<Self>, outcome: Outcome) {
        // Who waits plans the next try himself.
        self.end(Some(outcome));
    }

    fn given_up(&self) -> &CancellationToken {
        &self.given_up
    }
}
