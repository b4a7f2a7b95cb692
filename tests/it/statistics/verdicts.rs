//! The verdict in words: each word where its rule says so, with the figures in the sentence.

use visavis::statistics::Share;
use visavis::statistics::means::Moments;
use visavis::statistics::verdict::{Arm, Judgement, Outcome, Readiness, Terms, Word, judge};

fn arm(name: &str, count: u64, of: u64) -> Arm {
    Arm {
        name: name.to_owned(),
        outcome: Outcome::Share(Share::new(count, of)),
    }
}

fn ready() -> Terms {
    Terms {
        readiness: Readiness::Ready,
        matters: Some(0.01),
        adapts: false,
    }
}

fn judged(arms: &[(u64, u64)], terms: &Terms) -> Judgement {
    let arms: Vec<Arm> = arms
        .iter()
        .zip(["a", "b", "c", "d"])
        .map(|((count, of), name)| arm(name, *count, *of))
        .collect();
    judge(&arms, terms)
}

#[test]
fn two_arms_in_each_word() {
    for (first, second, word, headline) in [
        (
            (300, 5_000),
            (200, 5_000),
            Word::Significant,
            "a does better than b: significant (6.00 % against 4.00 %; difference 2.00 points, 95 % interval 1.15 to 2.86, p < 0.001).",
        ),
        (
            (230, 5_000),
            (200, 5_000),
            Word::Promising,
            "a is ahead of b: promising, not proven (4.60 % against 4.00 %; difference 0.60 points, 95 % interval −0.20 to 1.40, p = 0.139).",
        ),
        (
            (200, 10_000),
            (203, 10_000),
            Word::NotSignificant,
            "b and a are as good as the same: not significant, and a difference of 1.00 points is ruled out (2.03 % against 2.00 %; difference 0.03 points, 95 % interval −0.36 to 0.42, p = 0.880).",
        ),
        (
            (21, 500),
            (19, 500),
            Word::Inconclusive,
            "a and b: inconclusive, more people would be needed (4.20 % against 3.80 %; difference 0.40 points, 95 % interval −2.11 to 2.93, p = 0.747).",
        ),
        (
            (4, 100),
            (0, 100),
            Word::Inconclusive,
            "a and b: inconclusive, too few people did it to tell (4.00 % against 0.00 %; difference 4.00 points, 95 % interval −0.43 to 9.84, p = 0.043).",
        ),
        (
            (0, 0),
            (3, 50),
            Word::Inconclusive,
            "b and a: there is nothing to compare yet.",
        ),
    ] {
        let found = judged(&[first, second], &ready());
        assert_eq!(
            (found.verdict, found.headline.to_string().as_str()),
            (word, headline),
            "{first:?} {second:?}"
        );
    }
}

#[test]
fn a_difference_that_is_there_may_still_not_matter() {
    let found = judged(&[(10_300, 100_000), (10_000, 100_000)], &ready());
    assert_eq!(found.verdict, Word::Significant);
    assert!(
        found
            .headline
            .to_string()
            .ends_with("It is less than the 1.00 points that were to matter."),
        "{}",
        found.headline
    );
}

#[test]
fn before_its_time_there_is_no_verdict_and_no_p() {
    let terms = Terms {
        readiness: Readiness::TooEarly("responses count until 2026-12-05".into()),
        ..ready()
    };
    let found = judged(&[(300, 5_000), (200, 5_000)], &terms);
    assert_eq!(found.verdict, Word::TooEarly);
    assert_eq!(
        found.headline,
        "Too early to tell: responses count until 2026-12-05."
    );
    assert!(found.chances.is_empty());
    assert!(found.pairs.iter().all(|pair| pair.p.is_none()));
}

#[test]
fn a_split_that_is_not_the_planned_one_gets_no_verdict() {
    let terms = Terms {
        readiness: Readiness::Mismatch("a has 6,100 people where 5,800 were planned".into()),
        ..ready()
    };
    let found = judged(&[(300, 6_100), (200, 5_500)], &terms);
    assert_eq!(found.verdict, Word::Refused);
    assert!(
        found
            .headline
            .to_string()
            .contains("a has 6,100 people where 5,800 were planned"),
        "{}",
        found.headline
    );
    assert!(found.pairs.iter().all(|pair| pair.p.is_none()));
}

#[test]
fn several_arms_have_one_headline() {
    let all = judged(&[(200, 5_000), (205, 5_000), (320, 5_000)], &ready());
    assert_eq!(
        (all.verdict, all.headline.to_string().as_str()),
        (
            Word::Significant,
            "c does better than each of the others: significant, adjusted for 3 comparisons."
        )
    );
    let some = judged(&[(200, 5_000), (300, 5_000), (310, 5_000)], &ready());
    assert_eq!(
        (some.verdict, some.headline.to_string().as_str()),
        (
            Word::Significant,
            "Significant, adjusted for 3 comparisons: b better than a, c better than a. c leads, but not beyond doubt."
        )
    );
    let promising = judged(&[(200, 5_000), (201, 5_000), (235, 5_000)], &ready());
    assert_eq!(
        (promising.verdict, promising.headline.to_string().as_str()),
        (
            Word::Promising,
            "Promising, not proven: c is the best with a chance of 92 %, and to choose it now costs 0.01 points by expectation."
        )
    );
    let same = judged(&[(200, 20_000), (205, 20_000), (203, 20_000)], &ready());
    assert_eq!(same.verdict, Word::NotSignificant);
    let unknown = judged(&[(20, 400), (22, 400), (23, 400)], &ready());
    assert_eq!(unknown.verdict, Word::Inconclusive);
}

#[test]
fn what_two_arms_alone_would_prove_three_do_not() {
    // p = 0.033 by itself, 0.1 among three pairs.
    let two = judged(&[(245, 5_000), (200, 5_000)], &ready());
    let three = judged(&[(245, 5_000), (200, 5_000), (222, 5_000)], &ready());
    assert_eq!(two.verdict, Word::Significant);
    assert_eq!(three.verdict, Word::Promising);
}

#[test]
fn shares_that_follow_the_responses_are_judged_by_chances() {
    let terms = Terms {
        adapts: true,
        ..ready()
    };
    let found = judged(&[(300, 5_000), (200, 5_000)], &terms);
    assert_eq!(found.verdict, Word::Promising);
    assert!(found.pairs.iter().all(|pair| pair.p.is_none()));
    assert!(
        found
            .headline
            .to_string()
            .starts_with("a is the best with a chance of 100 %"),
        "{}",
        found.headline
    );
}

#[test]
fn amounts_are_compared_by_their_means() {
    let spend = |name: &str, buyers: u64, each: f64| Arm {
        name: name.to_owned(),
        outcome: Outcome::Amounts {
            amounts: Moments {
                people: 5_000,
                sum: each * f64::from(u32::try_from(buyers).unwrap()),
                squares: each * each * f64::from(u32::try_from(buyers).unwrap()),
            },
            buyers,
        },
    };
    let terms = Terms {
        matters: None,
        ..ready()
    };
    let found = judge(&[spend("a", 150, 60.0), spend("b", 90, 60.0)], &terms);
    assert_eq!(
        (found.verdict, found.headline.to_string().as_str()),
        (
            Word::Significant,
            "a does better than b: significant (1.80 a head against 1.08 a head; difference 0.72, 95 % interval 0.36 to 1.08, p < 0.001)."
        )
    );
    let few = judge(&[spend("a", 5, 60.0), spend("b", 0, 60.0)], &terms);
    assert_eq!(few.verdict, Word::Inconclusive);
}

#[test]
fn nobody_to_judge() {
    let found = judge(&[], &ready());
    assert_eq!((found.verdict, found.pairs.len()), (Word::Inconclusive, 0));
}
