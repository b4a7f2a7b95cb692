//! Shares of people: their interval, and how two of them differ.

use super::{Interval, as_f64, two_sided_p};

/// So many of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    pub count: u64,
    pub of: u64,
}

impl Share {
    pub fn new(count: u64, of: u64) -> Self {
        Self { count, of }
    }

    /// `count / of`; `None` where that is no proportion.
    pub fn value(self) -> Option<f64> {
        (self.of > 0 && self.count <= self.of).then(|| as_f64(self.count) / as_f64(self.of))
    }
}

/// The Wilson score interval of `count` successes in `of` trials (METHODS.md M5; Wilson 1927):
/// centre (p̂ + z²/2n)/(1 + z²/n), half-width z/(1 + z²/n)·√(p̂(1−p̂)/n + z²/4n²).
///
/// `None` without trials, or with more successes than trials, where a proportion means nothing. Chosen
/// because it holds for the small rates and the small waves that mailings have, where the textbook
/// interval reaches below zero.
pub fn wilson(count: u64, of: u64, z: f64) -> Option<Interval> {
    let p = Share::new(count, of).value()?;
    let n = as_f64(of);
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

/// The interval of p₁ − p₂ by Newcombe's score method without continuity correction (METHODS.md M5;
/// Newcombe 1998, Statistics in Medicine 17, 873–890, method 10): from the Wilson intervals (l, u) of
/// both, d − √((p₁−l₁)² + (u₂−p₂)²) to d + √((u₁−p₁)² + (p₂−l₂)²).
///
/// `None` where one of them is no proportion.
pub fn newcombe(first: Share, second: Share, z: f64) -> Option<Interval> {
    let (p1, p2) = (first.value()?, second.value()?);
    let one = wilson(first.count, first.of, z)?;
    let two = wilson(second.count, second.of, z)?;
    let difference = p1 - p2;
    Some(Interval {
        low: difference - (p1 - one.low).hypot(two.high - p2),
        high: difference + (one.high - p1).hypot(p2 - two.low),
    })
}

/// The outcome of a test of two shares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ZTest {
    /// Above 0 where the first is larger.
    pub z: f64,
    /// Two-sided.
    pub p: f64,
}

/// Tests whether two shares are the same (METHODS.md M5): z = (p₁−p₂)/√(p̄(1−p̄)(1/n₁+1/n₂)) with the
/// pooled p̄; its square is Pearson's χ² of the two by two table.
///
/// `None` where one of them is no proportion, or where all or none succeeded, so that there is nothing to
/// tell apart.
pub fn z_test(first: Share, second: Share) -> Option<ZTest> {
    let (p1, p2) = (first.value()?, second.value()?);
    let pooled = pooled(first, second)?;
    let (n1, n2) = (as_f64(first.of), as_f64(second.of));
    let error = (pooled * (1.0 - pooled) * (1.0 / n1 + 1.0 / n2)).sqrt();
    if error <= 0.0 {
        return None;
    }
    let z = (p1 - p2) / error;
    Some(ZTest {
        z,
        p: two_sided_p(z),
    })
}

/// Whether the counts are large enough for the normal tests and intervals: at least five expected in each
/// field of the two by two table (Cochran 1954, Biometrics 10, 417–451).
pub fn is_enough(first: Share, second: Share) -> bool {
    const LEAST: f64 = 5.0;
    let Some(pooled) = pooled(first, second) else {
        return false;
    };
    let fewest = as_f64(first.of.min(second.of));
    fewest * pooled.min(1.0 - pooled) >= LEAST
}

fn pooled(first: Share, second: Share) -> Option<f64> {
    Share::new(
        first.count.checked_add(second.count)?,
        first.of.checked_add(second.of)?,
    )
    .value()
}

/// By how much one figure is more than another, as a share of the other: 0.5 is half as much again.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Lift {
    pub value: f64,
    /// 95 %; `None` where it has no end.
    pub interval_95: Option<Interval>,
}

/// The relative lift p₁/p₀ − 1 with the interval of its logarithm (METHODS.md M6; Katz et al. 1978,
/// Biometrics 34, 469–474): exp(ln RR ± z√(1/k₁−1/n₁+1/k₀−1/n₀)) − 1.
///
/// `None` where nobody succeeded in the second, since nothing can be related to it. The interval needs
/// successes in both.
pub fn relative_lift(first: Share, second: Share, z: f64) -> Option<Lift> {
    let (p1, p0) = (first.value()?, second.value()?);
    if second.count == 0 {
        return None;
    }
    let ratio = p1 / p0;
    let interval_95 = (first.count > 0).then(|| {
        let part = |share: Share| 1.0 / as_f64(share.count) - 1.0 / as_f64(share.of);
        let half = z * (part(first) + part(second)).sqrt();
        Interval {
            low: (ratio.ln() - half).exp() - 1.0,
            high: (ratio.ln() + half).exp() - 1.0,
        }
    });
    Some(Lift {
        value: ratio - 1.0,
        interval_95,
    })
}
