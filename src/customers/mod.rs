//! Who they are: profile, orders, import.
//!
//! Promise: an import is whole or it is not; a row that cannot be taken is told with its line and
//! reason; importing a customer who opted out never revives him.

pub mod enrol;
pub mod fading;
pub mod import;
pub mod model;
pub mod normalise;
pub mod notes;
pub mod number;
pub(crate) mod orders;
pub mod profile;
pub mod rectify;
pub mod sample;
pub mod scrub_list;
pub mod search;
pub mod store;
pub mod value;
