//! Queries about waves, the ledger and its leases.

mod due;
mod entry;
mod gate;
mod in_flight;
mod lease;
mod minutes;
mod pace;
mod relays;
mod settle;
mod wave;
pub mod why;

pub use entry::Entry;
pub use gate::{Candidate, Passed, gate};
pub use in_flight::is_in_flight;
pub use lease::{claim, release, renew, revoke_of_node};
pub use minutes::minutes;
pub use pace::{forget_idle, free_slots, rest, take_slots};
pub use relays::{begin_rest, end_rest, rests_of};
pub use settle::{settle, take_back, withhold_rest};
pub use wave::{
    Counters, Held, WaveRow, count_audience, counters, customer_of, deferrals, finish_if_done,
    held, insert_audience, insert_counters, insert_leases, insert_wave, latest_wave,
    next_lease_due, wave, wave_of, waves_of,
};
