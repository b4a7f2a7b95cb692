use proptest::prelude::*;

use super::*;

fn counts(delivered: u64) -> Counts {
    Counts {
        delivered,
        responders: delivered / 7,
        orders: delivered / 9,
        revenue_cents: 300 - i64::try_from(delivered).unwrap_or(0),
    }
}

fn person(region: u32, orders: i64) -> Person {
    Person {
        region: Some(format!("region {region}")),
        orders: Some(orders),
        ..Person::default()
    }
}

proptest! {
    #[test]
    fn whatever_is_put_together_sums_and_packing_change_nothing(
        people in prop::collection::vec((0_u32..300, 0_i64..12, 0_u64..1_000), 0..600),
        limit in 1_usize..400,
    ) {
        let mut counting = Counting::with_limit(limit);
        let mut sum = Counts::default();
        for (at, (region, orders, n)) in people.iter().enumerate() {
            let counts = counts(*n);
            let half = u8::from(at % 2 == 0);
            counting.add(&person(*region, *orders), 0, half, &counts);
            sum.add(&counts);
        }
        let cube = counting.finish();
        prop_assert_eq!(cube.total(), sum);
        // Halves, unknown and other always stay: with three values a dimension no fewer are possible.
        prop_assert!(cube.entries.len() <= limit.max(12), "{} of {limit}", cube.entries.len());
        let unpacked = Cube::unpack(&cube.pack()).unwrap();
        prop_assert_eq!(&unpacked, &cube);
        let mut twice = Counting::default();
        twice.absorb(&cube);
        twice.absorb(&unpacked);
        let mut double = sum;
        double.add(&sum);
        prop_assert_eq!(twice.finish().total(), double);
    }

    #[test]
    fn other_bytes_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(cube) = Cube::unpack(&bytes) {
            prop_assert_eq!(Cube::unpack(&cube.pack()), Some(cube));
        }
    }
}

#[test]
fn the_largest_values_keep_their_names() {
    let mut counting = Counting::default();
    for region in 0..400 {
        let people = if region >= 390 { 100 } else { 1 };
        counting.add(&person(region, 0), 0, 0, &counts(people));
    }
    let cube = counting.finish();
    let region = Dimension::Region.place().unwrap();
    let named: Vec<&str> = cube.named(region).map(|(_, name)| name).collect();
    assert_eq!(named.len(), 15);
    for large in 390..400 {
        assert!(
            named.contains(&format!("region {large}").as_str()),
            "{named:?}"
        );
    }
    let other: u64 = cube
        .entries
        .iter()
        .filter(|(key, _)| key[region] == OTHER)
        .map(|(_, counts)| counts.delivered)
        .sum();
    assert_eq!(other, 385);
}
