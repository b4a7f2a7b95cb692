//! The plan: definition, schedule, life cycle, audience, and the checks before launch.
//!
//! Promise: what `check` counts is what `launch` writes, since both ask the same audience query; a
//! running campaign cannot be edited; an occurrence has one due time, whatever the clock does.

pub mod audience;
pub mod calendar;
pub mod cells;
pub mod check;
pub mod cron;
pub mod definition;
pub mod drafts;
pub mod forecast;
pub mod model;
pub mod offer;
pub mod plan;
pub mod reschedule;
pub mod schedule;
pub mod senders;
pub mod sms;
pub mod split;
pub mod store;

/// "12 s", "7 min" or "3 h 20 min".
pub fn duration(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round();
    if seconds < 90.0 {
        format!("{seconds:.0} s")
    } else if minutes < 90.0 {
        format!("{minutes:.0} min")
    } else {
        format!(
            "{:.0} h {:.0} min",
            (minutes / 60.0).floor(),
            minutes % 60.0
        )
    }
}
