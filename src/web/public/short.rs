//! `GET /{code}`: the short link of a text message.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};

use super::click;
use crate::tokens::{LinkKind, LinkToken, read_short_code};
use crate::web::limits::visitor;
use crate::web::{ApiError, State};

/// What may be a code, at the root; every other path there is not ours.
pub(super) const PATH: &str = "/{code:[0-9A-Za-z]{11}}";

/// Follows a link as `/c/` does, or leads to the page of `/u/`.
///
/// A code that leads somewhere is answered whoever asks: the address of a mobile network stands for thousands
/// of telephones, and none of them may miss its link because another tries codes. What keeps a guesser out
/// is how sparse the codes are; the limit spares the server.
pub(super) async fn follow(
    request: HttpRequest,
    code: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    if let Some(token) = read_short_code(&code, &state.keys)
        && let Some(answer) = open(&request, &state, token).await?
    {
        return Ok(answer);
    }
    let visitor = visitor(&request, &state.settings.web);
    Err(ApiError::new(if state.limits.allow_unknown_code(visitor) {
        StatusCode::NOT_FOUND
    } else {
        StatusCode::TOO_MANY_REQUESTS
    }))
}

/// Where the link leads; `None` when nowhere.
async fn open(
    request: &HttpRequest,
    state: &State,
    token: LinkToken,
) -> Result<Option<HttpResponse>, ApiError> {
    match token.kind {
        LinkKind::Click(number) => click::lead(request, state, token.delivery, number).await,
        LinkKind::Unsubscribe => {
            let page = format!("/u/{}", token.encode(&state.keys));
            let answer = HttpResponse::Found()
                .insert_header((LOCATION, page))
                .finish();
            Ok(Some(answer))
        }
        LinkKind::Open | LinkKind::Browser | LinkKind::Trap => Ok(None),
    }
}
