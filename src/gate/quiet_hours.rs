//! When a channel may be used, by country, in the recipient's zone; all other hours are quiet.
//!
//! Text messages in France keep to hours that no setting can widen (see [`france`]): an entry for France
//! that tries is refused, one for every country is narrowed there.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use chrono::{
    DateTime, Datelike, Days, NaiveDate, NaiveDateTime, Offset, TimeDelta, TimeZone, Timelike, Utc,
    Weekday,
};
use chrono_tz::Tz;

use super::holidays::{Region, is_holiday, sovereign};
use super::model::Route;
use crate::clock::local_instant;
use crate::config::{ConfigError, QuietHoursSettings};
use crate::consent::model::Channel;
use crate::customers::model::Customer;
use crate::statistics::sentence::{Sentence, Value};

mod france;

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
    /// `None`: every provider without one of its own.
    provider: Option<String>,
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

impl<'a> Whereabouts<'a> {
    /// Where a message by this channel finds a customer: a text message in the country of his number, since
    /// its operators keep the hours. `fallback` is the zone of who has none.
    pub fn of(customer: &'a Customer, channel: Channel, fallback: Tz) -> Self {
        let number_country = customer.phone_country.as_deref();
        Self {
            country: match channel {
                Channel::Email => &customer.country,
                Channel::Sms => number_country.unwrap_or(&customer.country),
            },
            postal_code: customer.postal_code.as_deref(),
            zone: customer.zone().unwrap_or(fallback),
        }
    }
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
            if entry.provider.is_some() && channel != Channel::Sms {
                return Err(ConfigError::key(
                    "quiet_hours.provider",
                    format!(
                        "{channel} has no providers; leave provider out or set channel = \"sms\""
                    ),
                ));
            }
            if timetables.iter().any(|known| {
                known.channel == channel
                    && known.country == country
                    && known.provider == entry.provider
            }) {
                return Err(ConfigError::key(
                    "quiet_hours",
                    format!(
                        "two entries for {channel} in {}{}; put all hours into the `allowed` of one",
                        country.as_deref().unwrap_or("every country"),
                        entry
                            .provider
                            .as_deref()
                            .map_or_else(String::new, |provider| format!(" by {provider}")),
                    ),
                ));
            }
            let table = Timetable {
                channel,
                country,
                provider: entry.provider.clone(),
                week: week(&entry.allowed)
                    .map_err(|problem| ConfigError::key("quiet_hours.allowed", problem))?,
                holidays_are_quiet: entry.holidays_are_quiet,
            };
            france::check(&table)?;
            timetables.push(table);
        }
        timetables.extend(france::narrowed(&timetables)?);
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

    /// Whether the route has quiet hours anywhere. Text messages have: in France.
    pub fn concerns<'a>(&self, route: impl Into<Route<'a>>) -> bool {
        let route = route.into();
        self.timetables.iter().any(|table| {
            table.channel == route.channel
                && table
                    .provider
                    .as_deref()
                    .is_none_or(|provider| route.provider == Some(provider))
        })
    }

    /// The next instant at which the route may be used there; `None` when `now` is allowed.
    ///
    /// An hour that does not exist opens where the clock goes on; one that comes twice is open twice.
    pub fn next_allowed<'a>(
        &self,
        now: DateTime<Utc>,
        route: impl Into<Route<'a>>,
        place: Whereabouts<'_>,
    ) -> Option<DateTime<Utc>> {
        let table = self.timetable(route.into(), place.country)?;
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

    /// The hours of a route in words: `Mon-Fri 08:00-20:00, Sat 10:00-18:00 in FR`.
    pub fn told<'a>(&self, route: impl Into<Route<'a>>, country: &str) -> Option<Sentence> {
        let table = self.timetable(route.into(), country)?;
        let named: Vec<(&'static str, &Vec<Range<u32>>)> =
            DAY_NAMES.iter().copied().zip(&table.week).collect();
        // Days that follow each other and are alike are told together: Mon-Fri.
        let days: Vec<Sentence> = named
            .chunk_by(|one, next| one.1 == next.1)
            .filter_map(|alike| {
                let ((first, hours), (last, _)) = (alike.first()?, alike.last()?);
                if hours.is_empty() {
                    return None;
                }
                let days = if first == last {
                    Sentence::new(first)
                } else {
                    Sentence::new("{first}-{last}")
                        .with("first", Value::word(first))
                        .with("last", Value::word(last))
                };
                let hours = hours.iter().fold(None, |before, range| {
                    let span = format!("{}-{}", clock_time(range.start), clock_time(range.end));
                    let span = Sentence::new("{span}").with("span", span);
                    Some(match before {
                        None => span,
                        Some(before) => Sentence::new("{rest} and {last}")
                            .with("rest", before)
                            .with("last", span),
                    })
                });
                Some(
                    Sentence::new("{days} {hours}")
                        .with("days", days)
                        .with("hours", hours),
                )
            })
            .collect();
        let mut parts = if table.week.iter().all(|hours| is_whole_day(hours)) {
            vec![Sentence::new("any time")]
        } else {
            days
        };
        if table.holidays_are_quiet {
            parts.push(Sentence::new("not on public holidays"));
        }
        Some(Sentence::new("{parts}").with("parts", parts))
    }

    /// The entry that counts: one for the country before one for every country, and of two the provider's.
    fn timetable(&self, route: Route<'_>, country: &str) -> Option<&Timetable> {
        let countries = [Some(country), Some(sovereign(country)), None];
        countries.into_iter().find_map(|country| {
            [route.provider, None]
                .into_iter()
                .find_map(|provider| entry(&self.timetables, route.channel, country, provider))
        })
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

fn entry<'t>(
    timetables: &'t [Timetable],
    channel: Channel,
    country: Option<&str>,
    provider: Option<&str>,
) -> Option<&'t Timetable> {
    timetables.iter().find(|table| {
        table.channel == channel
            && table.country.as_deref() == country
            && table.provider.as_deref() == provider
    })
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

/// Whether the spans, in order, leave no minute of a day out.
fn is_whole_day(hours: &[Range<u32>]) -> bool {
    let reached = hours.iter().fold(0, |reached, span| {
        if span.start <= reached {
            reached.max(span.end)
        } else {
            reached
        }
    });
    reached == 24 * 60
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
#[path = "quiet_hours_tests.rs"]
mod tests;
