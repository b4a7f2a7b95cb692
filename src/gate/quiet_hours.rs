//! When a channel may be used, by country, in the recipient's zone; all other hours are quiet.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use chrono::{
    DateTime, Datelike, Days, NaiveDate, NaiveDateTime, Offset, TimeDelta, TimeZone, Timelike, Utc,
    Weekday,
};
use chrono_tz::Tz;

use super::holidays::{Region, is_holiday, sovereign};
use crate::clock::local_instant;
use crate::config::{ConfigError, QuietHoursSettings};
use crate::consent::model::Channel;

/// Days looked ahead for an allowed hour; the settings cannot be that quiet.
const REACH_DAYS: u64 = 400;

/// The hours of all channels and countries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QuietHours {
    timetables: Vec<Timetable>,
    /// Holidays of the firm's own, by country.
    own_holidays: BTreeMap<String, BTreeSet<NaiveDate>>,
}

/// The allowed hours of a week.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Timetable {
    channel: Channel,
    /// `None`: every country without one of its own.
    country: Option<String>,
    /// Minutes of the day, by days from Monday, in order.
    week: [Vec<Range<u32>>; 7],
    holidays_are_quiet: bool,
}

/// Where a recipient is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whereabouts<'a> {
    /// ISO 3166-1 alpha-2.
    pub country: &'a str,
    pub postal_code: Option<&'a str>,
    pub zone: Tz,
}

impl QuietHours {
    /// Reads the settings.
    ///
    /// # Errors
    /// Names the key and what is wrong with it.
    pub fn new(
        settings: &[QuietHoursSettings],
        holidays: &BTreeMap<String, Vec<String>>,
    ) -> Result<Self, ConfigError> {
        let mut timetables: Vec<Timetable> = Vec::new();
        for entry in settings {
            let channel = entry
                .channel
                .parse()
                .map_err(|problem: String| ConfigError::key("quiet_hours.channel", problem))?;
            let country = entry
                .country
                .as_deref()
                .map(country_code)
                .transpose()
                .map_err(|problem| ConfigError::key("quiet_hours.country", problem))?;
            if timetables
                .iter()
                .any(|known| known.channel == channel && known.country == country)
            {
                return Err(ConfigError::key(
                    "quiet_hours",
                    format!(
                        "two entries for {channel} in {}; put all hours into the `allowed` of one",
                        country.as_deref().unwrap_or("every country")
                    ),
                ));
            }
            timetables.push(Timetable {
                channel,
                country,
                week: week(&entry.allowed)
                    .map_err(|problem| ConfigError::key("quiet_hours.allowed", problem))?,
                holidays_are_quiet: entry.holidays_are_quiet,
            });
        }
        let mut own_holidays: BTreeMap<String, BTreeSet<NaiveDate>> = BTreeMap::new();
        for (country, days) in holidays {
            let code =
                country_code(country).map_err(|problem| ConfigError::key("holidays", problem))?;
            for day in days {
                let date = NaiveDate::parse_from_str(day, "%Y-%m-%d").map_err(|_unread| {
                    ConfigError::key(
                        &format!("holidays.{country}"),
                        format!("{day:?} is not a day; write it as 2026-12-24"),
                    )
                })?;
                own_holidays.entry(code.clone()).or_default().insert(date);
            }
        }
        Ok(Self {
            timetables,
            own_holidays,
        })
    }

    /// Whether the channel has quiet hours anywhere.
    pub fn concerns(&self, channel: Channel) -> bool {
        self.timetables.iter().any(|table| table.channel == channel)
    }

    /// The next instant at which the channel may be used there; `None` when `now` is allowed.
    ///
    /// An hour that does not exist opens where the clock goes on; one that comes twice is open twice.
    pub fn next_allowed(
        &self,
        now: DateTime<Utc>,
        channel: Channel,
        place: Whereabouts<'_>,
    ) -> Option<DateTime<Utc>> {
        let table = self.timetable(channel, place.country)?;
        if self.is_open(table, now, place) {
            return None;
        }
        let today = now.with_timezone(&place.zone).date_naive();
        // From the day before: a zone may set its clock back over midnight.
        let first = today.checked_sub_days(Days::new(1)).unwrap_or(today);
        (0..REACH_DAYS)
            .filter_map(|n| first.checked_add_days(Days::new(n)))
            .filter_map(|day| {
                openings(table, day, place.zone)
                    .into_iter()
                    .filter(|at| *at > now && self.is_open(table, *at, place))
                    .min()
            })
            .next()
            .or_else(|| now.checked_add_days(Days::new(REACH_DAYS)))
    }

    /// The hours of a channel in words: `Mon-Fri 08:00-20:00, Sat 10:00-18:00 in FR`.
    pub fn describe(&self, channel: Channel, country: &str) -> Option<String> {
        let table = self.timetable(channel, country)?;
        let days: Vec<String> = DAY_NAMES
            .iter()
            .zip(&table.week)
            .filter(|(_, hours)| !hours.is_empty())
            .map(|(name, hours)| {
                let hours: Vec<String> = hours
                    .iter()
                    .map(|range| format!("{}-{}", clock_time(range.start), clock_time(range.end)))
                    .collect();
                format!("{name} {}", hours.join(" and "))
            })
            .collect();
        let holidays = if table.holidays_are_quiet {
            ", not on public holidays"
        } else {
            ""
        };
        Some(format!("{}{holidays}", days.join(", ")))
    }

    fn timetable(&self, channel: Channel, country: &str) -> Option<&Timetable> {
        let of = |wanted: Option<&str>| {
            self.timetables
                .iter()
                .find(|table| table.channel == channel && table.country.as_deref() == wanted)
        };
        of(Some(country))
            .or_else(|| of(Some(sovereign(country))))
            .or_else(|| of(None))
    }

    fn is_open(&self, table: &Timetable, at: DateTime<Utc>, place: Whereabouts<'_>) -> bool {
        let local = at.with_timezone(&place.zone).naive_local();
        let minute = local.hour() * 60 + local.minute();
        let is_open = table
            .hours(local.weekday())
            .iter()
            .any(|hours| hours.contains(&minute));
        is_open && !(table.holidays_are_quiet && self.is_holiday(local.date(), place))
    }

    fn is_holiday(&self, day: NaiveDate, place: Whereabouts<'_>) -> bool {
        let is_own = |country: &str| {
            self.own_holidays
                .get(country)
                .is_some_and(|days| days.contains(&day))
        };
        is_own(place.country)
            || is_own(sovereign(place.country))
            || is_holiday(
                day,
                Region {
                    country: place.country,
                    postal_code: place.postal_code,
                    time_zone: Some(place.zone.name()),
                },
            )
    }
}

impl Timetable {
    fn hours(&self, day: Weekday) -> &[Range<u32>] {
        let index = usize::try_from(day.num_days_from_monday()).unwrap_or(0);
        self.week.get(index).map_or(&[], Vec::as_slice)
    }
}

/// The instants of a local day at which the timetable may open: where an allowed span begins, and where
/// the clock changes.
fn openings(table: &Timetable, day: NaiveDate, zone: Tz) -> Vec<DateTime<Utc>> {
    let mut found = Vec::new();
    for hours in table.hours(day.weekday()) {
        let Some(local) = at_minute(day, hours.start) else {
            continue;
        };
        found.push(local_instant(local, zone));
        // Where it comes twice, also the second time.
        found.extend(
            zone.from_local_datetime(&local)
                .latest()
                .map(|at| at.to_utc()),
        );
    }
    if let (Some(midnight), Some(next)) = (
        at_minute(day, 0),
        day.succ_opt().and_then(|day| at_minute(day, 0)),
    ) {
        found.extend(clock_change(
            local_instant(midnight, zone),
            local_instant(next, zone),
            zone,
        ));
    }
    found
}

/// The instant between two at which the zone changes its offset, if it does, to the minute.
fn clock_change(from: DateTime<Utc>, to: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
    let offset = |at: DateTime<Utc>| at.with_timezone(&zone).offset().fix();
    let before = offset(from);
    if offset(to) == before {
        return None;
    }
    let (mut low, mut high) = (0, (to - from).num_minutes());
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if offset(from + TimeDelta::minutes(middle)) == before {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(from + TimeDelta::minutes(high))
}

fn at_minute(day: NaiveDate, minute: u32) -> Option<NaiveDateTime> {
    day.and_hms_opt(minute / 60, minute % 60, 0)
}

fn clock_time(minute: u32) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

fn country_code(text: &str) -> Result<String, String> {
    if text.len() == 2 && text.chars().all(|c| c.is_ascii_alphabetic()) {
        Ok(text.to_ascii_uppercase())
    } else {
        Err(format!(
            "{text:?} is not a country; use two letters such as \"FR\""
        ))
    }
}

const DAY_NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Reads `["Mon-Fri 08:00-20:00", "Sat 10:00-18:00"]`.
fn week(allowed: &[String]) -> Result<[Vec<Range<u32>>; 7], String> {
    let mut week: [Vec<Range<u32>>; 7] = Default::default();
    for text in allowed {
        let unread = || {
            format!(
                "{text:?} is not a span of hours; write it as \"Mon-Fri 08:00-20:00\" or \"Sat 10:00-18:00\""
            )
        };
        let (days, hours) = text.split_once(' ').ok_or_else(unread)?;
        let (from, to) = hours.trim().split_once('-').ok_or_else(unread)?;
        let (from, to) = (
            minute(from).ok_or_else(unread)?,
            minute(to).ok_or_else(unread)?,
        );
        if from >= to {
            return Err(format!(
                "{text:?} ends before it begins; write hours over midnight as two spans, until 24:00 and from 00:00"
            ));
        }
        let day = |name: &str| {
            DAY_NAMES
                .iter()
                .position(|known| known.eq_ignore_ascii_case(name))
        };
        let (first, last) = match days.split_once('-') {
            Some((first, last)) => (
                day(first).ok_or_else(unread)?,
                day(last).ok_or_else(unread)?,
            ),
            None => (day(days).ok_or_else(unread)?, day(days).ok_or_else(unread)?),
        };
        // Over the end of the week too: Sat-Mon.
        let span = (last + 7 - first) % 7;
        for index in (first..=first + span).map(|index| index % 7) {
            if let Some(hours) = week.get_mut(index) {
                hours.push(from..to);
                hours.sort_unstable_by_key(|range| range.start);
            }
        }
    }
    if week.iter().all(Vec::is_empty) {
        return Err(
            "allows no hour at all; leave the channel out of your campaigns instead".to_owned(),
        );
    }
    Ok(week)
}

/// Minutes since midnight of `HH:MM`, until 24:00.
fn minute(text: &str) -> Option<u32> {
    let (hour, minute) = text.trim().split_once(':')?;
    let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
    let all = hour * 60 + minute;
    (minute < 60 && all <= 24 * 60).then_some(all)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::config::Settings;

    fn defaults() -> QuietHours {
        let settings = Settings::load_from(None, HashMap::new()).expect("the defaults");
        QuietHours::new(&settings.quiet_hours, &settings.holidays).expect("good hours")
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("an instant")
    }

    fn in_france(postal_code: Option<&str>, zone: Tz) -> Whereabouts<'_> {
        Whereabouts {
            country: "FR",
            postal_code,
            zone,
        }
    }

    fn next(now: &str, place: Whereabouts<'_>) -> Option<String> {
        defaults()
            .next_allowed(at(now), Channel::Sms, place)
            .map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
    }

    #[test]
    fn an_evening_waits_for_the_morning_a_sunday_for_monday() {
        let paris = in_france(None, Tz::Europe__Paris);
        assert_eq!(next("2026-11-24T10:00:00Z", paris), None);
        assert_eq!(
            next("2026-11-24T19:00:00Z", paris).as_deref(),
            Some("2026-11-25T07:00:00Z")
        );
        assert_eq!(
            next("2026-11-21T17:00:00Z", paris).as_deref(),
            Some("2026-11-23T07:00:00Z")
        );
        assert_eq!(
            next("2026-11-21T08:59:59Z", paris).as_deref(),
            Some("2026-11-21T09:00:00Z")
        );
    }

    #[test]
    fn holidays_are_quiet_where_they_are_kept() {
        let paris = in_france(None, Tz::Europe__Paris);
        // Friday, Christmas; Saturday the 26th is one in Strasbourg only.
        assert_eq!(
            next("2026-12-25T10:00:00Z", paris).as_deref(),
            Some("2026-12-26T09:00:00Z")
        );
        let strasbourg = in_france(Some("67000"), Tz::Europe__Paris);
        assert_eq!(
            next("2026-12-25T10:00:00Z", strasbourg).as_deref(),
            Some("2026-12-28T07:00:00Z")
        );
        // The 10th of June in Cayenne, 3 hours behind UTC.
        let cayenne = in_france(None, Tz::America__Cayenne);
        assert_eq!(
            next("2026-06-10T15:00:00Z", cayenne).as_deref(),
            Some("2026-06-11T11:00:00Z")
        );
        assert_eq!(next("2026-06-10T15:00:00Z", paris), None);
    }

    #[test]
    fn both_clock_changes() {
        let settings = |allowed: &str| QuietHoursSettings {
            channel: "sms".to_owned(),
            country: None,
            allowed: vec![allowed.to_owned()],
            holidays_are_quiet: false,
        };
        let paris = in_france(None, Tz::Europe__Paris);
        let hours = |allowed: &str| {
            QuietHours::new(&[settings(allowed)], &BTreeMap::new()).expect("good hours")
        };
        let after =
            |allowed: &str, now: &str| hours(allowed).next_allowed(at(now), Channel::Sms, paris);
        // 02:30 does not exist on 28 March 2027: 03:00 summer time comes first.
        assert_eq!(
            after("Sun 02:30-05:00", "2027-03-28T00:00:00Z"),
            Some(at("2027-03-28T01:00:00Z"))
        );
        // Nothing of 02:10-02:50 exists that day.
        assert_eq!(
            after("Sun 02:10-02:50", "2027-03-28T00:00:00Z"),
            Some(at("2027-04-04T00:10:00Z"))
        );
        // 02:00-02:30 comes twice on 25 October 2026.
        assert_eq!(
            after("Sun 02:00-02:30", "2026-10-24T22:00:00Z"),
            Some(at("2026-10-25T00:00:00Z"))
        );
        assert_eq!(
            after("Sun 02:00-02:30", "2026-10-25T00:40:00Z"),
            Some(at("2026-10-25T01:00:00Z"))
        );
        assert_eq!(after("Sun 02:00-02:30", "2026-10-25T01:10:00Z"), None);
        // Eight in the morning stays eight over the change.
        assert_eq!(
            next("2027-03-29T18:30:00Z", paris).as_deref(),
            Some("2027-03-30T06:00:00Z")
        );
    }

    #[test]
    fn a_mistake_names_its_key() {
        let error = |allowed: &[&str], channel: &str, country: &str| {
            let entry = QuietHoursSettings {
                channel: channel.to_owned(),
                country: Some(country.to_owned()),
                allowed: allowed.iter().map(|&text| text.to_owned()).collect(),
                holidays_are_quiet: true,
            };
            QuietHours::new(&[entry], &BTreeMap::new())
                .expect_err("a mistake")
                .to_string()
        };
        assert!(error(&["Mon-Fri 20:00-08:00"], "sms", "FR").contains("over midnight"));
        assert!(error(&["Mon-Fry 08:00-20:00"], "sms", "FR").contains("quiet_hours.allowed"));
        assert!(error(&["Mon 08:00-24:30"], "sms", "FR").contains("quiet_hours.allowed"));
        assert!(error(&[], "sms", "FR").contains("no hour at all"));
        assert!(error(&["Mon 08:00-20:00"], "fax", "FR").contains("quiet_hours.channel"));
        assert!(error(&["Mon 08:00-20:00"], "sms", "France").contains("quiet_hours.country"));
        let holidays = BTreeMap::from([("FR".to_owned(), vec!["24.12.2026".to_owned()])]);
        let error = QuietHours::new(&[], &holidays)
            .expect_err("a mistake")
            .to_string();
        assert!(error.contains("holidays.FR"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// The answer is allowed, later than now, and no minute before it is allowed.
        #[test]
        fn the_next_allowed_instant_is_the_first(
            zone in proptest::sample::select(chrono_tz::TZ_VARIANTS.to_vec()),
            minute in 0_i64..2 * 366 * 24 * 60,
            from in 0_u32..24 * 60 - 1, length in 1_u32..600,
            days in proptest::sample::select(vec!["Mon-Fri", "Sat", "Sun", "Sat-Mon", "Wed-Wed", "Mon-Sun"]),
            country in proptest::sample::select(vec!["FR", "DE", "US"]),
        ) {
            let to = (from + length).min(24 * 60);
            let entry = QuietHoursSettings {
                channel: "email".to_owned(),
                country: None,
                allowed: vec![format!("{days} {}-{}", clock_time(from), clock_time(to))],
                holidays_are_quiet: true,
            };
            let hours = QuietHours::new(&[entry], &BTreeMap::new()).expect("good hours");
            let now = at("2026-01-01T00:00:00Z") + TimeDelta::minutes(minute) + TimeDelta::seconds(17);
            let place = Whereabouts { country, postal_code: None, zone };
            let answer = hours.next_allowed(now, Channel::Email, place);
            prop_assert_eq!(hours.next_allowed(now, Channel::Sms, place), None);
            let table = hours.timetable(Channel::Email, country).expect("a timetable");
            let Some(release) = answer else {
                prop_assert!(hours.is_open(table, now, place));
                return Ok(());
            };
            prop_assert!(release > now);
            prop_assert_eq!(hours.next_allowed(release, Channel::Email, place), None);
            let mut between = now;
            while between < release {
                prop_assert!(!hours.is_open(table, between, place), "{between} is allowed, {release} was said");
                between += TimeDelta::minutes(1);
            }
        }
    }
}
