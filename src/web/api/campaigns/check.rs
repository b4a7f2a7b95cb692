//! What would happen: a campaign looked at before anything is sent.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use chrono::NaiveDateTime;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{definition, meant, templates};
use crate::campaigns::check::{self as checks, CheckedCampaign};
use crate::campaigns::definition::Definition;
use crate::campaigns::store;
use crate::gate::model::Withheld;
use crate::statistics::Sentence;
use crate::templates::{Finding, Template};
use crate::web::api::{answer, faults, instant};
use crate::web::{ApiError, State};

/// What a campaign would do now.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct CampaignCheck {
    name: String,
    segment: String,
    /// Nothing forbids the launch.
    is_ready: bool,
    /// Whom the segment means.
    selected: u64,
    /// Who is withheld and why, in the order of the waterfall.
    withheld: Vec<WithheldStep>,
    will_receive: u64,
    /// Of the withheld, who are held back by lot, to see what the campaign causes.
    held_back: u64,
    /// Of those by email, where the campaign has text messages too.
    by_email: Option<u64>,
    /// Of those, who wait for the end of quiet hours, and until when (UTC).
    held: Vec<HeldStep>,
    /// At the campaign's or the relay's rate, or as fast as the last wave went.
    estimated_seconds: Option<f64>,
    /// What it would cost, in cents; null: nothing is known of it.
    cost_cents: Option<i64>,
    #[schema(example = "EUR")]
    currency: String,
    /// The next launch, in UTC; none: by hand.
    #[schema(example = "2026-12-01T08:30:00.000Z")]
    due: Option<String>,
    /// What forbids the launch.
    refusals: Vec<String>,
    /// What stands in the way of a real mailing.
    warnings: Vec<String>,
    /// What a copywriter says of the template.
    findings: Vec<Finding>,
    /// What it would bring: people, responses, orders, revenue and cost, each with its range.
    #[schema(value_type = Object)]
    forecast: Value,
    /// Whether the cells or the control group are large enough.
    #[schema(value_type = Option<Object>)]
    test: Option<Value>,
    /// What the text messages would weigh and cost.
    #[schema(value_type = Option<Object>)]
    sms: Option<Value>,
}

/// A step of the waterfall.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct WithheldStep {
    #[schema(value_type = String, example = "no_permission")]
    reason: Withheld,
    /// The reason as a sentence.
    #[schema(value_type = String)]
    sentence: &'static str,
    people: u64,
}

/// Who waits for the end of quiet hours.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct HeldStep {
    #[schema(example = "2026-12-01 09:00 UTC")]
    until: String,
    people: u64,
}

fn in_english(sentences: &[Sentence]) -> Vec<String> {
    sentences.iter().map(ToString::to_string).collect()
}

/// The due time, which the check gives to the minute, as the other instants are written.
fn as_instant(due: &str) -> String {
    NaiveDateTime::parse_from_str(due, "%Y-%m-%d %H:%M UTC").map_or_else(
        |_other| due.to_owned(),
        |at| instant(at.and_utc().timestamp_millis()),
    )
}

impl CampaignCheck {
    fn new(found: CheckedCampaign, currency: &str) -> Result<Self, ApiError> {
        let json = |value: serde_json::Result<Value>| value.map_err(ApiError::internal);
        let optional = |value: Value| (!value.is_null()).then_some(value);
        Ok(Self {
            is_ready: found.is_ready(),
            held_back: found.held_back(),
            cost_cents: found.cost_cents(),
            currency: currency.to_owned(),
            withheld: steps(found.withheld.iter().copied()),
            held: found
                .held
                .into_iter()
                .map(|(until, people)| HeldStep {
                    until: until.to_string(),
                    people,
                })
                .collect(),
            forecast: json(serde_json::to_value(&found.forecast))?,
            test: optional(json(serde_json::to_value(&found.test))?),
            sms: optional(json(serde_json::to_value(&found.sms))?),
            name: found.name,
            segment: found.segment,
            selected: found.selected,
            will_receive: found.will_receive,
            by_email: found.by_email,
            estimated_seconds: found.estimated_seconds,
            due: found.due.as_deref().map(as_instant),
            refusals: in_english(&found.refusals),
            warnings: in_english(&found.warnings),
            findings: found.findings,
        })
    }
}

/// Checks a campaign: what would happen if it were launched now.
#[utoipa::path(
    get, path = "/api/v1/campaigns/{campaign}/check", operation_id = "checkCampaign", tag = "Campaigns",
    params(("campaign" = String, Path, description = "Its name", example = "spring")),
    responses((status = 200, description = "Who gets it, who does not and why, how long it takes, what it brings", body = CampaignCheck)),
)]
pub(in crate::web::api) async fn check(
    campaign: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let campaign = meant(&state, &campaign).await?;
    let mut versions = vec![campaign.template_version];
    let of_cells = store::cell_versions(&*state.db, campaign.id)
        .await
        .map_err(ApiError::unavailable)?;
    versions.extend(of_cells.into_values());
    versions.dedup();
    let mut templates = Vec::with_capacity(versions.len());
    for version in versions {
        let source = store::template_source(&*state.db, version)
            .await
            .map_err(ApiError::unavailable)?;
        templates.push(Template::from_source(&source).map_err(ApiError::internal)?);
    }
    checked(&state, &campaign.definition, &templates).await
}

/// Checks a definition that is not stored.
#[utoipa::path(
    post, path = "/api/v1/campaigns/check", operation_id = "checkDefinition", tag = "Campaigns",
    request_body(content = Definition),
    responses((status = 200, description = "Who would get it, who would not and why, how long it would take", body = CampaignCheck)),
)]
pub(in crate::web::api) async fn check_given(
    request: HttpRequest,
    bytes: Bytes,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let definition = definition(&request, &bytes)?;
    let templates = templates(&state, &definition).await?;
    checked(&state, &definition, &templates).await
}

/// The waterfall, as answers have it.
pub(in crate::web::api) fn steps(
    withheld: impl Iterator<Item = (Withheld, u64)>,
) -> Vec<WithheldStep> {
    withheld
        .map(|(reason, people)| WithheldStep {
            reason,
            sentence: reason.describe(),
            people,
        })
        .collect()
}

/// The answer about a definition with its templates.
pub(in crate::web::api) async fn checked(
    state: &State,
    definition: &Definition,
    templates: &[Template],
) -> Result<HttpResponse, ApiError> {
    let templates: Vec<&Template> = templates.iter().collect();
    let now = state.clock.now();
    let found = checks::check(&state.db, definition, &templates, &state.settings, now)
        .await
        .map_err(faults::check)?;
    let currency = &state.settings.orders.currency;
    answer(StatusCode::OK, &CampaignCheck::new(found, currency)?)
}
