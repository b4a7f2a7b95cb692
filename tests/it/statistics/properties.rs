//! What must hold for any counts.

use proptest::prelude::*;
use visavis::statistics::bayes::{chance_better, standings, thompson_shares};
use visavis::statistics::means::{Moments, relative_lift as lift_of_means, welch};
use visavis::statistics::power::{Plan, detectable};
use visavis::statistics::proportions::{newcombe, relative_lift, wilson, z_test};
use visavis::statistics::several::{holm, sample_ratio};
use visavis::statistics::{ALPHA, Share, Z_95, as_f64};

fn share() -> impl Strategy<Value = Share> {
    (1_u64..200_000).prop_flat_map(|of| (0..=of).prop_map(move |count| Share::new(count, of)))
}

fn moments() -> impl Strategy<Value = Moments> {
    proptest::collection::vec(0.0_f64..500.0, 2..40).prop_map(|amounts| Moments {
        people: u64::try_from(amounts.len()).unwrap(),
        sum: amounts.iter().sum(),
        squares: amounts.iter().map(|amount| amount * amount).sum(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_interval_of_a_rate_holds_it_and_lies_between_0_and_1(share in share()) {
        let interval = wilson(share.count, share.of, Z_95).unwrap();
        let p = share.value().unwrap();
        prop_assert!(0.0 <= interval.low && interval.low <= p + 1e-12);
        prop_assert!(p - 1e-12 <= interval.high && interval.high <= 1.0);
    }

    #[test]
    fn more_people_make_it_narrower(count in 1_u64..1000, times in 2_u64..50) {
        let few = wilson(count, count * 10, Z_95).unwrap();
        let many = wilson(count * times, count * times * 10, Z_95).unwrap();
        prop_assert!(many.high - many.low < few.high - few.low);
    }

    #[test]
    fn differences_hold_the_estimate_and_turn_with_the_arms(a in share(), b in share()) {
        let difference = a.value().unwrap() - b.value().unwrap();
        let there = newcombe(a, b, Z_95).unwrap();
        let back = newcombe(b, a, Z_95).unwrap();
        prop_assert!(there.low <= difference + 1e-12 && difference <= there.high + 1e-12);
        prop_assert!((-1.0 - 1e-12..=1.0 + 1e-12).contains(&there.low));
        prop_assert!((-1.0 - 1e-12..=1.0 + 1e-12).contains(&there.high));
        prop_assert!((there.low + back.high).abs() < 1e-12);
        if let (Some(one), Some(two)) = (z_test(a, b), z_test(b, a)) {
            prop_assert!((one.p - two.p).abs() < 1e-12 && (0.0..=1.0).contains(&one.p));
        }
    }

    #[test]
    fn a_lift_lies_in_its_interval(a in share(), b in share()) {
        if let Some(lift) = relative_lift(a, b, Z_95)
            && let Some(interval) = lift.interval_95
        {
            prop_assert!(interval.low <= lift.value + 1e-9 && lift.value <= interval.high + 1e-9);
            prop_assert!(interval.low > -1.0);
        }
    }

    #[test]
    fn means_differ_by_what_lies_in_their_interval(a in moments(), b in moments()) {
        if let Some(found) = welch(a, b) {
            prop_assert!(found.interval_95.holds(found.value));
            prop_assert!((0.0..=1.0).contains(&found.p));
            prop_assert!((found.p < ALPHA) != found.interval_95.holds(0.0) || (found.p - ALPHA).abs() < 1e-6);
        }
        if let Some(lift) = lift_of_means(a, b)
            && let Some(interval) = lift.interval_95
        {
            prop_assert!(interval.holds(lift.value));
        }
    }

    #[test]
    fn one_of_two_is_better(a in share(), b in share()) {
        let (one, two) = (chance_better(a, b), chance_better(b, a));
        prop_assert!((0.0..=1.0).contains(&one));
        prop_assert!((one + two - 1.0).abs() < 1e-6, "{one} {two}");
        prop_assert!((chance_better(a, a) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn two_ways_to_the_chance_agree(a in share(), b in share()) {
        let [best, _] = standings(&[a, b])[..] else { panic!() };
        prop_assert!((best.chance_best - chance_better(a, b)).abs() < 1e-3);
    }

    #[test]
    fn one_of_several_is_the_best(arms in proptest::collection::vec(share(), 1..7)) {
        let found = standings(&arms);
        prop_assert!((found.iter().map(|one| one.chance_best).sum::<f64>() - 1.0).abs() < 1e-9);
        for one in &found {
            prop_assert!((0.0..=1.0).contains(&one.chance_best) && one.expected_loss >= 0.0);
        }
        // Whoever has the highest mean loses least.
        let mean = |share: &Share| (as_f64(share.count) + 1.0) / (as_f64(share.of) + 2.0);
        let best = (0..arms.len()).max_by(|x, y| mean(&arms[*x]).total_cmp(&mean(&arms[*y]))).unwrap();
        let least = found.iter().map(|one| one.expected_loss).fold(f64::INFINITY, f64::min);
        prop_assert!(found[best].expected_loss <= least + 1e-3);
    }

    #[test]
    fn arms_alike_stand_alike(arm in share(), arms in 2_usize..6) {
        let shares = vec![arm; arms];
        let even = 1.0 / as_f64(u64::try_from(arms).unwrap());
        for one in standings(&shares) {
            prop_assert!((one.chance_best - even).abs() < 1e-6);
        }
    }

    #[test]
    fn everyone_gets_a_share(arms in proptest::collection::vec(share(), 1..7), floor in 0.0_f64..0.5) {
        let shares = thompson_shares(&arms, floor);
        prop_assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        let least = floor.min(1.0 / as_f64(u64::try_from(arms.len()).unwrap()));
        for share in shares {
            prop_assert!(share >= least - 1e-9);
        }
    }

    #[test]
    fn holm_raises_and_keeps_the_order(p in proptest::collection::vec(0.0_f64..=1.0, 1..20)) {
        let adjusted = holm(&p);
        let (least, most) = (p.iter().fold(1.0, |a: f64, b| a.min(*b)), as_f64(u64::try_from(p.len()).unwrap()));
        prop_assert!((adjusted.iter().fold(1.0, |a: f64, b| a.min(*b)) - (least * most).min(1.0)).abs() < 1e-12);
        for (one, raised) in p.iter().zip(&adjusted) {
            prop_assert!(raised >= one && *raised <= 1.0);
            for (other, raised_other) in p.iter().zip(&adjusted) {
                prop_assert!(one >= other || raised <= raised_other);
            }
        }
    }

    #[test]
    fn a_split_as_planned_is_never_refused(people in 1_u64..1_000_000, weights in proptest::collection::vec(1_u64..100, 2..8)) {
        let observed: Vec<u64> = weights.iter().map(|weight| weight * people).collect();
        let planned: Vec<f64> = weights.iter().copied().map(as_f64).collect();
        prop_assert!(sample_ratio(&observed, &planned).unwrap().p > 0.999);
    }

    #[test]
    fn what_is_needed_reaches_the_power(base in 0.001_f64..0.5, difference in 0.001_f64..0.3, power in 0.5_f64..0.99) {
        let plan = Plan { base, difference, alpha: ALPHA };
        let people = plan.people_per_arm(power).unwrap();
        prop_assert!(plan.power(people, people).unwrap() >= power - 1e-9);
        if people > 2 {
            prop_assert!(plan.power(people - 1, people - 1).unwrap() < power + 1e-9);
        }
        let found = detectable(base, (people, people), ALPHA, power).unwrap();
        prop_assert!(found <= difference + 1e-9);
    }
}
