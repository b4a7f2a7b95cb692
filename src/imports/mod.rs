//! Files that bring customers and orders: taken in with all that follows from them, and from the console step
//! by step: upload, look at the columns, try, import, look at what was refused.
//!
//! Promise: what the command line and the console take in has the same effect; a file lies where only this
//! program reads it, and no longer than it is needed; whatever breaks off left nothing and can be begun again.

pub mod desk;
pub mod model;
pub mod shelf;
mod store;
pub mod take_in;
pub mod upkeep;
