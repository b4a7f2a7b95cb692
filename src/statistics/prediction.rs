//! Prediction intervals: how many of so many will, given how many of others did.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{ALPHA, Z_95, as_f64};

/// Waves from which on their own differences tell how far the next may lie off.
pub const ENOUGH_WAVES: u64 = 4;

/// What is expected, and between what it will lie in 95 of 100 cases.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Range {
    pub expected: f64,
    pub low_95: f64,
    pub high_95: f64,
}

impl Range {
    /// Of what is not left to chance.
    pub fn exactly(value: f64) -> Self {
        Self {
            expected: value,
            low_95: value,
            high_95: value,
        }
    }

    #[must_use]
    pub fn map(self, each: impl Fn(f64) -> f64) -> Self {
        Self {
            expected: each(self.expected),
            low_95: each(self.low_95),
            high_95: each(self.high_95),
        }
    }

    pub fn is_exact(self) -> bool {
        (self.high_95 - self.low_95).abs() < f64::EPSILON
    }

    pub fn holds(self, value: f64) -> bool {
        // Half a person is nobody: a count at the very edge is within.
        (self.low_95.floor()..=self.high_95.ceil()).contains(&value)
    }
}

/// How many of `people` will, given how many (count, of) did in earlier waves; `None` where nobody was
/// asked before.
///
/// With [`ENOUGH_WAVES`] their own spread is in it; with fewer, chance alone.
pub fn predicted(past: &[(u64, u64)], people: u64) -> Option<Range> {
    let asked: Vec<(u64, u64)> = past
        .iter()
        .filter(|(_, of)| *of > 0)
        .map(|(count, of)| (*count.min(of), *of))
        .collect();
    let (count, of) = asked
        .iter()
        .fold((0, 0), |(n, m), (count, of)| (n + count, m + of));
    if of == 0 {
        return None;
    }
    let by_chance = of_one_sample(count, of, people);
    let waves = u64::try_from(asked.len()).unwrap_or(u64::MAX);
    if waves < ENOUGH_WAVES {
        return Some(by_chance);
    }
    Some(of_several(&asked, people).unwrap_or(by_chance))
}

/// How many of `people` will where the rate itself is given: the normal approximation of the binomial.
pub fn known(rate: f64, people: u64) -> Range {
    let n = as_f64(people);
    let half = Z_95 * (n * rate * (1.0 - rate)).max(0.0).sqrt();
    Range {
        expected: n * rate,
        low_95: (n * rate - half).max(0.0),
        high_95: (n * rate + half).min(n),
    }
}

/// How many of `people` will, given that `count` of `of` did: the joint-sampling prediction interval of
/// Krishnamoorthy & Peng 2011 (Statistics in Medicine 30), the ends being the roots Y of
/// (Y − mX/n)² = z²·m(m+n)/n·π̂(1−π̂) with π̂ = (X+Y)/(m+n).
fn of_one_sample(count: u64, of: u64, people: u64) -> Range {
    let (x, n, m) = (as_f64(count), as_f64(of), as_f64(people));
    let both = n + m;
    let a = x * both / n;
    let q = Z_95 * Z_95 * m / (n * both);
    let middle = 2.0 * a + q * both;
    let root = (middle * middle - 4.0 * (1.0 + q) * a * a).max(0.0).sqrt();
    let end = |sum: f64| (sum / (2.0 * (1.0 + q)) - x).clamp(0.0, m);
    Range {
        expected: m * x / n,
        low_95: end(middle - root),
        high_95: end(middle + root),
    }
}

/// How many of `people` will, given several waves that differ among themselves: their mean and their spread
/// τ² by DerSimonian & Laird 1986 (Controlled Clinical Trials 7), the interval by Higgins, Thompson &
/// Spiegelhalter 2009 (J. R. Statist. Soc. A 172): μ ± t(k−2)·√(τ² + SE²), with the chance of the new wave
/// itself added. `None` where no rate is above 0 or below 1.
fn of_several(waves: &[(u64, u64)], people: u64) -> Option<Range> {
    let pooled = {
        let (count, of) = waves.iter().fold((0.0, 0.0), |(n, m), (count, of)| {
            (n + as_f64(*count), m + as_f64(*of))
        });
        count / of
    };
    let variance = pooled * (1.0 - pooled);
    if variance <= 0.0 || people == 0 {
        return None;
    }
    let rate = |(count, of): &(u64, u64)| as_f64(*count) / as_f64(*of);
    // At the pooled rate, so that a wave without any does not seem sure of it.
    let weight = |(_, of): &(u64, u64)| as_f64(*of) / variance;
    let all: f64 = waves.iter().map(weight).sum();
    let squares: f64 = waves.iter().map(|wave| weight(wave).powi(2)).sum();
    let q: f64 = waves
        .iter()
        .map(|wave| weight(wave) * (rate(wave) - pooled).powi(2))
        .sum();
    let freedom = as_f64(u64::try_from(waves.len()).unwrap_or(u64::MAX)) - 1.0;
    let spread = ((q - freedom) / (all - squares / all)).max(0.0);
    let weight = |wave: &(u64, u64)| 1.0 / (variance / as_f64(wave.1) + spread);
    let all: f64 = waves.iter().map(weight).sum();
    let mean: f64 = waves
        .iter()
        .map(|wave| weight(wave) * rate(wave))
        .sum::<f64>()
        / all;
    let m = as_f64(people);
    let half =
        t_95(waves.len().saturating_sub(2)) * (spread + 1.0 / all + mean * (1.0 - mean) / m).sqrt();
    Some(Range {
        expected: mean * m,
        low_95: ((mean - half) * m).max(0.0),
        high_95: ((mean + half) * m).min(m),
    })
}

/// Student's quantile of a two-sided interval of 95 %; the normal one where there is none.
fn t_95(freedom: usize) -> f64 {
    let freedom = as_f64(u64::try_from(freedom).unwrap_or(u64::MAX));
    StudentsT::new(0.0, 1.0, freedom).map_or(Z_95, |t| t.inverse_cdf(1.0 - ALPHA / 2.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn an_interval_solves_the_equation_of_its_source() {
        let range = of_one_sample(20, 400, 100);
        let (x, n, m) = (20.0_f64, 400.0_f64, 100.0_f64);
        for y in [range.low_95, range.high_95] {
            let p = (x + y) / (n + m);
            let left = (y - m * x / n).powi(2);
            let right = Z_95 * Z_95 * m * (m + n) / n * p * (1.0 - p);
            assert!((left - right).abs() < 1e-6, "{y}: {left} {right}");
        }
        assert!((range.expected - 5.0).abs() < 1e-9);
    }

    #[test]
    fn waves_that_differ_make_the_range_wider_than_chance() {
        let alike = [(20, 1_000); 6];
        let apart = [
            (5, 1_000),
            (35, 1_000),
            (10, 1_000),
            (30, 1_000),
            (12, 1_000),
            (28, 1_000),
        ];
        let narrow = predicted(&alike, 100_000).unwrap();
        let wide = predicted(&apart, 100_000).unwrap();
        assert!(wide.high_95 - wide.low_95 > 3.0 * (narrow.high_95 - narrow.low_95));
        assert!((wide.expected - 2_000.0).abs() < 1.0 && (narrow.expected - 2_000.0).abs() < 1e-6);
    }

    #[test]
    fn nobody_asked_before_predicts_nothing() {
        assert_eq!(predicted(&[], 100), None);
        assert_eq!(predicted(&[(0, 0)], 100), None);
        let none = predicted(&[(0, 500)], 1_000).unwrap();
        assert!(none.expected.abs() < 1e-12 && none.low_95.abs() < 1e-12 && none.high_95 > 1.0);
    }

    /// How often the range holds the next wave, of waves whose true rates lie `apart` around 3 %.
    fn coverage(waves: usize, apart: f64) -> f64 {
        const ROUNDS: u32 = 400;
        let mut chance = StdRng::seed_from_u64(7);
        let mut draw = |people: u64| {
            let rate = 0.03 + apart * (chance.random::<f64>() + chance.random::<f64>() - 1.0);
            let mut count = 0;
            for _ in 0..people {
                count += u64::from(chance.random::<f64>() < rate);
            }
            (count, people)
        };
        let mut held = 0;
        for _ in 0..ROUNDS {
            let past: Vec<(u64, u64)> = (0..waves).map(|_| draw(800)).collect();
            let range = predicted(&past, 500).unwrap();
            let (count, _) = draw(500);
            held += u32::from(range.holds(as_f64(count)));
        }
        f64::from(held) / f64::from(ROUNDS)
    }

    #[test]
    fn the_range_holds_the_next_wave_as_often_as_it_says() {
        // 95 % less three standard errors of 400 rounds; whole numbers make it a little more.
        for (waves, apart) in [(1, 0.0), (3, 0.0), (8, 0.0), (8, 0.02)] {
            let held = coverage(waves, apart);
            assert!(held > 0.917, "{waves} waves, {apart} apart: {held}");
        }
    }

    proptest! {
        #[test]
        fn a_range_holds_what_is_expected(count in 0_u64..500, of in 500_u64..5_000, people in 1_u64..100_000) {
            let range = predicted(&[(count, of)], people).unwrap();
            prop_assert!(range.low_95 <= range.expected + 1e-6 && range.expected <= range.high_95 + 1e-6);
            prop_assert!(0.0 <= range.low_95 && range.high_95 <= as_f64(people));
        }
    }
}
