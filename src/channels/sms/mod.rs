//! SMS: a text in, an outcome out.

pub mod model;
pub mod provider;
pub mod providers;
