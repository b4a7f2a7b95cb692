//! Rates and their intervals, without I/O. Definitions: METHODS.md, "Definitions of the report figures".

use serde::Serialize;
use utoipa::ToSchema;

use crate::statistics::proportions::wilson;
pub use crate::statistics::{Interval, Z_95, as_f64};

/// What a rate is taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Denominator {
    /// Handed over, whatever the answer.
    Sent,
    /// Accepted by the next server, less what is known not to have arrived: undelivered texts, bounces.
    Delivered,
    /// Those of the delivered whose opens can be seen: they agreed to tracking.
    Tracked,
    /// Those of [`Denominator::Tracked`] who opened, or did more.
    Openers,
    /// People who reached the stage before.
    StageBefore,
    /// Given a cell at launch, delivered or not.
    Assigned,
}

impl Denominator {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Tracked => "delivered who agreed to tracking",
            Self::Openers => "openers who agreed to tracking",
            Self::StageBefore => "the stage before",
            Self::Assigned => "assigned",
        }
    }
}

/// A rate with all that is needed to judge it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Rate {
    pub count: u64,
    pub of: u64,
    pub denominator: Denominator,
    /// `count / of`; `None` when there is nothing to divide by.
    pub value: Option<f64>,
    /// Wilson, 95 %.
    pub interval_95: Option<Interval>,
}

impl Rate {
    pub fn new(count: u64, of: u64, denominator: Denominator) -> Self {
        Self {
            count,
            of,
            denominator,
            value: (of > 0).then(|| as_f64(count) / as_f64(of)),
            interval_95: wilson(count, of, Z_95),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_divided_by_nothing_is_no_rate() {
        let rate = Rate::new(0, 0, Denominator::Delivered);
        assert_eq!((rate.value, rate.interval_95), (None, None));
        assert_eq!(Rate::new(2, 1, Denominator::Delivered).interval_95, None);
    }
}
