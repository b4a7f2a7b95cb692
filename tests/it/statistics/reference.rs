//! Published and independently computed figures. Where no other source is named they were computed with
//! scipy 1.17 and statsmodels 0.15.

use visavis::statistics::bayes::{chance_better, standings};
use visavis::statistics::means::{Moments, relative_lift as lift_of_means, welch};
use visavis::statistics::power::{POWER, Plan, detectable};
use visavis::statistics::proportions::{is_enough, newcombe, relative_lift, wilson, z_test};
use visavis::statistics::several::{holm, homogeneity, sample_ratio};
use visavis::statistics::{ALPHA, Interval, Share, Z_95, as_f64, quantile_above, two_sided_p};

// Hillstrom's MineThatData (METHODS.md M6): people, visits, conversions.
const MENS: (u64, u64, u64) = (21_307, 3_894, 267);
const WOMENS: (u64, u64, u64) = (21_387, 3_238, 189);
const NO_EMAIL: (u64, u64, u64) = (21_306, 2_262, 122);

fn visits((people, visits, _): (u64, u64, u64)) -> Share {
    Share::new(visits, people)
}

fn conversions((people, _, conversions): (u64, u64, u64)) -> Share {
    Share::new(conversions, people)
}

#[track_caller]
fn near(found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance,
        "{found} is not {expected} within {tolerance}"
    );
}

#[track_caller]
fn ends(found: Option<Interval>, (low, high): (f64, f64), tolerance: f64) {
    let found = found.unwrap();
    near(found.low, low, tolerance);
    near(found.high, high, tolerance);
}

#[test]
fn wilson_gives_the_published_interval_of_hillstrom_s_mens_conversions() {
    // METHODS.md M6: .011123–.014115.
    ends(wilson(267, 21_307, Z_95), (0.011_123, 0.014_115), 5e-7);
}

#[test]
fn wilson_gives_known_small_sample_figures() {
    // Newcombe 1998 (Statistics in Medicine 17, 857–872), table I, method 3: score without correction.
    for (count, of, low, high) in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ] {
        ends(wilson(count, of, Z_95), (low, high), 5e-5);
    }
    assert_eq!(wilson(0, 0, Z_95), None);
    assert_eq!(wilson(2, 1, Z_95), None);
}

#[test]
fn newcombe_gives_published_differences() {
    // Newcombe 1998 (Statistics in Medicine 17, 873–890), table II, method 10.
    for (first, second, low, high) in [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ] {
        let of = |(count, of)| Share::new(count, of);
        ends(newcombe(of(first), of(second), Z_95), (low, high), 5e-5);
    }
    // METHODS.md M6.
    let visits = newcombe(visits(MENS), visits(NO_EMAIL), Z_95);
    ends(visits, (0.069_953, 0.083_227), 5e-7);
    let orders = newcombe(conversions(MENS), conversions(NO_EMAIL), Z_95);
    ends(orders, (0.005_014, 0.008_641), 5e-7);
}

#[test]
fn the_test_of_two_shares_gives_hillstrom_s_figures() {
    // METHODS.md M6.
    let visit = z_test(visits(MENS), visits(NO_EMAIL)).unwrap();
    near(visit.z, 22.486, 5e-4);
    near(visit.p / 1e-112, 5.7, 0.05);
    let order = z_test(conversions(MENS), conversions(NO_EMAIL)).unwrap();
    near(order.z, 7.3851, 5e-5);
    near(order.p / 1e-13, 1.52, 0.005);
    let womens = z_test(conversions(WOMENS), conversions(NO_EMAIL)).unwrap();
    near(womens.z, 3.779_560_958_357_85, 1e-10);
    near(womens.p, 0.000_157_105_129_106_684_5, 1e-13);
    let other_way = z_test(visits(NO_EMAIL), visits(MENS)).unwrap();
    near(other_way.z, -visit.z, 1e-12);
    assert!(z_test(Share::new(0, 5), Share::new(0, 9)).is_none());
    assert!(z_test(Share::new(5, 5), Share::new(9, 9)).is_none());
}

#[test]
fn the_differences_of_hillstrom_and_what_they_come_to() {
    // METHODS.md M6: .076590 and .006805; incremental for Mens 1,631.9 visits, 145.0 orders.
    for (shares, difference, incremental) in [
        ((visits(MENS), visits(NO_EMAIL)), 0.076_590, 1_631.9),
        ((conversions(MENS), conversions(NO_EMAIL)), 0.006_805, 145.0),
    ] {
        let found = shares.0.value().unwrap() - shares.1.value().unwrap();
        near(found, difference, 5e-7);
        near(found * as_f64(MENS.0), incremental, 0.05);
    }
}

#[test]
fn relative_lift_gives_hillstrom_s_figures() {
    // METHODS.md M6: 72.14 % (64.04–80.64) and 118.84 % (76.80–170.88).
    let visit = relative_lift(visits(MENS), visits(NO_EMAIL), Z_95).unwrap();
    near(visit.value, 0.7214, 5e-5);
    ends(visit.interval_95, (0.6404, 0.8064), 5e-5);
    let order = relative_lift(conversions(MENS), conversions(NO_EMAIL), Z_95).unwrap();
    near(order.value, 1.1884, 5e-5);
    ends(order.interval_95, (0.7680, 1.7088), 5e-5);
    let nobody = relative_lift(Share::new(0, 10), Share::new(3, 10), Z_95).unwrap();
    assert_eq!((nobody.value, nobody.interval_95), (-1.0, None));
    assert!(relative_lift(Share::new(3, 10), Share::new(0, 10), Z_95).is_none());
}

/// The moments of so many people with this mean and standard deviation.
fn moments(people: u64, mean: f64, deviation: f64) -> Moments {
    let n = as_f64(people);
    Moments {
        people,
        sum: n * mean,
        squares: deviation * deviation * (n - 1.0) + n * mean * mean,
    }
}

#[test]
fn the_spend_of_hillstrom_s_customers() {
    // METHODS.md M6: Δ $0.7698, SE 0.14525, t 5.300090, p 1.1632e-7, interval 0.485–1.055. The standard
    // deviation is the one that gives this error in arms of these sizes.
    let deviation = 14.991_918;
    let mens = moments(MENS.0, 1.422_617, deviation);
    let control = moments(NO_EMAIL.0, 0.652_789, deviation);
    let found = welch(mens, control).unwrap();
    near(found.value, 0.7698, 5e-5);
    near(found.standard_error, 0.14525, 5e-6);
    near(found.t, 5.300_090, 1e-4);
    near(found.p / 1e-7, 1.1632, 1e-3);
    ends(Some(found.interval_95), (0.485, 1.055), 5e-4);
    let lift = lift_of_means(mens, control).unwrap();
    near(lift.value, 1.179_290_7, 1e-6);
    ends(lift.interval_95, (0.597_979_0, 2.218_644_8), 1e-5);
}

#[test]
fn welch_and_fieller_on_small_samples() {
    let found = welch(moments(12, 20.5, 4.1), moments(9, 16.2, 6.3)).unwrap();
    near(found.t, 1.783_812_677_024_824_6, 1e-10);
    near(found.p, 0.097_909_157_157_770_3, 1e-10);
    near(found.degrees, 12.940_024_482_617_387, 1e-9);
    ends(
        Some(found.interval_95),
        (-0.910_168_102_108_015, 9.510_168_102_108_016),
        1e-7,
    );
    let lift = lift_of_means(moments(12, 20.5, 4.1), moments(9, 16.2, 6.3)).unwrap();
    near(lift.value, 0.265_432_098_765_432_2, 1e-12);
    ends(
        lift.interval_95,
        (-0.021_471_478_477_206_984, 0.726_979_644_540_37),
        1e-9,
    );
}

#[test]
fn fieller_s_interval_has_no_end_while_the_base_may_be_nothing() {
    // g = 4.097…: the second mean is not significantly above 0.
    let lift = lift_of_means(moments(500, 2.0, 9.0), moments(60, 1.0, 8.0)).unwrap();
    near(lift.value, 1.0, 1e-12);
    assert_eq!(lift.interval_95, None);
    assert!(lift_of_means(moments(50, 2.0, 9.0), moments(60, 0.0, 0.0)).is_none());
    assert!(welch(moments(50, 0.0, 0.0), moments(60, 0.0, 0.0)).is_none());
    assert!(welch(moments(1, 3.0, 0.0), moments(60, 1.0, 2.0)).is_none());
}

#[test]
fn many_people_make_student_s_t_normal() {
    // Just below and above the border the same interval comes out.
    let of = |people| welch(moments(people, 2.0, 9.0), moments(people, 1.9, 9.0)).unwrap();
    let (below, above) = (of(499_999), of(500_002));
    assert!(below.degrees < 1e6 && above.degrees > 1e6);
    near(below.interval_95.low, above.interval_95.low, 1e-6);
    near(below.p, above.p, 1e-6);
}

#[test]
fn people_per_arm_as_published() {
    // METHODS.md M5: 2 → 2.5 %, 13,809 (statsmodels says 13,808.92).
    let plan = Plan {
        base: 0.02,
        difference: 0.005,
        alpha: ALPHA,
    };
    assert_eq!(plan.people_per_arm(POWER), Some(13_809));
    for (base, difference, alpha, power, people) in [
        (0.12, -0.02, ALPHA, 0.9, 5_142),
        (0.10, 0.05, ALPHA / 3.0, POWER, 915),
    ] {
        let plan = Plan {
            base,
            difference,
            alpha,
        };
        assert_eq!(plan.people_per_arm(power), Some(people));
    }
    for (base, difference) in [(0.02, 0.0), (0.02, -0.03), (0.9, 0.2), (-0.1, 0.5)] {
        let plan = Plan {
            base,
            difference,
            alpha: ALPHA,
        };
        assert_eq!(plan.people_per_arm(POWER), None);
    }
}

#[test]
fn power_of_arms_of_any_size() {
    for (base, difference, first, second, power) in [
        (0.02, 0.01, 1_000, 9_000, 0.420_135_0),
        (0.02, 0.005, 5_000, 5_000, 0.391_940_9),
        (0.10, 0.02, 3_000, 1_000, 0.433_865_1),
    ] {
        let plan = Plan {
            base,
            difference,
            alpha: ALPHA,
        };
        near(plan.power(first, second).unwrap(), power, 1e-5);
    }
}

#[test]
fn what_can_be_found_is_the_inverse_of_what_is_needed() {
    let found = detectable(0.02, (13_809, 13_809), ALPHA, POWER).unwrap();
    near(found, 0.005, 1e-6);
    assert_eq!(detectable(0.02, (1, 1), ALPHA, POWER), None);
    assert_eq!(detectable(0.02, (0, 100), ALPHA, POWER), None);
}

#[test]
fn the_chance_to_be_better_by_evan_miller_s_formula() {
    for ((a, na), (b, nb), chance) in [
        ((10, 100), (15, 100), 0.853_283_789_933_965_6),
        ((122, 21_306), (267, 21_307), 0.999_999_999_999_956_1),
        ((200, 10_000), (220, 10_000), 0.837_726_567_934_722_3),
        ((0, 20), (1, 20), 0.756_097_560_975_608_7),
        ((0, 50), (0, 1_000), 0.048_479_087_452_471_474),
        ((90, 100), (80, 100), 0.024_826_966_847_125_383),
    ] {
        let found = chance_better(Share::new(b, nb), Share::new(a, na));
        near(found, chance, 1e-10);
    }
    // Normal from here on.
    let found = chance_better(Share::new(6_150, 100_000), Share::new(6_000, 100_000));
    near(found, 0.919_855_547_912_753_6, 1e-4);
}

#[test]
fn the_chance_to_be_the_best_and_the_expected_loss() {
    type Known<'a> = (&'a [(u64, u64)], &'a [(f64, f64)]);
    let known: [Known<'_>; 5] = [
        (
            &[(10, 100), (15, 100)],
            &[(0.146_716_2, 0.052_597_7), (0.853_283_8, 0.003_578_09)],
        ),
        (
            &[(20, 1_000), (25, 1_000), (31, 1_000)],
            &[
                (0.038_344_02, 0.011_974_56),
                (0.198_639_04, 0.006_984_54),
                (0.763_016_94, 0.000_996_517),
            ],
        ),
        (
            &[(0, 30), (2, 40), (3, 500), (1, 10)],
            &[
                (0.033_941_32, 0.144_310_95),
                (0.177_922_68, 0.104_132_38),
                (0.000_026_767, 0.167_592_83),
                (0.788_109_24, 0.008_894_286),
            ],
        ),
        (
            &[(200, 10_000), (205, 10_000), (260, 10_000)],
            &[
                (0.002_181_912, 0.006_003_47),
                (0.004_813_779, 0.005_503_57),
                (0.993_004_308, 0.000_004_669_51),
            ],
        ),
        (
            &[(1, 20), (60_000, 1_000_000)],
            &[(0.638_227_66, 0.008_756_88), (0.361_772_34, 0.039_665_09)],
        ),
    ];
    for (arms, expected) in known {
        let arms: Vec<Share> = arms
            .iter()
            .map(|(count, of)| Share::new(*count, *of))
            .collect();
        for (found, (chance, loss)) in standings(&arms).into_iter().zip(expected) {
            near(found.chance_best, *chance, 1e-6);
            near(found.expected_loss, *loss, loss * 1e-3);
        }
    }
}

#[test]
fn three_arms_at_once() {
    let visits = homogeneity(&[visits(MENS), visits(WOMENS), visits(NO_EMAIL)]).unwrap();
    near(visits.statistic, 504.460_669_035_634_96, 1e-8);
    assert_eq!(visits.degrees, 2);
    near(visits.p / 1e-110, 2.869_178, 1e-5);
    let orders = [
        conversions(MENS),
        conversions(WOMENS),
        conversions(NO_EMAIL),
    ];
    let orders = homogeneity(&orders).unwrap();
    near(orders.statistic, 55.258_039_933_229_625, 1e-9);
    // Two arms: the square of z.
    let two = [conversions(MENS), conversions(NO_EMAIL)];
    let z = z_test(two[0], two[1]).unwrap();
    let chi = homogeneity(&two).unwrap();
    near(chi.statistic, z.z * z.z, 1e-9);
    near(chi.p, z.p, 1e-18);
    assert!(homogeneity(&two[..1]).is_none());
}

#[test]
fn the_split_is_checked_against_the_plan() {
    let hillstrom = sample_ratio(&[MENS.0, WOMENS.0, NO_EMAIL.0], &[1.0, 1.0, 1.0]).unwrap();
    near(hillstrom.p, 0.903_692_957_560_419_6, 1e-10);
    let uneven = sample_ratio(&[5_150, 4_850], &[1.0, 1.0]).unwrap();
    near(uneven.statistic, 9.0, 1e-12);
    near(uneven.p, 0.002_699_796_063_260_188, 1e-10);
    let control = sample_ratio(&[9_210, 790], &[9.0, 1.0]).unwrap();
    near(control.p / 1e-12, 2.559_625, 1e-5);
    assert!(sample_ratio(&[0, 0], &[1.0, 1.0]).is_none());
    assert!(sample_ratio(&[5, 5], &[1.0, 0.0]).is_none());
    assert!(sample_ratio(&[5, 5], &[1.0]).is_none());
}

#[test]
fn holm_as_statsmodels_has_it() {
    let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
    for (found, expected) in adjusted.into_iter().zip([0.03, 0.06, 0.06, 0.02]) {
        near(found, expected, 1e-12);
    }
    assert!(holm(&[]).is_empty());
}

#[test]
fn few_are_too_few_for_the_normal_tests() {
    assert!(is_enough(Share::new(6, 100), Share::new(4, 100)));
    assert!(!is_enough(Share::new(5, 100), Share::new(4, 100)));
    assert!(!is_enough(Share::new(98, 100), Share::new(99, 100)));
    assert!(!is_enough(Share::new(0, 0), Share::new(99, 100)));
}

#[test]
fn quantiles_and_tails() {
    near(quantile_above(0.025).unwrap(), Z_95, 1e-9);
    near(quantile_above(0.2).unwrap(), 0.841_621_233_572_914, 1e-9);
    near(two_sided_p(Z_95), ALPHA, 1e-10);
    assert_eq!(quantile_above(0.0), None);
    assert_eq!(quantile_above(1.0), None);
}
