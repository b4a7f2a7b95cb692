//! What they allow: permission evidence, the permissions derived from it, suppression.
//!
//! Promise: evidence is appended, never edited; a permission names the evidence it follows from; who
//! opted out stays opted out until a newer explicit grant with evidence. This room knows a customer by
//! his id and the fingerprint of his address only.

pub mod anchor;
pub mod audit;
pub mod bases;
pub mod chain;
pub mod expiry;
pub mod ladder;
pub mod model;
pub mod overview;
pub mod proof;
pub mod store;
pub mod topics;
