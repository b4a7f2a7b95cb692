//! From a mail that came back to what it changes: bounces, complaints, opt-outs, replies.
//!
//! Promise: one transaction writes what a mail changes and that it was taken in, so that it counts once however
//! often and by whichever way it comes. It acts on the delivery alone whose MAC it carries, never on an address in
//! its text (RULES.md §1.7); what proves nothing, or cannot be told, is kept for a person, and only of that is the
//! text kept.

mod faults;
pub mod kept;
pub mod model;
mod named;
mod proof;
pub mod receive;
mod store;
pub mod told;
pub mod warnings;

pub use receive::receive;
pub use store::mailboxes::{Position, note_position, position};
pub use store::retention::{count_old, let_go_old};
