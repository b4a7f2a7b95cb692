//! Text messages.

mod providers;
mod unsigned;
