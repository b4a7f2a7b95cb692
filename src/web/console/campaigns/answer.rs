//! `POST /campaigns/{name}/approval`: ask for a second person's word, and give it.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use super::preview::by_reference;
use super::{Given, address, author, find, on_review, templates_of};
use crate::campaigns::drafts::approval;
use crate::web::console::{Visit, see_other};
use crate::web::{ApiError, State};

/// Does what `act` says: `ask`, `approve`, `send_back` or `withdraw`.
pub(super) async fn answer(
    visit: Visit,
    name: web::Path<String>,
    given: web::Form<Given>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let (who, now_ms) = (author(&visit), state.clock.now_ms());
    let (db, seen, word) = (&state.db, given.seen(), given.text("word"));
    let revision = seen.revision;
    let lost = on_review(&name);
    let done = match given.text("act") {
        "ask" => {
            approval::ask(db, &name, revision, word, &who, now_ms)
                .await
                .map_err(&lost)?;
            "asked"
        }
        "withdraw" => {
            approval::withdraw(db, &name, revision, &who, now_ms)
                .await
                .map_err(&lost)?;
            "withdrawn"
        }
        "send_back" => {
            approval::send_back(db, &name, revision, word, &who, now_ms)
                .await
                .map_err(&lost)?;
            "sent_back"
        }
        "approve" => {
            let draft = find(&state, &name).await?;
            let templates = templates_of(&state, &draft).await.unwrap_or_default();
            let templates = by_reference(&templates);
            approval::approve(db, &name, seen, &templates, &who, now_ms)
                .await
                .map_err(&lost)?;
            "approved"
        }
        _ => return Err(ApiError::new(StatusCode::BAD_REQUEST)),
    };
    let to = format!("{}?done={done}", address(&name, "review"));
    Ok(see_other(&to))
}
