//! Means of amounts, such as what each person spent: how two of them differ.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::proportions::Lift;
use super::{ALPHA, Interval, Z_95, as_f64, two_sided_p};

/// What must be kept of the amounts of some people to compare their mean; those without one count as 0.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moments {
    pub people: u64,
    pub sum: f64,
    /// The sum of the squares of each person's amount.
    pub squares: f64,
}

impl Moments {
    pub fn mean(self) -> Option<f64> {
        (self.people > 0).then(|| self.sum / as_f64(self.people))
    }

    /// The sample variance, with n − 1 below; `None` of fewer than two.
    pub fn variance(self) -> Option<f64> {
        let mean = self.mean()?;
        let below = as_f64(self.people.checked_sub(1).filter(|left| *left > 0)?);
        // Rounding can take a variance of nothing below it.
        Some(((self.squares - self.sum * mean) / below).max(0.0))
    }

    /// The variance of the mean.
    fn of_mean(self) -> Option<f64> {
        Some(self.variance()? / as_f64(self.people))
    }
}

/// How two means differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// First less second.
    pub value: f64,
    pub standard_error: f64,
    pub degrees: f64,
    pub t: f64,
    /// Two-sided.
    pub p: f64,
    pub interval_95: Interval,
}

/// Above these degrees of freedom Student's t is the normal distribution to seven digits.
const NORMAL_FROM: f64 = 1e6;

/// The difference of two means without assuming equal variances (METHODS.md M6: SE = √(s²_T/n_T +
/// s²_C/n_C); degrees of freedom by Welch 1947, Biometrika 34, 28–35, and Satterthwaite 1946).
///
/// `None` of fewer than two people in one, or where nobody differs from anybody.
pub fn welch(first: Moments, second: Moments) -> Option<Difference> {
    let (one, two) = (first.of_mean()?, second.of_mean()?);
    let variance = one + two;
    if variance <= 0.0 {
        return None;
    }
    let value = first.mean()? - second.mean()?;
    let standard_error = variance.sqrt();
    let left = |people: u64| as_f64(people.saturating_sub(1).max(1));
    let degrees =
        variance * variance / (one * one / left(first.people) + two * two / left(second.people));
    let t = value / standard_error;
    let (p, quantile) = student(t, degrees);
    Some(Difference {
        value,
        standard_error,
        degrees,
        t,
        p,
        interval_95: Interval {
            low: value - quantile * standard_error,
            high: value + quantile * standard_error,
        },
    })
}

/// The two-sided p of t, and the quantile of a two-sided interval of 95 %.
fn student(t: f64, degrees: f64) -> (f64, f64) {
    if degrees < NORMAL_FROM
        && let Ok(distribution) = StudentsT::new(0.0, 1.0, degrees)
    {
        let p = 2.0 * distribution.cdf(-t.abs());
        return (p.min(1.0), distribution.inverse_cdf(1.0 - ALPHA / 2.0));
    }
    (two_sided_p(t), Z_95)
}

/// The relative lift of a mean over another, ȳ_T/ȳ_C − 1, with Fieller's interval (METHODS.md M6; Fieller
/// 1954, Journal of the Royal Statistical Society B 16, 175–185): with R the ratio, v the variance of a
/// mean and g = z²·v_C/ȳ_C², it is (R ± z/ȳ_C·√(v_T(1−g) + R²·v_C))/(1−g) − 1.
///
/// The interval exists only for g < 1, that is while the second mean is itself significantly above 0;
/// `None` where the second mean is not above 0.
pub fn relative_lift(first: Moments, second: Moments) -> Option<Lift> {
    let (mean, base) = (first.mean()?, second.mean()?);
    if base <= 0.0 {
        return None;
    }
    let ratio = mean / base;
    let interval = || {
        let (one, two) = (first.of_mean()?, second.of_mean()?);
        let g = Z_95 * Z_95 * two / (base * base);
        let left = 1.0 - g;
        if left <= 0.0 {
            return None;
        }
        let half = Z_95 / base * (one * left + ratio * ratio * two).sqrt();
        Some(Interval {
            low: (ratio - half) / left - 1.0,
            high: (ratio + half) / left - 1.0,
        })
    };
    Some(Lift {
        value: ratio - 1.0,
        interval_95: interval(),
    })
}
