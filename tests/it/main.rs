//! The behaviour tests: one binary, so that it links once and starts PostgreSQL once.

mod channels;
mod kit;
mod storage;
