//! Templates checked as a copywriter would, and shown as a customer would get them: as they stand, or as they would be.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::auth::Caller;
use super::super::customers::seen;
use super::super::{answer, body, faults, refused};
use super::open;
use super::text::{Content, Told, found};
use crate::campaigns::sms as texts;
use crate::config::{SANDBOX, Settings};
use crate::consent::model::Channel;
use crate::customers::store as customers;
use crate::templates::preview::{self, PreviewError};
use crate::templates::{
    FieldFacts, FileTexts, Finding, Severity, SmsFrame, Template, sample_customer,
};
use crate::web::{ApiError, State};

/// Customers looked at to tell how often a field is empty.
const SAMPLE: u32 = 2_000;

/// What a copywriter says of a template.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct TemplateCheck {
    /// No error was found: it may go out.
    is_sendable: bool,
    /// Errors first, then in the order of reading.
    findings: Vec<Finding>,
    /// By language, the text message in its alphabet and parts; of languages that have one.
    sms: Vec<SmsLength>,
}

/// What a text message takes.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct SmsLength {
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
pub(in crate::web::api) async fn check(
    template: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let template = open(&state, &template).await?.template();
    let template = template.map_err(|error| faults::named("", error))?;
    checked(&state, &template).await
}

/// A text that is not saved.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web::api) struct UnsavedText {
    /// `template.toml`, and `template.LANGUAGE.toml` for each translation.
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    files: Option<FileTexts>,
    /// By language and field, instead of files.
    content: Option<Content>,
}

/// Checks a text for a template before it is saved.
///
/// The template need not be there yet.
#[utoipa::path(
    post, path = "/api/v1/templates/{template}/check", operation_id = "checkTemplateText", tag = "Templates",
    params(("template" = String, Path, description = "Its name", example = "spring-sale")),
    request_body(content = UnsavedText),
    responses((status = 200, description = "What was found", body = TemplateCheck)),
)]
pub(in crate::web::api) async fn check_text(
    template: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: UnsavedText = body::read(&request, &bytes)?;
    let text = Told {
        files: told.files.as_ref(),
        content: told.content.as_ref(),
    };
    let template = unsaved(&state, &template, text)
        .await?
        .ok_or_else(|| refused("files", "are missing; send them, or the content"))?;
    checked(&state, &template).await
}

/// The template that a text would make; none where nothing is told.
async fn unsaved(state: &State, name: &str, text: Told<'_>) -> Result<Option<Template>, ApiError> {
    let base = found(state, name).await?;
    let Some(texts) = text.texts(name, base.as_ref())? else {
        return Ok(None);
    };
    let template = Template::from_texts(&texts);
    template
        .map(Some)
        .map_err(|error| faults::template(text.field(), &error))
}

async fn checked(state: &State, template: &Template) -> Result<HttpResponse, ApiError> {
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
    answer(StatusCode::OK, &view)
}

/// What stands around a text message, as it would go out without more ado.
fn frame_of(settings: &Settings, language: &str) -> SmsFrame {
    let provider = settings.sms.route(None).unwrap_or(SANDBOX);
    texts::frame(&settings.sms, provider, language)
}

/// For whom a template is rendered, and which text of it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web::api) struct PreviewTold {
    /// None: email.
    channel: Option<Channel>,
    /// His number, or `external_id:` and your own key of him; none: somebody invented.
    #[schema(example = "42")]
    customer: Option<String>,
    /// None: his own.
    #[schema(example = "fr")]
    language: Option<String>,
    /// None: the one that stands.
    #[schema(example = 1)]
    revision: Option<i64>,
    /// A text that is not saved: `template.toml`, and `template.LANGUAGE.toml` for each translation.
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    files: Option<FileTexts>,
    /// A text that is not saved, by language and field.
    content: Option<Content>,
}

/// A message as a customer would get it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct Preview {
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
/// As it stands, as one of its revisions, or with a text that is not saved. Where a customer is named, the token
/// needs `customers:read` too.
#[utoipa::path(
    post, path = "/api/v1/templates/{template}/preview", operation_id = "previewTemplate", tag = "Templates",
    params(("template" = String, Path, description = "Its name", example = "super-chef")),
    request_body(content = Option<PreviewTold>, example = json!({"language": "fr"})),
    responses((status = 200, description = "The message", body = Preview)),
)]
pub(in crate::web::api) async fn preview(
    template: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: PreviewTold = body::read_or_empty(&request, &bytes)?;
    let template = meant(&state, &template, &told).await?;
    let customer = match &told.customer {
        Some(who) => seen(&state, &caller, who).await?,
        None => sample_customer(),
    };
    let language = told.language.as_deref().unwrap_or(&customer.language);
    let language = template.language_for(language);
    let not_rendered = |error: PreviewError| refused("", error.to_string());
    let view = if told.channel == Some(Channel::Sms) {
        let frame = frame_of(&state.settings, language);
        let rendered =
            preview::sms(&template, language, &customer, &frame).map_err(not_rendered)?;
        Preview {
            channel: Channel::Sms,
            language: language.to_owned(),
            subject: None,
            html: None,
            text: rendered.text,
            parts: Some(rendered.size.parts),
        }
    } else {
        let public_url = &state.settings.web.public_url;
        let rendered =
            preview::email(&template, language, &customer, public_url).map_err(not_rendered)?;
        Preview {
            channel: Channel::Email,
            language: language.to_owned(),
            subject: Some(rendered.subject),
            html: Some(rendered.html),
            text: rendered.text,
            parts: None,
        }
    };
    answer(StatusCode::OK, &view)
}

/// The template that is to be shown.
async fn meant(state: &State, name: &str, told: &PreviewTold) -> Result<Template, ApiError> {
    let text = Told {
        files: told.files.as_ref(),
        content: told.content.as_ref(),
    };
    let unsaved = unsaved(state, name, text).await?;
    match (unsaved, told.revision) {
        (Some(template), None) => Ok(template),
        (Some(_), Some(_)) => Err(refused(
            "revision",
            "stands beside a text; send one of them",
        )),
        (None, Some(number)) => {
            open(state, name).await?;
            let revision = super::templates::revision(&state.db, name, number)
                .await
                .map_err(|error| faults::library("", error))?;
            Template::from_texts(&revision.files).map_err(|error| faults::template("", &error))
        }
        (None, None) => {
            let template = open(state, name).await?.template();
            template.map_err(|error| faults::named("", error))
        }
    }
}
