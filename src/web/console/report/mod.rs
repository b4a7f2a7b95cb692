//! `/reports`: the report of a campaign as a page, JSON or CSV, its mail with the clicks of each link, and the
//! links by which others read it.

mod charts;
mod funnel;
mod money;
mod over_time;
pub(super) mod people;
mod reach;
mod share;
mod view;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CONTENT_DISPOSITION, ContentDisposition, DispositionParam, DispositionType, LOCATION,
};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use super::{Visit, compare, grid, improve, place, results, shared, standing};
use crate::accounts::model::Right;
use crate::reports::model::Report;
use crate::reports::{csv as csv_form, store};
use crate::web::{ApiError, State};

pub(super) use charts::{Whisker, round_end};
pub(super) use view::View;

/// The length of a full bar, in the units of its drawing.
const FULL: f64 = 1000.0;

/// Registers all below `/reports`, and the reports that others read.
pub(super) fn configure(config: &mut ServiceConfig) {
    let reads = |path: &'static str| place(path, "GET", Right::Reports);
    config
        .service(reads("/reports").route(web::get().to(results::page)))
        .service(reads("/reports/compare").route(web::get().to(compare::page)))
        .service(reads("/reports/standing").route(web::get().to(standing::page)))
        .service(reads("/reports/grid").route(web::get().to(grid::page)))
        .service(
            place("/reports/grid/people", "GET", Right::People)
                .route(web::get().to(grid::people::page)),
        )
        .service(reads("/reports/campaigns/{campaign}/improve").route(web::get().to(improve::page)))
        .service(reads("/reports/campaigns/{campaign}/mail").route(web::get().to(people::mail)))
        .service(
            place(
                "/reports/campaigns/{campaign}/share",
                "GET, POST",
                Right::Reports,
            )
            .route(web::get().to(share::page))
            .route(web::post().to(share::make)),
        )
        .service(
            place(
                "/reports/campaigns/{campaign}/share/{id}/end",
                "POST",
                Right::Reports,
            )
            .route(web::post().to(share::end)),
        )
        .service(reads("/reports/campaigns/{campaign}.json").route(web::get().to(json)))
        .service(reads("/reports/campaigns/{campaign}.csv").route(web::get().to(csv)))
        .service(reads("/reports/campaigns/{campaign}").route(web::get().to(page)))
        // Where reports stood before campaigns of any name could have one.
        .service(reads("/reports/{campaign}/improve").route(web::get().to(moved)))
        .service(reads("/reports/{campaign}").route(web::get().to(moved)))
        .configure(shared::configure);
}

/// Leads on to where the report stands now.
async fn moved(request: HttpRequest) -> HttpResponse {
    let rest = request.path().strip_prefix("/reports/").unwrap_or_default();
    let query = match request.query_string() {
        "" => String::new(),
        query => format!("?{query}"),
    };
    HttpResponse::PermanentRedirect()
        .insert_header((LOCATION, format!("/reports/campaigns/{rest}{query}")))
        .finish()
}

/// What the page is asked.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    /// `all`: however many they are.
    waves: Option<String>,
}

/// The page.
pub(super) async fn page(
    visit: Visit,
    campaign: web::Path<String>,
    asked: web::Query<Asked>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let report = find(&campaign, &state).await?;
    let words = visit.words();
    let sight = people::Sight::of(&visit);
    let people = people::breakdown(&state, &report.campaign, sight, words).await?;
    let mut view = View::new(&report, words).with_people(people);
    if asked.waves.as_deref() == Some("all") {
        view = view.with_all_waves(&report, words);
    }
    visit.answer(&state, "report", &view)
}

/// The report as JSON.
async fn json(
    campaign: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let report = find(&campaign, &state).await?;
    Ok(HttpResponse::Ok().json(report))
}

/// The report as CSV, to be saved.
async fn csv(
    campaign: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let report = find(&campaign, &state).await?;
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '-'
        }
    };
    let name: String = report.campaign.chars().map(safe).collect();
    let disposition = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename(format!("report-{name}.csv"))],
    };
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8; header=present")
        .insert_header((CONTENT_DISPOSITION, disposition))
        .body(csv_form::write(&report)?))
}

/// The report of a campaign as of now.
pub(super) async fn find(campaign: &str, state: &State) -> Result<Report, ApiError> {
    let report = store::report(&state.db, campaign).await?.ok_or_else(|| {
        ApiError::new(StatusCode::NOT_FOUND).with_detail(
            "There is no campaign of this name; the list of campaigns shows those there are.",
        )
    })?;
    let report = report.in_currency(&state.settings.orders.currency);
    Ok(report.at(state.clock.now_ms()))
}
