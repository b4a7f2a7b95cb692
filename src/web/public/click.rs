//! `GET /c/{token}`: counts the click and leads on.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};

use super::{is_machine, read};
use crate::ids::DeliveryKey;
use crate::responses::model::{Response, What};
use crate::tokens::LinkKind;
use crate::web::{ApiError, State};

/// Redirects (302) to where the link of the frozen template leads. The token carries no destination, so
/// nobody can make it lead elsewhere.
pub(super) async fn follow(
    request: HttpRequest,
    token: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let Some((delivery, LinkKind::Click(number))) = read(&token, &state) else {
        return Err(ApiError::new(StatusCode::NOT_FOUND));
    };
    lead(&request, &state, delivery, number)
        .await?
        .ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND))
}

/// Counts a click and leads on; `None` when the link leads nowhere.
pub(super) async fn lead(
    request: &HttpRequest,
    state: &State,
    delivery: DeliveryKey,
    number: u16,
) -> Result<Option<HttpResponse>, ApiError> {
    let found = state.destinations.find(&state.db, delivery, number).await?;
    let Some(link) = found else {
        return Ok(None);
    };
    state
        .responses
        .record(Response {
            delivery,
            what: What::Click {
                link: number,
                part: link.part,
            },
            is_machine: is_machine(request),
            at: state.clock.now_ms(),
        })
        .await;
    let answer = HttpResponse::Found()
        .insert_header((LOCATION, &*link.url))
        .finish();
    Ok(Some(answer))
}
