//! What it means: the response-rate report of a campaign, as figures, table, CSV and JSON.
//!
//! Promise: a report reads counters, never the ledger, so it is as fast at ten million deliveries as at
//! ten; a rate always comes with its count, its denominator and its interval; figures that do not add up
//! are said not to.

pub mod cells;
pub mod channels;
pub mod csv;
pub mod figures;
pub mod lift;
pub mod model;
mod readiness;
pub mod standing;
pub mod store;
pub mod table;

use sea_orm::DbErr;

pub use model::Report;

use crate::responses::ResponseError;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error("the counters cannot be read: {0}; check the database")]
    Database(#[from] DbErr),
    #[error(transparent)]
    Responses(#[from] ResponseError),
    #[error("the report cannot be written as CSV: {0}")]
    Csv(#[from] ::csv::Error),
}
