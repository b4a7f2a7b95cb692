//! How many people a test needs, and what it can find with those there are.
//!
//! All by the normal approximation, with the variance pooled where nothing differs and not pooled where
//! something does: the assumption of statsmodels (METHODS.md M5; Fleiss, Levin & Paik 2003, Statistical
//! Methods for Rates and Proportions, §4.2).

use statrs::distribution::{ContinuousCDF, Normal};

use super::{as_f64, quantile_above};

/// The usual chance of finding what is there.
pub const POWER: f64 = 0.8;

/// Two rates that a test is to tell apart, and how often it may err.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// The rate without what is tested.
    pub base: f64,
    /// Added to it, or taken away below 0: 0.005 is half a percentage point.
    pub difference: f64,
    /// The chance of calling significant what is nothing, on both sides together.
    pub alpha: f64,
}

impl Plan {
    /// `None` where one of the rates is none or they are the same.
    fn rates(self) -> Option<(f64, f64)> {
        let other = self.base + self.difference;
        let is_rate = |rate: f64| (0.0..=1.0).contains(&rate);
        (is_rate(self.base) && is_rate(other) && self.difference != 0.0)
            .then_some((self.base, other))
    }

    /// People in each of two equal arms, so that the difference is found with this power: n =
    /// \[z_{1−α/2}√(2p̄(1−p̄)) + z_{power}√(p₁q₁ + p₂q₂)\]²/(p₁−p₂)² (METHODS.md M5), rounded up.
    ///
    /// `None` where the rates or the power are none.
    pub fn people_per_arm(self, power: f64) -> Option<u64> {
        let (p1, p2) = self.rates()?;
        let (z_alpha, z_power) = (
            quantile_above(self.alpha / 2.0)?,
            quantile_above(1.0 - power)?,
        );
        let mean = f64::midpoint(p1, p2);
        let root = z_alpha * (2.0 * mean * (1.0 - mean)).sqrt() + z_power * spread(p1, p2).sqrt();
        whole(root * root / (self.difference * self.difference))
    }

    /// The chance of finding the difference with so many people, in the direction it has.
    ///
    /// `None` where the rates are none or an arm is empty.
    pub fn power(self, first: u64, second: u64) -> Option<f64> {
        let (p1, p2) = self.rates()?;
        if first == 0 || second == 0 {
            return None;
        }
        let (n1, n2) = (as_f64(first), as_f64(second));
        let pooled = (p1 * n1 + p2 * n2) / (n1 + n2);
        let without = (pooled * (1.0 - pooled) * (1.0 / n1 + 1.0 / n2)).sqrt();
        let with = (p1 * (1.0 - p1) / n1 + p2 * (1.0 - p2) / n2).sqrt();
        if with <= 0.0 {
            return Some(1.0);
        }
        let z = (self.difference.abs() - quantile_above(self.alpha / 2.0)? * without) / with;
        Some(Normal::standard().cdf(z))
    }
}

/// The smallest rise above `base` that so many people find with this power: the inverse of
/// [`Plan::power`], by halving.
///
/// `None` where even a rise to 100 % would not be found, or an arm is empty.
pub fn detectable(base: f64, (first, second): (u64, u64), alpha: f64, power: f64) -> Option<f64> {
    const HALVINGS: usize = 60;
    let reaches = |difference: f64| {
        Plan {
            base,
            difference,
            alpha,
        }
        .power(first, second)
        .map(|reached| reached >= power)
    };
    let (mut low, mut high) = (0.0, 1.0 - base);
    if !reaches(high)? {
        return None;
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        // So close to 0 that nothing is left is too small.
        if reaches(middle).unwrap_or(false) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

fn spread(p1: f64, p2: f64) -> f64 {
    p1 * (1.0 - p1) + p2 * (1.0 - p2)
}

/// Rounded up to whole people, at least one; `None` of what is no number of people.
fn whole(people: f64) -> Option<u64> {
    const MOST: f64 = 1e15;
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and 10¹⁵"
    )]
    let count = people.ceil().clamp(1.0, MOST) as u64;
    (people <= MOST).then_some(count)
}
