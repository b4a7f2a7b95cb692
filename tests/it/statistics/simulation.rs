//! Worlds in which the truth is known: intervals hold it as often as they say, no effect is called one no
//! more often than they say, and what is there is found as often as promised. Seeded, so that each run is
//! the same.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use visavis::statistics::means::{Moments, relative_lift as lift_of_means, welch};
use visavis::statistics::power::{POWER, Plan};
use visavis::statistics::proportions::{newcombe, relative_lift, wilson};
use visavis::statistics::verdict::{Arm, Outcome, Readiness, Terms, Word, judge};
use visavis::statistics::{ALPHA, Share, Z_95, as_f64};

const WORLDS: u32 = 4_000;
/// Of those in which much is reckoned.
const FEWER: u32 = 1_000;

/// So many people of whom each does it with this chance: from one who does to the next at a leap.
fn drawn(random: &mut StdRng, people: u64, rate: f64) -> Share {
    let mut count = 0;
    let mut at = 0.0;
    loop {
        let chance: f64 = random.random();
        at += ((1.0 - chance).ln() / (1.0 - rate).ln()).floor() + 1.0;
        if at > as_f64(people) {
            return Share::new(count, people);
        }
        count += 1;
    }
}

/// What they spend: most nothing, the others amounts with a long tail.
fn spent(random: &mut StdRng, people: u64, rate: f64, mean: f64) -> Moments {
    let buyers = drawn(random, people, rate).count;
    let mut moments = Moments {
        people,
        ..Moments::default()
    };
    for _ in 0..buyers {
        let chance: f64 = random.random();
        let amount = -mean * (1.0 - chance).ln();
        moments.sum += amount;
        moments.squares += amount * amount;
    }
    moments
}

/// How often something holds in all worlds.
fn share_of_worlds(seed: u64, holds: impl FnMut(&mut StdRng) -> bool) -> f64 {
    share_of(WORLDS, seed, holds)
}

fn share_of(worlds: u32, seed: u64, mut holds: impl FnMut(&mut StdRng) -> bool) -> f64 {
    let mut random = StdRng::seed_from_u64(seed);
    let hits = (0..worlds).filter(|_| holds(&mut random)).count();
    as_f64(u64::try_from(hits).unwrap()) / f64::from(worlds)
}

/// Four standard errors of a share of worlds.
fn slack(rate: f64, worlds: u32) -> f64 {
    4.0 * (rate * (1.0 - rate) / f64::from(worlds)).sqrt()
}

#[track_caller]
fn about(found: f64, stated: f64) {
    assert!(
        (found - stated).abs() <= slack(stated, WORLDS),
        "{found} is not {stated}"
    );
}

#[test]
fn the_interval_of_a_rate_holds_the_truth() {
    about(
        share_of_worlds(1, |random| {
            let share = drawn(random, 5_000, 0.03);
            wilson(share.count, share.of, Z_95).unwrap().holds(0.03)
        }),
        0.95,
    );
}

#[test]
fn the_intervals_of_a_difference_and_a_lift_hold_the_truth() {
    let (rate, base) = (0.04, 0.03);
    let mut lifts = 0;
    let differences = share_of_worlds(2, |random| {
        let first = drawn(random, 6_000, rate);
        let second = drawn(random, 3_000, base);
        let lift = relative_lift(first, second, Z_95).unwrap();
        lifts += u64::from(lift.interval_95.unwrap().holds(rate / base - 1.0));
        newcombe(first, second, Z_95).unwrap().holds(rate - base)
    });
    about(differences, 0.95);
    about(as_f64(lifts) / f64::from(WORLDS), 0.95);
}

#[test]
fn the_intervals_of_spend_hold_the_truth() {
    // A tenth of the people held back, and one in thirty buys.
    let mut lifts = 0;
    let differences = share_of_worlds(3, |random| {
        let first = spent(random, 9_000, 0.04, 60.0);
        let second = spent(random, 3_000, 0.033, 60.0);
        let lift = lift_of_means(first, second).unwrap();
        lifts += u64::from(lift.interval_95.unwrap().holds(0.04 / 0.033 - 1.0));
        welch(first, second)
            .unwrap()
            .interval_95
            .holds(60.0 * (0.04 - 0.033))
    });
    about(differences, 0.95);
    about(as_f64(lifts) / f64::from(WORLDS), 0.95);
}

fn terms() -> Terms {
    Terms {
        readiness: Readiness::Ready,
        matters: Some(0.01),
        adapts: false,
    }
}

fn arms(random: &mut StdRng, rates: &[f64], people: u64) -> Vec<Arm> {
    rates
        .iter()
        .zip('a'..)
        .map(|(rate, name)| Arm {
            name: name.to_string(),
            outcome: Outcome::Share(drawn(random, people, *rate)),
        })
        .collect()
}

#[test]
fn no_effect_is_called_significant_in_one_of_twenty_worlds() {
    about(
        share_of_worlds(4, |random| {
            let arms = arms(random, &[0.03, 0.03], 4_000);
            judge(&arms, &terms()).verdict == Word::Significant
        }),
        ALPHA,
    );
}

#[test]
fn nor_more_often_among_several_cells() {
    for (seed, cells) in [(5, 3), (6, 5)] {
        let found = share_of(FEWER, seed, |random| {
            let arms = arms(random, &vec![0.03; cells], 2_000);
            judge(&arms, &terms()).verdict == Word::Significant
        });
        assert!(
            found <= ALPHA + slack(ALPHA, FEWER),
            "{cells} cells: {found}"
        );
        assert!(
            found > 0.01,
            "{cells} cells: {found}, so cautious that nothing is found"
        );
    }
}

#[test]
fn no_effect_on_spend_is_called_significant_in_one_of_twenty_worlds() {
    about(
        share_of_worlds(7, |random| {
            let mut arm = |name: &str, people| {
                let amounts = spent(random, people, 0.04, 60.0);
                Arm {
                    name: name.to_owned(),
                    outcome: Outcome::Amounts {
                        amounts,
                        buyers: people / 25,
                    },
                }
            };
            let arms = [arm("a", 8_000), arm("b", 4_000)];
            judge(&arms, &terms()).verdict == Word::Significant
        }),
        ALPHA,
    );
}

#[test]
fn what_is_there_is_found_as_often_as_promised() {
    let plan = Plan {
        base: 0.03,
        difference: 0.015,
        alpha: ALPHA,
    };
    let people = plan.people_per_arm(POWER).unwrap();
    about(
        share_of_worlds(8, |random| {
            let arms = arms(random, &[plan.base + plan.difference, plan.base], people);
            let found = judge(&arms, &terms());
            found.verdict == Word::Significant && found.pairs[0].better == "a"
        }),
        POWER,
    );
}

#[test]
fn looking_every_day_would_find_what_is_not_there() {
    // Why there is no verdict before its time: with ten looks the false alarms are far more than 5 %.
    let found = share_of_worlds(9, |random| {
        let mut sums = [Share::new(0, 0); 2];
        (0..10).any(|_day| {
            for sum in &mut sums {
                let day = drawn(random, 600, 0.03);
                *sum = Share::new(sum.count + day.count, sum.of + day.of);
            }
            visavis::statistics::proportions::z_test(sums[0], sums[1])
                .is_some_and(|test| test.p < ALPHA)
        })
    });
    assert!(found > 0.12, "{found}");
}

#[test]
fn the_chance_to_be_better_is_right_as_often_as_it_says() {
    // Arms whose rates are drawn from the prior itself: of those held better with 70 to 80 %, so many are.
    let mut random = StdRng::seed_from_u64(10);
    let (mut said, mut right, mut n) = (0.0, 0.0, 0.0);
    for _ in 0..WORLDS * 4 {
        let (one, two): (f64, f64) = (random.random(), random.random());
        let (a, b) = (drawn(&mut random, 40, one), drawn(&mut random, 40, two));
        let chance = visavis::statistics::bayes::chance_better(a, b);
        if (0.7..0.8).contains(&chance) {
            said += chance;
            right += f64::from(u8::from(one > two));
            n += 1.0;
        }
    }
    assert!(n > 300.0, "{n}");
    let (said, right) = (said / n, right / n);
    assert!(
        (said - right).abs() < 4.0 * (0.75 * 0.25 / n).sqrt(),
        "{said} {right}"
    );
}
