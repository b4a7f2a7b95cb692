//! The moment at which the rules are asked, where it differs from place to place: as SQL.
//!
//! A due time or the begin of a calendar day depends on the recipient's zone (and, through public
//! holidays, on his country). Both databases know little of zones, so the instants are worked out here
//! for the places that occur, and stand in the query as a CASE over them.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, Utc};
use chrono_tz::Tz;

use super::rules::{Rules, WEEK_DAYS};
use crate::clock::{from_ms, local_instant};
use crate::config::WindowKind;
use crate::consent::model::Channel;

/// A zone and a country in which customers live.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// `None`: unknown, so that the fallback counts.
    pub zone: Option<Tz>,
    /// ISO 3166-1.
    pub country: String,
    /// That of the telephone number.
    pub number_country: Option<String>,
}

impl Place {
    /// The country whose hours and holidays count: of a text message that of the number, since its operators
    /// keep them.
    pub fn country(&self, channel: Channel) -> &str {
        match channel {
            Channel::Email => &self.country,
            Channel::Sms => self.number_country.as_deref().unwrap_or(&self.country),
        }
    }
}

/// The places of the base, and the zone of those who have none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    pub all: Vec<Place>,
    pub fallback: Tz,
}

impl Places {
    /// The zone that counts at a place.
    pub fn zone(&self, place: &Place) -> Tz {
        place.zone.unwrap_or(self.fallback)
    }

    /// SQL over the columns of customer `c` for an instant that depends on the zone alone.
    pub fn by_zone(&self, c: &str, at: impl Fn(Tz) -> i64) -> String {
        let otherwise = at(self.fallback);
        let cases: BTreeMap<&str, i64> = self
            .all
            .iter()
            .filter_map(|place| place.zone)
            .map(|zone| (zone.name(), at(zone)))
            .filter(|(_, instant)| *instant != otherwise)
            .collect();
        case(
            &format!("COALESCE({c}.time_zone, {c}.phone_zone)"),
            cases,
            otherwise,
        )
    }

    /// SQL over the columns of customer `c` for an instant that depends on zone and country.
    pub fn by_place(&self, c: &str, channel: Channel, at: impl Fn(Tz, &str) -> i64) -> String {
        let otherwise = at(self.fallback, "");
        let cases: BTreeMap<String, i64> = self
            .all
            .iter()
            .map(|place| (place, place.country(channel)))
            // Country codes come from files; only those that can be one stand in a query.
            .filter(|(_, country)| country.chars().all(|c| c.is_ascii_alphanumeric()))
            .map(|(place, country)| {
                let zone = place.zone.map_or("", |zone| zone.name());
                (format!("{zone} {country}"), at(self.zone(place), country))
            })
            .filter(|(_, instant)| *instant != otherwise)
            .collect();
        let country = match channel {
            Channel::Email => format!("{c}.country"),
            Channel::Sms => format!("COALESCE({c}.phone_country, {c}.country)"),
        };
        case(
            &format!("COALESCE({c}.time_zone, {c}.phone_zone, '') || ' ' || {country}"),
            cases,
            otherwise,
        )
    }
}

/// Zone names and country codes hold no quote.
fn case<K: std::fmt::Display>(of: &str, cases: BTreeMap<K, i64>, otherwise: i64) -> String {
    if cases.is_empty() {
        return otherwise.to_string();
    }
    let cases: String = cases
        .iter()
        .map(|(key, instant)| format!(" WHEN '{key}' THEN {instant}"))
        .collect();
    format!("CASE {of}{cases} ELSE {otherwise} END")
}

/// When the rules are asked of customer `c`, as SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// The instant, in milliseconds since the epoch.
    pub now: String,
    /// When a window of so many calendar days that ends today began in his zone, by days.
    begins: BTreeMap<u32, String>,
    /// When a window of so many calendar days that begins today ends in his zone, by days.
    ends: BTreeMap<u32, String>,
    /// Until when the begins are right: the next midnight anywhere.
    pub valid_until: i64,
}

impl Moment {
    /// The same instant for everyone. `now` is its SQL, so that the text of a query need not change with it.
    pub fn of_instant(now: &str, now_ms: i64, c: &str, rules: &Rules, places: &Places) -> Self {
        let at = from_ms(now_ms);
        Self {
            now: now.to_owned(),
            begins: windows(rules)
                .into_iter()
                .map(|days| (days, places.by_zone(c, |zone| begin(at, zone, days))))
                .collect(),
            ends: windows(rules)
                .into_iter()
                .map(|days| (days, places.by_zone(c, |zone| end(at, zone, days))))
                .collect(),
            valid_until: places
                .all
                .iter()
                .filter_map(|place| place.zone)
                .chain([places.fallback])
                .map(|zone| end(at, zone, 1))
                .min()
                .unwrap_or(now_ms),
        }
    }

    /// An instant of each place's own.
    pub fn by_place(
        c: &str,
        channel: Channel,
        rules: &Rules,
        places: &Places,
        at: impl Fn(Tz, &str) -> i64,
    ) -> Self {
        let on = |days: u32, edge: fn(DateTime<Utc>, Tz, u32) -> i64| {
            places.by_place(c, channel, |zone, country| {
                edge(from_ms(at(zone, country)), zone, days)
            })
        };
        Self {
            now: places.by_place(c, channel, &at),
            begins: windows(rules)
                .into_iter()
                .map(|days| (days, on(days, begin)))
                .collect(),
            ends: windows(rules)
                .into_iter()
                .map(|days| (days, on(days, end)))
                .collect(),
            valid_until: 0,
        }
    }

    /// SQL for when the window of `days` calendar days that ends today began.
    pub fn begin(&self, days: u32) -> &str {
        self.begins.get(&days).map_or("0", String::as_str)
    }

    /// SQL for when the window of `days` calendar days that begins today ends.
    pub fn end(&self, days: u32) -> &str {
        self.ends.get(&days).map_or("0", String::as_str)
    }
}

/// The lengths of the calendar windows that are asked for.
fn windows(rules: &Rules) -> Vec<u32> {
    let mut days: Vec<u32> = rules
        .caps
        .iter()
        .filter(|cap| cap.window == WindowKind::Calendar)
        .map(|cap| cap.days)
        // A rung's week, and today for the person's own wish.
        .chain([1, WEEK_DAYS])
        .collect();
    days.sort_unstable();
    days.dedup();
    days
}

/// When the window of `days` calendar days that ends with the day of `at` began, in milliseconds.
pub fn begin(at: DateTime<Utc>, zone: Tz, days: u32) -> i64 {
    let today = at.with_timezone(&zone).date_naive();
    let first = today
        .checked_sub_days(Days::new(u64::from(days.saturating_sub(1))))
        .unwrap_or(today);
    local_instant(first.and_time(chrono::NaiveTime::MIN), zone).timestamp_millis()
}

/// When the window of `days` calendar days that begins with the day of `at` ends, in milliseconds.
pub fn end(at: DateTime<Utc>, zone: Tz, days: u32) -> i64 {
    let today = at.with_timezone(&zone).date_naive();
    let after = today
        .checked_add_days(Days::new(u64::from(days)))
        .unwrap_or(today);
    local_instant(after.and_time(chrono::NaiveTime::MIN), zone).timestamp_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(from: i64, to: i64) -> i64 {
        (to - from) / 3_600_000
    }

    #[test]
    fn calendar_days_are_as_long_as_the_clock_has_them() {
        let paris = Tz::Europe__Paris;
        for (noon, long) in [
            ("2027-03-28T10:00:00Z", 23),
            ("2026-10-25T10:00:00Z", 25),
            ("2026-11-22T10:00:00Z", 24),
        ] {
            let at: DateTime<Utc> = noon.parse().unwrap();
            assert_eq!(hours(begin(at, paris, 1), end(at, paris, 1)), long);
            assert_eq!(hours(begin(at, paris, 3), begin(at, paris, 1)), 48);
        }
        // Half past midnight on Réunion is the evening before in Paris.
        let at: DateTime<Utc> = "2026-11-22T20:30:00Z".parse().unwrap();
        assert!(begin(at, Tz::Indian__Reunion, 1) > begin(at, paris, 1));
    }

    #[test]
    fn places_with_the_same_answer_are_not_listed() {
        let place = |zone: Option<Tz>, country: &str| Place {
            zone,
            country: country.to_owned(),
            number_country: None,
        };
        let overseas = Place {
            number_country: Some("RE".to_owned()),
            ..place(Some(Tz::Indian__Reunion), "FR")
        };
        let places = Places {
            all: vec![
                place(Some(Tz::Europe__Paris), "FR"),
                place(Some(Tz::Europe__Berlin), "DE"),
                overseas,
                place(None, "x' OR '1"),
            ],
            fallback: Tz::Europe__Paris,
        };
        let at: DateTime<Utc> = "2026-11-22T10:00:00Z".parse().unwrap();
        let sql = places.by_zone("c", |zone| begin(at, zone, 1));
        assert_eq!(sql.matches("WHEN").count(), 1, "{sql}");
        assert!(sql.contains("'Indian/Reunion'"), "{sql}");
        let is_de = |_, country: &str| i64::from(country == "DE");
        assert_eq!(
            places.by_place("c", Channel::Email, is_de),
            "CASE COALESCE(c.time_zone, c.phone_zone, '') || ' ' || c.country \
             WHEN 'Europe/Berlin DE' THEN 1 ELSE 0 END"
        );
        // A text message goes by the country of its number.
        let is_re = |_, country: &str| i64::from(country == "RE");
        assert_eq!(
            places.by_place("c", Channel::Sms, is_re),
            "CASE COALESCE(c.time_zone, c.phone_zone, '') || ' ' || COALESCE(c.phone_country, c.country) \
             WHEN 'Indian/Reunion RE' THEN 1 ELSE 0 END"
        );
        assert_eq!(places.by_place("c", Channel::Email, is_re), "0");
    }
}
