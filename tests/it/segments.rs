//! Segments: the language, and that its three readers (text, SQL, memory) agree.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod base;
mod language;
mod selection;
mod trees;
mod varied;
