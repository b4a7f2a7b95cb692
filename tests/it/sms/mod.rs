//! Text messages.

mod providers;
