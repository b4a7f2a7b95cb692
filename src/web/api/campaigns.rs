//! `/api/v1/campaigns`: plans, from the definition to the last message.

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, HeaderValue, LOCATION};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::auth::Caller;
use super::cursor::{self, Page, Paging};
use super::{answer, body, faults, instant, once_around, refused, reply, require_match};
use crate::campaigns::check::{self as checks, CheckedCampaign};
use crate::campaigns::definition::Definition;
use crate::campaigns::model::Status;
use crate::campaigns::plan;
use crate::campaigns::store::{self, Campaign};
use crate::delivery::launch::{self as launching, LaunchOptions, Occurrence};
use crate::delivery::progress::{self as course, Progress};
use crate::delivery::{cancel as cancelling, decide as deciding};
use crate::gate::model::Withheld;
use crate::statistics::Sentence;
use crate::templates::{Finding, Template};
use crate::web::{ApiError, State};

/// The list, for its cursors.
const LIST: &str = "campaigns";

/// A campaign.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Campaign)]
pub(super) struct CampaignView {
    #[schema(example = "spring")]
    name: String,
    status: Status,
    /// Why it is paused.
    status_reason: Option<String>,
    /// Counts its definitions; also its ETag.
    revision: i64,
    #[schema(value_type = String, format = DateTime)]
    updated_at: String,
    /// When it is launched by its schedule.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_due_at: Option<String>,
    definition: Definition,
}

async fn view(state: &State, campaign: Campaign) -> Result<CampaignView, ApiError> {
    let due = store::next_due(&*state.db, campaign.id)
        .await
        .map_err(ApiError::unavailable)?;
    Ok(CampaignView {
        name: campaign.definition.name.clone(),
        status: campaign.status,
        status_reason: campaign.status_reason,
        revision: campaign.revision,
        updated_at: instant(campaign.updated_at),
        next_due_at: due.map(|(_, at)| instant(at)),
        definition: campaign.definition,
    })
}

fn revision_tag(revision: i64) -> String {
    format!("\"{revision}\"")
}

async fn shown(
    state: &State,
    status: StatusCode,
    campaign: Campaign,
) -> Result<HttpResponse, ApiError> {
    let view = view(state, campaign).await?;
    let mut response = answer(status, &view)?;
    if let Ok(tag) = HeaderValue::from_str(&revision_tag(view.revision)) {
        response.headers_mut().insert(ETAG, tag);
    }
    if status == StatusCode::CREATED
        && let Ok(place) = HeaderValue::from_str(&format!("/api/v1/campaigns/{}", view.name))
    {
        response.headers_mut().insert(LOCATION, place);
    }
    Ok(response)
}

/// A campaign of the list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ListedCampaign {
    #[schema(example = "spring")]
    name: String,
    status: Status,
    revision: i64,
    #[schema(value_type = String, format = DateTime)]
    updated_at: String,
}

/// Lists the campaigns, the last made first.
#[utoipa::path(
    get, path = "/api/v1/campaigns", operation_id = "listCampaigns", tag = "Campaigns",
    params(Paging),
    responses((status = 200, description = "A page of campaigns", body = Page<ListedCampaign>)),
)]
pub(super) async fn list(
    paging: web::Query<Paging>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let limit = paging.limit()?;
    let before = paging.after(&state.keys, LIST)?.unwrap_or(i64::MAX);
    let found = store::before(&state.db, before, limit + 1)
        .await
        .map_err(ApiError::unavailable)?;
    let page = cursor::page(
        &state.keys,
        LIST,
        found,
        limit,
        |one| one.id,
        |one| ListedCampaign {
            name: one.definition.name,
            status: one.status,
            revision: one.revision,
            updated_at: instant(one.updated_at),
        },
    );
    cursor::answer(&page)
}

/// Shows a campaign with its definition.
#[utoipa::path(
    get, path = "/api/v1/campaigns/{campaign}", operation_id = "getCampaign", tag = "Campaigns",
    params(("campaign" = String, Path, description = "Its name", example = "spring")),
    responses((status = 200, description = "The campaign", body = CampaignView, headers(("ETag" = String, description = "Its revision, for If-Match")))),
)]
pub(super) async fn one(
    campaign: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let campaign = meant(&state, &campaign).await?;
    shown(&state, StatusCode::OK, campaign).await
}

async fn meant(state: &State, name: &str) -> Result<Campaign, ApiError> {
    plan::find(&state.db, name).await.map_err(faults::plan)
}

/// Reads a definition: what is null is as if it were left out.
fn definition(request: &HttpRequest, bytes: &[u8]) -> Result<Definition, ApiError> {
    let mut value = body::json(request, bytes)?;
    leave_nulls(&mut value);
    let given: Definition = body::typed(value)?;
    given.completed("body").map_err(faults::definition)
}

fn leave_nulls(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|_, value| !value.is_null());
            object.values_mut().for_each(leave_nulls);
        }
        Value::Array(values) => values.iter_mut().for_each(leave_nulls),
        _ => {}
    }
}

/// The templates a definition names, its own first.
fn templates(state: &State, definition: &Definition) -> Result<Vec<Template>, ApiError> {
    let names = definition.templates().into_iter();
    names
        .map(|name| super::templates::find(&state.settings, name))
        .collect::<Result<_, _>>()
        .map_err(|error| faults::template("template", &error))
}

/// Makes a campaign, or changes it.
///
/// The same definition as in a file of `visavis campaign apply`. What check and launch would refuse is not stored
/// either; the templates are frozen with it.
#[utoipa::path(
    put, path = "/api/v1/campaigns/{campaign}", operation_id = "putCampaign", tag = "Campaigns",
    params(
        ("campaign" = String, Path, description = "Its name, as in the definition", example = "spring"),
        ("If-Match" = Option<String>, Header, description = "The revision it was read with"),
    ),
    request_body(content = Definition, example = json!({
        "name": "spring", "segment": "city = \"Amiens\"", "template": "super-chef", "topic": "offers",
        "sender": {"name": "La Boutique", "address": "offres@example.com", "postal_address": "1 rue de la Paix, 80000 Amiens"},
        "schedule": {"at": "2027-03-01T09:30", "zone": "recipient"},
    })),
    responses(
        (status = 200, description = "It was there", body = CampaignView),
        (status = 201, description = "It is new", body = CampaignView),
        (status = 409, description = "It runs or is over, and can no longer be changed", body = super::problem::Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn put(
    campaign: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let definition = definition(&request, &bytes)?;
    if definition.name != *campaign {
        return Err(refused("name", "is not the name in the address"));
    }
    let templates = templates(&state, &definition)?;
    let templates: Vec<&Template> = templates.iter().collect();
    if let Some(refusal) = [
        checks::offer_refusal(&definition, &state.rules),
        checks::sender_refusal(&definition, &state.settings, &BTreeSet::new()),
        checks::routes_of(&definition, &state.settings)
            .err()
            .map(Into::into),
    ]
    .into_iter()
    .flatten()
    .next()
    {
        return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY)
            .with_detail(body::sentence(&refusal.to_string())));
    }
    let before = store::by_name(&*state.db, &definition.name)
        .await
        .map_err(ApiError::unavailable)?;
    let tag = before.as_ref().map(|one| revision_tag(one.revision));
    require_match(&request, tag.as_deref())?;
    let (_, applied) = plan::apply(&state.db, &definition, &templates, state.clock.now())
        .await
        .map_err(faults::plan)?;
    super::note(&state, &caller, "campaign.save", &definition.name, "").await?;
    let status = match applied {
        plan::Applied::Created => StatusCode::CREATED,
        plan::Applied::Updated | plan::Applied::Unchanged => StatusCode::OK,
    };
    let campaign = meant(&state, &definition.name).await?;
    shown(&state, status, campaign).await
}

/// What a campaign would do now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CampaignCheck {
    name: String,
    segment: String,
    /// Nothing forbids the launch.
    is_ready: bool,
    /// Whom the segment means.
    selected: u64,
    /// Who is withheld and why, in the order of the waterfall.
    withheld: Vec<WithheldStep>,
    will_receive: u64,
    /// Of those by email, where the campaign has text messages too.
    by_email: Option<u64>,
    /// Of those, who wait for the end of quiet hours, and until when (UTC).
    held: Vec<HeldStep>,
    /// At the campaign's or the relay's rate, or as fast as the last wave went.
    estimated_seconds: Option<f64>,
    /// The next launch, in UTC; none: by hand.
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
pub(super) struct WithheldStep {
    #[schema(value_type = String, example = "no_permission")]
    reason: Withheld,
    /// The reason as a sentence.
    #[schema(value_type = String)]
    sentence: &'static str,
    people: u64,
}

/// Who waits for the end of quiet hours.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HeldStep {
    #[schema(example = "2026-12-01 09:00 UTC")]
    until: String,
    people: u64,
}

fn in_english(sentences: &[Sentence]) -> Vec<String> {
    sentences.iter().map(ToString::to_string).collect()
}

impl CampaignCheck {
    fn new(found: CheckedCampaign) -> Result<Self, ApiError> {
        let json = |value: serde_json::Result<Value>| value.map_err(ApiError::internal);
        let optional = |value: Value| (!value.is_null()).then_some(value);
        Ok(Self {
            is_ready: found.is_ready(),
            withheld: found
                .withheld
                .iter()
                .map(|(reason, people)| WithheldStep {
                    reason: *reason,
                    sentence: reason.describe(),
                    people: *people,
                })
                .collect(),
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
            due: found.due,
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
pub(super) async fn check(
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
pub(super) async fn check_given(
    request: HttpRequest,
    bytes: Bytes,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let definition = definition(&request, &bytes)?;
    let templates = templates(&state, &definition)?;
    checked(&state, &definition, &templates).await
}

async fn checked(
    state: &State,
    definition: &Definition,
    templates: &[Template],
) -> Result<HttpResponse, ApiError> {
    let templates: Vec<&Template> = templates.iter().collect();
    let now = state.clock.now();
    let found = checks::check(&state.db, definition, &templates, &state.settings, now)
        .await
        .map_err(faults::check)?;
    answer(StatusCode::OK, &CampaignCheck::new(found)?)
}

/// How far a campaign's latest wave is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CampaignProgress {
    campaign: String,
    status: Status,
    /// Why it is paused.
    status_reason: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    next_due_at: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    launched_at: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<String>,
    selected: i64,
    withheld: i64,
    /// Not handed over yet.
    pending: i64,
    sending: i64,
    /// Taken by the next server.
    accepted: i64,
    /// To be tried again.
    deferred: i64,
    failed: i64,
    /// Nobody knows whether they were taken; they are not sent again.
    unknown: i64,
    /// When the next deferred message is tried again.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_try_at: Option<String>,
    /// When the next pending messages are due.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_pending_at: Option<String>,
    /// How many of the pending wait for the end of quiet hours.
    held: i64,
    #[schema(value_type = Option<String>, format = DateTime)]
    held_until: Option<String>,
    /// How many of the pending exceed the limit of their domain.
    limited: i64,
    #[schema(value_type = Option<String>, format = DateTime)]
    limited_until: Option<String>,
    /// The relay or provider of each of its channels.
    routes: Vec<String>,
    /// Messages a second at most.
    limit_per_second: Option<u32>,
    /// Hand-overs a second over the last minutes.
    per_second: Option<f64>,
    /// When the pending will have been handed over, as it goes now.
    #[schema(value_type = Option<String>, format = DateTime)]
    done_at: Option<String>,
    /// How many wait for the winner of a test.
    waiting_for_winner: i64,
    /// When it is chosen; null: it is, or there is no test that waits.
    #[schema(value_type = Option<String>, format = DateTime)]
    decide_at: Option<String>,
    /// The cell that won.
    winner: Option<String>,
}

impl From<Progress> for CampaignProgress {
    fn from(one: Progress) -> Self {
        let test = one.test;
        Self {
            campaign: one.campaign,
            status: one.status,
            status_reason: one.status_reason,
            next_due_at: one.next_due_at.map(instant),
            launched_at: one.launched_at.map(instant),
            finished_at: one.finished_at.map(instant),
            selected: one.selected,
            withheld: one.withheld,
            pending: one.pending,
            sending: one.sending,
            accepted: one.accepted,
            deferred: one.deferred,
            failed: one.failed,
            unknown: one.unknown,
            next_try_at: one.next_try_at.map(instant),
            next_pending_at: one.next_pending_at.map(instant),
            held: one.held,
            held_until: one.held_until.map(instant),
            limited: one.limited,
            limited_until: one.limited_until.map(instant),
            routes: one.routes,
            limit_per_second: one.limit_per_second,
            per_second: one.per_second,
            done_at: one.done_at.map(instant),
            waiting_for_winner: test.as_ref().map_or(0, |test| test.waiting),
            decide_at: test.as_ref().and_then(|test| test.decide_at).map(instant),
            winner: test.and_then(|test| test.decision).map(|one| one.winner),
        }
    }
}

async fn progress_of(state: &State, name: &str) -> Result<CampaignProgress, ApiError> {
    let campaign = meant(state, name).await?;
    let now_ms = state.clock.now_ms();
    let found = course::progress(&state.db, &state.settings, &campaign, now_ms)
        .await
        .map_err(ApiError::unavailable)?;
    Ok(found.into())
}

/// Tells how far a campaign is.
#[utoipa::path(
    get, path = "/api/v1/campaigns/{campaign}/progress", operation_id = "getProgress", tag = "Campaigns",
    params(("campaign" = String, Path, description = "Its name", example = "spring")),
    responses((status = 200, description = "Its latest wave", body = CampaignProgress)),
)]
pub(super) async fn progress(
    campaign: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    answer(StatusCode::OK, &progress_of(&state, &campaign).await?)
}

/// What a launch wrote.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Launched {
    wave: i64,
    /// The same occurrence had been launched before: nothing was done.
    was_already: bool,
    /// Messages to send.
    deliveries: u64,
    /// Who is withheld and why.
    withheld: Vec<WithheldStep>,
}

/// Nothing to say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// Launches a campaign.
///
/// Freezes the audience and starts sending. Launching twice does nothing the second time.
#[utoipa::path(
    post, path = "/api/v1/campaigns/{campaign}/launch", operation_id = "launchCampaign", tag = "Campaigns",
    params(("campaign" = String, Path, description = "Its name", example = "spring")),
    responses((status = 200, description = "It is being sent", body = Launched)),
)]
pub(super) async fn launch(
    campaign: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let _: Nothing = body::read_or_empty(&request, &bytes)?;
    once_around(&request, &state, &caller, &bytes, async || {
        let found = meant(&state, &campaign).await?;
        let options = LaunchOptions {
            chunk: state.settings.delivery.chunk,
            is_simulated: false,
            rules: state.rules.clone(),
            settings: state.settings.clone(),
        };
        let now = state.clock.now();
        let done = launching::launch(&state.db, found.id, Occurrence::ByHand, options, now)
            .await
            .map_err(faults::launch)?;
        super::note(&state, &caller, "campaign.launch", &campaign, "").await?;
        let withheld = done.withheld.iter().map(|(reason, people)| WithheldStep {
            reason: *reason,
            sentence: reason.describe(),
            people: *people,
        });
        let view = Launched {
            wave: done.wave.0,
            was_already: done.was_already,
            deliveries: done.deliveries,
            withheld: withheld.collect(),
        };
        reply(StatusCode::OK, &view)
    })
    .await
}

/// Why it is paused.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PauseTold {
    /// Shown beside its status.
    #[schema(example = "the shop is closed", max_length = 200)]
    reason: Option<String>,
}

/// Pauses a campaign.
///
/// Nothing more is handed over within a second.
#[utoipa::path(
    post, path = "/api/v1/campaigns/{campaign}/pause", operation_id = "pauseCampaign", tag = "Campaigns",
    params(("campaign" = String, Path, description = "Its name", example = "spring")),
    request_body(content = inline(Option<PauseTold>)),
    responses((status = 200, description = "It is paused", body = CampaignProgress)),
)]
pub(super) async fn pause(
    campaign: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: PauseTold = body::read_or_empty(&request, &bytes)?;
    let reason = body::line("reason", told.reason.as_deref().unwrap_or_default(), 200)?;
    let reason = reason.map_or_else(|| format!("by the token {}", caller.name), str::to_owned);
    once_around(&request, &state, &caller, &bytes, async || {
        plan::pause(&state.db, &campaign, &reason, state.clock.now_ms())
            .await
            .map_err(faults::plan)?;
        super::note(&state, &caller, "campaign.pause", &campaign, "").await?;
        reply(StatusCode::OK, &progress_of(&state, &campaign).await?)
    })
    .await
}

/// Goes on with a paused campaign.
#[utoipa::path(
    post, path = "/api/v1/campaigns/{campaign}/resume", operation_id = "resumeCampaign", tag = "Campaigns",
    params(("campaign" = String, Path, description = "Its name", example = "spring")),
    responses((status = 200, description = "It goes on", body = CampaignProgress)),
)]
pub(super) async fn resume(
    campaign: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let _: Nothing = body::read_or_empty(&request, &bytes)?;
    once_around(&request, &state, &caller, &bytes, async || {
        plan::resume(&state.db, &campaign, state.clock.now_ms())
            .await
            .map_err(faults::plan)?;
        super::note(&state, &caller, "campaign.resume", &campaign, "").await?;
        reply(StatusCode::OK, &progress_of(&state, &campaign).await?)
    })
    .await
}

/// Stops a campaign for good.
///
/// What was sent stays on record; the rest is on record as withheld.
#[utoipa::path(
    post, path = "/api/v1/campaigns/{campaign}/cancel", operation_id = "cancelCampaign", tag = "Campaigns",
    params(("campaign" = String, Path, description = "Its name", example = "spring")),
    responses((status = 200, description = "It is stopped", body = CampaignProgress)),
)]
pub(super) async fn cancel(
    campaign: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let _: Nothing = body::read_or_empty(&request, &bytes)?;
    once_around(&request, &state, &caller, &bytes, async || {
        cancelling::cancel(&state.db, &campaign, state.clock.now_ms())
            .await
            .map_err(faults::plan)?;
        super::note(&state, &caller, "campaign.cancel", &campaign, "").await?;
        reply(StatusCode::OK, &progress_of(&state, &campaign).await?)
    })
    .await
}

/// Which cell wins.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DecisionTold {
    /// None: the one that stands best.
    #[schema(example = "short-subject", max_length = 60)]
    cell: Option<String>,
}

/// What was chosen.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Decided {
    winner: String,
    /// Its chance to be the best of them, as it stood.
    chance: Option<f64>,
    #[schema(value_type = String, format = DateTime)]
    at: String,
}

/// Chooses the winner of a test before its time.
///
/// Those who wait get it.
#[utoipa::path(
    post, path = "/api/v1/campaigns/{campaign}/decide", operation_id = "decideTest", tag = "Campaigns",
    params(("campaign" = String, Path, description = "Its name", example = "spring")),
    request_body(content = inline(Option<DecisionTold>)),
    responses((status = 200, description = "The winner", body = Decided)),
)]
pub(super) async fn decide(
    campaign: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: DecisionTold = body::read_or_empty(&request, &bytes)?;
    once_around(&request, &state, &caller, &bytes, async || {
        let now_ms = state.clock.now_ms();
        let done = deciding::decide_now(&state.db, &campaign, told.cell.as_deref(), now_ms)
            .await
            .map_err(faults::decide)?;
        super::note(&state, &caller, "campaign.decide", &campaign, &done.winner).await?;
        let view = Decided {
            winner: done.winner,
            chance: done.chance,
            at: instant(done.at),
        };
        reply(StatusCode::OK, &view)
    })
    .await
}
