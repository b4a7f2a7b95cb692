//! `/api/v1/calendar`: what went out, what will, and what gets in each other's way.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use actix_web::{HttpResponse, http::StatusCode, web};
use chrono::{Datelike, Days, NaiveDate};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{answer, instant, refused};
use crate::campaigns::calendar::calendar;
use crate::campaigns::calendar::model::{Conflict, Entry, Pressure, Span};
use crate::campaigns::model::Status;
use crate::consent::model::Channel;
use crate::web::{ApiError, State};

/// Days of a span at most.
const MOST: u64 = 366;
/// The years that are reckoned with.
const YEARS: RangeInclusive<i32> = 2000..=2199;

/// Which days are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// The first day.
    #[param(value_type = String, format = Date, example = "2027-03-01")]
    from: NaiveDate,
    /// The first day that is not of it, at most 366 days later.
    #[param(value_type = String, format = Date, example = "2027-04-01")]
    until: NaiveDate,
    /// Whose days: an IANA zone; without it that of the settings.
    #[param(value_type = Option<String>, example = "Europe/Paris")]
    zone: Option<Tz>,
}

/// What happens in a span of days.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Calendar)]
pub(super) struct CalendarView {
    /// In the order of time; also some before and after the span, with which it may get in conflict.
    entries: Vec<CalendarEntry>,
    conflicts: Vec<ConflictView>,
    pressure: Vec<PressureView>,
    /// Days on which offices are closed, and in which countries (ISO 3166-1 alpha-2).
    #[schema(value_type = Object, example = json!({"2027-03-29": ["FR"]}))]
    holidays: BTreeMap<NaiveDate, Vec<String>>,
}

/// A campaign at one time.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CalendarEntry {
    #[schema(example = "spring")]
    campaign: String,
    status: Status,
    channels: Vec<Channel>,
    topic: String,
    segment: String,
    #[schema(value_type = String, format = Date)]
    day: NaiveDate,
    /// When it is launched, or was.
    #[schema(value_type = String, format = DateTime)]
    at: String,
    /// Each recipient gets it at that time of his own.
    in_recipients_time: bool,
    is_recurring: bool,
    /// It went out; otherwise it will.
    is_past: bool,
    /// It may be given another time.
    may_move: bool,
    /// When its last message was handed over.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<String>,
    /// Until when responses count.
    #[schema(value_type = Option<String>, format = DateTime)]
    window_until: Option<String>,
    /// Messages accepted; of what is to come, those of its last wave.
    people: Option<i64>,
    responders: Option<i64>,
}

impl From<Entry> for CalendarEntry {
    fn from(one: Entry) -> Self {
        Self {
            campaign: one.name,
            status: one.status,
            channels: one.channels,
            topic: one.topic,
            segment: one.segment,
            day: one.day,
            at: instant(one.at),
            in_recipients_time: one.zone_is_recipients,
            is_recurring: one.is_recurring,
            is_past: one.is_wave,
            may_move: one.may_move,
            ended_at: one.ended_at.map(instant),
            window_until: one.window_until.map(instant),
            people: one.people,
            responders: one.responders,
        }
    }
}

/// What gets in each other's way: a limit of pressure, or a relay that is still busy.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Conflict)]
pub(super) struct ConflictView {
    #[schema(example = "pressure")]
    kind: &'static str,
    /// The limit in words, or the relay.
    what: String,
    /// They reach the same people, or use the same relay; otherwise their people may overlap.
    is_certain: bool,
    campaigns: Vec<String>,
    #[schema(value_type = String, format = DateTime)]
    from: String,
    #[schema(value_type = String, format = DateTime)]
    until: String,
}

impl From<Conflict> for ConflictView {
    fn from(one: Conflict) -> Self {
        match one {
            Conflict::Pressure {
                cap,
                is_certain,
                campaigns,
                from,
                until,
            } => Self {
                kind: "pressure",
                what: cap,
                is_certain,
                campaigns,
                from: instant(from),
                until: instant(until),
            },
            Conflict::Capacity {
                relay,
                first,
                second,
                at,
                busy_until,
            } => Self {
                kind: "capacity",
                what: relay,
                is_certain: true,
                campaigns: vec![first, second],
                from: instant(at),
                until: instant(busy_until),
            },
        }
    }
}

/// How much one group of people is to get, against the tightest limit.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Pressure)]
pub(super) struct PressureView {
    segment: String,
    /// Messages in the span, by any channel.
    planned: usize,
    /// The most in any stretch of the limit's days.
    peak: usize,
    most: u32,
    /// The limit in words.
    cap: String,
}

impl From<Pressure> for PressureView {
    fn from(one: Pressure) -> Self {
        Self {
            segment: one.segment,
            planned: one.planned,
            peak: one.peak,
            most: one.max,
            cap: one.cap,
        }
    }
}

/// Shows what went out in a span of days and what will, with what gets in each other's way.
///
/// A campaign is given another time by `POST /api/v1/campaigns/{campaign}/reschedule`.
#[utoipa::path(
    get, path = "/api/v1/calendar", operation_id = "getCalendar", tag = "Campaigns",
    params(Wanted),
    responses((status = 200, description = "The calendar", body = CalendarView)),
)]
pub(super) async fn show(
    wanted: web::Query<Wanted>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let Wanted { from, until, zone } = wanted.into_inner();
    if !YEARS.contains(&from.year()) {
        return Err(refused("from", "is not between 2000 and 2199"));
    }
    let is_span = from < until
        && from
            .checked_add_days(Days::new(MOST))
            .is_some_and(|end| until <= end);
    if !is_span {
        return Err(refused("until", "is not 1 to 366 days after from"));
    }
    let zone = zone.unwrap_or(state.settings.accounts.zone);
    let span = Span { from, until, zone };
    let (rules, settings) = (&state.rules, &state.settings);
    let found = calendar(&state.db, rules, settings, span, state.clock.now())
        .await
        .map_err(ApiError::unavailable)?;
    let view = CalendarView {
        entries: found.entries.into_iter().map(Into::into).collect(),
        conflicts: found.conflicts.into_iter().map(Into::into).collect(),
        pressure: found.pressure.into_iter().map(Into::into).collect(),
        holidays: found.holidays,
    };
    answer(StatusCode::OK, &view)
}
