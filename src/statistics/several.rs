//! Several cells at once: whether they differ at all, whether they were filled as planned, and the price
//! of looking at many pairs.

use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::{Share, as_f64};

/// A split less likely than this by chance is not the planned one. As small as the practice of online
/// experiments has it, since it is asked at each look (Fabijan et al. 2019, KDD, "Diagnosing Sample Ratio
/// Mismatch in Online Controlled Experiments").
pub const MISMATCH_P: f64 = 0.001;

/// The outcome of a χ² test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChiSquare {
    pub statistic: f64,
    pub degrees: u64,
    pub p: f64,
}

impl ChiSquare {
    fn new(statistic: f64, arms: usize) -> Option<Self> {
        let degrees = u64::try_from(arms).ok()?.checked_sub(1)?;
        let distribution = ChiSquared::new(as_f64(degrees)).ok()?;
        Some(Self {
            statistic,
            degrees,
            p: distribution.sf(statistic).clamp(0.0, 1.0),
        })
    }
}

/// Whether the shares of several arms are all the same: Pearson's χ² with k − 1 degrees of freedom
/// (METHODS.md M5; Pearson 1900).
///
/// `None` of fewer than two arms, of an arm that is no proportion, or where all or none succeeded.
pub fn homogeneity(arms: &[Share]) -> Option<ChiSquare> {
    let mut sum = Share::new(0, 0);
    for arm in arms {
        arm.value()?;
        sum = Share::new(
            sum.count.checked_add(arm.count)?,
            sum.of.checked_add(arm.of)?,
        );
    }
    let pooled = sum.value()?;
    if arms.len() < 2 || pooled <= 0.0 || pooled >= 1.0 {
        return None;
    }
    let statistic = arms
        .iter()
        .map(|arm| {
            let n = as_f64(arm.of);
            let off = as_f64(arm.count) - n * pooled;
            off * off / (n * pooled * (1.0 - pooled))
        })
        .sum();
    ChiSquare::new(statistic, arms.len())
}

/// Whether people were assigned as planned: χ² of the observed split against the planned one (METHODS.md
/// M5). `planned` is in people or in any other measure of which only the ratio counts.
///
/// `None` of fewer than two arms or nobody, or where a plan is not above 0. Below [`MISMATCH_P`] no verdict
/// on the cells may be given: whatever disturbed the split may also have made the difference.
pub fn sample_ratio(observed: &[u64], planned: &[f64]) -> Option<ChiSquare> {
    let people: f64 = observed.iter().copied().map(as_f64).sum();
    let whole: f64 = planned.iter().sum();
    let is_plan = planned.iter().all(|part| *part > 0.0 && part.is_finite());
    if observed.len() != planned.len() || observed.len() < 2 || people <= 0.0 || !is_plan {
        return None;
    }
    let statistic = observed
        .iter()
        .zip(planned)
        .map(|(count, part)| {
            let expected = people * part / whole;
            let off = as_f64(*count) - expected;
            off * off / expected
        })
        .sum();
    ChiSquare::new(statistic, observed.len())
}

/// Holm's adjustment of the p of several tests, in their order (Holm 1979, Scandinavian Journal of
/// Statistics 6, 65–70): the i-th smallest of m times m − i + 1, never below the one before it and at
/// most 1. The chance of a single false alarm among them all then stays below the level, however they depend on
/// each other.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<(usize, f64)> = p.iter().copied().enumerate().collect();
    order.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    let mut adjusted = vec![1.0; p.len()];
    let mut floor = 0.0_f64;
    let mut left = as_f64(u64::try_from(p.len()).unwrap_or(u64::MAX));
    for (place, value) in order {
        floor = floor.max((value * left).min(1.0));
        if let Some(slot) = adjusted.get_mut(place) {
            *slot = floor;
        }
        left -= 1.0;
    }
    adjusted
}
