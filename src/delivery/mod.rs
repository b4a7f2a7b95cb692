//! The work: launch a wave, lease, gate, render, hand over, settle, retry.
//!
//! Promise: a customer gets a wave at most once. The intent is committed before the first byte leaves;
//! what lies between a crash is `unknown`, counted, shown, and never sent again by itself. Nobody is
//! skipped: every row of the ledger ends accepted, failed, unknown or withheld with a reason. Who opts
//! out is withheld from the next gate on, and no row waits more than a second between gate and
//! hand-over.

pub mod cancel;
mod course;
pub mod decide;
pub mod estimate;
pub mod in_flight;
pub mod journal;
mod lane;
pub mod launch;
pub mod message;
pub mod model;
pub mod node;
pub mod offering;
mod opted_out;
pub mod pace;
mod parcel;
pub mod progress;
pub mod recovery;
pub mod running;
pub mod start;
pub mod store;
pub mod trial;
pub mod wave;
pub mod why;
pub mod worker;
