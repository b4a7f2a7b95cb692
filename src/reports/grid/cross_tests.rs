use super::*;
use crate::reports::grid::attributes::Person;
use crate::reports::grid::cube::Counting;

fn slice(channel: &str, people: &[(&str, &str, u64, u64)]) -> Slice {
    let mut counting = Counting::default();
    for (gender, region, delivered, responders) in people {
        let person = Person {
            gender: Some((*gender).to_owned()),
            region: (!region.is_empty()).then(|| (*region).to_owned()),
            ..Person::default()
        };
        let counts = Counts {
            delivered: *delivered,
            responders: *responders,
            ..Counts::default()
        };
        counting.add(&person, 0, 0, &counts);
    }
    let common = Common {
        channel: channel.to_owned(),
        ..Common::default()
    };
    Slice::new(WaveId(1), common, counting.finish())
}

fn sample() -> [Slice; 2] {
    [
        slice(
            "email",
            &[
                ("f", "Somme", 1_000, 50),
                ("m", "Somme", 1_000, 30),
                ("f", "", 20, 9),
            ],
        ),
        slice("sms", &[("f", "Nord", 500, 80), ("m", "Nord", 400, 20)]),
    ]
}

fn crossing(rows: Dimension, columns: Option<Dimension>) -> Crossing {
    Crossing {
        rows,
        columns,
        filters: Vec::new(),
    }
}

#[test]
fn a_table_sums_over_what_it_does_not_cross() {
    let table = crossing(Dimension::Gender, Some(Dimension::Channel)).table(&sample());
    assert_eq!(table.row_names, ["f", "m"]);
    assert_eq!(table.column_names, ["email", "sms"]);
    let delivered = |row: usize, column: usize| table.cells[row][column].counts.delivered;
    assert_eq!(
        [
            delivered(0, 0),
            delivered(0, 1),
            delivered(1, 0),
            delivered(1, 1)
        ],
        [1_020, 500, 1_000, 400]
    );
    assert_eq!(table.total.counts.delivered, 2_920);
    assert_eq!(table.column_totals[1].counts.responders, 100);
}

#[test]
fn the_best_cell_is_named_only_as_far_as_chance_allows() {
    let table = crossing(Dimension::Gender, Some(Dimension::Region)).table(&sample());
    assert_eq!(table.column_names, ["Somme", "Nord", UNKNOWN]);
    assert_eq!(table.compared, 4, "20 people are too few to be compared");
    let best = table.best.clone().unwrap();
    assert_eq!(best.name(), "f · Nord");
    assert!(best.is_beyond_chance && best.verdict(4).to_string().contains("more than chance"));
    let even = [slice(
        "email",
        &[("f", "Somme", 1_000, 52), ("m", "Somme", 1_000, 48)],
    )];
    let best = crossing(Dimension::Gender, None).table(&even).best.unwrap();
    assert!(
        !best.is_beyond_chance && best.verdict(2).to_string().contains("by chance alone"),
        "{best:?}"
    );
}

#[test]
fn filters_leave_the_rest_out() {
    let filtered = Crossing {
        filters: vec![
            (Dimension::Channel, "email".to_owned()),
            (Dimension::Region, UNKNOWN.to_owned()),
        ],
        ..crossing(Dimension::Gender, None)
    };
    let table = filtered.table(&sample());
    assert_eq!(
        (table.total.counts.delivered, table.total.counts.responders),
        (20, 9)
    );
    assert!(table.cells[0][0].is_small);
}

#[test]
fn an_empty_grid_has_nothing_to_say() {
    let table = crossing(Dimension::Gender, Some(Dimension::Wave)).table(&[]);
    assert_eq!((table.cells.len(), table.compared), (0, 0));
    assert!(table.best.is_none() && choices(&[]).is_empty());
}
