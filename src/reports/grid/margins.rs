//! The sums of a cube by one dimension of people at a time, without I/O: all that a page needs which crosses waves
//! with one property of people, in a hundred entries instead of tens of thousands.

use super::cube::{Counts, Cube, HALF, Key, UNKNOWN};
use super::dimension::Dimension;

/// The sums, as a cube: each entry is a value of one dimension, whose number stands in the place of the half.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Margins(Cube);

/// Places a dimension may have.
const PLACES: usize = 256;

impl Margins {
    pub fn of(cube: &Cube) -> Self {
        let mut sums = vec![vec![Counts::default(); PLACES]; Dimension::OF_PEOPLE.len()];
        for (key, counts) in &cube.entries {
            for (of_dimension, place) in sums.iter_mut().zip(key) {
                if let Some(sum) = of_dimension.get_mut(usize::from(*place)) {
                    sum.add(counts);
                }
            }
        }
        let mut entries = Vec::new();
        for (dimension, sums) in (0..=u8::MAX).zip(sums) {
            for (place, sum) in (0..=u8::MAX).zip(sums) {
                if sum != Counts::default() {
                    entries.push((key(dimension, place), sum));
                }
            }
        }
        Self(cube.with(entries))
    }

    /// The cube as far as one dimension tells its people apart; `None`: as far as none does.
    pub fn by(&self, dimension: Option<usize>) -> Cube {
        let wanted = dimension.unwrap_or(0);
        let mut entries: Vec<(Key, Counts)> = Vec::new();
        for (key, counts) in &self.0.entries {
            if key.get(HALF).copied().map(usize::from) == Some(wanted) {
                let mut key = *key;
                if let Some(half) = key.get_mut(HALF) {
                    *half = 0;
                }
                entries.push((key, *counts));
            }
        }
        self.0.with(entries)
    }

    /// Whether anybody has this value.
    pub fn has(&self, dimension: usize, place: u8) -> bool {
        let mut keys = self.0.entries.iter().map(|(key, _)| key);
        keys.any(|key| {
            key.get(HALF).copied().map(usize::from) == Some(dimension)
                && key.get(dimension) == Some(&place)
        })
    }

    /// As [`Cube::pack`].
    pub fn pack(&self) -> Vec<u8> {
        self.0.pack()
    }

    /// As [`Cube::unpack`].
    pub fn unpack(bytes: &[u8]) -> Option<Self> {
        Cube::unpack(bytes).map(Self)
    }
}

fn key(dimension: u8, place: u8) -> Key {
    let mut key = [UNKNOWN; HALF + 1];
    if let Some(slot) = key.get_mut(usize::from(dimension)) {
        *slot = place;
    }
    if let Some(half) = key.get_mut(HALF) {
        *half = dimension;
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::grid::attributes::Person;
    use crate::reports::grid::cube::Counting;

    #[test]
    fn the_sums_by_one_dimension_are_those_of_the_cube() {
        let mut counting = Counting::default();
        for n in 0..500_u64 {
            let person = Person {
                gender: (n % 3 != 0).then(|| if n % 2 == 0 { "f" } else { "m" }.to_owned()),
                region: Some(format!("region {}", n % 40)),
                ..Person::default()
            };
            let counts = Counts {
                delivered: 1 + n % 2,
                responders: n % 2,
                orders: n % 5,
                revenue_cents: -i64::try_from(n).unwrap(),
            };
            counting.add(&person, 0, u8::try_from(n % 2).unwrap(), &counts);
        }
        let cube = counting.finish();
        let margins = Margins::of(&cube);
        assert_eq!(Margins::unpack(&margins.pack()).as_ref(), Some(&margins));
        for at in 0..Dimension::OF_PEOPLE.len() {
            let by = margins.by(Some(at));
            assert_eq!(by.total(), cube.total());
            for place in 0..=u8::MAX {
                assert_eq!(by.name(at, place), cube.name(at, place));
                let sum = |cube: &Cube| {
                    let mut sum = Counts::default();
                    let entries = cube.entries.iter();
                    entries
                        .filter(|(key, _)| key[at] == place)
                        .for_each(|(_, counts)| sum.add(counts));
                    sum
                };
                assert_eq!(sum(&by), sum(&cube));
                let is_met = cube.entries.iter().any(|(key, _)| key[at] == place);
                assert_eq!(margins.has(at, place), is_met);
            }
        }
        assert_eq!(margins.by(None).total(), cube.total());
    }
}
