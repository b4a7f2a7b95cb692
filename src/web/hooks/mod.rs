//! What others post to us: providers of email (`mail`), shops (`orders`), and providers of SMS at
//! `/hooks/sms/{provider}/{receipt|inbound}[/{secret}]`.
//!
//! Promise: what a provider is told was taken is durable; whoever is not the provider learns nothing, not even
//! what is wrong with what he sent.

mod certificates;
mod mail;
mod orders;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use super::{ApiError, State, frame, resource};
use crate::channels::sms::provider::{Post, PostError, PostKind, Provider};
use crate::responses::texts::{self, Account};

pub use certificates::{Fetch, Https};
pub use mail::MailHooks;

/// The longest body a provider posts: hundreds of receipts.
const BODY_LIMIT: usize = 64 * 1024;

/// The providers that post to us, by their names in the settings.
#[derive(Clone, Default)]
pub struct SmsHooks(BTreeMap<String, Arc<dyn Provider>>);

impl SmsHooks {
    pub fn new(providers: impl IntoIterator<Item = (String, Arc<dyn Provider>)>) -> Self {
        Self(providers.into_iter().collect())
    }

    fn named(&self, name: &str) -> Option<&dyn Provider> {
        self.0.get(name).map(|provider| &**provider)
    }
}

impl fmt::Debug for SmsHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Registers the routes, among the public ones.
pub(super) fn configure(config: &mut ServiceConfig) {
    mail::configure(config);
    orders::configure(config);
    for path in [
        "/hooks/sms/{provider}/{kind}",
        "/hooks/sms/{provider}/{kind}/{secret}",
    ] {
        config.service(
            resource(path, "GET, POST")
                .app_data(web::PayloadConfig::new(BODY_LIMIT))
                .route(web::get().to(take))
                .route(web::post().to(take))
                .wrap(from_fn(frame::public)),
        );
    }
}

/// The pieces of the path.
#[derive(Debug, Deserialize)]
struct Address {
    provider: String,
    kind: String,
    secret: Option<String>,
}

/// Takes what was posted: 204 when all of it is recorded.
async fn take(
    request: HttpRequest,
    address: web::Path<Address>,
    state: web::Data<State>,
    body: Bytes,
) -> Result<HttpResponse, ApiError> {
    let not_found = || ApiError::new(StatusCode::NOT_FOUND);
    let provider = state.sms.named(&address.provider).ok_or_else(not_found)?;
    let kind = match address.kind.as_str() {
        "receipt" => PostKind::Receipt,
        "inbound" => PostKind::Inbound,
        _ => return Err(not_found()),
    };
    // As the provider called it, which is what it signs: through a proxy we see another host.
    let public = state.settings.web.public_url.trim_end_matches('/');
    let path = request
        .uri()
        .path_and_query()
        .map_or_else(|| request.path(), |path| path.as_str());
    let url = format!("{public}{path}");
    let query = web::Query::<Vec<(String, String)>>::from_query(request.query_string())
        .map_or_else(|_| Vec::new(), web::Query::into_inner);
    let headers: Vec<(String, String)> = request
        .headers()
        .iter()
        .filter_map(|(name, value)| {
            let value = value.to_str().ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        })
        .collect();
    let post = Post {
        kind,
        method: request.method().as_str(),
        url: &url,
        secret: address.secret.as_deref(),
        query: &query,
        headers: &headers,
        body: &body,
        now: state.clock.now(),
    };
    let events = provider.read(&post).map_err(|error| match error {
        PostError::Forged => ApiError::new(StatusCode::FORBIDDEN),
        PostError::Unreadable(why) => {
            tracing::warn!(
                provider = address.provider,
                why,
                "what a provider posted cannot be understood"
            );
            ApiError::new(StatusCode::BAD_REQUEST)
        }
    })?;
    let settings = state.settings.sms.provider_named(&address.provider);
    let is_described = settings.is_some_and(|settings| settings.http.is_some());
    if is_described && kind == PostKind::Receipt && events.is_empty() {
        tracing::warn!(
            provider = address.provider,
            "what was posted has no receipt, or a status that the settings do not name"
        );
    }
    let account = Account {
        provider: &address.provider,
        answers_keywords: settings.is_some_and(|settings| settings.answers_keywords),
    };
    let now_ms = state.clock.now_ms();
    texts::record(&state.db, &state.keys, account, events, now_ms)
        .await
        .map_err(ApiError::unavailable)?;
    Ok(HttpResponse::NoContent().finish())
}
