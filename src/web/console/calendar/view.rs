//! What the page of the calendar shows.

use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use serde::Serialize;

use super::super::path_segment;
use super::{Shown, Visit, after};
use crate::accounts::model::Right;
use crate::campaigns::calendar::model::{Calendar, Conflict, Entry};
use crate::campaigns::model::Status;
use crate::clock::from_ms;
use crate::consent::model::Channel;
use crate::gate::holidays;
use crate::segments::discreet;
use crate::web::words::Words;

/// Entries of a day that are shown before it is said how many there are beside them.
const SHOWN: usize = 4;

#[derive(Debug, Serialize)]
pub(super) struct View {
    title: String,
    section: &'static str,
    script: &'static str,
    /// `December 2026`, or the days of the week.
    span: String,
    is_week: bool,
    earlier: String,
    later: String,
    today: String,
    /// The same in months or weeks.
    as_month: String,
    as_week: String,
    /// What forms bring back: the name and the value.
    back: (&'static str, String),
    weekdays: Vec<&'static str>,
    weeks: Vec<Week>,
    agenda: Vec<Day>,
    is_empty: bool,
    conflicts: Vec<String>,
    pressure: Vec<Pressed>,
    /// What may be moved, by the visitor.
    movable: Vec<Movable>,
    may_plan: bool,
    pub is_moved: bool,
    pub is_forgotten: bool,
    pub fault: Option<String>,
    /// The address of the feed, shown once.
    pub feed: Option<String>,
    key_since: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Week {
    days: Vec<Day>,
    lanes: Vec<Lane>,
}

#[derive(Debug, Clone, Serialize)]
struct Day {
    /// `2026-12-01`
    date: String,
    number: u32,
    name: String,
    is_today: bool,
    is_outside: bool,
    /// Where a new campaign for this day begins.
    new: Option<String>,
    /// Where offices are closed: `FR, BE`.
    holiday: Option<String>,
    entries: Vec<Chip>,
}

#[derive(Debug, Serialize)]
struct Lane {
    channel: &'static str,
    name: &'static str,
    cells: Vec<Cell>,
}

#[derive(Debug, Serialize)]
struct Cell {
    date: String,
    is_today: bool,
    is_outside: bool,
    is_closed: bool,
    entries: Vec<Chip>,
    /// How many more there are.
    more: usize,
    /// Campaigns whose responses still count on this day.
    tails: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
struct Chip {
    campaign: i64,
    name: String,
    path: String,
    channel: &'static str,
    status: &'static str,
    /// The same in the visitor's words.
    told: String,
    time: String,
    people: Option<i64>,
    is_wave: bool,
    may_move: bool,
}

#[derive(Debug, Serialize)]
struct Movable {
    id: i64,
    name: String,
    /// When it is to go out, in words.
    at: String,
}

#[derive(Debug, Serialize)]
struct Pressed {
    segment: String,
    planned: usize,
    peak: usize,
    max: u32,
    cap: String,
    /// Of 100.
    width: usize,
    is_over: bool,
}

/// The lanes, in their order.
const LANES: [Channel; 2] = [Channel::Email, Channel::Sms];

const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

impl View {
    pub fn new(
        visit: &Visit,
        shown: Shown,
        calendar: &Calendar,
        now: DateTime<Utc>,
        key_since: Option<i64>,
    ) -> Self {
        let words = visit.words();
        let zone = calendar.span.zone;
        let today = now.with_timezone(&zone).date_naive();
        let may_launch = visit.may(Right::Launch);
        let may_plan = visit.may(Right::Plan);
        let chip = |entry: &Entry| Chip {
            campaign: entry.campaign.0,
            name: entry.name.clone(),
            path: if entry.is_wave {
                format!("/reports/campaigns/{}", path_segment(&entry.name))
            } else {
                format!("/campaigns/{}", path_segment(&entry.name))
            },
            channel: entry.channel().as_str(),
            status: entry.status.as_str(),
            told: told(words, entry),
            time: time(entry, zone),
            people: entry.people,
            is_wave: entry.is_wave,
            may_move: may_launch && entry.may_move,
        };
        let day = |date: NaiveDate| Day {
            date: date.to_string(),
            number: date.day(),
            name: words
                .t(WEEKDAYS
                    .get(date.weekday().num_days_from_monday() as usize)
                    .copied()
                    .unwrap_or_default())
                .to_owned(),
            is_today: date == today,
            is_outside: matches!(shown, Shown::Month(first) if first.month() != date.month()),
            new: (may_plan && date >= today).then(|| format!("/campaigns/new?at={date}")),
            holiday: calendar.holidays.get(&date).map(|where_| {
                let name = holidays::name(date).unwrap_or("holiday");
                format!("{} {}", words.t(name), where_.join(", "))
            }),
            entries: calendar
                .entries
                .iter()
                .filter(|entry| entry.day == date)
                .map(chip)
                .collect(),
        };
        let span = calendar.span;
        let weeks: Vec<Week> = span
            .days()
            .filter(|date| date.weekday().num_days_from_monday() == 0)
            .map(|monday| {
                let dates: Vec<NaiveDate> = (0..7).map(|n| after(monday, n)).collect();
                let days: Vec<Day> = dates.iter().copied().map(day).collect();
                let lanes = LANES
                    .into_iter()
                    .filter(|channel| is_used(calendar, *channel, monday))
                    .map(|channel| Lane {
                        channel: channel.as_str(),
                        name: channel_name(words, channel),
                        cells: days
                            .iter()
                            .zip(&dates)
                            .map(|(day, date)| cell(calendar, channel, day, *date))
                            .collect(),
                    })
                    .collect();
                Week { days, lanes }
            })
            .collect();
        let agenda: Vec<Day> = weeks
            .iter()
            .flat_map(|week| &week.days)
            .filter(|day| !day.entries.is_empty() || day.holiday.is_some())
            .cloned()
            .collect();
        let span_text = match shown {
            Shown::Month(first) => words.month(first),
            Shown::Week(first) => words.fill(
                "{from} to {until}",
                &[
                    ("from", words.date(first)),
                    ("until", words.date(after(first, 6))),
                ],
            ),
        };
        let anchor = match shown {
            // The month of a week is that of its Thursday, as weeks are counted.
            Shown::Week(first) => after(first, 3),
            Shown::Month(first)
                if first.year() == today.year() && first.month() == today.month() =>
            {
                today
            }
            Shown::Month(first) => first,
        };
        let mut movable: Vec<Movable> = Vec::new();
        for entry in calendar
            .entries
            .iter()
            .filter(|entry| may_launch && entry.may_move)
        {
            movable.push(Movable {
                id: entry.campaign.0,
                name: entry.name.clone(),
                at: when(words, entry),
            });
        }
        Self {
            title: words.t("Calendar").to_owned(),
            section: "calendar",
            script: "/assets/calendar.js",
            span: span_text,
            is_week: matches!(shown, Shown::Week(_)),
            earlier: shown.moved(-1).path(),
            later: shown.moved(1).path(),
            today: match shown {
                Shown::Month(_) => "/calendar".to_owned(),
                Shown::Week(_) => format!("/calendar?week={today}"),
            },
            as_month: format!("/calendar?month={}", anchor.format("%Y-%m")),
            as_week: format!("/calendar?week={}", anchor.format("%G-W%V")),
            back: match shown {
                Shown::Month(first) => ("month", first.format("%Y-%m").to_string()),
                Shown::Week(first) => ("week", first.format("%G-W%V").to_string()),
            },
            weekdays: WEEKDAYS.iter().map(|name| words.t(name)).collect(),
            is_empty: weeks
                .iter()
                .flat_map(|week| &week.days)
                .all(|day| day.entries.is_empty()),
            weeks,
            agenda,
            conflicts: calendar
                .conflicts
                .iter()
                .filter(|conflict| is_in(conflict, calendar))
                .map(|conflict| conflict_told(words, conflict))
                .collect(),
            pressure: pressure(calendar, visit.may(Right::People), words),
            movable,
            may_plan,
            is_moved: false,
            is_forgotten: false,
            fault: None,
            feed: None,
            key_since,
        }
    }
}

/// Whether a week has anything for a lane; the email lane is always there, so that no week is without one.
fn is_used(calendar: &Calendar, channel: Channel, monday: NaiveDate) -> bool {
    let end = after(monday, 7);
    channel == Channel::Email
        || calendar
            .entries
            .iter()
            .any(|entry| entry.channel() == channel && (monday..end).contains(&entry.day))
}

fn cell(calendar: &Calendar, channel: Channel, day: &Day, date: NaiveDate) -> Cell {
    let of_lane: Vec<Chip> = day
        .entries
        .iter()
        .filter(|chip| chip.channel == channel.as_str())
        .cloned()
        .collect();
    let span = calendar.span;
    let mut tails: Vec<String> = calendar
        .entries
        .iter()
        .filter(|entry| entry.is_wave && entry.channel() == channel && entry.day < date)
        .filter(|entry| {
            entry
                .window_until
                .is_some_and(|until| span.day_of(until - 1) >= date)
        })
        .map(|entry| entry.name.clone())
        .collect();
    tails.dedup();
    tails.truncate(3);
    Cell {
        date: day.date.clone(),
        is_today: day.is_today,
        is_outside: day.is_outside,
        is_closed: day.holiday.is_some(),
        more: of_lane.len().saturating_sub(SHOWN),
        entries: of_lane.into_iter().take(SHOWN).collect(),
        tails,
    }
}

pub(in crate::web::console) fn channel_name(words: &Words, channel: Channel) -> &'static str {
    match channel {
        Channel::Sms => "SMS",
        Channel::Email => words.t("Email"),
    }
}

/// Where it stands, in words.
pub(in crate::web::console) fn told(words: &Words, entry: &Entry) -> String {
    if entry.is_wave {
        return match (entry.ended_at, entry.status) {
            (None, Status::Paused) => words.t("paused"),
            (None, Status::Cancelled) => words.t("cancelled"),
            (None, _) => words.t("is going out"),
            (Some(_), _) => words.t("went out"),
        }
        .to_owned();
    }
    match entry.status {
        Status::Paused => words.t("paused").to_owned(),
        _ if entry.is_recurring => words.t("planned, comes again").to_owned(),
        _ => words.t("planned").to_owned(),
    }
}

/// When it goes out; where each gets it at his own time, the day of all.
pub(in crate::web::console) fn when(words: &Words, entry: &Entry) -> String {
    if entry.zone_is_recipients && !entry.is_wave {
        words.date(entry.day)
    } else {
        words.moment(entry.at)
    }
}

fn time(entry: &Entry, zone: chrono_tz::Tz) -> String {
    // Where each gets it at his own time, ours would mislead.
    if entry.zone_is_recipients && !entry.is_wave {
        return String::new();
    }
    from_ms(entry.at)
        .with_timezone(&zone)
        .format("%H:%M")
        .to_string()
}

fn is_in(conflict: &Conflict, calendar: &Calendar) -> bool {
    let (from, until) = (calendar.span.from_ms(), calendar.span.until_ms());
    match conflict {
        Conflict::Pressure {
            from: first,
            until: last,
            ..
        } => *first < until && *last >= from,
        Conflict::Capacity { at, .. } => (from..until).contains(at),
    }
}

fn conflict_told(words: &Words, conflict: &Conflict) -> String {
    match conflict {
        Conflict::Pressure { cap, is_certain, campaigns, from, until } => {
            let english = match (campaigns.len(), is_certain) {
                (1, _) => "{names} reaches the same people more often than the pressure limit allows ({cap}) between {from} and {until}: whoever has had enough is left out.",
                (_, true) => "{names} reach the same people more often than the pressure limit allows ({cap}) between {from} and {until}: whoever has had enough is left out.",
                (_, false) => "{names} may together exceed the pressure limit ({cap}) between {from} and {until} where their segments overlap.",
            };
            words.fill(
                english,
                &[
                    ("names", campaigns.join(", ")),
                    ("cap", words.say(cap)),
                    ("from", words.day(*from)),
                    ("until", words.day(*until)),
                ],
            )
        }
        Conflict::Capacity { relay, first, second, at, busy_until } => words.fill(
            "{second} begins on {at}, while the relay {relay} is busy with {first} until {until}: both take longer.",
            &[
                ("second", second.clone()),
                ("at", words.moment(*at)),
                ("relay", relay.clone()),
                ("first", first.clone()),
                ("until", words.moment(*busy_until)),
            ],
        ),
    }
}

fn pressure(calendar: &Calendar, sees_people: bool, words: &Words) -> Vec<Pressed> {
    calendar
        .pressure
        .iter()
        .take(12)
        .map(|one| {
            let max = usize::try_from(one.max).unwrap_or(1).max(1);
            Pressed {
                segment: if sees_people {
                    one.segment.clone()
                } else {
                    discreet(&one.segment)
                },
                planned: one.planned,
                peak: one.peak,
                max: one.max,
                cap: words.say(&one.cap),
                width: (one.peak * 100 / max).min(100),
                is_over: one.peak > max,
            }
        })
        .collect()
}
