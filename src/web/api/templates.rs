//! `/api/v1/templates`: read, checked and shown as a customer would get them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Caller;
use super::customers::seen;
use super::{body, faults, refused};
use crate::campaigns::sms as texts;
use crate::config::{SANDBOX, Settings};
use crate::consent::model::Channel;
use crate::customers::store as customers;
use crate::templates::model::RecipientLinks;
use crate::templates::sms::sample_links;
use crate::templates::{
    FieldFacts, Finding, Imprint, Severity, SmsFrame, Template, TemplateError, sample_customer,
};
use crate::web::{ApiError, State};

/// Customers looked at to tell how often a field is empty.
const SAMPLE: u32 = 2_000;

/// The template of this name: a folder of the settings, or one in the binary.
///
/// # Errors
/// When there is none, or it cannot be read.
pub(super) fn find(settings: &Settings, name: &str) -> Result<Template, TemplateError> {
    // A name is no path: it leads to no other folder.
    let is_name = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'));
    let own = settings.templates_dir.join(name);
    if is_name && own.join("template.toml").exists() {
        return Template::load(&own);
    }
    Template::embedded(name)
}

/// [`find`], of a path.
fn meant(state: &State, name: &str) -> Result<Template, ApiError> {
    find(&state.settings, name).map_err(|error| match error {
        TemplateError::NoSuchTemplate { .. } => faults::nobody("template"),
        error => faults::template("", &error),
    })
}

/// A template.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Template)]
pub(super) struct TemplateView {
    #[schema(example = "super-chef")]
    name: String,
    description: String,
    /// Its own first.
    languages: Vec<String>,
    /// The fields of customers it uses.
    fields: Vec<String>,
    /// Its links, in the order of their numbers.
    links: Vec<LinkView>,
    /// Of all that is written in it: the same digest, the same message.
    digest: String,
}

/// A link of a template.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Link)]
pub(super) struct LinkView {
    url: String,
    label: String,
}

impl From<&Template> for TemplateView {
    fn from(one: &Template) -> Self {
        Self {
            name: one.name().to_owned(),
            description: one.description().to_owned(),
            languages: one.languages().to_vec(),
            fields: one.fields().into_iter().collect(),
            links: one
                .links()
                .iter()
                .map(|link| LinkView {
                    url: link.url.clone(),
                    label: link.label.clone(),
                })
                .collect(),
            digest: one.digest().to_owned(),
        }
    }
}

/// A template of the list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ListedTemplate {
    #[schema(example = "super-chef")]
    name: String,
    languages: Vec<String>,
    /// Why it cannot be read; null where it can.
    fault: Option<String>,
}

/// All templates.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Templates {
    templates: Vec<ListedTemplate>,
}

/// Lists the templates.
///
/// Those of the templates folder, and those that come with the program.
#[utoipa::path(
    get, path = "/api/v1/templates", operation_id = "listTemplates", tag = "Templates",
    responses((status = 200, description = "All templates, by name", body = Templates)),
)]
pub(super) async fn list(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let folders: Vec<PathBuf> = std::fs::read_dir(&state.settings.templates_dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join("template.toml").exists())
        .collect();
    let own = folders
        .iter()
        .filter_map(|path| path.file_name()?.to_str().map(str::to_owned));
    let names: BTreeSet<String> = own.chain(Template::embedded_names()).collect();
    let templates = names
        .into_iter()
        .map(|name| match find(&state.settings, &name) {
            Ok(template) => ListedTemplate {
                languages: template.languages().to_vec(),
                fault: None,
                name,
            },
            Err(error) => ListedTemplate {
                languages: Vec::new(),
                fault: Some(error.to_string()),
                name,
            },
        });
    let view = Templates {
        templates: templates.collect(),
    };
    super::answer(StatusCode::OK, &view)
}

/// Shows a template.
#[utoipa::path(
    get, path = "/api/v1/templates/{template}", operation_id = "getTemplate", tag = "Templates",
    params(("template" = String, Path, description = "Its name", example = "super-chef")),
    responses((status = 200, description = "The template", body = TemplateView)),
)]
pub(super) async fn one(
    template: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    super::answer(
        StatusCode::OK,
        &TemplateView::from(&meant(&state, &template)?),
    )
}

/// What a copywriter says of a template.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TemplateCheck {
    /// No error was found: it may go out.
    is_sendable: bool,
    /// Errors first, then in the order of reading.
    findings: Vec<Finding>,
    /// By language, the text message in its alphabet and parts; of languages that have one.
    sms: Vec<SmsLength>,
}

/// What a text message takes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SmsLength {
    language: String,
    /// As a person reads it.
    length: String,
}

/// Checks a template as a copywriter would.
///
/// With what the customer base says about its fields.
#[utoipa::path(
    get, path = "/api/v1/templates/{template}/check", operation_id = "checkTemplate", tag = "Templates",
    params(("template" = String, Path, description = "Its name", example = "super-chef")),
    responses((status = 200, description = "What was found", body = TemplateCheck)),
)]
pub(super) async fn check(
    template: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let template = meant(&state, &template)?;
    let mut facts = FieldFacts::unknown();
    let sample = customers::sample(&state.db, SAMPLE)
        .await
        .map_err(ApiError::unavailable)?;
    for customer in &sample {
        facts.observe(customer);
    }
    let findings = template.lint(&facts);
    let mut sms = Vec::new();
    for language in template.languages() {
        let frame = frame_of(&state.settings, language);
        if let Ok(measure) = template.measure_sms(language, &frame, &facts) {
            sms.push(SmsLength {
                language: language.clone(),
                length: measure.to_string(),
            });
        }
    }
    let view = TemplateCheck {
        is_sendable: findings
            .iter()
            .all(|finding| finding.severity != Severity::Error),
        findings,
        sms,
    };
    super::answer(StatusCode::OK, &view)
}

/// What stands around a text message, as it would go out without more ado.
fn frame_of(settings: &Settings, language: &str) -> SmsFrame {
    let provider = settings.sms.route(None).unwrap_or(SANDBOX);
    texts::frame(&settings.sms, provider, language)
}

/// For whom a template is rendered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PreviewTold {
    /// None: email.
    channel: Option<Channel>,
    /// His number, or `external_id:` and your own key of him; none: somebody invented.
    #[schema(example = "42")]
    customer: Option<String>,
    /// None: his own.
    #[schema(example = "fr")]
    language: Option<String>,
}

/// A message as a customer would get it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Preview {
    channel: Channel,
    #[schema(example = "fr")]
    language: String,
    /// Of an email.
    subject: Option<String>,
    /// Of an email.
    html: Option<String>,
    text: String,
    /// Messages of the network that a text message takes.
    parts: Option<usize>,
}

/// Renders a template for a customer.
///
/// Where one is named, the token needs `customers:read` too.
#[utoipa::path(
    post, path = "/api/v1/templates/{template}/preview", operation_id = "previewTemplate", tag = "Templates",
    params(("template" = String, Path, description = "Its name", example = "super-chef")),
    request_body(content = Option<PreviewTold>, example = json!({"language": "fr"})),
    responses((status = 200, description = "The message", body = Preview)),
)]
pub(super) async fn preview(
    template: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: PreviewTold = body::read_or_empty(&request, &bytes)?;
    let template = meant(&state, &template)?;
    let customer = match &told.customer {
        Some(who) => seen(&state, &caller, who).await?,
        None => sample_customer(),
    };
    let language = told.language.as_deref().unwrap_or(&customer.language);
    let language = template.language_for(language);
    let not_rendered = |error: &dyn std::fmt::Display| refused("", error.to_string());
    let view = if told.channel == Some(Channel::Sms) {
        let frame = frame_of(&state.settings, language);
        let compiled = template
            .compile_sms(language, &frame)
            .map_err(|error| not_rendered(&error))?;
        let rendered = compiled
            .render(&customer, &sample_links(&compiled))
            .map_err(|error| not_rendered(&error))?;
        Preview {
            channel: Channel::Sms,
            language: language.to_owned(),
            subject: None,
            html: None,
            text: rendered.text,
            parts: Some(rendered.size.parts),
        }
    } else {
        let compiled = template
            .compile_email(
                language,
                &Imprint {
                    sender_name: "Sender".to_owned(),
                    postal_address: "1 rue de l’Exemple, 80000 Amiens".to_owned(),
                    reason: None,
                },
            )
            .map_err(|error| not_rendered(&error))?;
        let place = |path: &str| format!("{}{path}", state.settings.web.public_url);
        let links = RecipientLinks {
            clicks: compiled
                .links()
                .iter()
                .map(|link| link.url.clone())
                .collect(),
            unsubscribe: place("/u/preview"),
            preferences: place("/p/preview"),
            browser: place("/v/preview"),
            ..RecipientLinks::default()
        }
        .with_sample_offer();
        let rendered = compiled
            .render(&customer, &links)
            .map_err(|error| not_rendered(&error))?;
        Preview {
            channel: Channel::Email,
            language: language.to_owned(),
            subject: Some(rendered.subject),
            html: Some(rendered.html),
            text: rendered.text,
            parts: None,
        }
    };
    super::answer(StatusCode::OK, &view)
}
