//! Reading what comes back by mail: bounces, complaints, automatic answers, replies.
//!
//! Promise: any bytes are read without panic, in time and memory that grow no faster than the mail, and what
//! cannot be told is `Unknown`, for a person. Nothing is decided here: a mail names our messages by references
//! that the reader must prove, and an address in its text is never one of them (RULES.md §1.7).

mod arf;
mod dsn;
mod human;
mod mime;
pub mod model;
mod phrases;
mod read;
mod refs;
mod returned;
mod rules;

pub use read::read;
pub use rules::{RulesError, Status, class_of};
