//! Segments: the language, and that its three readers (text, SQL, memory) agree.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod base;
mod builder;
mod console;
mod language;
mod library;
mod selection;
mod trees;
mod varied;
