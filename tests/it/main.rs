//! The behaviour tests: one binary, so that it links once and starts PostgreSQL once.

mod kit;
mod storage;
#[cfg(test)]
mod templates;
