//! The grid: response rates by segment, offer, channel and wave, and by who the people are.
//!
//! Promise: a page of the grid reads no ledger. Each wave is counted in the background ([`count`]) into one
//! packed [`Cube`] for each channel and cell, which holds every combination of what is known of its people;
//! whatever is crossed or filtered is summed from there, and what crosses one property of people only from its
//! [`Margins`]. The sums of a cube are the wave's counters as they
//! stood when it was counted, and the page says when that was. What a person is (generation, region, …) is
//! taken as it was known then; orders, revenue, last order and earlier clicks as they stood at the launch,
//! since what a campaign earned must not describe whom it was sent to.

pub mod attributes;
pub mod count;
pub mod cross;
pub mod cube;
pub mod dimension;
pub mod margins;
pub mod people;

pub use cross::{Crossing, Table, hide_people};
pub use cube::{Counts, Cube};
pub use dimension::Dimension;
pub use margins::Margins;
