//! `POST /api/v1/responses`: who comes to a shop or calls, and names the code of an offer.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::{body, invalid, once, refused};
use crate::config::Scope;
use crate::responses::answers::{self, Answer, AnswerError, Place};
use crate::responses::orders::read_customer;
use crate::responses::requests::{Failed, Reply};
use crate::web::{ApiError, State};

/// Characters of a note.
const NOTE: usize = 500;

/// Takes an answer: 201 when it answers a message of ours, 202 when it is only counted.
pub(super) async fn take(
    request: HttpRequest,
    bytes: Bytes,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let token = state.tokens.authorize(&request, Scope::ResponsesWrite)?;
    let fields = ["campaign_code", "customer", "kind", "note", "at"];
    let object = body::object(&bytes, &fields)?;
    let code = body::required(&object, "campaign_code", 80)?;
    let place = Place::read(body::required(&object, "kind", 20)?)
        .ok_or_else(|| refused("kind", "is neither shop nor phone"))?;
    let note = body::text(&object, "note", NOTE)?;
    let who = read_customer(&object).map_err(invalid)?;
    let now = state.clock.now_ms();
    let at = body::instant(&object, "at", now)?;
    once(&request, &state, token, &bytes, async |txn| {
        let told = Answer {
            code,
            who: who.clone(),
            place,
            note,
            at,
        };
        let message = answers::answer(txn, &told, now)
            .await
            .map_err(|error| match error {
                AnswerError::Room(error) => Failed::Room(error),
                AnswerError::UnknownCode => Failed::Refused(refused(
                    "campaign_code",
                    "is no code of an offer that was launched",
                )),
            })?;
        let (status, word) = match message {
            Some(_) => (StatusCode::CREATED, "matched"),
            None => (StatusCode::ACCEPTED, "unmatched"),
        };
        Ok(Reply {
            status: status.as_u16(),
            body: json!({ "status": word }).to_string(),
        })
    })
    .await
}
