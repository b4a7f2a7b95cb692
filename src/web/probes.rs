//! What those who watch the server ask: is it alive, can it work, how does it fare.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

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

/// `GET /metrics`: figures for Prometheus.
pub(super) async fn metrics(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let text = state.metrics.text().map_err(ApiError::internal)?;
    Ok(HttpResponse::build(StatusCode::OK)
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(text))
}
