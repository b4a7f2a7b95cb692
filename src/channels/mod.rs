//! The ways out: each takes a ready message and returns an outcome.
//!
//! There is one real way, email; the sandbox is a server at the other end of it (`sandbox`), so that
//! trying out and sending in earnest run through the same code.

pub mod breaker;
pub mod email;
pub mod limits;
pub mod model;
pub mod outbox;
mod sandbox;
pub mod sms;
