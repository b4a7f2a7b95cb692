//! `/api/v1/customers/{customer}/notes`: what people of the firm write down about a customer, for each other.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Caller;
use super::cursor::{self, Page, Paging};
use super::customers::{known, meant};
use super::{body, changing, faults, instant, once, refused, reply};
use crate::accounts::audit;
use crate::customers::notes::{self, Note, NoteError};
use crate::ids::NoteId;
use crate::responses::requests::Failed;
use crate::web::{ApiError, State};

/// A note about a customer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Note)]
pub(super) struct NoteView {
    #[schema(example = 7)]
    id: i64,
    #[schema(example = "Prefers to be called after six.")]
    text: String,
    /// The name of the person or of the token.
    #[schema(example = "Anne Petit")]
    author: String,
    #[schema(value_type = String, format = DateTime)]
    written_at: String,
}

impl From<Note> for NoteView {
    fn from(one: Note) -> Self {
        Self {
            id: one.id.0,
            text: one.text,
            author: one.author,
            written_at: instant(one.written_at),
        }
    }
}

/// Lists the notes about a customer, the newest first.
#[utoipa::path(
    get, path = "/api/v1/customers/{customer}/notes", operation_id = "listNotes", tag = "Customers",
    params(
        ("customer" = String, Path, description = "His number, or `external_id:` and your own key of him", example = "42"),
        Paging,
    ),
    responses((status = 200, description = "A page of notes", body = Page<NoteView>)),
)]
pub(super) async fn list(
    customer: web::Path<String>,
    paging: web::Query<Paging>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = known(&state, &customer).await?.id;
    let limit = paging.limit()?;
    let name = format!("notes about {id}");
    let before = paging.after(&state.keys, &name)?.map(NoteId);
    let found = notes::newest(&state.db, id, before, limit + 1)
        .await
        .map_err(ApiError::unavailable)?;
    let page = cursor::page(
        &state.keys,
        &name,
        found,
        limit,
        |one| one.id,
        NoteView::from,
    );
    cursor::answer(&page)
}

/// What is to be written down.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NoteTold {
    /// It may have several lines.
    #[schema(
        example = "Prefers to be called after six.",
        min_length = 1,
        max_length = 2000
    )]
    text: String,
}

/// Writes a note about a customer.
///
/// Everybody who sees him sees it; it goes into his export, and goes with him.
#[utoipa::path(
    post, path = "/api/v1/customers/{customer}/notes", operation_id = "writeNote", tag = "Customers",
    params(("customer" = String, Path, description = "His number, or `external_id:` and your own key of him", example = "42")),
    request_body(content = NoteTold, example = json!({"text": "Prefers to be called after six."})),
    responses((status = 201, description = "It is written", body = NoteView)),
)]
pub(super) async fn write(
    customer: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: NoteTold = body::read(&request, &bytes)?;
    let id = meant(&state, &customer).await?;
    let now_ms = state.clock.now_ms();
    once(&request, &state, &caller, &bytes, async |txn| {
        let note = notes::add(txn, id, &told.text, &caller.name, now_ms)
            .await
            .map_err(failed)?;
        let (actor, detail) = (caller.actor(), format!("note {note}"));
        let subject = id.to_string();
        audit::note(&**txn, &actor, "customer.note", &subject, &detail, now_ms).await?;
        let view = NoteView {
            id: note.0,
            text: told.text.replace("\r\n", "\n").trim().to_owned(),
            author: caller.name.clone(),
            written_at: instant(now_ms),
        };
        reply(StatusCode::CREATED, &view).map_err(Failed::Refused)
    })
    .await
}

fn failed(error: NoteError) -> Failed<ApiError> {
    match error {
        NoteError::NoSuchCustomer(_) => Failed::Refused(faults::nobody("customer")),
        NoteError::Empty => Failed::Refused(refused("text", "is empty")),
        NoteError::TooLong => Failed::Refused(refused(
            "text",
            "is longer than 2,000 characters; write the rest as a second note",
        )),
        NoteError::Database(error) => error.into(),
    }
}

/// Takes a note away.
#[utoipa::path(
    delete, path = "/api/v1/customers/{customer}/notes/{note}", operation_id = "removeNote", tag = "Customers",
    params(
        ("customer" = String, Path, description = "His number, or `external_id:` and your own key of him", example = "42"),
        ("note" = i64, Path, description = "Its number", example = 7),
    ),
    responses((status = 204, description = "It is gone")),
)]
pub(super) async fn remove(
    of: web::Path<(String, i64)>,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let (customer, note) = of.into_inner();
    let id = meant(&state, &customer).await?;
    let now_ms = state.clock.now_ms();
    let (actor, subject) = (caller.actor(), id.to_string());
    let detail = format!("note {note}");
    changing(&state, async |txn| {
        if !notes::remove(txn, id, NoteId(note)).await? {
            return Err(Failed::Refused(faults::nobody("note")));
        }
        let action = "customer.note_removed";
        audit::note(&**txn, &actor, action, &subject, &detail, now_ms).await?;
        Ok(())
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}
