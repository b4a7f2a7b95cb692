//! `/calendar.ics`: the calendar for other programs, by a secret in the address instead of a sign-in.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use chrono::Days;
use serde::Deserialize;

use super::view::{channel_name, told};
use crate::accounts::model::{Right, UserId};
use crate::accounts::users;
use crate::campaigns::calendar::calendar;
use crate::campaigns::calendar::feed::{self, Shown};
use crate::campaigns::calendar::model::{Entry, Span};
use crate::gate::rules::Rules;
use crate::web::public::words::Language;
use crate::web::words::Words;
use crate::web::{ApiError, State};

/// Days of the feed before and after today.
const FEED_BEFORE: u64 = 62;
const FEED_AFTER: u64 = 186;

#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    key: String,
}

/// The feed of whose key it is, as long as he may see campaigns.
pub(crate) async fn answer(
    asked: web::Query<Asked>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let nobody = || ApiError::new(StatusCode::NOT_FOUND);
    let id = feed::user_of(&state.db, &asked.key)
        .await
        .map_err(ApiError::unavailable)?
        .ok_or_else(nobody)?;
    let user = users::find(&state.db, UserId(id))
        .await
        .map_err(ApiError::unavailable)?
        .filter(|user| !user.is_disabled && user.role.may(Right::Reports))
        .ok_or_else(nobody)?;
    let language = match Language::from_tag(&user.language) {
        Some(Language::French) => Language::French,
        _ => Language::English,
    };
    let words = state.pages.words(language);
    let now = state.clock.now();
    let zone = words.zone();
    let today = now.with_timezone(&zone).date_naive();
    let span = Span {
        from: today
            .checked_sub_days(Days::new(FEED_BEFORE))
            .unwrap_or(today),
        until: today
            .checked_add_days(Days::new(FEED_AFTER))
            .unwrap_or(today),
        zone,
    };
    let rules = Rules::new(&state.settings).map_err(ApiError::internal)?;
    let mut calendar = calendar(&state.db, &rules, &state.settings, span, now)
        .await
        .map_err(ApiError::unavailable)?;
    let whole = span.from_ms()..span.until_ms();
    calendar.entries.retain(|entry| whole.contains(&entry.at));
    let public_url = &state.settings.web.public_url;
    let host = reqwest::Url::parse(public_url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_else(|| "visavis".to_owned());
    let text = feed::write(
        words.t("Campaigns"),
        &host,
        &calendar.entries,
        now,
        |entry| show(words, entry),
    );
    Ok(HttpResponse::Ok()
        .content_type("text/calendar; charset=utf-8")
        .insert_header(("Content-Disposition", "inline; filename=\"visavis.ics\""))
        .body(text))
}

fn show(words: &Words, entry: &Entry) -> Shown {
    let mut lines = vec![told(words, entry)];
    if let Some(people) = entry.people {
        lines.push(words.counted(people.unsigned_abs(), "{n} message", "{n} messages"));
    }
    if entry.is_wave
        && let Some(responders) = entry.responders
    {
        lines.push(words.counted(responders.unsigned_abs(), "{n} responder", "{n} responders"));
    }
    if let Some(until) = entry.window_until.filter(|_| entry.is_wave) {
        lines.push(words.fill("responses count until {day}", &[("day", words.day(until))]));
    }
    if entry.zone_is_recipients {
        lines.push(words.t("in each recipient's own time").to_owned());
    }
    Shown {
        title: format!("{} ({})", entry.name, channel_name(words, entry.channel())),
        text: lines.join("\n"),
    }
}
