//! The ways out: each takes a ready message and returns an outcome.

pub mod model;
