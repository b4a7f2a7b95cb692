//! Who may be contacted now, and why not: permission, suppression, address, pressure, quiet hours.
//!
//! Promise: one rule, asked at three moments (when the audience is written, before the hand-over, before
//! each retry), and a reason for every "no".

pub mod model;
