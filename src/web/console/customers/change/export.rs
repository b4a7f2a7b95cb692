//! A customer's data, as a file for him.

use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::{HttpResponse, web};

use crate::dialogue::export as exports;
use crate::ids::CustomerId;
use crate::web::console::Visit;
use crate::web::{ApiError, State};

/// Everything about him, as an archive.
pub(in crate::web::console::customers) async fn export(
    visit: Visit,
    id: web::Path<i64>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = CustomerId(id.into_inner());
    let (actor, now_ms) = (visit.actor(), state.clock.now_ms());
    let archive = exports::archive(&state.db, &state.keys, id, &actor, now_ms).await?;
    visit
        .note(&state, "customer.export", &id.to_string(), "")
        .await?;
    Ok(HttpResponse::Ok()
        .content_type("application/zip")
        .insert_header((
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"customer-{id}.zip\""),
        ))
        .body(archive))
}
