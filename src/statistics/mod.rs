//! What figures mean: intervals, tests, power, chances and verdicts, as pure mathematics.
//!
//! Promise: knows no other room, no clock and no chance, so that the same counts always give the same
//! verdict; a formula names its source and is tested against published figures; where a formula does not
//! hold (nobody, nothing to divide by) there is no figure, never a made-up one.

pub mod bayes;
pub mod means;
pub mod power;
pub mod prediction;
pub mod proportions;
pub mod sentence;
pub mod several;
pub mod verdict;

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal};
use utoipa::ToSchema;

pub use proportions::Share;
pub use sentence::Sentence;

/// The normal quantile of a two-sided interval of 95 %.
pub const Z_95: f64 = 1.959_963_984_540_054;
/// The usual chance of calling significant what is nothing.
pub const ALPHA: f64 = 0.05;

/// Two ends between which a figure lies, as far as one knows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

impl Interval {
    /// Whether a value lies in it, its ends included.
    pub fn holds(self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// Both ends times a factor of 0 or more.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self {
            low: self.low * factor,
            high: self.high * factor,
        }
    }
}

/// The normal quantile that leaves `tail` above it; `None` unless the tail lies between 0 and 1.
pub fn quantile_above(tail: f64) -> Option<f64> {
    (tail > 0.0 && tail < 1.0).then(|| -Normal::standard().inverse_cdf(tail))
}

/// The chance that a normal variable is farther from 0 than `z`, on either side.
pub fn two_sided_p(z: f64) -> f64 {
    (2.0 * Normal::standard().sf(z.abs())).min(1.0)
}

/// A count as a real number; above 2⁵³ the last digits go, which no rate shows.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "std has no other way"
)]
pub fn as_f64(count: u64) -> f64 {
    count as f64
}
