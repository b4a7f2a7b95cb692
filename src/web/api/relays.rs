//! `/api/v1/relays`: the ways out, how each stands, and trying one without sending.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::Caller;
use super::{answer, body, faults, instant, once_around, reply};
use crate::channels::check;
use crate::channels::sms::model::Looked;
use crate::config::{provider_of, sms_route};
use crate::consent::model::Channel;
use crate::delivery::model::Rest;
use crate::delivery::store as ledger;
use crate::web::{ApiError, State};

/// A way out: a relay of mail or a provider of text messages.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Relay)]
pub(super) struct RelayView {
    /// `default`, the name of a relay, or `sms:` and the name of a provider.
    #[schema(example = "default")]
    route: String,
    channel: Channel,
    /// Host and port of a relay; null: the sandbox, from which nothing leaves, or a provider.
    #[schema(example = "smtp.example.com:587")]
    peer: Option<String>,
    /// The domains whose mail goes this way; empty: all others.
    senders: Vec<String>,
    /// Messages a second at most, over all nodes; null: as fast as it takes them.
    rate_per_second: Option<u32>,
    /// Nodes that give it no work for a while, since it failed again and again.
    rests: Vec<RelayRest>,
}

/// A node that gives a way out no work for a while.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RelayRest {
    node: String,
    /// What failed, in words.
    reason: String,
    #[schema(value_type = String, format = DateTime)]
    since_at: String,
    /// When it is tried again.
    #[schema(value_type = String, format = DateTime)]
    until_at: String,
}

impl From<Rest> for RelayRest {
    fn from(one: Rest) -> Self {
        Self {
            node: one.node,
            reason: one.reason,
            since_at: instant(one.since_at),
            until_at: instant(one.until_at),
        }
    }
}

/// All ways out.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Relays {
    /// Relays first, then providers.
    relays: Vec<RelayView>,
}

/// Lists the ways out and how each stands.
#[utoipa::path(
    get, path = "/api/v1/relays", operation_id = "listRelays", tag = "Settings",
    responses((status = 200, description = "All ways out", body = Relays)),
)]
pub(super) async fn list(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let settings = &state.settings;
    let mut relays = Vec::new();
    for (name, relay) in settings.email.routes() {
        relays.push(RelayView {
            route: name.to_owned(),
            channel: Channel::Email,
            peer: relay.map(|relay| format!("{}:{}", relay.host, relay.port)),
            senders: relay.map_or_else(Vec::new, |relay| relay.senders.iter().cloned().collect()),
            rate_per_second: settings.email.rate_of(name),
            rests: rests(&state, name).await?,
        });
    }
    for (name, account) in &settings.sms.providers {
        let route = sms_route(name);
        relays.push(RelayView {
            channel: Channel::Sms,
            peer: None,
            senders: Vec::new(),
            rate_per_second: account.rate_per_second,
            rests: rests(&state, &route).await?,
            route,
        });
    }
    answer(StatusCode::OK, &Relays { relays })
}

async fn rests(state: &State, route: &str) -> Result<Vec<RelayRest>, ApiError> {
    let rests = ledger::rests_of(&*state.db, route, state.clock.now_ms())
        .await
        .map_err(ApiError::unavailable)?;
    Ok(rests.into_iter().map(RelayRest::from).collect())
}

/// What trying a way out showed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RelayTested {
    #[schema(example = "default")]
    route: String,
    /// Whether it answers as it should.
    is_good: bool,
    /// What it says of itself, or what is wrong and what to do.
    said: String,
}

/// Tries a way out: connects, greets and logs in, without a message.
#[utoipa::path(
    post, path = "/api/v1/relays/{route}/test", operation_id = "testRelay", tag = "Settings",
    params(("route" = String, Path, description = "A route of the list", example = "default")),
    responses((status = 200, description = "What it showed", body = RelayTested)),
)]
pub(super) async fn test(
    route: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    body::nothing(&request, &bytes)?;
    let settings = &state.settings;
    let is_known = match provider_of(&route) {
        Some(name) => settings.sms.providers.contains_key(name),
        None => settings.email.relay_named(&route).is_some(),
    };
    if !is_known {
        return Err(faults::nobody("way out"));
    }
    once_around(&request, &state, &caller, &bytes, async || {
        let (is_good, said) = tried(&state, &route).await;
        let detail = if is_good { "answers" } else { "fails" };
        super::note(&state, &caller, "relay.test", &route, detail).await?;
        let view = RelayTested {
            route: route.to_string(),
            is_good,
            said,
        };
        reply(StatusCode::OK, &view)
    })
    .await
}

async fn tried(state: &State, route: &str) -> (bool, String) {
    let Some(name) = provider_of(route) else {
        return match check::relay(&state.settings, route).await {
            Ok(facts) => {
                let safe = if facts.is_encrypted { "" } else { "not " };
                let login = if facts.is_logged_in {
                    " The log-in is accepted."
                } else {
                    ""
                };
                let greeting = facts.greeting;
                (
                    true,
                    format!("It answers as {greeting}. The connection is {safe}encrypted.{login}"),
                )
            }
            Err(problem) => (false, problem),
        };
    };
    match check::provider(&state.settings, name, &state.clock).await {
        Ok(Looked::Known) => (true, "It is there, and it accepts our key.".to_owned()),
        Ok(Looked::Reached) => (
            true,
            "Its address answers; whether it accepts our key, only a message will show.".to_owned(),
        ),
        Err(problem) => (false, problem),
    }
}
