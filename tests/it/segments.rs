//! Segments: the language, and that its three readers (text, SQL, memory) agree.

mod base;
mod language;
mod selection;
mod trees;
