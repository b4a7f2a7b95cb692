//! What those who watch the server ask: is it alive, can it work, how does it fare.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName, VIA};
use actix_web::{HttpRequest, HttpResponse, web};

use super::{ApiError, State};

/// How long the database may take to answer before it counts as away.
const PATIENCE: Duration = Duration::from_secs(2);

/// `GET /healthz`: the process answers.
pub(super) async fn health() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body("ok\n")
}

/// `GET /readyz`: the database answers and its schema is this program's.
pub(super) async fn ready(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    match tokio::time::timeout(PATIENCE, state.db.require_current_schema()).await {
        Ok(Ok(())) => Ok(HttpResponse::Ok()
            .content_type("text/plain; charset=utf-8")
            .body("ready\n")),
        Ok(Err(error)) => Err(error.into()),
        Err(tokio::time::error::Elapsed { .. }) => {
            Err(ApiError::unavailable("the database did not answer in time"))
        }
    }
}

/// What proxies put on a request.
const FORWARDED_BY: [HeaderName; 5] = [
    FORWARDED,
    VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-real-ip"),
];

/// `GET /metrics`: figures for Prometheus, for a program of this machine or one that bears a token of `[api.tokens]`.
pub(super) async fn metrics(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let bears_token = state.tokens.is_of_settings(request.headers());
    if !bears_token && !is_of_this_machine(&request) {
        return Err(ApiError::new(StatusCode::FORBIDDEN).with_detail(
            "From elsewhere /metrics needs a token of [api.tokens]: Authorization: Bearer followed by it.",
        ));
    }
    let text = state.metrics.text().map_err(ApiError::internal)?;
    Ok(HttpResponse::build(StatusCode::OK)
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(text))
}

/// Whether a program of this machine asks, and not a proxy on behalf of somebody else.
fn is_of_this_machine(request: &HttpRequest) -> bool {
    let is_near = request
        .peer_addr()
        .is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    let headers: &HeaderMap = request.headers();
    is_near && !FORWARDED_BY.iter().any(|name| headers.contains_key(name))
}
