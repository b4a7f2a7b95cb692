//! `/api/v1/webhooks`: where events are posted to, how each endpoint stands, and what it was told.

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Caller;
use super::secrets::once_shown;
use super::{answer, body, changing, faults, instant, refused};
use crate::events::model::EventKind;
use crate::events::store::{self, Endpoint};
use crate::events::{self, Change, EventError, New};
use crate::ids::EndpointId;
use crate::responses::requests::Failed;
use crate::web::{ApiError, State};

/// Characters of what an endpoint is for.
const LONGEST: usize = 200;

/// An endpoint that is told of events.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(super) struct WebhookView {
    #[schema(example = 3)]
    id: i64,
    #[schema(example = "https://shop.example.com/hooks/visavis")]
    url: String,
    /// What it is for.
    #[schema(example = "the shop")]
    description: String,
    /// The kinds of event it is told of.
    #[schema(example = json!(["campaign.launched", "customer.opted_out"]))]
    events: Vec<String>,
    /// Whether it is told of anything.
    is_active: bool,
    /// Why it was disabled.
    reason: Option<String>,
    /// A user, a token or the command line.
    created_by: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    /// When it was last told of something.
    #[schema(value_type = Option<String>, format = DateTime)]
    told_at: Option<String>,
    /// Since when every try failed.
    #[schema(value_type = Option<String>, format = DateTime)]
    failing_since: Option<String>,
    /// Events that it has not been told of yet.
    waiting: i64,
    /// Events that it was not told of in any try, or that waited when it was disabled: `resend` sends them again.
    lost: i64,
}

impl From<Endpoint> for WebhookView {
    fn from(one: Endpoint) -> Self {
        Self {
            id: one.id.0,
            url: one.url,
            description: one.description,
            events: one.kinds.iter().map(ToString::to_string).collect(),
            is_active: one.is_active,
            reason: one.reason,
            created_by: one.created_by,
            created_at: instant(one.created_at),
            told_at: one.told_at.map(instant),
            failing_since: one.failing_since.map(instant),
            waiting: one.waiting,
            lost: one.lost,
        }
    }
}

/// All endpoints.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Webhooks {
    /// By number; 50 at most.
    webhooks: Vec<WebhookView>,
}

fn failed(error: EventError) -> Failed<ApiError> {
    Failed::Refused(match error {
        EventError::Database(error) => return error.into(),
        EventError::NotFound(_) => faults::nobody("webhook"),
        EventError::Url(refusal) => refused("url", refusal.to_string()),
        EventError::NoKind => refused("events", error.to_string()),
        EventError::TooMany | EventError::NothingToResend | EventError::Disabled(_) => {
            faults::conflict(error)
        }
    })
}

pub(super) fn unfit(error: EventError) -> ApiError {
    match failed(error) {
        Failed::Refused(error) => error,
        Failed::Room(error) => error.into(),
        Failed::KeyReused | Failed::Unanswered => ApiError::new(StatusCode::CONFLICT),
    }
}

pub(super) async fn find(state: &State, id: i64) -> Result<Endpoint, ApiError> {
    store::by_id(&*state.db, EndpointId(id))
        .await
        .map_err(ApiError::unavailable)?
        .ok_or_else(|| faults::nobody("webhook"))
}

/// The kinds of event that are named.
fn kinds(words: &[String]) -> Result<BTreeSet<EventKind>, ApiError> {
    let words = words.iter().enumerate();
    words
        .map(|(n, word)| {
            word.parse()
                .map_err(|problem: String| refused(&format!("events[{n}]"), problem))
        })
        .collect()
}

/// Lists the endpoints and how they do.
#[utoipa::path(
    get, path = "/api/v1/webhooks", operation_id = "listWebhooks", tag = "Webhooks",
    responses((status = 200, description = "All endpoints, by number", body = Webhooks)),
)]
pub(super) async fn list(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let found = events::list(&state.db).await.map_err(unfit)?;
    let view = Webhooks {
        webhooks: found.into_iter().map(WebhookView::from).collect(),
    };
    answer(StatusCode::OK, &view)
}

/// A new endpoint.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookTold {
    /// `https:`, and not within our own network.
    #[schema(example = "https://shop.example.com/hooks/visavis")]
    url: String,
    /// What it is for.
    #[schema(example = "the shop", max_length = 200)]
    description: Option<String>,
    /// None: every kind there is.
    #[schema(example = json!(["campaign.launched", "customer.opted_out"]), min_items = 1)]
    events: Option<Vec<String>>,
}

/// An endpoint that was added.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookAdded {
    #[schema(example = 3)]
    id: i64,
    /// What signs the events (Standard Webhooks). It stands in this answer alone; null in one that is sent again under
    /// its Idempotency-Key: then ask for a new one.
    #[schema(example = "whsec_…")]
    secret: Option<String>,
}

/// Adds an endpoint.
///
/// Its secret is shown this once.
#[utoipa::path(
    post, path = "/api/v1/webhooks", operation_id = "addWebhook", tag = "Webhooks",
    request_body(content = WebhookTold, example = json!({"url": "https://shop.example.com/hooks/visavis", "events": ["campaign.launched"]})),
    responses((status = 201, description = "It is told from now on", body = WebhookAdded)),
)]
pub(super) async fn add(
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: WebhookTold = body::read(&request, &bytes)?;
    let description = told.description.as_deref().unwrap_or_default();
    let description = body::line("description", description, LONGEST)?.unwrap_or_default();
    let kinds = match &told.events {
        None => BTreeSet::new(),
        Some(words) if words.is_empty() => {
            return Err(refused("events", EventError::NoKind.to_string()));
        }
        Some(words) => kinds(words)?,
    };
    let (actor, now_ms) = (caller.actor(), state.clock.now_ms());
    let new = New {
        url: &told.url,
        description,
        kinds,
    };
    once_shown(&request, &state, &caller, &bytes, "secret", async |txn| {
        let (id, secret) = events::add_in(txn, &state.keys, &state.settings, &new, &actor, now_ms)
            .await
            .map_err(failed)?;
        Ok(WebhookAdded {
            id: id.0,
            secret: Some(secret),
        })
    })
    .await
}

/// Shows an endpoint and how it does.
#[utoipa::path(
    get, path = "/api/v1/webhooks/{webhook}", operation_id = "getWebhook", tag = "Webhooks",
    params(("webhook" = i64, Path, description = "Its number", example = 3)),
    responses((status = 200, description = "The endpoint", body = WebhookView)),
)]
pub(super) async fn one(
    id: web::Path<i64>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let endpoint = find(&state, *id).await?;
    answer(StatusCode::OK, &WebhookView::from(endpoint))
}

/// What is to be changed of an endpoint; what is not named stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookChange {
    /// What it is told of from now on.
    #[schema(example = json!(["campaign.launched"]), min_items = 1)]
    events: Option<Vec<String>>,
    /// False: it is told nothing any more, and what waits is stopped.
    is_active: Option<bool>,
}

/// Changes what an endpoint is told of, disables it, or enables it again.
///
/// Its address stays what it is: add another endpoint for another one.
#[utoipa::path(
    patch, path = "/api/v1/webhooks/{webhook}", operation_id = "changeWebhook", tag = "Webhooks",
    params(("webhook" = i64, Path, description = "Its number", example = 3)),
    request_body(content = WebhookChange, example = json!({"is_active": false})),
    responses((status = 200, description = "As it is now", body = WebhookView)),
)]
pub(super) async fn change(
    id: web::Path<i64>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: WebhookChange = body::read(&request, &bytes)?;
    let asked = Change {
        kinds: told.events.as_deref().map(kinds).transpose()?,
        is_active: told.is_active,
    };
    let (actor, now_ms) = (caller.actor(), state.clock.now_ms());
    let endpoint = EndpointId(*id);
    changing(&state, async |txn| {
        events::change(txn, &state.settings, endpoint, &asked, &actor, now_ms)
            .await
            .map_err(failed)
    })
    .await?;
    answer(StatusCode::OK, &WebhookView::from(find(&state, *id).await?))
}

/// Removes an endpoint with all that it was told.
#[utoipa::path(
    delete, path = "/api/v1/webhooks/{webhook}", operation_id = "removeWebhook", tag = "Webhooks",
    params(("webhook" = i64, Path, description = "Its number", example = 3)),
    responses((status = 204, description = "It is gone")),
)]
pub(super) async fn remove(
    id: web::Path<i64>,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let now_ms = state.clock.now_ms();
    events::remove(&state.db, EndpointId(*id), &caller.actor(), now_ms)
        .await
        .map_err(unfit)?;
    Ok(HttpResponse::NoContent().finish())
}

/// A new secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookSecret {
    /// What signs the events from now on. It stands in this answer alone; null in one that is sent again under its
    /// Idempotency-Key.
    #[schema(example = "whsec_…")]
    secret: Option<String>,
}

/// Gives an endpoint a new secret.
///
/// For a day the one before signs too, so that the receiver can change over.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{webhook}/secret", operation_id = "renewWebhookSecret", tag = "Webhooks",
    params(("webhook" = i64, Path, description = "Its number", example = 3)),
    responses((status = 201, description = "It signs from now on", body = WebhookSecret)),
)]
pub(super) async fn renew_secret(
    id: web::Path<i64>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    body::nothing(&request, &bytes)?;
    let (actor, now_ms) = (caller.actor(), state.clock.now_ms());
    once_shown(&request, &state, &caller, &bytes, "secret", async |txn| {
        let secret = events::rotate_in(txn, &state.keys, EndpointId(*id), &actor, now_ms)
            .await
            .map_err(failed)?;
        Ok(WebhookSecret {
            secret: Some(secret),
        })
    })
    .await
}
