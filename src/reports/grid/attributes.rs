//! What is known of a person, as values of the grid's dimensions, without I/O.

use chrono::{Datelike, NaiveDate};

use super::dimension::Dimension;
use crate::clock::DAY_MS;
use crate::segments::vocabulary::GENERATIONS;

/// The upper ends of the bands of orders before the launch; the last is open.
const ORDERS: [i64; 4] = [0, 1, 4, 9];
/// Those of revenue before the launch, in cents; the ends do not belong to their bands.
const REVENUE_CENTS: [i64; 4] = [1, 5_000, 20_000, 100_000];
/// Those of the time since the last order, in days.
const LAST_ORDER_DAYS: [i64; 3] = [30, 90, 365];

/// A person of a wave, as he stood at its launch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    pub birth_date: Option<NaiveDate>,
    pub gender: Option<String>,
    pub country: Option<String>,
    pub region: Option<String>,
    pub language: Option<String>,
    pub stage: Option<String>,
    /// `None` when the person was erased.
    pub orders: Option<i64>,
    pub revenue_cents: i64,
    /// Milliseconds since the epoch.
    pub last_order_at: Option<i64>,
    pub has_clicked: bool,
}

impl Person {
    /// His value in a dimension of people; `None` when it is not known.
    pub fn value(&self, dimension: Dimension, launched_at: i64) -> Option<&str> {
        match dimension {
            Dimension::Generation => self.generation(),
            Dimension::Gender => trimmed(self.gender.as_deref()),
            Dimension::Country => trimmed(self.country.as_deref()),
            Dimension::Region => trimmed(self.region.as_deref()),
            Dimension::Language => trimmed(self.language.as_deref()),
            Dimension::Stage => trimmed(self.stage.as_deref()),
            Dimension::Orders => {
                let orders = self.orders?;
                banded(dimension, |at| {
                    ORDERS.get(at).is_none_or(|end| orders <= *end)
                })
            }
            Dimension::Revenue => {
                self.orders?;
                let is_below = |end: &i64| self.revenue_cents < *end;
                banded(dimension, |at| REVENUE_CENTS.get(at).is_none_or(is_below))
            }
            Dimension::LastOrder => {
                self.orders?;
                let Some(last) = self.last_order_at else {
                    return dimension.values().last().copied();
                };
                let since = launched_at.saturating_sub(last);
                banded(dimension, |at| {
                    let end = LAST_ORDER_DAYS.get(at);
                    end.is_none_or(|days| since <= days.saturating_mul(DAY_MS))
                })
            }
            Dimension::Clicked => {
                self.orders?;
                Some(if self.has_clicked { "yes" } else { "no" })
            }
            _ => None,
        }
    }

    fn generation(&self) -> Option<&'static str> {
        let year = self.birth_date?.year();
        GENERATIONS
            .iter()
            .find(|(_, first, last)| (*first..=*last).contains(&year))
            .map(|(name, _, _)| *name)
    }
}

fn trimmed(text: Option<&str>) -> Option<&str> {
    let text = text?.trim();
    (!text.is_empty()).then_some(text)
}

/// The first band of the dimension that holds.
fn banded(dimension: Dimension, holds: impl Fn(usize) -> bool) -> Option<&'static str> {
    let bands = dimension.values();
    let at = (0..bands.len()).find(|at| holds(*at))?;
    bands.get(at).copied()
}

/// Which half of the people he belongs to, by chance but always the same: what is found in one half is
/// checked in the other. SplitMix64 (Steele, Lea & Flood 2014) of his number.
pub fn half(customer: i64) -> u8 {
    let mut z = customer.cast_unsigned().wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    u8::from((z ^ (z >> 31)) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_stands_in_the_bands_of_the_launch() {
        let launched_at = 1_000 * DAY_MS;
        let person = |orders, revenue_cents, days: Option<i64>| Person {
            orders: Some(orders),
            revenue_cents,
            last_order_at: days.map(|days| launched_at - days * DAY_MS),
            birth_date: NaiveDate::from_ymd_opt(1981, 1, 1),
            region: Some("  ".into()),
            ..Person::default()
        };
        let of =
            |person: &Person, dimension| person.value(dimension, launched_at).map(str::to_owned);
        let words = [
            (0, "none"),
            (1, "1"),
            (2, "2 to 4"),
            (5, "5 to 9"),
            (10, "10 or more"),
        ];
        for (orders, word) in words {
            let found = of(&person(orders, 0, None), Dimension::Orders);
            assert_eq!(found.as_deref(), Some(word));
        }
        for (cents, word) in [
            (0, "none"),
            (4_999, "below 50"),
            (5_000, "50 to 200"),
            (100_000, "1,000 or more"),
        ] {
            let found = of(&person(1, cents, None), Dimension::Revenue);
            assert_eq!(found.as_deref(), Some(word));
        }
        for (days, word) in [
            (Some(30), "within 30 days"),
            (Some(31), "within 90 days"),
            (Some(365), "within a year"),
            (Some(366), "longer ago"),
            (None, "never"),
        ] {
            let found = of(&person(1, 0, days), Dimension::LastOrder);
            assert_eq!(found.as_deref(), Some(word));
        }
        assert_eq!(
            of(&person(0, 0, None), Dimension::Generation).as_deref(),
            Some("y")
        );
        assert_eq!(
            of(&person(0, 0, None), Dimension::Region),
            None,
            "blank is not known"
        );
        assert_eq!(of(&Person::default(), Dimension::Clicked), None, "erased");
    }

    #[test]
    fn people_fall_into_halves_evenly() {
        let second: u32 = (1..=10_000).map(|id| u32::from(half(id))).sum();
        assert!((4_800..=5_200).contains(&second), "{second}");
    }
}
