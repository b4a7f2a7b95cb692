//! What waits to be handed over: composed only when a connection is free for it.

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::Composed;
use crate::channels::model::{Moment, Outcome};

/// A message on its way, as the one who sends it sees it.
pub trait Parcel: Send + Sync {
    /// Whether it may still go: asked before its envelope, and before its first byte.
    fn may_go(&self, moment: Moment) -> bool;

    /// The message as bytes; `None` when there is none, and it then ends without an outcome.
    fn compose(&mut self) -> Option<Composed>;

    /// Told right before its first byte leaves; `false` keeps it back.
    fn begin(&mut self) -> bool;

    /// What became of it; `None`: no byte of it was handed over.
    fn end(self: Box<Self>, outcome: Option<Outcome>);

    /// The relay cannot be reached, which would mean `outcome` for a message of its own. Nothing was tried
    /// with it.
    fn unreachable(self: Box<Self>, outcome: Outcome);

    /// When this is cancelled nobody waits for the end any more: its connection is closed, and what
    /// became of it stays open.
    fn given_up(&self) -> &CancellationToken;
}

/// A message composed already, whose end somebody waits for.
pub(super) struct Single<F> {
    pub mail: Option<Composed>,
    pub may_go: F,
    pub given_up: CancellationToken,
    pub told: oneshot::Sender<Option<Outcome>>,
}

impl<F: Fn(Moment) -> bool + Send + Sync> Parcel for Single<F> {
    fn may_go(&self, moment: Moment) -> bool {
        (self.may_go)(moment)
    }

    fn compose(&mut self) -> Option<Composed> {
        self.mail.take()
    }

    fn begin(&mut self) -> bool {
        true
    }

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
