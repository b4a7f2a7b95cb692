//! What people of the firm note about a customer.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use crate::accounts::audit;
use crate::customers::notes::{self, NoteError};
use crate::ids::{CustomerId, NoteId};
use crate::web::console::customers::nobody;
use crate::web::console::customers::page::{self, Draft};
use crate::web::console::{Visit, see_other};
use crate::web::{ApiError, State};

/// A note as the form has it.
#[derive(Debug, Deserialize)]
pub(in crate::web::console::customers) struct NoteForm {
    #[serde(default)]
    text: String,
}

/// Writes a note.
pub(in crate::web::console::customers) async fn add(
    visit: Visit,
    id: web::Path<i64>,
    form: web::Form<NoteForm>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = CustomerId(id.into_inner());
    let now_ms = state.clock.now_ms();
    let txn = state.db.begin().await.map_err(ApiError::unavailable)?;
    match notes::add(&txn, id, &form.text, &visit.name, now_ms).await {
        Ok(note) => {
            let detail = format!("note {note}");
            audit::note(
                &*txn,
                &visit.actor(),
                "customer.note",
                &id.to_string(),
                &detail,
                now_ms,
            )
            .await
            .map_err(ApiError::unavailable)?;
            txn.commit().await.map_err(ApiError::unavailable)?;
            Ok(see_other(&format!("/customers/{id}?done=noted#notes")))
        }
        Err(NoteError::NoSuchCustomer(id)) => Err(nobody(id)),
        Err(NoteError::Database(error)) => Err(ApiError::unavailable(error)),
        Err(fault @ (NoteError::Empty | NoteError::TooLong)) => {
            // Before the page, which notes the look.
            drop(txn);
            let draft = Draft {
                text: form.into_inner().text,
                fault: fault.to_string(),
            };
            page::with_draft(&visit, id, draft, &state).await
        }
    }
}

/// Takes a note away.
pub(in crate::web::console::customers) async fn remove(
    visit: Visit,
    of: web::Path<(i64, i64)>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let (id, note) = of.into_inner();
    let (id, note) = (CustomerId(id), NoteId(note));
    let now_ms = state.clock.now_ms();
    let txn = state.db.begin().await.map_err(ApiError::unavailable)?;
    let was_there = notes::remove(&txn, id, note)
        .await
        .map_err(ApiError::unavailable)?;
    if !was_there {
        return Err(nobody(id));
    }
    let (actor, detail) = (visit.actor(), format!("note {note}"));
    audit::note(
        &*txn,
        &actor,
        "customer.note_removed",
        &id.to_string(),
        &detail,
        now_ms,
    )
    .await
    .map_err(ApiError::unavailable)?;
    txn.commit().await.map_err(ApiError::unavailable)?;
    Ok(see_other(&format!("/customers/{id}?done=removed#notes")))
}
