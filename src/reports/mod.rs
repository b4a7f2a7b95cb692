//! What it means: the report of a campaign, as figures, table, CSV and JSON: its response rate first, then
//! what it cost and earned, how far people went, and when they came.
//!
//! Promise: a report reads counters, never the ledger, so it is as fast at ten million deliveries as at
//! ten; a rate always comes with its count, its denominator and its interval; figures that do not add up
//! are said not to.

pub mod attribution;
pub mod cells;
pub mod chance;
pub mod channels;
pub mod compare;
pub mod csv;
pub mod dashboard;
pub mod economics;
pub mod figures;
pub mod forecast;
pub mod funnel;
pub mod grid;
pub mod heat;
pub mod improve;
pub mod lift;
pub mod lost;
pub mod model;
pub mod money;
pub mod over_time;
pub mod overview;
mod readiness;
pub mod shares;
pub mod standing;
pub mod store;
pub mod summary;
pub mod table;

use sea_orm::DbErr;

pub use model::Report;

use crate::accounts::AccountError;
use crate::responses::ResponseError;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error("the counters cannot be read: {0}; check the database")]
    Database(#[from] DbErr),
    #[error(transparent)]
    Responses(#[from] ResponseError),
    #[error(transparent)]
    Accounts(#[from] AccountError),
    #[error("the report cannot be written as CSV: {0}")]
    Csv(#[from] ::csv::Error),
}
