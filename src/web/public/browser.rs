//! `GET /v/{token}`: the message as a page, for mail programs that show it badly.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use actix_web::{HttpResponse, web};

use super::read;
use crate::delivery::message::{self, BrowserError};
use crate::tokens::LinkKind;
use crate::web::{ApiError, State};

/// Mail brings its styles along, and pictures by their address; nothing else runs.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page; a link we did not write, or whose message is gone, is not found.
pub(super) async fn page(
    token: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let Some((delivery, LinkKind::Browser)) = read(&token, &state) else {
        return Err(ApiError::new(StatusCode::NOT_FOUND));
    };
    let public_url = &state.settings.web.public_url;
    match message::for_browser(&state.db, &state.keys, public_url, delivery).await {
        Ok(html) => Ok(HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
            .insert_header((CACHE_CONTROL, "no-store"))
            .insert_header((CONTENT_SECURITY_POLICY, POLICY))
            .body(html)),
        Err(BrowserError::Gone) => Err(ApiError::new(StatusCode::NOT_FOUND)),
        Err(error) => Err(ApiError::internal(error)),
    }
}
