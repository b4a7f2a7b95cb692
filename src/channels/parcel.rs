//! What waits to be handed over: composed only when its turn has come.

use tokio_util::sync::CancellationToken;

use super::model::{Moment, Outcome};

/// A message on its way, as the one who sends it sees it.
pub trait Passage: Send + Sync {
    /// Whether it may still go: asked before its turn, and before its first byte.
    fn may_go(&self, moment: Moment) -> bool;

    /// Told right before its first byte leaves; `false` keeps it back.
    fn begin(&mut self) -> bool;

    /// Told before its end what the other side calls it, and into how many parts it says it was cut.
    fn named(&mut self, message_id: Option<String>, parts: Option<u16>);

    /// What became of it; `None`: no byte of it was handed over.
    fn end(self: Box<Self>, outcome: Option<Outcome>);

    /// The relay cannot be reached, which would mean `outcome` for a message of its own. Nothing was tried
    /// with it.
    fn unreachable(self: Box<Self>, outcome: Outcome);

    /// When this is cancelled nobody waits for the end any more: its connection is closed, and what
    /// became of it stays open.
    fn given_up(&self) -> &CancellationToken;
}

/// A message of a channel's own kind on its way.
pub trait Parcel<M>: Passage {
    /// The message; `None` when there is none, and it then ends without an outcome.
    fn compose(&mut self) -> Option<M>;
}
