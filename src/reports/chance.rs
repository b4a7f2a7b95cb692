//! What chance alone may do, in the words of reports, without I/O.

use super::figures::as_f64;

/// Below this probability a difference is said to be more than chance.
pub const LEVEL: f64 = 0.05;

/// The probability that two proportions, each given as count and whole, differ so much by chance: two-sided,
/// by the pooled z of METHODS.md M5. `None` where there is nothing to compare.
pub fn of_two_proportions(one: (u64, u64), other: (u64, u64)) -> Option<f64> {
    let of = as_f64(one.1) + as_f64(other.1);
    let pooled = (as_f64(one.0) + as_f64(other.0)) / of;
    let error = (pooled * (1.0 - pooled) * (1.0 / as_f64(one.1) + 1.0 / as_f64(other.1))).sqrt();
    let z = (as_f64(one.0) / as_f64(one.1) - as_f64(other.0) / as_f64(other.1)) / error;
    z.is_finite().then(|| two_sided(z))
}

/// The two-sided tail of the normal distribution, by the Chebyshev fit of Numerical Recipes §6.2 (`erfcc`,
/// relative error below 1.2e-7).
fn two_sided(z: f64) -> f64 {
    let x = z.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.5 * x);
    let terms = [
        -1.265_512_23,
        1.000_023_68,
        0.374_091_96,
        0.096_784_18,
        -0.186_288_06,
        0.278_868_07,
        -1.135_203_98,
        1.488_515_87,
        -0.822_152_23,
        0.170_872_77,
    ];
    let fit = terms.iter().rev().fold(0.0, |sum, term| sum * t + term);
    (t * (fit - x * x).exp()).min(1.0)
}

/// The probabilities corrected for being many (Holm 1979): the smallest times their number, the next times
/// one less, and so on, never falling.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut adjusted = vec![1.0; p.len()];
    let mut floor = 0.0_f64;
    for (rank, at) in order.into_iter().enumerate() {
        let left = u32::try_from(p.len() - rank).unwrap_or(u32::MAX);
        floor = floor.max((p[at] * f64::from(left)).min(1.0));
        adjusted[at] = floor;
    }
    adjusted
}

/// `p = 0.03`, or `p below 0.001`.
pub fn p_in_words(p: f64) -> String {
    if p < 0.001 {
        "p below 0.001".to_owned()
    } else if p < 0.1 {
        format!("p = {p:.3}")
    } else {
        format!("p = {p:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_proportions_give_the_reference_of_hillstrom() {
        // METHODS.md M6: conversions of Mens against no email, p = 1.52e-13.
        let p = of_two_proportions((267, 21_307), (122, 21_306)).unwrap();
        assert!((p / 1.52e-13 - 1.0).abs() < 5e-3, "{p}");
        assert_eq!(of_two_proportions((0, 10), (0, 10)), None);
        assert_eq!(of_two_proportions((0, 0), (1, 10)), None);
    }

    #[test]
    fn holm_gives_the_worked_example() {
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        let expected = [0.03, 0.06, 0.06, 0.02];
        for (one, other) in adjusted.iter().zip(expected) {
            assert!((one - other).abs() < 1e-12, "{adjusted:?}");
        }
    }
}
