use super::*;
use crate::delivery::decide::Standing;
use crate::ids::WaveId;
use crate::reports::model::tests::sample_wave;
use crate::reports::model::{Report, Wave};
use crate::reports::{csv, table};
use crate::responses::effects::Effect;
use crate::statistics::several::MISMATCH_P;
use crate::statistics::verdict::Word;

const DAY_MS: i64 = 86_400_000;
const LAUNCHED_AT: i64 = 1_795_000_000_000;

fn assigned(wave: i64, cell: &str, kind: CellKind, people: u64) -> Assigned {
    Assigned {
        wave,
        cell: cell.to_owned(),
        kind,
        weight: 1,
        people,
    }
}

/// A wave whose window is over, of cells with so many people, buyers and cents spent by each buyer.
pub(in crate::reports) fn over(wave: i64, cells: &[(&str, i64, i64, i64)]) -> OfWave {
    OfWave {
        wave: WaveId(wave),
        launched_at: LAUNCHED_AT,
        window_begins_at: LAUNCHED_AT,
        window_ends_at: LAUNCHED_AT + 14 * DAY_MS,
        reckoned_at: Some(LAUNCHED_AT + 15 * DAY_MS),
        cells: cells
            .iter()
            .map(|(cell, people, buyers, each)| Effect {
                cell: (*cell).to_owned(),
                people: *people,
                buyers: *buyers,
                orders: *buyers,
                spend_cents: buyers * each,
                spend_squares: signed(*buyers) * signed(*each) * signed(*each),
            })
            .collect(),
    }
}

/// Two cells of 5,000 each and 1,000 held back, whose time is over.
pub(in crate::reports) fn facts() -> Facts {
    Facts {
        assigned: vec![
            assigned(1, "pan", CellKind::Test, 5_010),
            assigned(1, "back", CellKind::Test, 4_990),
            assigned(1, "control", CellKind::Control, 1_000),
        ],
        effects: vec![over(
            1,
            &[
                ("pan", 5_010, 160, 6_000),
                ("back", 4_990, 120, 6_000),
                ("control", 1_000, 10, 6_000),
            ],
        )],
        ..Facts::default()
    }
}

pub(in crate::reports) fn wave() -> Wave {
    sample_wave(&[
        ("selected", 11_000),
        ("withheld", 1_000),
        ("withheld.control", 1_000),
        ("accepted", 9_900),
        ("failed", 100),
        ("failed.invalid_recipient", 100),
        ("responders", 500),
        ("clicks", 520),
        ("clicks.total", 610),
        ("orders", 190),
        ("orders.customers", 180),
        ("revenue_cents", 1_080_000),
        ("cell.pan.selected", 5_010),
        ("cell.pan.accepted", 4_960),
        ("cell.pan.responders", 300),
        ("cell.pan.clicks", 310),
        ("cell.pan.orders", 110),
        ("cell.pan.revenue_cents", 660_000),
        ("cell.back.selected", 4_990),
        ("cell.back.accepted", 4_940),
        ("cell.back.responders", 200),
        ("cell.back.clicks", 210),
        ("cell.back.orders", 80),
        ("cell.back.revenue_cents", 420_000),
        ("cell.control.selected", 1_000),
    ])
}

fn report(facts: &Facts) -> Report {
    let waves = [wave()];
    Report::new("spring", "finished", &waves, &[]).with_tests(&waves, facts)
}

fn judged(facts: &Facts) -> Cells {
    report(facts).cells.unwrap()
}

#[test]
fn two_cells_are_compared_by_those_assigned() {
    let cells = judged(&facts());
    assert_eq!(cells.judgement.verdict, Word::Significant);
    assert_eq!(
        cells.judgement.headline,
        "pan does better than back: significant (5.99 % against 4.01 %; difference 1.98 points, 95 % interval 1.13 to 2.84, p < 0.001)."
    );
    let [pan, back] = cells.lines.as_slice() else {
        panic!("{:?}", cells.lines);
    };
    assert_eq!((pan.people, pan.delivered), (5_010, 4_960));
    assert_eq!(
        (pan.response_rate.of, pan.response_of_assigned.of),
        (4_960, 5_010)
    );
    assert_eq!(pan.per_head().to_string(), "1.32");
    assert!(pan.chance_best.unwrap() > 0.999 && back.chance_best.unwrap() < 0.001);
    assert!(cells.split_p.unwrap() > 0.5);
    assert_eq!(cells.others().count(), 0, "the headline says it all");
}

#[test]
fn a_report_with_cells_as_table_json_and_csv() {
    let report = report(&facts());
    let table = table::write(&report);
    for line in table.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    for expected in [
        "The cells of the test",
        "pan does better than back: significant (",
        "What the campaign caused",
        "customers who ordered: 180, 95 % interval ",
        "; lift +180.0 % (",
    ] {
        let text = table.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(expected), "{expected} in {table}");
    }
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["cells"]["verdict"], "significant");
    assert_eq!(json["cells"]["lines"][0]["kind"], "test");
    assert_eq!(json["cells"]["lines"][0]["people"], 5_010);
    assert_eq!(json["effect"]["against"], "control");
    assert_eq!(json["effect"]["held_back"]["buyers"]["of"], 1_000);
    let csv = csv::write(&report).unwrap();
    for row in [
        ",cell_pan,people,5010,,,,",
        ",cell_pan,response_of_assigned,300,5010,0.059880,",
        ",cell_pairs,pan less back: significant,,,0.019800,0.011278,0.028390",
        ",effect_contacted,buyers,280,10000,0.028000,",
        ",effect_held_back,buyers,10,1000,0.010000,",
        ",effect_incremental,buyers,180,,,",
        ",effect_attributed,revenue_cents,1080000,,,,",
    ] {
        assert!(csv.contains(row), "{row} in {csv}");
    }
}

#[test]
fn without_a_test_there_are_no_cells() {
    let facts = Facts {
        assigned: vec![assigned(1, "all", CellKind::All, 100)],
        effects: vec![over(1, &[("all", 100, 3, 100)])],
        ..Facts::default()
    };
    let report = report(&facts);
    assert_eq!((report.cells, report.effect), (None, None));
}

#[test]
fn before_the_window_ends_there_is_no_verdict() {
    let mut facts = facts();
    facts.effects[0].reckoned_at = Some(facts.effects[0].window_ends_at - 1);
    let cells = judged(&facts);
    assert_eq!(
        (
            cells.judgement.verdict,
            cells.judgement.headline.to_string().as_str()
        ),
        (
            Word::TooEarly,
            "Too early to tell: responses count until 2026-12-02 11:06 UTC."
        )
    );
    assert!(cells.lines.iter().all(|line| line.chance_best.is_none()));
    facts.effects[0].reckoned_at = None;
    assert_eq!(judged(&facts).judgement.verdict, Word::TooEarly);
}

#[test]
fn nor_while_a_wave_is_being_sent() {
    let facts = Facts {
        running: vec![1],
        ..facts()
    };
    assert_eq!(
        judged(&facts).judgement.headline,
        "Too early to tell: wave 1 is still being sent."
    );
}

#[test]
fn a_split_that_is_not_the_planned_one_is_refused() {
    let mut facts = facts();
    facts.assigned[0].people = 5_300;
    facts.assigned[1].people = 4_700;
    let cells = judged(&facts);
    assert_eq!(cells.judgement.verdict, Word::Refused);
    assert!(
        cells
            .judgement
            .headline
            .to_string()
            .contains("has 5,300 people where 5,000 were planned")
            || cells
                .judgement
                .headline
                .to_string()
                .contains("has 4,700 people where 5,000 were planned"),
        "{}",
        cells.judgement.headline
    );
    // The same people are as planned where the weights say so.
    facts.assigned[0].weight = 5_300;
    facts.assigned[1].weight = 4_700;
    assert_eq!(judged(&facts).judgement.verdict, Word::Significant);
}

#[test]
fn the_split_of_each_wave_is_held_against_its_own_plan() {
    // Half and half, then nine to one, as when shares follow the responses.
    let mut facts = facts();
    facts.assigned = vec![
        assigned(2, "pan", CellKind::Test, 900),
        assigned(2, "back", CellKind::Test, 100),
        assigned(1, "pan", CellKind::Test, 500),
        assigned(1, "back", CellKind::Test, 500),
    ];
    facts.assigned[0].weight = 9;
    assert!(split(&facts).unwrap().p > 0.999);
    facts.assigned[0].weight = 1;
    assert!(split(&facts).unwrap().p < MISMATCH_P);
}

#[test]
fn each_wave_of_a_campaign_that_comes_again_is_another_look() {
    let mut facts = facts();
    facts.effects.push(over(2, &[]));
    let cells = judged(&facts);
    assert_eq!(
        cells.judgement.headline,
        "Too early to tell: each wave is another look, and back has 4,990 people of the 8,158 that each cell needs."
    );
    facts.agreed.test = Some(Test {
        difference_points: 2.0,
        ..Test::default()
    });
    assert_eq!(judged(&facts).judgement.verdict, Word::Significant);
}

#[test]
fn revenue_is_compared_by_what_people_spent() {
    let mut facts = facts();
    facts.agreed.test = Some(Test {
        by: Metric::Revenue,
        ..Test::default()
    });
    let cells = judged(&facts);
    assert_eq!(
        cells.judgement.headline,
        "pan does better than back: significant (1.92 a head against 1.44 a head; difference 0.47, 95 % interval 0.09 to 0.86, p = 0.017)."
    );
    assert!(cells.judgement.chances.is_empty());
}

#[test]
fn those_who_waited_stand_apart_and_are_not_compared() {
    let mut facts = facts();
    facts
        .assigned
        .push(assigned(1, "rest", CellKind::Rest, 9_000));
    facts.decision = Some(Decision {
        chance: None,
        winner: "pan".into(),
        by: Metric::Click,
        by_hand: false,
        at: LAUNCHED_AT + DAY_MS,
        cells: vec![Standing {
            cell: "pan".into(),
            delivered: 10,
            count: 3,
        }],
    });
    let cells = judged(&facts);
    assert_eq!(cells.lines.len(), 3);
    assert_eq!(cells.judgement.pairs.len(), 1);
    assert_eq!(
        cells.chosen.as_ref().map(ToString::to_string).as_deref(),
        Some(
            "pan was chosen for the rest on 2026-11-19 11:06 UTC, as it had the most clickers by head delivered."
        )
    );
}
