//! `/api/v1/webhooks/{webhook}/deliveries`, `/test` and `/resend`: what an endpoint was told, and telling it again.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Caller;
use super::cursor::{self, Page, Paging};
use super::webhooks::{find, unfit};
use super::{body, instant, once_around, reply};
use crate::events;
use crate::events::model::{Answer, DeliveryState};
use crate::events::store::{self, Told};
use crate::ids::EndpointId;
use crate::web::{ApiError, State};

/// An event on its way to an endpoint, or there.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookDelivery {
    /// What the receiver knows it by (`webhook-id`).
    #[schema(example = "msg_…")]
    message_id: String,
    #[schema(example = "campaign.launched")]
    event: String,
    /// `waiting`, `delivered`, `failed` or `stopped`.
    #[schema(value_type = String, example = "delivered")]
    state: &'static str,
    attempts: i64,
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    tried_at: Option<String>,
    /// Of one that waits: when it is tried next.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_at: Option<String>,
    /// What the receiver answered last.
    status: Option<i64>,
    /// What went wrong last, in words.
    problem: Option<String>,
}

impl From<Told> for WebhookDelivery {
    fn from(one: Told) -> Self {
        Self {
            message_id: one.message_id,
            event: one.kind,
            state: one.state.as_str(),
            attempts: one.attempts,
            created_at: instant(one.created_at),
            tried_at: one.tried_at.map(instant),
            next_at: (one.state == DeliveryState::Waiting).then(|| instant(one.next_at)),
            status: one.last_status,
            problem: one.last_error,
        }
    }
}

/// Lists what an endpoint was told, the newest first.
#[utoipa::path(
    get, path = "/api/v1/webhooks/{webhook}/deliveries", operation_id = "listWebhookDeliveries", tag = "Webhooks",
    params(("webhook" = i64, Path, description = "Its number", example = 3), Paging),
    responses((status = 200, description = "A page of events", body = Page<WebhookDelivery>)),
)]
pub(super) async fn list(
    id: web::Path<i64>,
    paging: web::Query<Paging>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let endpoint = find(&state, *id).await?.id;
    let limit = paging.limit()?;
    let name = format!("deliveries of {endpoint}");
    let before = paging.after(&state.keys, &name)?.unwrap_or(i64::MAX);
    let found = store::told_before(&*state.db, endpoint, before, limit + 1)
        .await
        .map_err(ApiError::unavailable)?;
    let page = cursor::page(
        &state.keys,
        &name,
        found,
        limit,
        |one| one.event,
        WebhookDelivery::from,
    );
    cursor::answer(&page)
}

/// What a test showed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookTested {
    /// Whether it took the event.
    is_taken: bool,
    /// What it answered; null: nothing.
    status: Option<u16>,
    /// What went wrong, in words.
    problem: Option<String>,
}

/// Sends an endpoint an event that tells of nothing, now and once.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{webhook}/test", operation_id = "testWebhook", tag = "Webhooks",
    params(("webhook" = i64, Path, description = "Its number", example = 3)),
    responses((status = 200, description = "What it answered", body = WebhookTested)),
)]
pub(super) async fn test(
    id: web::Path<i64>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    body::nothing(&request, &bytes)?;
    let id = EndpointId(*id);
    once_around(&request, &state, &caller, &bytes, async || {
        let now_ms = state.clock.now_ms();
        let said = events::send_test(&state.db, &state.keys, &state.settings, id, now_ms)
            .await
            .map_err(unfit)?;
        super::note(&state, &caller, "webhook.test", &id.to_string(), "").await?;
        let view = WebhookTested {
            is_taken: matches!(said, Answer::Taken(_)),
            status: said.status(),
            problem: said.fault(),
        };
        reply(StatusCode::OK, &view)
    })
    .await
}

/// What is to be sent again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Resend {
    /// None: all that it was not told of.
    #[schema(example = "msg_…")]
    message_id: Option<String>,
}

/// What is sent again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Resent {
    /// How many events.
    count: u64,
}

/// Sends an endpoint one event again, or all that it was not told of.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{webhook}/resend", operation_id = "resendWebhookEvents", tag = "Webhooks",
    params(("webhook" = i64, Path, description = "Its number", example = 3)),
    request_body(content = inline(Option<Resend>)),
    responses((status = 200, description = "They are on their way", body = Resent)),
)]
pub(super) async fn resend(
    id: web::Path<i64>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: Resend = body::read_or_empty(&request, &bytes)?;
    let id = EndpointId(*id);
    once_around(&request, &state, &caller, &bytes, async || {
        let (message, now_ms) = (told.message_id.as_deref(), state.clock.now_ms());
        let count = events::resend(&state.db, id, message, &caller.actor(), now_ms)
            .await
            .map_err(unfit)?;
        reply(StatusCode::OK, &Resent { count })
    })
    .await
}
