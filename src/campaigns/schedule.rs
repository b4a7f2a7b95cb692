//! Due times: from a local date-time and a zone to an instant, with the days on which clocks change.

use chrono::{DateTime, Duration, NaiveDateTime, Timelike, Utc};

use super::cron;
use super::definition::{Missed, Schedule, Zone};
pub use crate::clock::local_instant as instant;

/// One occurrence of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Names the occurrence: its local date-time. Two occurrences never share a key, and one
    /// occurrence has one key even where the clock shows it twice.
    pub key: String,
    /// When to launch.
    pub at: DateTime<Utc>,
}

/// How late a due time may be before it counts as missed.
const TOLERANCE: Duration = Duration::minutes(10);

/// The first occurrence after `now`, or the one of `at` whenever it was.
pub fn next(schedule: &Schedule, now: DateTime<Utc>) -> Option<Due> {
    if let Some(local) = schedule.at {
        let at = match schedule.zone {
            Zone::Named(zone) => instant(local, zone),
            // The first zone of the earth reaches a local time 14 hours before UTC does.
            Zone::Recipient => local.and_utc() - Duration::hours(14),
        };
        return Some(Due {
            key: key(local),
            at,
        });
    }
    let cron = cron::parse(schedule.every.as_deref()?).ok()?;
    let Zone::Named(zone) = schedule.zone else {
        return None;
    };
    // Walked in local time without an offset, so that a clock change neither repeats nor drops one.
    let mut local = now.with_timezone(&zone).naive_local().with_nanosecond(0)?;
    loop {
        local = cron
            .find_next_occurrence(&local.and_utc(), false)
            .ok()?
            .naive_utc();
        let at = instant(local, zone);
        // In the hour that comes twice the same local time may lie behind us.
        if at > now {
            return Some(Due {
                key: key(local),
                at,
            });
        }
    }
}

/// Whether an occurrence is too late to launch by the schedule's own rule: for each recipient's own zone,
/// when it has passed in the last of them.
pub fn is_missed(schedule: &Schedule, due_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    schedule.missed == Missed::Skip && now - last_instant(schedule, due_at) > TOLERANCE
}

/// When the last recipient of an occurrence is due: the zones of the earth span 26 hours.
pub fn last_instant(schedule: &Schedule, due_at: DateTime<Utc>) -> DateTime<Utc> {
    match schedule.zone {
        Zone::Recipient => due_at + Duration::hours(26),
        Zone::Named(_) => due_at,
    }
}

fn key(local: NaiveDateTime) -> String {
    local.format("%Y-%m-%dT%H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::*;

    fn local(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").unwrap()
    }

    fn every(cron: &str) -> Schedule {
        Schedule {
            at: None,
            every: Some(cron.to_owned()),
            zone: Zone::Named(Tz::Europe__Paris),
            fallback_zone: Tz::Europe__Paris,
            missed: Missed::Launch,
        }
    }

    #[test]
    fn a_time_in_the_spring_gap_is_the_first_after_it() {
        let at = instant(local("2027-03-28T02:30"), Tz::Europe__Paris);
        assert_eq!(at.to_rfc3339(), "2027-03-28T01:00:00+00:00");
    }

    #[test]
    fn a_time_that_comes_twice_in_autumn_is_the_first() {
        let at = instant(local("2026-10-25T02:30"), Tz::Europe__Paris);
        assert_eq!(at.to_rfc3339(), "2026-10-25T00:30:00+00:00");
    }

    #[test]
    fn nine_in_the_morning_stays_nine_over_the_change() {
        let schedule = every("0 9 * * *");
        let mut now = "2026-10-24T08:00:00Z".parse::<DateTime<Utc>>().unwrap();
        let mut seen = Vec::new();
        for _ in 0..3 {
            let due = next(&schedule, now).unwrap();
            seen.push(format!("{} {}", due.key, due.at.format("%H:%M")));
            now = due.at;
        }
        assert_eq!(
            seen,
            [
                "2026-10-25T09:00 08:00",
                "2026-10-26T09:00 08:00",
                "2026-10-27T09:00 08:00"
            ]
        );
    }

    #[test]
    fn in_the_hour_that_comes_twice_each_local_time_is_due_once() {
        let schedule = every("*/30 * * * *");
        let mut now = "2026-10-24T23:45:00Z".parse::<DateTime<Utc>>().unwrap();
        let mut keys = Vec::new();
        for _ in 0..6 {
            let due = next(&schedule, now).unwrap();
            keys.push(due.key);
            now = due.at;
        }
        assert_eq!(
            keys,
            [
                "2026-10-25T02:00",
                "2026-10-25T02:30",
                "2026-10-25T03:00",
                "2026-10-25T03:30",
                "2026-10-25T04:00",
                "2026-10-25T04:30"
            ]
        );
    }

    #[test]
    fn in_the_gap_a_daily_time_is_due_once_at_its_end() {
        let schedule = every("30 2 * * *");
        let now = "2027-03-27T12:00:00Z".parse::<DateTime<Utc>>().unwrap();
        let due = next(&schedule, now).unwrap();
        assert_eq!(due.at.to_rfc3339(), "2027-03-28T01:00:00+00:00");
        assert_eq!(next(&schedule, due.at).unwrap().key, "2027-03-29T02:30");
    }
}
