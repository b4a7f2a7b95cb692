//! What comes back: clicks, opens, opt-outs and orders, and what they change.
//!
//! Promise: a response is written together with the counters it moves and the customer it feeds, in one
//! transaction, and counts once a delivery however often it comes; an opt-out is durable before anybody
//! is told so. Scanners and prefetchers are kept as raw events but count as nobody. This room proves no
//! token and answers no request: it is handed the delivery.

pub mod answers;
pub mod attribution;
pub mod coupons;
pub mod effects;
pub mod feedback;
pub mod inbox;
mod journal;
pub mod judge;
pub mod links;
pub mod mail;
pub mod mail_events;
pub mod model;
pub mod opt_out;
pub mod orders;
pub mod record;
pub(crate) mod requests;
pub mod stages;
mod store;
mod tally;
pub mod texts;
pub mod timeline;
mod transcribe;

use sea_orm::DbErr;

pub use record::ResponseWriter;

/// Why a response could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ResponseError {
    #[error(
        "the database did not take or give a response: {0}; it is tried again when the database is back"
    )]
    Database(#[from] DbErr),
    #[error(
        "template version {version} cannot be read: {cause}; restore the database from your backup"
    )]
    Template {
        version: i64,
        cause: Box<crate::templates::TemplateError>,
    },
}
