use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::ids::WaveId;
use crate::reports::grid::attributes::{self, Person};
use crate::reports::grid::cross::Common;
use crate::segments::Rule;

/// Invented people who respond with the chance that `chance` gives them.
fn wave(seed: u64, people: i64, chance: impl Fn(&Person) -> f64) -> Slice {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut counting = Counting::default();
    for id in 0..people {
        let person = Person {
            gender: Some(["f", "m"][rng.random_range(0..2)].to_owned()),
            region: Some(
                ["Nord", "Somme", "Le \"Var\"", "Oise"][rng.random_range(0..4)].to_owned(),
            ),
            country: Some("FR".to_owned()),
            orders: Some(rng.random_range(0..6)),
            revenue_cents: rng.random_range(0..150_000),
            stage: Some("customer".to_owned()),
            has_clicked: rng.random_bool(0.3),
            ..Person::default()
        };
        let responders = u64::from(rng.random_bool(chance(&person)));
        let counts = Counts {
            delivered: 1,
            responders,
            ..Counts::default()
        };
        counting.add(&person, 0, attributes::half(id), &counts);
    }
    Slice::new(WaveId(1), Common::default(), counting.finish())
}

#[test]
fn what_was_planted_is_found_and_told_with_figures_it_was_not_found_by() {
    let slice = wave(7, 20_000, |person| {
        match (person.has_clicked, person.orders.unwrap_or(0) >= 2) {
            (true, true) => 0.12,
            (true, false) => 0.06,
            _ => 0.02,
        }
    });
    let found = improve(&[slice], "age >= 18");
    assert_eq!(found.criteria[0].rule, "clicked");
    assert!(found.criteria[0].is_beyond_chance && found.criteria[0].lift.unwrap() > 3.0);
    let proposal = found.proposal.unwrap();
    Rule::parse(&proposal.rule).unwrap();
    assert!(
        proposal.rule.starts_with("age >= 18 and "),
        "{}",
        proposal.rule
    );
    assert!(proposal.rule.contains("clicked"), "{}", proposal.rule);
    let interval = proposal.rate.interval_95.unwrap();
    assert!(
        interval.low > proposal.of_all.value.unwrap(),
        "{proposal:?}"
    );
    assert!(proposal.share_of_responders > 1.5 * proposal.share_of_people);
    let last = found.gains.last().unwrap();
    assert!(
        (last.share_of_people - 1.0).abs() < 1e-12,
        "everyone is somewhere"
    );
    assert!((last.share_of_responders - 1.0).abs() < 1e-12);
    assert!((last.lift.unwrap() - 1.0).abs() < 1e-12);
    for line in &found.gains {
        Rule::parse(&line.rule).unwrap();
    }
}

#[test]
fn where_nothing_separates_something_is_found_no_oftener_than_stated() {
    // Binomial(200, 0.05) lies above 20 once in a thousand times.
    let (mut criteria, mut trees) = (0, 0);
    for seed in 0..200 {
        let found = improve(&[wave(seed, 2_000, |_| 0.05)], "everyone");
        criteria += usize::from(found.separating > 0);
        trees += usize::from(found.proposal.is_some());
    }
    assert!(criteria <= 20, "{criteria} of 200");
    assert!(trees <= 20, "{trees} of 200");
}

#[test]
fn nothing_that_comes_after_the_contact_is_asked() {
    let found = improve(&[wave(1, 3_000, |_| 0.1)], "everyone");
    assert!(
        found
            .criteria
            .iter()
            .all(|line| !line.rule.contains("stage"))
    );
    let cautious = found
        .criteria
        .iter()
        .find(|line| line.rule.contains("gender"));
    assert!(cautious.unwrap().caution.is_some());
}

#[test]
fn any_name_makes_a_rule_that_can_be_read() {
    let slice = wave(3, 4_000, |person| {
        if person.region.as_deref() == Some("Le \"Var\"") {
            0.3
        } else {
            0.02
        }
    });
    let found = improve(&[slice], "everyone");
    assert_eq!(found.proposal.unwrap().rule, "region = \"Le \\\"Var\\\"\"");
}

#[test]
fn nobody_is_no_reason_to_fail() {
    let found = improve(&[], "everyone");
    assert!(found.gains.is_empty() && found.proposal.is_none() && found.criteria.is_empty());
}

#[test]
fn the_lift_is_that_of_the_published_example() {
    // METHODS.md M4: 5 % of the list hold 21 % of the responders.
    let counts = |delivered, responders| Counts {
        delivered,
        responders,
        ..Counts::default()
    };
    let (part, all) = (counts(50, 21), counts(1_000, 100));
    let lift = share(part.responders, all.responders) / share(part.delivered, all.delivered);
    assert!((lift - 4.2).abs() < 1e-12);
}
