//! Queries about waves, the ledger and its leases.

mod advance;
mod audience;
pub mod cells;
pub mod coupons;
mod due;
mod entry;
mod gate;
mod in_flight;
mod lease;
mod minutes;
mod pace;
mod rehearsal;
mod relays;
mod settle;
mod texts;
pub mod trials;
mod wave;
pub mod why;

pub use advance::{Passed, Wanted, advance};
pub use audience::{Written, insert_audience, insert_counters, insert_leases, text_countries};
pub use entry::Entry;
pub use gate::Candidate;
pub use in_flight::is_in_flight;
pub use lease::{claim, give_routes, recover, release, revoke_of_node, take_back};
pub use minutes::minutes;
pub use pace::{forget_idle, free_slots, is_waiting, take_slots};
pub use rehearsal::settle_as_sent;
pub use relays::{NewRest, begin_rest, end_rest, rests_of};
pub use settle::{Remains, withhold_rest};
pub use wave::{
    Counters, Held, SMS_COUNTERS, WaveRow, cell_counters, contact_of, counters, customer_of,
    deferrals, finish_if_done, held, insert_wave, last_lease_due, latest_wave, next_lease_due,
    wave, wave_of, waves_of,
};
