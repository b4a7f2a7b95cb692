//! `GET /assets/{name}`: the console's style and scripts, from the binary.

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use rust_embed::RustEmbed;

use crate::web::{ApiError, State};

#[derive(RustEmbed)]
#[folder = "src/web/assets"]
struct Scripts;

/// The sign that browsers show beside a page's name.
pub(super) async fn icon() -> Result<HttpResponse, ApiError> {
    let icon = Scripts::get("icon.svg").ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND))?;
    Ok(HttpResponse::Ok()
        .content_type("image/svg+xml")
        .insert_header((CACHE_CONTROL, "public, max-age=86400"))
        .body(icon.data.into_owned()))
}

/// A file; its address changes with it where it is named by the layout.
pub(super) async fn file(
    name: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    if name.as_str() == "console.css" {
        return Ok(HttpResponse::Ok()
            .content_type("text/css; charset=utf-8")
            .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
            .body(state.pages.style().to_owned()));
    }
    let found = Scripts::get(&name).filter(|_| name.ends_with(".js"));
    let script = found.ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND))?;
    Ok(HttpResponse::Ok()
        .content_type("text/javascript; charset=utf-8")
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(script.data.into_owned()))
}
