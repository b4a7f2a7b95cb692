//! `/calendar`: a month or a week, a lane for each channel, and what gets in each other's way.

mod ics;
mod view;

use actix_web::{HttpResponse, web};
use chrono::{Datelike as _, Days, Months, NaiveDate, NaiveTime, Weekday};
use serde::Deserialize;

use super::settings::console_url;
use super::{Visit, see_other};
use crate::accounts::model::Right;
use crate::campaigns::calendar::model::Span;
use crate::campaigns::calendar::{calendar, feed};
use crate::campaigns::reschedule::{MoveTo, reschedule};
use crate::gate::rules::Rules;
use crate::ids::CampaignId;
use crate::web::{ApiError, State};
use view::View;

pub(super) use ics::answer as ics;
pub(super) use view::{channel_name, told, when};

/// What is asked for; whatever cannot be read is this month.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    /// `2026-12`
    month: Option<String>,
    /// `2026-W49`, or any day of it
    week: Option<String>,
    done: Option<String>,
}

/// The part of the calendar that a page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Month(NaiveDate),
    /// The Monday it begins with.
    Week(NaiveDate),
}

impl Shown {
    fn of(asked: &Asked, today: NaiveDate) -> Self {
        if let Some(week) = asked.week.as_deref() {
            let day = read_week(week).or_else(|| week.parse().ok());
            return Self::Week(monday(day.unwrap_or(today)));
        }
        let month = asked.month.as_deref();
        let first = month.and_then(|month| format!("{month}-01").parse().ok());
        Self::Month(first.unwrap_or(today).with_day(1).unwrap_or(today))
    }

    /// The days shown: whole weeks.
    fn days(self) -> (NaiveDate, NaiveDate) {
        match self {
            Self::Week(first) => (first, after(first, 7)),
            Self::Month(first) => {
                let next = first.checked_add_months(Months::new(1)).unwrap_or(first);
                let last = next.pred_opt().unwrap_or(next);
                (monday(first), after(monday(last), 7))
            }
        }
    }

    fn moved(self, by: i32) -> Self {
        match self {
            Self::Month(first) => {
                let months = Months::new(by.unsigned_abs());
                let moved = if by < 0 {
                    first.checked_sub_months(months)
                } else {
                    first.checked_add_months(months)
                };
                Self::Month(moved.unwrap_or(first))
            }
            Self::Week(first) => {
                let days = Days::new(u64::from(by.unsigned_abs()) * 7);
                let moved = if by < 0 {
                    first.checked_sub_days(days)
                } else {
                    first.checked_add_days(days)
                };
                Self::Week(moved.unwrap_or(first))
            }
        }
    }

    /// Where it is shown.
    fn path(self) -> String {
        match self {
            Self::Month(first) => format!("/calendar?month={}", first.format("%Y-%m")),
            Self::Week(first) => format!("/calendar?week={}", first.format("%G-W%V")),
        }
    }
}

fn read_week(text: &str) -> Option<NaiveDate> {
    let (year, week) = text.split_once("-W")?;
    NaiveDate::from_isoywd_opt(year.parse().ok()?, week.parse().ok()?, Weekday::Mon)
}

fn monday(day: NaiveDate) -> NaiveDate {
    let from_monday = u64::from(day.weekday().num_days_from_monday());
    day.checked_sub_days(Days::new(from_monday)).unwrap_or(day)
}

fn after(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_add_days(Days::new(days)).unwrap_or(day)
}

/// The page.
pub(super) async fn page(
    visit: Visit,
    asked: web::Query<Asked>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let zone = visit.words().zone();
    let today = state.clock.now().with_timezone(&zone).date_naive();
    let shown = Shown::of(&asked, today);
    let mut view = read(&visit, &state, shown).await?;
    view.is_moved = asked.done.as_deref() == Some("moved");
    view.is_forgotten = asked.done.as_deref() == Some("forgotten");
    visit.answer(&state, "calendar", &view)
}

async fn read(visit: &Visit, state: &State, shown: Shown) -> Result<View, ApiError> {
    let now = state.clock.now();
    let zone = visit.words().zone();
    let (from, until) = shown.days();
    let span = Span { from, until, zone };
    let rules = Rules::new(&state.settings).map_err(ApiError::internal)?;
    let calendar = calendar(&state.db, &rules, &state.settings, span, now)
        .await
        .map_err(ApiError::unavailable)?;
    let key_since = feed::key_since(&state.db, visit.user.0)
        .await
        .map_err(ApiError::unavailable)?;
    Ok(View::new(visit, shown, &calendar, now, key_since))
}

/// What is moved, and where to.
#[derive(Debug, Deserialize)]
pub(super) struct MoveForm {
    campaign: i64,
    day: String,
    /// `09:30`; empty: as before.
    #[serde(default)]
    time: String,
    #[serde(default)]
    month: Option<String>,
    #[serde(default)]
    week: Option<String>,
}

/// Gives a campaign another day. Who may not launch does not decide when something goes out either.
pub(super) async fn move_to(
    visit: Visit,
    form: web::Form<MoveForm>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    visit.require(Right::Launch)?;
    let form = form.into_inner();
    let zone = visit.words().zone();
    let now = state.clock.now();
    let asked = Asked {
        month: form.month,
        week: form.week,
        done: None,
    };
    let shown = Shown::of(&asked, now.with_timezone(&zone).date_naive());
    let words = visit.words();
    let fault = match where_to(&form.day, &form.time) {
        None => words
            .t("Give a day as 2026-12-01, and a time as 09:30 or none.")
            .to_owned(),
        Some(to) => {
            let id = CampaignId(form.campaign);
            match reschedule(&state.db, id, to, &visit.actor(), now).await {
                Ok(_) => return Ok(see_other(&format!("{}&done=moved", shown.path()))),
                Err(crate::campaigns::plan::PlanError::Database(error)) => {
                    return Err(ApiError::unavailable(error));
                }
                Err(error) => error.to_string(),
            }
        }
    };
    let mut view = read(&visit, &state, shown).await?;
    view.fault = Some(fault);
    visit.refuse(&state, "calendar", &view)
}

fn where_to(day: &str, time: &str) -> Option<MoveTo> {
    let day: NaiveDate = day.parse().ok()?;
    if time.is_empty() {
        return Some(MoveTo::Day(day));
    }
    let time = NaiveTime::parse_from_str(time, "%H:%M")
        .or_else(|_| NaiveTime::parse_from_str(time, "%H:%M:%S"))
        .ok()?;
    Some(MoveTo::At(day.and_time(time)))
}

/// Gives the visitor a new address for his feed, shown this once.
pub(super) async fn renew_key(
    visit: Visit,
    request: actix_web::HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let now = state.clock.now();
    let key = feed::renew_key(&state.db, visit.user.0, now.timestamp_millis())
        .await
        .map_err(ApiError::unavailable)?;
    visit
        .note(&state, "calendar.key", &visit.user.to_string(), "")
        .await?;
    let today = now.with_timezone(&visit.words().zone()).date_naive();
    let mut view = read(&visit, &state, Shown::of(&Asked::default(), today)).await?;
    view.feed = Some(format!(
        "{}/calendar.ics?key={key}",
        console_url(&request, &state)
    ));
    visit.answer(&state, "calendar", &view)
}

/// Takes the visitor's address for his feed away.
pub(super) async fn forget_key(
    visit: Visit,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let had_one = feed::forget_key(&state.db, visit.user.0)
        .await
        .map_err(ApiError::unavailable)?;
    if had_one {
        visit
            .note(
                &state,
                "calendar.key_forgotten",
                &visit.user.to_string(),
                "",
            )
            .await?;
    }
    Ok(see_other("/calendar?done=forgotten"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_page_shows_whole_weeks_of_what_is_asked_for() {
        let asked = |month: Option<&str>, week: Option<&str>| Asked {
            month: month.map(str::to_owned),
            week: week.map(str::to_owned),
            done: None,
        };
        let today = day("2026-11-23");
        let shown = Shown::of(&asked(Some("2026-12"), None), today);
        assert_eq!(shown.days(), (day("2026-11-30"), day("2027-01-04")));
        assert_eq!(shown.moved(1).path(), "/calendar?month=2027-01");
        assert_eq!(shown.moved(-1).path(), "/calendar?month=2026-11");
        let shown = Shown::of(&asked(None, Some("2026-W53")), today);
        assert_eq!(shown.days(), (day("2026-12-28"), day("2027-01-04")));
        assert_eq!(shown.moved(1).path(), "/calendar?week=2027-W01");
        assert_eq!(Shown::of(&asked(None, Some("2026-12-31")), today), shown);
        for month in [None, Some("nonsense"), Some("2026-13")] {
            let shown = Shown::of(&asked(month, None), today);
            assert_eq!(shown, Shown::Month(day("2026-11-01")));
        }
        let shown = Shown::of(&asked(None, Some("2026-W99")), today);
        assert_eq!(shown, Shown::Week(day("2026-11-23")));
    }

    #[test]
    fn a_day_and_perhaps_a_time_say_where_to() {
        assert_eq!(
            where_to("2026-12-01", ""),
            Some(MoveTo::Day(day("2026-12-01")))
        );
        let at = day("2026-12-01").and_hms_opt(9, 30, 0).unwrap();
        assert_eq!(where_to("2026-12-01", "09:30"), Some(MoveTo::At(at)));
        assert_eq!(where_to("tomorrow", ""), None);
        assert_eq!(where_to("2026-12-01", "half past nine"), None);
    }
}
