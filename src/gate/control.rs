//! The standing control group: people whom no campaign contacts, so that it is seen what all of them together
//! cause.
//!
//! Who is in it is drawn by lot from his number and the period, so it is the same on every node and needs no
//! list; with the next period it is others.

use chrono::{DateTime, Datelike, NaiveDate, Utc};

use crate::config::{ControlSettings, Rotation};

/// Of how many lots a percent is one.
pub const LOTS: i64 = 100;

/// The standing group as the settings have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandingControl {
    /// 0: there is none.
    pub percent: u8,
    pub rotates: Rotation,
}

/// The time for which one group stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// `2026-Q4`, `2026-11`, `2026` or `always`.
    pub name: String,
    /// Milliseconds since the epoch.
    pub from: i64,
    /// The first instant after it.
    pub until: i64,
    /// Makes the group of each period another one.
    pub salt: i64,
}

/// The share of the base that is held back in a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    pub period: Period,
    pub percent: u8,
}

impl StandingControl {
    pub fn new(settings: &ControlSettings) -> Self {
        Self {
            percent: settings.percent,
            rotates: settings.rotates,
        }
    }

    /// The period that holds at an instant.
    pub fn period(&self, at: DateTime<Utc>) -> Period {
        let (year, month) = (at.year(), at.month());
        let quarter = month.div_ceil(3);
        let (name, salt, from, until) = match self.rotates {
            Rotation::Monthly => (
                format!("{year}-{month:02}"),
                i64::from(year) * 100 + i64::from(month),
                first_day(year, month),
                first_day(year, month + 1),
            ),
            Rotation::Quarterly => (
                format!("{year}-Q{quarter}"),
                i64::from(year) * 100 + 20 + i64::from(quarter),
                first_day(year, quarter * 3 - 2),
                first_day(year, quarter * 3 + 1),
            ),
            Rotation::Yearly => (
                year.to_string(),
                i64::from(year) * 100 + 30,
                first_day(year, 1),
                first_day(year, 13),
            ),
            Rotation::Never => ("always".to_owned(), 1, 0, i64::MAX),
        };
        Period {
            name,
            from,
            until,
            // Far from small numbers: those of the campaigns were their salts.
            salt: salt * 1_009 + 900_000_011,
        }
    }
}

/// The first instant of a month, in UTC; the thirteenth is January of the next year.
fn first_day(year: i32, month: u32) -> i64 {
    let (year, month) = if month > 12 {
        (year + 1, month - 12)
    } else {
        (year, month)
    };
    NaiveDate::from_ymd_opt(year, month, 1)
        .and_then(|day| day.and_hms_opt(0, 0, 0))
        .map_or(0, |at| at.and_utc().timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(rotates: Rotation, at: &str) -> Period {
        StandingControl {
            percent: 5,
            rotates,
        }
        .period(at.parse().unwrap())
    }

    #[test]
    fn a_period_begins_where_the_one_before_ends_and_draws_others() {
        for (rotates, last, first, name) in [
            (
                Rotation::Quarterly,
                "2026-12-31T23:59:59Z",
                "2027-01-01T00:00:00Z",
                "2027-Q1",
            ),
            (
                Rotation::Monthly,
                "2026-12-31T23:59:59Z",
                "2027-01-01T00:00:00Z",
                "2027-01",
            ),
            (
                Rotation::Yearly,
                "2026-12-31T23:59:59Z",
                "2027-01-01T00:00:00Z",
                "2027",
            ),
            (
                Rotation::Quarterly,
                "2026-09-30T23:59:59Z",
                "2026-10-01T00:00:00Z",
                "2026-Q4",
            ),
        ] {
            let (before, after) = (period(rotates, last), period(rotates, first));
            assert_eq!(after.name, name);
            assert_eq!(before.until, after.from);
            assert_ne!(before.salt, after.salt);
        }
        let always = period(Rotation::Never, "2026-09-30T23:59:59Z");
        assert_eq!(always, period(Rotation::Never, "2031-09-30T23:59:59Z"));
    }
}
