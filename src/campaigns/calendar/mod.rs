//! The calendar: what went out, what will, and what gets in each other's way.
//!
//! Promise: it reads plans and counters, never the ledger, so it stays quick; what it says of pressure follows
//! the caps of the gate.

pub mod feed;
pub mod model;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::DbErr;

use super::definition::{Definition, Schedule, Zone};
use super::schedule;
use super::store::calendar::{self as store, Waiting, Went};
use crate::clock::from_ms;
use crate::config::Settings;
use crate::gate::holidays::{self, Region};
use crate::gate::rules::Rules;
use crate::storage::Db;
use model::{Calendar, Entry, Span};

/// Occurrences of one recurring campaign that are shown at most.
const MOST: usize = 200;
const DAY_MS: i64 = 86_400_000;

/// What happens in a span of days.
///
/// # Errors
/// When the database is away.
pub async fn calendar(
    db: &Db,
    rules: &Rules,
    settings: &Settings,
    span: Span,
    now: DateTime<Utc>,
) -> Result<Calendar, DbErr> {
    let (from, until) = (span.from_ms(), span.until_ms());
    // Pressure and overlapping look a little over the edges.
    let margin = longest_cap(rules);
    let mut entries: Vec<Entry> = store::went(db, from - margin, until + margin)
        .await?
        .into_iter()
        .map(|went| of_wave(went, span))
        .collect();
    for waiting in store::waiting(db, until + margin).await? {
        entries.extend(to_come(&waiting, span, from_ms(until + margin), now));
    }
    entries.sort_by_key(|entry| (entry.at, entry.campaign));
    let rate_of = |entry: &Entry| {
        let relay = settings
            .email
            .route(entry.relay.as_deref(), &entry.sender)
            .ok()?;
        Some((relay.to_owned(), settings.email.rate_of(relay)?))
    };
    let now_ms = now.timestamp_millis();
    let mut conflicts = model::pressure_conflicts(&entries, &rules.caps, now_ms);
    conflicts.extend(model::capacity_conflicts(&entries, rate_of, now_ms));
    let pressure = model::pressure(&entries, &rules.caps, span, now_ms);
    Ok(Calendar {
        span,
        holidays: holidays_of(settings, span),
        conflicts,
        pressure,
        entries,
    })
}

/// The days of the span on which somewhere the offices are closed, and where: ISO 3166-1 alpha-2.
fn holidays_of(settings: &Settings, span: Span) -> BTreeMap<NaiveDate, Vec<String>> {
    let mut countries: Vec<&str> = settings.holidays.keys().map(String::as_str).collect();
    countries.push("FR");
    countries.sort_unstable();
    countries.dedup();
    let mut found = BTreeMap::new();
    for day in span.days() {
        let closed: Vec<String> = countries
            .iter()
            .filter(|country| {
                let own = settings.holidays.get(**country);
                let is_own = own.is_some_and(|days| days.contains(&day.to_string()));
                is_own
                    || holidays::is_holiday(
                        day,
                        Region {
                            country,
                            postal_code: None,
                            time_zone: None,
                        },
                    )
            })
            .map(|country| (*country).to_owned())
            .collect();
        if !closed.is_empty() {
            found.insert(day, closed);
        }
    }
    found
}

fn longest_cap(rules: &Rules) -> i64 {
    let days = rules.caps.iter().map(|cap| cap.days).max().unwrap_or(0);
    i64::from(days.min(31)) * DAY_MS
}

fn of_wave(went: Went, span: Span) -> Entry {
    let definition = &went.definition;
    let end = went.finished_at.unwrap_or(went.launched_at);
    Entry {
        day: span.day_of(went.launched_at),
        at: went.launched_at,
        ended_at: went.finished_at,
        window_until: Some(end + i64::from(definition.window_days) * DAY_MS),
        people: went.accepted,
        responders: went.responders,
        is_wave: true,
        may_move: false,
        ..Entry::of(definition, went.campaign, went.name, went.status)
    }
}

/// The waiting due time of a campaign, and those after it.
fn to_come(waiting: &Waiting, span: Span, until: DateTime<Utc>, now: DateTime<Utc>) -> Vec<Entry> {
    let definition = &waiting.definition;
    let entry = |at: DateTime<Utc>| Entry {
        day: match &definition.schedule {
            // Each recipient gets it on this day of his own.
            Some(Schedule {
                at: Some(local),
                zone: Zone::Recipient,
                ..
            }) => local.date(),
            _ => span.day_of(at.timestamp_millis()),
        },
        at: at.timestamp_millis(),
        people: waiting.people,
        may_move: waiting.status.is_editable() && !definition.is_recurring(),
        ..Entry::of(
            definition,
            waiting.campaign,
            waiting.name.clone(),
            waiting.status,
        )
    };
    let mut found = vec![entry(from_ms(waiting.due_at))];
    if let Some(plan) = definition
        .schedule
        .as_ref()
        .filter(|plan| plan.every.is_some())
    {
        let mut after = from_ms(waiting.due_at).max(now);
        while found.len() < MOST
            && let Some(due) = schedule::next(plan, after)
            && due.at < until
        {
            after = due.at;
            found.push(entry(due.at));
        }
    }
    found
}

impl Entry {
    fn of(
        definition: &Definition,
        campaign: crate::ids::CampaignId,
        name: String,
        status: super::model::Status,
    ) -> Self {
        Self {
            campaign,
            name,
            status,
            channels: definition.channels().to_vec(),
            topic: definition.topic.clone(),
            segment: definition.segment.trim().to_owned(),
            relay: definition.relay.clone(),
            sender: definition.sender.address.clone(),
            zone_is_recipients: definition
                .schedule
                .as_ref()
                .is_some_and(|schedule| schedule.zone == Zone::Recipient),
            is_recurring: definition.is_recurring(),
            day: NaiveDate::default(),
            at: 0,
            ended_at: None,
            window_until: None,
            people: None,
            responders: None,
            is_wave: false,
            may_move: false,
        }
    }
}
