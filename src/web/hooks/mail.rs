//! `/hooks/mail/{name}[/{secret}]`: what providers of email post to us.
//!
//! Promise: what a provider is told was taken is durable; whoever is not the provider learns nothing, not even
//! what is wrong with what he sent.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use super::certificates::{Certificates, Fetch};
use crate::config::{ConfigError, MailHookSettings};
use crate::responses::mail_events::sns::{Content, Envelope};
use crate::responses::mail_events::{self, Brought, MailHook, Post, PostError, Proof, RecordError};
use crate::web::{ApiError, State, frame, resource};

/// The longest body a provider posts: thousands of events.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// The accounts whose providers post to us, by their names in the settings.
#[derive(Clone, Default)]
pub struct MailHooks {
    hooks: BTreeMap<String, Arc<MailHook>>,
    certificates: Certificates,
}

impl MailHooks {
    /// # Errors
    /// Names the key of what is missing or wrong.
    pub fn open(settings: &BTreeMap<String, MailHookSettings>) -> Result<Self, ConfigError> {
        let hooks = settings.iter().map(|(name, settings)| {
            MailHook::open(name, settings).map(|hook| (name.clone(), Arc::new(hook)))
        });
        Ok(Self {
            hooks: hooks.collect::<Result<_, _>>()?,
            certificates: Certificates::default(),
        })
    }

    /// The same, with another way to ask Amazon for certificates.
    #[must_use]
    pub fn with_fetch(self, fetch: Arc<dyn Fetch>) -> Self {
        Self {
            certificates: Certificates::new(fetch),
            ..self
        }
    }
}

impl fmt::Debug for MailHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.hooks.keys()).finish()
    }
}

/// Registers the routes, among the public ones.
pub(super) fn configure(config: &mut ServiceConfig) {
    for path in ["/hooks/mail/{name}", "/hooks/mail/{name}/{secret}"] {
        config.service(
            resource(path, "POST")
                .route(web::post().to(take))
                .wrap(from_fn(frame::public)),
        );
    }
}

/// The pieces of the path.
#[derive(Debug, Deserialize)]
struct Address {
    name: String,
    secret: Option<String>,
}

/// Takes what was posted: 200 when all of it is recorded. Postmark takes any other answer for a failure.
async fn take(
    request: HttpRequest,
    address: web::Path<Address>,
    state: web::Data<State>,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let hook = state
        .mail
        .hooks
        .get(&address.name)
        .ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND))?;
    if !hook.is_addressed(address.secret.as_deref()) {
        return Err(refused(&address.name, &PostError::Forged));
    }
    let body = body
        .to_bytes_limited(BODY_LIMIT)
        .await
        .map_err(|_too_long| ApiError::new(StatusCode::PAYLOAD_TOO_LARGE))?
        .map_err(|_broken| ApiError::new(StatusCode::BAD_REQUEST))?;
    let headers: Vec<(String, String)> = request
        .headers()
        .iter()
        .filter_map(|(name, value)| {
            let value = value.to_str().ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        })
        .collect();
    let now_ms = state.clock.now_ms();
    let post = Post {
        secret: address.secret.as_deref(),
        headers: &headers,
        body: &body,
        now_ms,
    };
    let refused = |error| refused(&address.name, &error);
    let (brought, once) = match hook.prove(&post).map_err(refused)? {
        Proof::Proven(brought, once) => (brought, once),
        Proof::Sealed(envelope, certificate) => {
            let brought = open(&address.name, &state, *envelope, &certificate, now_ms).await?;
            (brought, None)
        }
    };
    if brought.unreadable > 0 {
        tracing::warn!(
            hook = address.name,
            count = brought.unreadable,
            "events of a provider cannot be understood"
        );
    }
    let recorded = mail_events::record(
        &state.db,
        &state.keys,
        hook.provider(),
        &brought,
        once,
        now_ms,
    )
    .await
    .map_err(|error| match error {
        RecordError::SecondUse => refused(PostError::Forged),
        // It posts them again, and those that were recorded do no harm then.
        error => ApiError::unavailable(error),
    })?;
    if recorded.unmatched > 0 {
        tracing::info!(
            hook = address.name,
            count = recorded.unmatched,
            "events of messages that are not ours, or no longer"
        );
    }
    state
        .metrics
        .count_mail_events(hook.provider(), &brought, recorded);
    Ok(HttpResponse::Ok().finish())
}

fn refused(hook: &str, error: &PostError) -> ApiError {
    match error {
        PostError::Forged => ApiError::new(StatusCode::FORBIDDEN),
        PostError::Unsigned(advice) => {
            tracing::warn!(hook, advice, "what was posted is not signed");
            ApiError::new(StatusCode::FORBIDDEN)
        }
        PostError::Unreadable(why) => {
            tracing::warn!(hook, why, "what a provider posted cannot be understood");
            ApiError::new(StatusCode::BAD_REQUEST)
        }
    }
}

/// Opens an envelope of SNS with the certificate it names, and confirms the subscription where it asks for that.
async fn open(
    hook: &str,
    state: &State,
    envelope: Envelope,
    certificate: &reqwest::Url,
    now_ms: i64,
) -> Result<Brought, ApiError> {
    let certificates = &state.mail.certificates;
    let away = |cause: String| ApiError::unavailable(format!("Amazon SNS: {cause}"));
    let pem = certificates.at(certificate).await.map_err(away)?;
    let content = envelope
        .open(&pem, now_ms)
        .map_err(|error| refused(hook, &error))?;
    match content {
        Content::Notification(message) => Ok(mail_events::read_notification(&message)),
        Content::Confirm(url) => {
            certificates.ask(url).await.map_err(away)?;
            tracing::info!(hook, "the subscription to the topic is confirmed");
            Ok(Brought::default())
        }
        Content::Ended => {
            tracing::warn!(
                hook,
                "the subscription to the topic was ended; bounces are posted no more until it is made again"
            );
            Ok(Brought::default())
        }
    }
}
