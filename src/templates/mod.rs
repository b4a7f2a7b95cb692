//! What we say: the four AIDA parts, lint, layouts, compile once, render per recipient.

pub mod model;
