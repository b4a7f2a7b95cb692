//! The behaviour tests: one binary, so that it links once and starts PostgreSQL once.

mod consent;
mod customers;
mod kit;
mod storage;
