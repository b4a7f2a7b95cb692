//! `/shared/{token}`: a report for somebody without an account. Nothing of people, and no way further in.

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT_LANGUAGE, HeaderMap, HeaderValue, REFERRER_POLICY};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::place_for_all;
use super::report::people::{Asked, Sight, breakdown, marked_mail};
use super::report::{View, find};
use crate::reports::model::Report;
use crate::reports::shares;
use crate::web::public::words::Language;
use crate::web::{ApiError, State};

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(place_for_all("/shared/{token}/mail", "GET").route(web::get().to(mail)))
        .service(place_for_all("/shared/{token}", "GET").route(web::get().to(page)));
}

#[derive(Debug, Serialize)]
struct Shared<'a> {
    language: &'static str,
    #[serde(flatten)]
    view: &'a View,
}

/// The report.
async fn page(
    request: HttpRequest,
    token: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let report = opened(&token, &state).await?;
    let language = language(request.headers());
    let words = state.pages.words(language);
    let people = breakdown(&state, &report.campaign, Sight::None, words).await?;
    let view = View::new(&report, words)
        .with_people(people)
        .shared(format!("/shared/{token}/mail"));
    let shared = Shared {
        language: language.code(),
        view: &view,
    };
    let mut response = state.pages.answer_in(language, "report_shared", &shared)?;
    // Its address is the key: no page that a link leads to is to learn it.
    response
        .headers_mut()
        .insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

/// Its mail.
async fn mail(
    request: HttpRequest,
    token: web::Path<String>,
    asked: web::Query<Asked>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let report = opened(&token, &state).await?;
    let words = state.pages.words(language(request.headers()));
    marked_mail(&state, &report, &asked, words).await
}

/// The report a token opens: one that never was, has ended or was taken back are the same to a stranger.
async fn opened(token: &str, state: &State) -> Result<Report, ApiError> {
    let campaign = shares::find(&state.db, token, state.clock.now_ms())
        .await?
        .ok_or_else(|| {
            ApiError::new(StatusCode::NOT_FOUND).with_detail(
                "This link does not work, or does not work any more. Ask for a new one.",
            )
        })?;
    find(&campaign, state).await
}

/// What the browser asks for, of the languages the console speaks.
fn language(headers: &HeaderMap) -> Language {
    let asked = headers
        .get(ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok());
    match Language::from_header(asked) {
        Language::French => Language::French,
        _ => Language::English,
    }
}
