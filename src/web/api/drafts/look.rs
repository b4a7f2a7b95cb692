//! A draft looked at: what would happen, its message as a customer would get it, and a test send.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{faults, meant, templates_of};
use crate::campaigns::definition::Definition;
use crate::config::Scope;
use crate::consent::model::Channel;
use crate::customers::model::Customer;
use crate::delivery::trial::{self, MOST, Specimen, Trial};
use crate::templates::{Template, library, sample_customer};
use crate::web::api::auth::Caller;
use crate::web::api::campaigns::check::{CampaignCheck, checked};
use crate::web::api::customers::seen;
use crate::web::api::{answer, body, note, once_around, refused, reply};
use crate::web::{ApiError, State};

/// Checks a draft: what would happen if it were launched now.
#[utoipa::path(
    get, path = "/api/v1/drafts/{draft}/check", operation_id = "checkDraft", tag = "Drafts",
    params(("draft" = String, Path, description = "Its name", example = "spring")),
    responses((status = 200, description = "Who would get it, who would not and why, how long it would take, what it would bring", body = CampaignCheck)),
)]
pub(in crate::web::api) async fn check(
    draft: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let draft = meant(&state, &draft).await?;
    let templates = templates_of(&state, &draft).await?;
    checked(&state, &draft.definition, &templates).await
}

/// As whom a message is shown.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web::api) struct SpecimenTold {
    /// His number, or `external_id:` and your own key of him, which takes the scope `customers:read`; none: somebody
    /// invented.
    #[schema(example = "42")]
    customer: Option<String>,
    /// None: his own.
    #[schema(example = "fr")]
    language: Option<String>,
    /// None: the first of the plan.
    channel: Option<Channel>,
    /// The cell whose message it is; none: the campaign's.
    cell: Option<String>,
}

/// What a message is made of.
struct Made {
    plan: Definition,
    template: Template,
    customer: Customer,
    channel: Channel,
    cell: String,
}

impl SpecimenTold {
    async fn made(self, state: &State, caller: &Caller, name: &str) -> Result<Made, ApiError> {
        let plan = meant(state, name).await?.definition;
        let cell = self.cell.unwrap_or_default();
        if !cell.is_empty() && plan.cells.iter().all(|one| one.name != cell) {
            return Err(refused("cell", "is none of the plan"));
        }
        let mut customer = match &self.customer {
            // What a message says of somebody is who he is.
            Some(_) if !caller.scopes.contains(&Scope::CustomersRead) => {
                return Err(ApiError::new(StatusCode::FORBIDDEN).with_detail(
                    "This token lacks the scope customers:read; leave the customer out for an invented one.",
                ));
            }
            Some(who) => seen(state, caller, who).await?,
            None => sample_customer(),
        };
        if let Some(language) = self.language {
            customer.language = language;
        }
        let named = plan.template_of(&cell);
        if named.is_empty() {
            return Err(refused("template", "is not chosen yet"));
        }
        let template = library::find(&state.db, &state.settings.templates_dir, named)
            .await
            .map_err(|error| refused("template", error.to_string()))?;
        Ok(Made {
            channel: trial::channel_of(&plan, self.channel).map_err(faults::trial)?,
            plan,
            template,
            customer,
            cell,
        })
    }
}

impl Made {
    fn trial<'a>(&'a self, definition: &'a Definition) -> Trial<'a> {
        Trial {
            definition,
            template: &self.template,
            cell: &self.cell,
            customer: &self.customer,
            channel: self.channel,
        }
    }
}

/// The message of a plan as a customer would get it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct DraftPreview {
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

/// Shows the message of a draft as a customer would get it.
///
/// Its links lead where they will, untracked.
#[utoipa::path(
    post, path = "/api/v1/drafts/{draft}/preview", operation_id = "previewDraft", tag = "Drafts",
    params(("draft" = String, Path, description = "Its name", example = "spring")),
    request_body(content = Option<SpecimenTold>, example = json!({"language": "fr"})),
    responses((status = 200, description = "The message", body = DraftPreview)),
)]
pub(in crate::web::api) async fn preview(
    draft: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: SpecimenTold = body::read_or_empty(&request, &bytes)?;
    let made = told.made(&state, &caller, &draft).await?;
    let plan = trial::presentable(&made.plan);
    let specimen = made.trial(&plan).specimen(&state.settings);
    let language = made.template.language_for(&made.customer.language);
    let (channel, language) = (made.channel, language.to_owned());
    let view = match specimen.map_err(faults::trial)? {
        Specimen::Email {
            subject,
            html,
            text,
        } => DraftPreview {
            channel,
            language,
            subject: Some(subject),
            html: Some(html),
            text,
            parts: None,
        },
        Specimen::Sms(rendered) => DraftPreview {
            channel,
            language,
            subject: None,
            html: None,
            text: rendered.text,
            parts: Some(rendered.size.parts),
        },
    };
    answer(StatusCode::OK, &view)
}

/// To whom a message is sent to be looked at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web::api) struct TestSendTold {
    /// Addresses, or numbers of a text message.
    #[schema(example = json!(["boss@example.com"]), min_items = 1, max_items = 10)]
    to: Vec<String>,
    /// As whom it is written: as of a preview.
    customer: Option<String>,
    language: Option<String>,
    channel: Option<Channel>,
    cell: Option<String>,
}

/// What became of a test send.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct TestSent {
    /// How many were taken.
    taken: usize,
    results: Vec<TestResult>,
}

/// What became of one address.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct TestResult {
    to: String,
    /// Why it was not taken; null: it was.
    problem: Option<String>,
}

/// Sends the message of a draft to people you name.
///
/// It goes the way of the real ones, with `[Test]` in its subject, and counts nowhere. Who opted out gets none.
#[utoipa::path(
    post, path = "/api/v1/drafts/{draft}/test-send", operation_id = "testSend", tag = "Drafts",
    params(("draft" = String, Path, description = "Its name", example = "spring")),
    request_body(content = TestSendTold, example = json!({"to": ["boss@example.com"]})),
    responses((status = 200, description = "What became of each", body = TestSent)),
)]
pub(in crate::web::api) async fn test_send(
    draft: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: TestSendTold = body::read(&request, &bytes)?;
    if !(1..=MOST).contains(&told.to.len()) {
        return Err(refused("to", format!("is not 1 to {MOST} addresses")));
    }
    for (at, address) in told.to.iter().enumerate() {
        body::line(&format!("to[{at}]"), address, 254)?;
    }
    let specimen = SpecimenTold {
        customer: told.customer,
        language: told.language,
        channel: told.channel,
        cell: told.cell,
    };
    once_around(&request, &state, &caller, &bytes, async || {
        let made = specimen.made(&state, &caller, &draft).await?;
        let (db, keys, settings) = (&state.db, &state.keys, &state.settings);
        let tried = made.trial(&made.plan);
        let tried = trial::send_apart(
            db,
            keys,
            settings,
            &state.clock,
            tried,
            &told.to,
            &caller.actor(),
        )
        .await
        .map_err(faults::trial)?;
        let taken = tried.iter().filter(|one| one.problem.is_none()).count();
        let detail = format!("{taken} taken of {}", tried.len());
        note(&state, &caller, "campaign.test_send", &draft, &detail).await?;
        let results = tried.into_iter().map(|one| TestResult {
            to: one.to,
            problem: one.problem.map(|problem| problem.to_string()),
        });
        let view = TestSent {
            taken,
            results: results.collect(),
        };
        reply(StatusCode::OK, &view)
    })
    .await
}
