//! When after the launch people responded, from counters, without I/O.

use serde::Serialize;

use super::figures::as_f64;
use super::model::Counters;
use crate::responses::stages::{DAYS, HOURS};
use crate::statistics::Sentence;

/// Responders by the time since the launch of their wave.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OverTime {
    pub unit: Unit,
    /// From the launch to the last that has any, one after the other.
    pub columns: Vec<Column>,
    /// After the last column.
    pub later: u64,
    /// Hours after the launch by which half of the responders had come.
    pub half_within_hours: Option<u64>,
}

/// How long a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    Hour,
    Day,
}

impl Unit {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

/// The people of one hour or day.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Column {
    /// Whole hours or days after the launch.
    pub after: i64,
    pub responders: u64,
    /// Of all responders, who came until its end.
    pub share_until: f64,
}

impl OverTime {
    /// `None` while nobody responded.
    pub(super) fn new(sum: &Counters) -> Option<Self> {
        let by_hour: Vec<u64> = (0..HOURS)
            .map(|hour| sum.get(&format!("responders.hour.{hour}")))
            .collect();
        let mut by_day: Vec<u64> = by_hour.chunks(24).map(|day| day.iter().sum()).collect();
        by_day.extend((HOURS / 24..DAYS).map(|day| sum.get(&format!("responders.day.{day}"))));
        let later = sum.get("responders.later");
        let all = by_day.iter().sum::<u64>() + later;
        if all == 0 {
            return None;
        }
        let within_hours = by_hour.iter().sum::<u64>() == all;
        let (unit, counts) = if within_hours {
            (Unit::Hour, &by_hour)
        } else {
            (Unit::Day, &by_day)
        };
        let last = counts.iter().rposition(|count| *count > 0).unwrap_or(0);
        // A curve of two columns shows nothing.
        let shown = counts.len().min((last + 1).max(match unit {
            Unit::Hour => 12,
            Unit::Day => 7,
        }));
        let mut until = 0;
        let columns = counts
            .iter()
            .take(shown)
            .zip(0..)
            .map(|(count, after)| {
                until += count;
                Column {
                    after,
                    responders: *count,
                    share_until: as_f64(until) / as_f64(all),
                }
            })
            .collect();
        Some(Self {
            unit,
            columns,
            later,
            half_within_hours: half(&by_hour, &by_day, all),
        })
    }

    /// The share of all who had come by the end of each day.
    pub fn shares_by_day(&self) -> Vec<f64> {
        let in_a_day = match self.unit {
            Unit::Hour => 24,
            Unit::Day => 1,
        };
        let days = self.columns.chunks(in_a_day);
        days.filter_map(|day| day.last().map(|column| column.share_until))
            .collect()
    }

    /// In how long half of them came, in words.
    pub fn half_in_words(&self) -> Option<Sentence> {
        let hours = self.half_within_hours?;
        Some(match hours {
            1 => Sentence::new("within the first hour"),
            2..=48 => Sentence::new("within {n} hours").with("n", hours),
            hours => Sentence::new("within {n} days").with("n", hours / 24),
        })
    }
}

/// Hours by which half had come: exact to the hour in the first two days, to the day after.
fn half(by_hour: &[u64], by_day: &[u64], all: u64) -> Option<u64> {
    let half = all.div_ceil(2);
    let reached = |counts: &[u64]| {
        let mut sum = 0;
        counts.iter().position(|count| {
            sum += count;
            sum >= half
        })
    };
    let hours = reached(by_hour).map(|place| place + 1);
    let hours = hours.or_else(|| reached(by_day).map(|place| (place + 1) * 24))?;
    u64::try_from(hours).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(figures: &[(&str, i64)]) -> Counters {
        let mut sum = Counters::default();
        for (counter, value) in figures {
            sum.add(counter, *value);
        }
        sum
    }

    #[test]
    fn the_first_two_days_are_shown_by_the_hour() {
        let over = OverTime::new(&counters(&[
            ("responders.hour.0", 6),
            ("responders.hour.1", 3),
            ("responders.hour.14", 1),
        ]))
        .unwrap();
        assert_eq!((over.unit, over.columns.len()), (Unit::Hour, 15));
        assert!((over.columns[1].share_until - 0.9).abs() < 1e-9);
        assert_eq!(
            over.half_in_words().map(|half| half.to_string()).as_deref(),
            Some("within the first hour")
        );
    }

    #[test]
    fn longer_is_shown_by_the_day_and_nobody_is_lost() {
        let over = OverTime::new(&counters(&[
            ("responders.hour.5", 1),
            ("responders.hour.30", 2),
            ("responders.day.3", 4),
            ("responders.day.29", 1),
            ("responders.later", 2),
        ]))
        .unwrap();
        assert_eq!(
            (over.unit, over.columns.len(), over.later),
            (Unit::Day, 30, 2)
        );
        let by_day: Vec<u64> = over.columns.iter().map(|day| day.responders).collect();
        assert_eq!(by_day[..5], [1, 2, 0, 4, 0]);
        assert_eq!(by_day.iter().sum::<u64>() + over.later, 10);
        assert_eq!(over.half_within_hours, Some(96));
        assert_eq!(over.half_in_words().unwrap(), "within 4 days");
    }

    #[test]
    fn nobody_makes_no_curve() {
        assert_eq!(OverTime::new(&counters(&[("responders", 0)])), None);
    }
}
