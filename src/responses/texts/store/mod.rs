//! Queries about receipts and inbound texts.

pub(super) mod inbound;
pub(super) mod receipts;
pub mod retention;
pub(super) mod stops;
