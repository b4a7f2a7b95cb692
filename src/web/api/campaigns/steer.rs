//! A campaign under way: launched, followed, moved, paused, stopped, decided.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::check::{WithheldStep, steps};
use super::{CampaignView, meant, view};
use crate::campaigns::model::Status;
use crate::campaigns::plan;
use crate::campaigns::reschedule::{self, MoveTo};
use crate::delivery::launch::{self as launching, LaunchOptions, Launched, Occurrence};
use crate::delivery::progress::{self as course, Progress};
use crate::delivery::{cancel as cancelling, decide as deciding};
use crate::web::api::auth::Caller;
use crate::web::api::{answer, body, faults, instant, once_around, refused, reply};
use crate::web::{ApiError, State};

/// How far a campaign's latest wave is.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct CampaignProgress {
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
pub(in crate::web::api) async fn progress(
    campaign: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    answer(StatusCode::OK, &progress_of(&state, &campaign).await?)
}

/// What a launch wrote.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Launched)]
pub(in crate::web::api) struct LaunchedView {
    wave: i64,
    /// The same occurrence had been launched before: nothing was done.
    was_already: bool,
    /// Messages to send.
    deliveries: u64,
    /// Who is withheld and why.
    withheld: Vec<WithheldStep>,
}

impl From<Launched> for LaunchedView {
    fn from(done: Launched) -> Self {
        Self {
            wave: done.wave.0,
            was_already: done.was_already,
            deliveries: done.deliveries,
            withheld: steps(done.withheld.into_iter()),
        }
    }
}

/// Nothing to say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web::api) struct Nothing {}

/// Launches a campaign.
///
/// Freezes the audience and starts sending. Launching twice does nothing the second time. A campaign that is being
/// planned as a draft is launched by the draft alone.
#[utoipa::path(
    post, path = "/api/v1/campaigns/{campaign}/launch", operation_id = "launchCampaign", tag = "Campaigns",
    params(("campaign" = String, Path, description = "Its name", example = "spring")),
    responses((status = 200, description = "It is being sent", body = LaunchedView)),
)]
pub(in crate::web::api) async fn launch(
    campaign: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let _: Nothing = body::read_or_empty(&request, &bytes)?;
    once_around(&request, &state, &caller, &bytes, async || {
        let found = meant(&state, &campaign).await?;
        let (by_hand, options) = (Occurrence::ByHand, launch_options(&state));
        let (actor, now) = (caller.actor(), state.clock.now());
        let done = launching::launch(&state.db, found.id, by_hand, options, &actor, now)
            .await
            .map_err(faults::launch)?;
        reply(StatusCode::OK, &LaunchedView::from(done))
    })
    .await
}

/// How the campaigns of programs are launched.
pub(in crate::web::api) fn launch_options(state: &State) -> LaunchOptions {
    LaunchOptions {
        chunk: state.settings.delivery.chunk,
        is_simulated: false,
        rules: state.rules.clone(),
        settings: state.settings.clone(),
    }
}

/// Why it is paused.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web::api) struct PauseTold {
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
pub(in crate::web::api) async fn pause(
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
        let (actor, now_ms) = (caller.actor(), state.clock.now_ms());
        plan::pause(&state.db, &campaign, &reason, &actor, now_ms)
            .await
            .map_err(faults::plan)?;
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
pub(in crate::web::api) async fn resume(
    campaign: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let _: Nothing = body::read_or_empty(&request, &bytes)?;
    once_around(&request, &state, &caller, &bytes, async || {
        plan::resume(&state.db, &campaign, &caller.actor(), state.clock.now_ms())
            .await
            .map_err(faults::plan)?;
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
pub(in crate::web::api) async fn cancel(
    campaign: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let _: Nothing = body::read_or_empty(&request, &bytes)?;
    once_around(&request, &state, &caller, &bytes, async || {
        cancelling::cancel(&state.db, &campaign, &caller.actor(), state.clock.now_ms())
            .await
            .map_err(faults::plan)?;
        reply(StatusCode::OK, &progress_of(&state, &campaign).await?)
    })
    .await
}

/// Which cell wins.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web::api) struct DecisionTold {
    /// None: the one that stands best.
    #[schema(example = "short-subject", max_length = 60)]
    cell: Option<String>,
}

/// What was chosen.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct Decided {
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
pub(in crate::web::api) async fn decide(
    campaign: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: DecisionTold = body::read_or_empty(&request, &bytes)?;
    once_around(&request, &state, &caller, &bytes, async || {
        let (actor, now_ms) = (caller.actor(), state.clock.now_ms());
        let cell = told.cell.as_deref();
        let done = deciding::decide_now(&state.db, &campaign, cell, &actor, now_ms)
            .await
            .map_err(faults::decide)?;
        let view = Decided {
            winner: done.winner,
            chance: done.chance,
            at: instant(done.at),
        };
        reply(StatusCode::OK, &view)
    })
    .await
}

/// Where a campaign is moved to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web::api) struct MoveTold {
    /// Local date-time in the zone of its schedule.
    #[schema(example = "2027-03-02T09:30")]
    at: String,
}

/// Gives a scheduled campaign another time.
///
/// All else of it stays, its templates too.
#[utoipa::path(
    post, path = "/api/v1/campaigns/{campaign}/reschedule", operation_id = "rescheduleCampaign", tag = "Campaigns",
    params(("campaign" = String, Path, description = "Its name", example = "spring")),
    request_body(content = inline(MoveTold)),
    responses((status = 200, description = "It waits for its new time", body = CampaignView)),
)]
pub(in crate::web::api) async fn reschedule(
    campaign: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: MoveTold = body::read(&request, &bytes)?;
    let at = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(&told.at, form).ok())
        .ok_or_else(|| refused("at", "is no local date-time such as 2027-03-02T09:30"))?;
    once_around(&request, &state, &caller, &bytes, async || {
        let found = meant(&state, &campaign).await?;
        let (to, actor, now) = (MoveTo::At(at), caller.actor(), state.clock.now());
        reschedule::reschedule(&state.db, found.id, to, &actor, now)
            .await
            .map_err(faults::plan)?;
        let moved = meant(&state, &campaign).await?;
        reply(StatusCode::OK, &view(&state, moved).await?)
    })
    .await
}
