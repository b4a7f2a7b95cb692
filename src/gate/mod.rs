//! Who may be contacted now, and why not: permission, suppression, address, pressure, quiet hours.
//!
//! Promise: one rule, asked at three moments (when the audience is written, before the hand-over, before
//! each retry), and a reason for every "no". What `why` says of one person is the same rule.

pub mod control;
pub mod holidays;
pub mod model;
pub mod moment;
pub mod quiet_hours;
pub mod reach;
pub mod rules;
pub mod store;
pub mod study;
