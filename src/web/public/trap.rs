//! `GET /t/{token}`: the link that no person sees.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use super::read;
use crate::responses::model::{MadeBy, Response, What};
use crate::tokens::LinkKind;
use crate::web::{ApiError, State};

/// Records that a scanner follows the links of this message. Answers with nothing (204), so that a person who
/// comes upon the link all the same stays where he is.
pub(super) async fn spring(
    token: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let Some((delivery, LinkKind::Trap)) = read(&token, &state) else {
        return Err(ApiError::new(StatusCode::NOT_FOUND));
    };
    state
        .responses
        .record(Response {
            delivery,
            what: What::Scan,
            made_by: MadeBy::Scanner,
            at: state.clock.now_ms(),
        })
        .await;
    Ok(HttpResponse::NoContent().finish())
}
