//! Answers that hold a secret: shown this once and kept nowhere, also not for who sends the same request again.

use std::cell::RefCell;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::Value;

use super::auth::Caller;
use super::{answer, once, reply};
use crate::responses::requests::Failed;
use crate::storage::Txn;
use crate::web::{ApiError, State};

/// As [`once`], of work whose answer holds a secret in `field`: under the same Idempotency-Key it is done once all the
/// same, but the answer to the second request has null there.
pub(super) async fn once_shown<V: Serialize>(
    request: &HttpRequest,
    state: &State,
    caller: &Caller,
    body: &[u8],
    field: &str,
    work: impl AsyncFn(&Txn) -> Result<V, Failed<ApiError>>,
) -> Result<HttpResponse, ApiError> {
    let shown = RefCell::new(None);
    let kept = once(request, state, caller, body, async |txn| {
        let view = work(txn).await?;
        let mut view = serde_json::to_value(&view)
            .map_err(|error| Failed::Refused(ApiError::internal(error)))?;
        shown.replace(Some(view.clone()));
        if let Some(secret) = view.get_mut(field) {
            *secret = Value::Null;
        }
        reply(StatusCode::CREATED, &view).map_err(Failed::Refused)
    })
    .await?;
    match shown.take() {
        Some(view) => answer(StatusCode::CREATED, &view),
        None => Ok(kept),
    }
}
