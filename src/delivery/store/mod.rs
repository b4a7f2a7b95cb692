//! Queries about waves, the ledger and its leases.

mod audience;
mod entry;
mod gate;
mod in_flight;
mod lease;
mod settle;
mod wave;
pub mod why;

pub use audience::{Written, insert_audience, insert_counters, insert_leases};
pub use entry::Entry;
pub use gate::{Candidate, Passed, gate};
pub use in_flight::is_in_flight;
pub use lease::{claim, release, renew, revoke_of_node};
pub use settle::{settle, take_back, withhold_rest};
pub use wave::{
    Counters, WaveRow, counters, customer_of, deferrals, finish_if_done, held, insert_wave,
    latest_wave, next_lease_due, wave, wave_of, waves_of,
};
