//! The links by which others read a report: made, listed and ended here.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::find;
use crate::reports::shares::{self, LASTS_DAYS, Share};
use crate::web::console::settings::console_url;
use crate::web::console::{Visit, path_segment, person, see_other};
use crate::web::{ApiError, State};

#[derive(Debug, Serialize)]
struct View {
    title: String,
    section: &'static str,
    script: &'static str,
    campaign: String,
    path: String,
    /// The address that was just made; it is shown this once.
    made: Option<String>,
    lasts: Vec<Choice>,
    links: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Choice {
    days: i64,
    label: String,
    is_chosen: bool,
}

#[derive(Debug, Serialize)]
struct Line {
    id: i64,
    made_by: String,
    made_at: i64,
    ends_at: i64,
    is_ended: bool,
    works: bool,
}

impl Line {
    fn new(share: &Share, now_ms: i64) -> Self {
        Self {
            id: share.id,
            made_by: person(&share.made_by).to_owned(),
            made_at: share.created_at,
            ends_at: share.expires_at,
            is_ended: share.revoked_at.is_some(),
            works: share.works(now_ms),
        }
    }
}

/// The links of a report.
pub(super) async fn page(
    visit: Visit,
    campaign: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    answer(&visit, &campaign, None, &state).await
}

/// For how long a link is made.
#[derive(Debug, Deserialize)]
pub(super) struct New {
    days: Option<i64>,
}

/// Makes a link and shows it this once.
pub(super) async fn make(
    visit: Visit,
    campaign: web::Path<String>,
    form: web::Form<New>,
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let [_, usual, ..] = LASTS_DAYS;
    let days = form.days.filter(|days| LASTS_DAYS.contains(days));
    let token = shares::make(
        &state.db,
        &campaign,
        &visit.actor(),
        days.unwrap_or(usual),
        state.clock.now_ms(),
    )
    .await?
    .ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND))?;
    let made = format!("{}/shared/{token}", console_url(&request, &state));
    answer(&visit, &campaign, Some(made), &state).await
}

/// Ends a link.
pub(super) async fn end(
    visit: Visit,
    path: web::Path<(String, i64)>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let (campaign, id) = path.into_inner();
    let now_ms = state.clock.now_ms();
    if !shares::revoke(&state.db, &campaign, id, &visit.actor(), now_ms).await? {
        return Err(ApiError::new(StatusCode::NOT_FOUND));
    }
    let campaign = path_segment(&campaign);
    Ok(see_other(&format!("/reports/campaigns/{campaign}/share")))
}

async fn answer(
    visit: &Visit,
    campaign: &str,
    made: Option<String>,
    state: &State,
) -> Result<HttpResponse, ApiError> {
    let report = find(campaign, state).await?;
    let now_ms = state.clock.now_ms();
    let links = shares::list(&state.db, campaign, now_ms).await?;
    let words = visit.words();
    let view = View {
        title: words.fill("Share {campaign}", &[("campaign", &report.campaign)]),
        section: "reports",
        script: "/assets/settings.js",
        path: path_segment(&report.campaign),
        campaign: report.campaign,
        made,
        lasts: LASTS_DAYS
            .into_iter()
            .map(|days| Choice {
                days,
                label: words.counted(days.unsigned_abs(), "{n} day", "{n} days"),
                is_chosen: days == 30,
            })
            .collect(),
        links: links.iter().map(|share| Line::new(share, now_ms)).collect(),
    };
    visit.answer(state, "report_share", &view)
}
