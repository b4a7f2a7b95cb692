//! Points that fade: what a person did lately tells more than what he did long ago.
//!
//! Each point loses half of its worth in [`HALF_LIFE_DAYS`]: at t a sum of points pᵢ won at tᵢ is worth
//! E(t) = Σ pᵢ · 2^(−(t − tᵢ)/H). What is kept is W = Σ pᵢ · 2^((tᵢ − t₀)/H) with t₀ = 2026-01-01, so that
//! E(t) = W · 2^(−(t − t₀)/H): nothing is rewritten as time passes, points may be added in any order and
//! taken back as they were given, and "at least n points now" is one comparison of W with a constant
//! (forward decay: Cormode, Shkapenyuk, Srivastava and Xu, ICDE 2009).

/// In how many days a point loses half of its worth.
pub const HALF_LIFE_DAYS: i64 = 90;

const HALF_LIFE_MS: f64 = 90.0 * 86_400_000.0;
/// 2026-01-01 00:00 UTC.
const BEGIN_MS: i64 = 1_767_225_600_000;
/// Half-lives from the beginning at most, either way (123 years): beyond, weights would leave what a double
/// holds.
const MOST: f64 = 500.0;

/// A sum of points, each weighed by when it was won.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Fading(pub f64);

impl Fading {
    /// `points` won at `at` (milliseconds since the epoch).
    pub fn won(points: i64, at: i64) -> Self {
        Self(as_double(points) * growth(at))
    }

    /// What is left at `now`, in whole points.
    pub fn points(self, now: i64) -> i64 {
        let about = (self.0 / growth(now)).round().clamp(0.0, 1e15);
        // A double below 10^15 that is whole.
        #[expect(clippy::cast_possible_truncation, reason = "it is clamped")]
        let about = about as i64;
        // Rounded by the comparison that databases make, and by no other.
        if !self.is_at_least(about, now) {
            about - 1
        } else if self.is_at_least(about + 1, now) {
            about + 1
        } else {
            about
        }
    }

    fn is_at_least(self, points: i64, now: i64) -> bool {
        points <= 0 || self.0 >= Self::least(points, now).0
    }

    /// The smallest sum that still rounds to `points` at `now`.
    pub fn least(points: i64, now: i64) -> Self {
        Self((as_double(points) - 0.5) * growth(now))
    }
}

impl std::ops::AddAssign for Fading {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl std::ops::Neg for Fading {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

fn growth(at: i64) -> f64 {
    let half_lives = as_double(at.saturating_sub(BEGIN_MS)) / HALF_LIFE_MS;
    half_lives.clamp(-MOST, MOST).exp2()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact to the millisecond for 285,000 years, and to the point for any sum of points"
)]
fn as_double(whole: i64) -> f64 {
    whole as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: i64 = 86_400_000;

    #[test]
    fn half_is_left_after_a_half_life() {
        let won = Fading::won(16, BEGIN_MS + 400 * DAY);
        for (days, left) in [(0, 16), (90, 8), (180, 4), (270, 2), (360, 1), (460, 0)] {
            assert_eq!(won.points(BEGIN_MS + (400 + days) * DAY), left, "{days}");
        }
        assert_eq!(Fading::default().points(0), 0);
        assert_eq!(Fading(-1e-9).points(BEGIN_MS), 0, "a rest of rounding");
    }

    #[test]
    fn the_ends_of_time_are_no_trouble() {
        for at in [i64::MIN, i64::MAX] {
            assert!(Fading::won(10, at).0.is_finite());
            assert_eq!(Fading::won(10, at).points(at), 10);
        }
    }

    proptest! {
        #[test]
        fn points_come_and_go_in_any_order(
            wins in prop::collection::vec((1_i64..20, 0_i64..2_000), 1..20),
            after in 0_i64..500,
        ) {
            let now = BEGIN_MS + (2_000 + after) * DAY;
            let mut sum = Fading::default();
            let mut direct = 0.0;
            for (points, day) in &wins {
                sum += Fading::won(*points, BEGIN_MS + day * DAY);
                direct += as_double(*points)
                    * (-as_double(2_000 + after - day) / as_double(HALF_LIFE_DAYS)).exp2();
            }
            prop_assert!((as_double(sum.points(now)) - direct).abs() < 0.500_001);
            for (points, day) in wins.iter().rev() {
                sum += -Fading::won(*points, BEGIN_MS + day * DAY);
            }
            prop_assert_eq!(sum.points(now), 0);
        }
    }
}
