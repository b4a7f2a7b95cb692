//! The periods of summaries: from one due time of the schedule to the next, without I/O.

use chrono::{DateTime, Duration, Utc};

use crate::campaigns::definition::{Missed, Schedule, Zone};
use crate::campaigns::schedule;
use crate::config::SummarySettings;

/// How far is looked back for due times: most schedules come within the first, a yearly one within the second.
const LOOK_BACK: [Duration; 2] = [Duration::days(35), Duration::days(800)];

/// A period that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// Names it: the local time at which it ended.
    pub key: String,
    /// The due time before.
    pub since: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// The last period that has ended by now; `None` when the schedule had no two due times yet.
pub fn last(settings: &SummarySettings, now: DateTime<Utc>) -> Option<Period> {
    let plan = Schedule {
        at: None,
        every: Some(settings.every.clone()),
        zone: Zone::Named(settings.zone),
        fallback_zone: settings.zone,
        missed: Missed::Launch,
    };
    LOOK_BACK.iter().find_map(|look_back| {
        let mut at = now - *look_back;
        let (mut before, mut last) = (None, None);
        while let Some(due) = schedule::next(&plan, at).filter(|due| due.at <= now) {
            at = due.at;
            before = last.replace(due);
        }
        let (before, last) = (before?, last?);
        Some(Period {
            key: last.key,
            since: before.at,
            until: last.at,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(every: &str, now: &str) -> Option<Period> {
        let settings = SummarySettings {
            to: Vec::new(),
            every: every.to_owned(),
            zone: chrono_tz::Europe::Paris,
        };
        last(&settings, now.parse().unwrap())
    }

    #[test]
    fn a_period_ends_at_the_due_time_and_begins_at_the_one_before() {
        // 2026-11-23 is a Monday; in Paris 08:00 is 07:00 UTC.
        let monday = of("0 8 * * MON", "2026-11-23T07:00:00Z").unwrap();
        assert_eq!(monday.key, "2026-11-23T08:00");
        assert_eq!(monday.until.to_rfc3339(), "2026-11-23T07:00:00+00:00");
        assert_eq!(monday.since.to_rfc3339(), "2026-11-16T07:00:00+00:00");
        let before = of("0 8 * * MON", "2026-11-23T06:59:59Z").unwrap();
        assert_eq!(before.key, "2026-11-16T08:00");
        let yearly = of("0 8 1 1 *", "2026-11-23T07:00:00Z").unwrap();
        assert_eq!(yearly.key, "2026-01-01T08:00");
    }

    #[test]
    fn the_day_the_clocks_change_has_one_period() {
        // 2026-10-25: in Paris the hour from two to three comes twice.
        let first = of("30 2 * * *", "2026-10-25T00:45:00Z").unwrap();
        let again = of("30 2 * * *", "2026-10-25T01:45:00Z").unwrap();
        assert_eq!(first, again);
        assert_eq!(first.key, "2026-10-25T02:30");
    }
}
