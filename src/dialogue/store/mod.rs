//! Queries about what a person asks of us.

pub(super) mod erasure;
