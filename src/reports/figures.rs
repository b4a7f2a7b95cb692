//! Rates and their intervals, without I/O. Definitions: METHODS.md, "Definitions of the report figures".

use serde::Serialize;

/// The normal quantile of a two-sided interval of 95 %.
pub const Z_95: f64 = 1.959_963_984_540_054;

/// An interval of a proportion, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

/// The Wilson score interval of `count` successes in `of` trials (METHODS.md M5; Wilson 1927):
/// centre (p̂ + z²/2n)/(1 + z²/n), half-width z/(1 + z²/n)·√(p̂(1−p̂)/n + z²/4n²).
///
/// `None` without trials, or with more successes than trials, where a proportion means nothing. Chosen
/// because it holds for the small rates and the small waves that mailings have, where the textbook
/// interval reaches below zero.
pub fn wilson(count: u64, of: u64, z: f64) -> Option<Interval> {
    if of == 0 || count > of {
        return None;
    }
    let n = as_f64(of);
    let p = as_f64(count) / n;
    let z2 = z * z;
    let scale = 1.0 + z2 / n;
    let centre = (p + z2 / (2.0 * n)) / scale;
    let half = z / scale * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    // At the ends the formula gives exactly 0 and 1, save for the last bit.
    let low = if count == 0 {
        0.0
    } else {
        (centre - half).max(0.0)
    };
    let high = if count == of {
        1.0
    } else {
        (centre + half).min(1.0)
    };
    Some(Interval { low, high })
}

/// What a rate is taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Denominator {
    /// Handed over, whatever the answer.
    Sent,
    /// Accepted by the next server.
    Delivered,
    /// Those of the delivered whose opens can be seen: they agreed to tracking.
    Tracked,
    /// Those of [`Denominator::Tracked`] who opened, or did more.
    Openers,
    /// People who reached the stage before.
    StageBefore,
}

impl Denominator {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Tracked => "delivered who agreed to tracking",
            Self::Openers => "openers who agreed to tracking",
            Self::StageBefore => "the stage before",
        }
    }
}

/// A rate with all that is needed to judge it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
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

/// A count as a real number; above 2⁵³ the last digits go, which no rate shows.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "std has no other way"
)]
pub fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 5e-7
    }

    #[test]
    fn wilson_gives_the_published_interval_of_hillstrom_s_mens_conversions() {
        // METHODS.md M6: 267 of 21,307 → .011123–.014115.
        let interval = wilson(267, 21_307, Z_95).unwrap();
        assert!(close(interval.low, 0.011_123), "{interval:?}");
        assert!(close(interval.high, 0.014_115), "{interval:?}");
    }

    #[test]
    fn wilson_gives_known_small_sample_figures() {
        // Newcombe 1998 (Statistics in Medicine 17), table I, method 3: score without correction.
        for (count, of, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let interval = wilson(count, of, Z_95).unwrap();
            assert!(
                (interval.low - low).abs() < 5e-5,
                "{count}/{of}: {interval:?}"
            );
            assert!(
                (interval.high - high).abs() < 5e-5,
                "{count}/{of}: {interval:?}"
            );
        }
    }

    #[test]
    fn nothing_divided_by_nothing_is_no_rate() {
        let rate = Rate::new(0, 0, Denominator::Delivered);
        assert_eq!((rate.value, rate.interval_95), (None, None));
        assert_eq!(Rate::new(2, 1, Denominator::Delivered).interval_95, None);
    }

    proptest! {
        #[test]
        fn the_interval_holds_the_rate_and_lies_between_0_and_1(of in 1_u64..10_000_000, share in 0.0_f64..=1.0) {
            #[expect(clippy::as_conversions, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a test's numbers")]
            let count = ((as_f64(of) * share) as u64).min(of);
            let interval = wilson(count, of, Z_95).unwrap();
            let p = as_f64(count) / as_f64(of);
            prop_assert!(0.0 <= interval.low && interval.low <= p + 1e-12);
            prop_assert!(p - 1e-12 <= interval.high && interval.high <= 1.0);
        }

        #[test]
        fn more_people_make_it_narrower(count in 1_u64..1000, times in 2_u64..50) {
            let few = wilson(count, count * 10, Z_95).unwrap();
            let many = wilson(count * times, count * times * 10, Z_95).unwrap();
            prop_assert!(many.high - many.low < few.high - few.low);
        }
    }
}
