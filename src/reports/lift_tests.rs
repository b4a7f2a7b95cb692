use super::*;
use crate::reports::cells::Assigned;
use crate::reports::cells::tests::{facts, over, wave};

fn caused(facts: &Facts) -> CausedBy {
    caused_by(&[wave()], facts).unwrap()
}

fn assigned(wave: i64, cell: &str, kind: CellKind, people: u64) -> Assigned {
    Assigned {
        wave,
        cell: cell.to_owned(),
        kind,
        weight: 1,
        people,
    }
}

#[test]
fn all_cells_together_are_compared_with_those_held_back() {
    let effect = caused(&facts());
    assert_eq!(effect.against, CellKind::Control);
    assert_eq!(
        (effect.contacted.buyers.count, effect.contacted.buyers.of),
        (280, 10_000)
    );
    assert_eq!(
        (effect.held_back.buyers.count, effect.held_back.buyers.of),
        (10, 1_000)
    );
    assert_eq!(
        (effect.verdict, effect.sentence.to_string().as_str()),
        (
            Word::Significant,
            "The campaign made people order: significant (2.80 % of those contacted ordered, 1.00 % of those held back, p < 0.001)."
        )
    );
    let buyers = effect.buyers.unwrap();
    assert!((buyers.value - 180.0).abs() < 1e-9);
    assert!(buyers.interval_95.unwrap().holds(180.0));
    let revenue = effect.revenue_cents.unwrap();
    assert!((revenue.value - 1_080_000.0).abs() < 1e-3);
    assert!(revenue.interval_95.unwrap().low > 0.0);
    assert_eq!(
        (effect.attributed_buyers, effect.attributed_revenue_cents),
        (180, 1_080_000)
    );
}

#[test]
fn hillstrom_s_mens_arm() {
    // METHODS.md M6: 145.0 orders more than without, 118.84 % (76.80–170.88), p 1.52e-13.
    let facts = Facts {
        assigned: vec![
            assigned(1, "all", CellKind::All, 21_307),
            assigned(1, "control", CellKind::Control, 21_306),
        ],
        effects: vec![over(
            1,
            &[
                ("all", 21_307, 267, 11_353),
                ("control", 21_306, 122, 11_400),
            ],
        )],
        ..Facts::default()
    };
    let buyers = caused(&facts).buyers.unwrap();
    let (interval, lift) = (buyers.interval_95.unwrap(), buyers.lift.unwrap());
    assert!((buyers.value - 145.0).abs() < 0.05, "{buyers:?}");
    assert!(
        (interval.low - 0.005_014 * 21_307.0).abs() < 0.02,
        "{interval:?}"
    );
    assert!(
        (interval.high - 0.008_641 * 21_307.0).abs() < 0.02,
        "{interval:?}"
    );
    assert!((lift.value - 1.1884).abs() < 5e-5, "{lift:?}");
    assert!(
        (buyers.p.unwrap() / 1e-13 - 1.52).abs() < 0.005,
        "{buyers:?}"
    );
}

#[test]
fn the_standing_group_serves_where_the_campaign_held_nobody_back() {
    let mut facts = facts();
    facts
        .assigned
        .push(assigned(1, "global", CellKind::Global, 500));
    assert_eq!(caused(&facts).against, CellKind::Control);
    facts.assigned.retain(|one| one.kind != CellKind::Control);
    assert_eq!(caused(&facts).against, CellKind::Global);
    facts.assigned.retain(|one| one.kind != CellKind::Global);
    assert_eq!(caused_by(&[wave()], &facts), None);
}

#[test]
fn a_wave_in_which_nobody_was_held_back_is_left_out() {
    let mut facts = facts();
    facts
        .assigned
        .push(assigned(2, "pan", CellKind::Test, 7_000));
    facts.effects.push(over(2, &[("pan", 7_000, 700, 100)]));
    let both = [wave(), {
        let mut second = wave();
        second.id = 2;
        second
    }];
    let effect = caused_by(&both, &facts).unwrap();
    assert_eq!(effect.contacted.buyers.of, 10_000);
    assert_eq!((effect.attributed_buyers, effect.waves_left_out), (180, 1));
}

#[test]
fn a_season_with_few_held_back_is_no_effect() {
    // Two waves without any effect: in the good season a tenth was held back, in the bad one half.
    let season = |wave: i64, treated: i64, held: i64, percent: i64| {
        let buyers = |people: i64| people * percent / 100;
        over(
            wave,
            &[
                ("all", treated, buyers(treated), 5_000),
                ("control", held, buyers(held), 5_000),
            ],
        )
    };
    let of = |shares: [(u64, u64); 2]| {
        let mut assigned_people = Vec::new();
        for ((treated, held), wave) in shares.into_iter().zip([2, 1]) {
            assigned_people.push(assigned(wave, "all", CellKind::All, treated));
            assigned_people.push(assigned(wave, "control", CellKind::Control, held));
        }
        let signed = |people: u64| i64::try_from(people).unwrap();
        Facts {
            assigned: assigned_people,
            effects: shares
                .into_iter()
                .zip([(2, 2), (1, 10)])
                .map(|((treated, held), (wave, percent))| {
                    season(wave, signed(treated), signed(held), percent)
                })
                .collect(),
            ..Facts::default()
        }
    };
    let effect = caused(&of([(5_000, 5_000), (9_000, 1_000)]));
    assert_eq!(
        (effect.waves_left_out, effect.contacted.buyers.of),
        (1, 5_000)
    );
    assert_eq!(effect.buyers.unwrap().value, 0.0);
    assert!(
        effect.basis().to_string().contains("One wave is left out"),
        "{}",
        effect.basis()
    );
    let alike = caused(&of([(9_050, 950), (9_000, 1_000)]));
    assert_eq!(
        (alike.waves_left_out, alike.contacted.buyers.of),
        (0, 18_050)
    );
}

#[test]
fn before_its_time_nothing_is_said_to_be_caused() {
    let mut facts = facts();
    facts.effects[0].reckoned_at = None;
    let effect = caused(&facts);
    assert_eq!(effect.verdict, Word::TooEarly);
    assert_eq!((effect.buyers, effect.revenue_cents), (None, None));
    assert_eq!(
        effect.sentence,
        "Too early to tell: responses count until 2026-12-02 11:06 UTC."
    );
}

#[test]
fn harm_is_called_harm_and_nothing_is_called_nothing() {
    let of = |contacted: i64, held: i64| {
        let mut facts = facts();
        facts.effects = vec![over(
            1,
            &[
                ("pan", 10_000, contacted, 100),
                ("control", 5_000, held, 100),
            ],
        )];
        facts.agreed.test = Some(crate::campaigns::cells::Test::default());
        caused(&facts)
    };
    let harm = of(100, 150);
    assert_eq!(harm.verdict, Word::Significant);
    assert!(
        harm.sentence
            .to_string()
            .starts_with("The campaign kept people from ordering"),
        "{}",
        harm.sentence
    );
    assert!(harm.buyers.unwrap().value < 0.0);
    let nothing = of(100, 49);
    assert_eq!(
        nothing.verdict,
        Word::NotSignificant,
        "{}",
        nothing.sentence
    );
    let few = of(3, 1);
    assert_eq!(few.verdict, Word::Inconclusive);
}
