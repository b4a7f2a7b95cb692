//! The pages: templates and style in the binary, compiled once.
//!
//! The style stands in each page, allowed by its hash, so that a page is one answer and needs nothing
//! from elsewhere. Lengths of bars are attributes of SVG shapes, since the policy forbids style
//! attributes.

use std::fmt;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;
use data_encoding::BASE64;
use handlebars::Handlebars;
use serde::Serialize;

use super::ApiError;
use crate::config::ConfigError;
use super::public::words::Language;

const STYLE: &str = concat!(
    include_str!("pages/style.css"),
    include_str!("pages/api.css")
);

/// Every template by name; `{style}` in a layout becomes the style.
const TEMPLATES: &[(&str, &str)] = &[
    ("layout", include_str!("pages/layout.hbs")),
    ("console_layout", include_str!("pages/console_layout.hbs")),
    ("unsubscribe", include_str!("pages/unsubscribe.hbs")),
    ("unsubscribed", include_str!("pages/unsubscribed.hbs")),
    ("preferences", include_str!("pages/preferences.hbs")),
    ("told", include_str!("pages/told.hbs")),
    ("request", include_str!("pages/request.hbs")),
    ("sign_up", include_str!("pages/sign_up.hbs")),
    ("sign_up_sent", include_str!("pages/sign_up_sent.hbs")),
    ("confirm", include_str!("pages/confirm.hbs")),
    ("confirmed", include_str!("pages/confirmed.hbs")),
    ("confirm_over", include_str!("pages/confirm_over.hbs")),
    ("error", include_str!("pages/error.hbs")),
    ("campaigns", include_str!("pages/campaigns.hbs")),
    ("report", include_str!("pages/report.hbs")),
    (
        "report_attribution",
        include_str!("pages/report_attribution.hbs"),
    ),
    (
        "report_economics",
        include_str!("pages/report_economics.hbs"),
    ),
    ("report_forecast", include_str!("pages/report_forecast.hbs")),
    ("report_funnel", include_str!("pages/report_funnel.hbs")),
    (
        "report_over_time",
        include_str!("pages/report_over_time.hbs"),
    ),
    ("report_cells", include_str!("pages/report_cells.hbs")),
    ("outbox", include_str!("pages/outbox.hbs")),
    ("outbox_message", include_str!("pages/outbox_message.hbs")),
    ("customers", include_str!("pages/customers.hbs")),
    ("customer", include_str!("pages/customer.hbs")),
    ("replies", include_str!("pages/replies.hbs")),
    ("mails", include_str!("pages/mails.hbs")),
    ("mail", include_str!("pages/mail.hbs")),
    ("rate", include_str!("pages/rate.hbs")),
    ("permission", include_str!("pages/permission.hbs")),
    ("proof", include_str!("pages/proof.hbs")),
    ("grid", include_str!("pages/grid.hbs")),
    ("grid_cell", include_str!("pages/grid_cell.hbs")),
    ("grid_people", include_str!("pages/grid_people.hbs")),
    ("improve", include_str!("pages/improve.hbs")),
    ("improve_row", include_str!("pages/improve_row.hbs")),
    ("api", include_str!("pages/api.hbs")),
];

/// Why the web room cannot be made ready: a defect of this program.
#[derive(Debug, thiserror::Error)]
pub enum PagesError {
    #[error("a page does not compile: {0}")]
    Template(Box<handlebars::TemplateError>),
    #[error("a metric cannot be registered: {0}")]
    Metric(#[from] prometheus::Error),
    #[error(transparent)]
    Settings(#[from] ConfigError),
}

/// The compiled pages.
pub struct Pages {
    registry: Handlebars<'static>,
    policy: HeaderValue,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pages(..)")
    }
}

/// Marks an answer with an error status that is a page already.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finished;

/// What an error page shows.
#[derive(Debug, Serialize)]
struct ErrorView<'a> {
    language: &'static str,
    title: &'static str,
    lines: Vec<&'a str>,
    reference: &'static str,
    request_id: &'a str,
}

impl Pages {
    /// Compiles the pages.
    ///
    /// # Errors
    /// When one does not compile.
    pub fn new() -> Result<Self, PagesError> {
        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        for &(name, source) in TEMPLATES {
            registry
                .register_template_string(name, source.replace("{style}", STYLE))
                .map_err(|error| PagesError::Template(Box::new(error)))?;
        }
        let digest = ring::digest::digest(&ring::digest::SHA256, STYLE.as_bytes());
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; img-src 'self'; form-action 'self'; \
             base-uri 'none'; frame-ancestors 'none'",
            BASE64.encode(digest.as_ref())
        );
        // It is ASCII; without a policy of our own nothing would be allowed, and so it is safe.
        let policy = HeaderValue::from_str(&policy)
            .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"));
        Ok(Self { registry, policy })
    }

    /// The Content-Security-Policy of every page that does not bring its own.
    pub(super) fn policy(&self) -> &HeaderValue {
        &self.policy
    }

    /// A page with status 200.
    pub(super) fn answer(
        &self,
        name: &str,
        view: &impl Serialize,
    ) -> Result<HttpResponse, ApiError> {
        let page = self.page(name, view)?;
        Ok(HttpResponse::build(StatusCode::OK)
            .content_type("text/html; charset=utf-8")
            .body(page))
    }

    /// A form that came back with faults: status 422, the page as it is.
    pub(super) fn refuse(
        &self,
        name: &str,
        view: &impl Serialize,
    ) -> Result<HttpResponse, ApiError> {
        let mut response = self.answer(name, view)?;
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
        response.extensions_mut().insert(Finished);
        Ok(response)
    }

    /// A page as text.
    pub(super) fn page(&self, name: &str, view: &impl Serialize) -> Result<String, ApiError> {
        self.registry.render(name, view).map_err(ApiError::internal)
    }

    /// The page of an error; `is_console` speaks to the marketing team, else to a customer.
    pub(super) fn error(
        &self,
        error: &ApiError,
        language: Language,
        is_console: bool,
        request_id: &str,
    ) -> Result<String, ApiError> {
        let words = language.errors();
        let problem = error.problem(request_id);
        let (title, lines) = if is_console {
            (problem.title, vec![problem.detail])
        } else if error.status() == StatusCode::TOO_MANY_REQUESTS {
            (words.busy_title, vec![words.busy_text])
        } else if error.status().is_client_error() {
            (words.lost_title, vec![words.lost_text, words.lost_hint])
        } else {
            (words.fault_title, vec![words.fault_text])
        };
        let view = ErrorView {
            language: language.code(),
            title,
            lines,
            reference: words.reference,
            request_id,
        };
        self.page("error", &view)
    }
}
