//! Pages and links: what stands in messages (public) and what the marketing team reads (console).
//!
//! Promise: on public links GET and HEAD change nothing but the click count; no page needs a script, a
//! cookie or another host; an error tells a stranger nothing but a request id. Each surface has one
//! function that registers its routes, used by the server and by the tests.

mod api;
mod bodies;
pub mod console;
mod download;
pub mod error;
mod frame;
pub mod hooks;
mod limits;
mod metrics;
mod pages;
pub mod probes;
pub mod public;
mod query;
mod server;
mod speaking;
mod words;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource};

use crate::accounts::oidc;
use crate::channels::outbox::Outbox;
use crate::clock::SharedClock;
use crate::config::Settings;
use crate::delivery::progress::HeldLately;
use crate::gate::rules::Rules;
use crate::gate::study::Studies;
use crate::imports::desk::Desk;
use crate::keys::Keys;
use crate::responses::ResponseWriter;
use crate::responses::judge::Visitors;
use crate::responses::links::Destinations;
use crate::storage::Db;
use limits::Limits;

pub use console::configure_console;
pub use error::ApiError;
pub use hooks::{MailHooks, SmsHooks};
pub use metrics::Metrics;
pub use pages::{Pages, PagesError};
pub use public::configure_public;
pub use server::{Surface, server};

/// The longest body any route reads: an unsubscribe form is a few dozen bytes.
const BODY_LIMIT: usize = 16 * 1024;

/// What every handler may use; made once and shared by all workers as `web::Data`.
#[derive(Debug)]
pub struct State {
    pub db: Db,
    pub clock: SharedClock,
    pub keys: Keys,
    pub settings: Arc<Settings>,
    pub responses: ResponseWriter,
    /// What the sandbox took instead of a relay.
    pub outbox: Arc<Outbox>,
    pub pages: Pages,
    pub metrics: Metrics,
    /// Where the links of the waves lead.
    pub destinations: Destinations,
    /// The SMS providers that post to us.
    pub sms: SmsHooks,
    /// The providers of email that post to us.
    pub mail: MailHooks,
    /// Where uploaded files are read.
    pub imports: Desk,
    /// The programs that may tell us of events.
    tokens: api::Tokens,
    /// Who may be contacted, when and how often.
    pub rules: Arc<Rules>,
    /// What was counted of segments within the last minute.
    pub studies: Studies,
    /// What the sign-in provider said of itself.
    oidc: oidc::Memory,
    /// Who waits for a time of his own, as pages have read it of late.
    pub held: HeldLately,
    /// How often forms may be sent.
    limits: Limits,
    /// Whose links each visitor follows.
    visitors: Visitors,
}

impl State {
    /// Makes the state.
    ///
    /// # Errors
    /// When the rules of permission and pressure are not in order; when a page of the binary does not compile
    /// or a metric cannot be registered: a defect of this program, found by any test that starts it.
    pub fn new(
        db: Db,
        clock: SharedClock,
        keys: Keys,
        settings: Arc<Settings>,
        responses: ResponseWriter,
        outbox: Arc<Outbox>,
    ) -> Result<Self, PagesError> {
        let metrics = Metrics::new(responses.clone())?;
        let limits = Limits::new(&settings.sign_up);
        let visitors = Visitors::new(settings.web.recipients_per_visitor);
        let tokens = api::Tokens::new(&settings.api);
        let rules = Arc::new(Rules::new(&settings)?);
        let pages = Pages::new(&settings.orders.currency, settings.accounts.zone)?;
        Ok(Self {
            db,
            clock,
            keys,
            settings,
            responses,
            outbox,
            pages,
            metrics,
            destinations: Destinations::default(),
            sms: SmsHooks::default(),
            mail: MailHooks::default(),
            imports: Desk::default(),
            tokens,
            rules,
            studies: Studies::default(),
            oidc: oidc::Memory::default(),
            held: HeldLately::default(),
            limits,
            visitors,
        })
    }

    /// From now on takes what these providers post.
    #[must_use]
    pub fn with_sms(mut self, sms: SmsHooks) -> Self {
        self.sms = sms;
        self
    }

    /// From now on takes what these providers of email post.
    #[must_use]
    pub fn with_mail(mut self, mail: MailHooks) -> Self {
        self.mail = mail;
        self
    }
}

/// Gives bad paths, queries and bodies the one form of an error.
fn configure_errors(config: &mut ServiceConfig) {
    let bad_request = || ApiError::new(StatusCode::BAD_REQUEST).into();
    config
        .app_data(
            web::PathConfig::default()
                .error_handler(|_, _| ApiError::new(StatusCode::NOT_FOUND).into()),
        )
        .app_data(
            web::QueryConfig::default()
                .error_handler(|error, request| query::refusal(&error, request).into()),
        )
        .app_data(
            web::FormConfig::default()
                .limit(BODY_LIMIT)
                .error_handler(move |_, _| bad_request()),
        )
        .app_data(
            web::JsonConfig::default()
                .limit(BODY_LIMIT)
                .error_handler(move |_, _| bad_request()),
        )
        .app_data(web::PayloadConfig::new(BODY_LIMIT));
}

async fn not_found() -> Result<HttpResponse, ApiError> {
    Err(ApiError::new(StatusCode::NOT_FOUND))
}

/// A resource that answers any other method with 405 and the methods it allows (RFC 9110 §15.5.6).
fn resource(path: &str, allow: &'static str) -> Resource {
    web::resource(path).default_service(web::to(move |request: HttpRequest| async move {
        let _ = request;
        let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED).with_allow(allow);
        Err::<HttpResponse, ApiError>(error)
    }))
}
