//! `/campaigns/{name}`: how a campaign goes, how it is stopped, and in the end its report.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::list::status_in_words;
use super::review::duration;
use super::{Given, address};
use crate::accounts::model::Right;
use crate::accounts::users;
use crate::campaigns::drafts::store as drafts;
use crate::campaigns::model::Status;
use crate::campaigns::plan::{self, PlanError};
use crate::campaigns::store::{self as campaigns, Campaign};
use crate::clock::from_ms;
use crate::delivery::progress::{self, Progress};
use crate::delivery::{cancel, decide};
use crate::segments::discreet;
use crate::statistics::as_f64;
use crate::statistics::sentence::{Sentence, Value};
use crate::web::console::{Visit, path_segment, report, see_other};
use crate::web::words::Words;
use crate::web::{ApiError, State};

/// The length of a full bar, in the units of its drawing.
const FULL: f64 = 1000.0;
/// Of those who may be asked, so many are named.
const NAMED: usize = 5;

#[derive(Debug, Serialize)]
struct View {
    title: String,
    section: &'static str,
    script: &'static str,
    name: String,
    path: String,
    status: Cow<'static, str>,
    is_paused: bool,
    is_running: bool,
    is_editable: bool,
    has_draft: bool,
    draft_href: String,
    can_pause: bool,
    can_resume: bool,
    /// Who may let it go on, where the visitor may not.
    ask: Option<String>,
    can_cancel: bool,
    done: Option<Cow<'static, str>>,
    sentence: String,
    segment: String,
    cells: Vec<String>,
    progress: ProgressView,
}

/// How far it is.
#[derive(Debug, Serialize)]
struct ProgressView {
    path: String,
    status: Cow<'static, str>,
    /// Whether the script asks again.
    is_moving: bool,
    reason: Option<String>,
    is_launched: bool,
    is_cancelled: bool,
    launched_at: Option<i64>,
    finished_at: Option<i64>,
    next_due_at: Option<i64>,
    /// Of those to be contacted, in per cent.
    share: f64,
    done: u64,
    of: u64,
    bars: Vec<Bar>,
    counts: Vec<Count>,
    rate: Option<String>,
    limit: Option<u32>,
    left: Option<String>,
    done_at: Option<i64>,
    held: u64,
    held_until: Option<i64>,
    limited: u64,
    limited_until: Option<i64>,
    next_try_at: Option<i64>,
    next_pending_at: Option<i64>,
    deferred_because: Vec<Because>,
    resting: Vec<String>,
    test: Option<TestView>,
}

#[derive(Debug, Serialize)]
struct Bar {
    class: &'static str,
    x: String,
    width: String,
}

#[derive(Debug, Serialize)]
struct Count {
    name: Cow<'static, str>,
    people: u64,
    key: &'static str,
}

#[derive(Debug, Serialize)]
struct Because {
    why: String,
    people: u64,
}

#[derive(Debug, Serialize)]
struct TestView {
    waiting: u64,
    decide_at: Option<i64>,
    winner: Option<String>,
}

/// The page: of a draft its wizard, of what has ended its report.
pub(super) async fn page(
    visit: Visit,
    name: web::Path<String>,
    query: web::Query<Given>,
    asked: web::Query<report::Asked>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let draft = drafts::by_name(&*state.db, &name)
        .await
        .map_err(ApiError::unavailable)?;
    let campaign = campaigns::by_name(&*state.db, &name)
        .await
        .map_err(ApiError::unavailable)?;
    let campaign = match (campaign, &draft) {
        (None, Some(draft)) => return Ok(see_other(&address(&draft.name, draft.step.as_str()))),
        (None, None) => return Err(missing()),
        (Some(campaign), _) => campaign,
    };
    let is_over = matches!(campaign.status, Status::Finished | Status::Cancelled);
    if is_over
        && draft.is_none()
        && campaigns::has_wave(&*state.db, campaign.id)
            .await
            .map_err(ApiError::unavailable)?
    {
        return report::page(visit, name, asked, state).await;
    }
    let words = visit.words();
    let progress = ProgressView::of(&state, &campaign, words).await?;
    let plan = &campaign.definition;
    let status = campaign.status;
    let view = View {
        title: plan.name.clone(),
        section: "campaigns",
        script: "/assets/campaigns.js",
        name: plan.name.clone(),
        path: path_segment(&plan.name),
        status: status_in_words(status, words),
        is_paused: status == Status::Paused,
        is_running: status == Status::Running,
        is_editable: status.is_editable(),
        draft_href: draft.as_ref().map_or_else(String::new, |draft| {
            address(&draft.name, draft.step.as_str())
        }),
        has_draft: draft.is_some(),
        can_pause: matches!(status, Status::Running | Status::Scheduled),
        can_resume: status == Status::Paused && visit.may(Right::Launch),
        ask: match status {
            Status::Paused if !visit.may(Right::Launch) => Some(whom_to_ask(&state, words).await?),
            _ => None,
        },
        can_cancel: !is_over,
        done: match query.text("done") {
            "launched" if status == Status::Scheduled => Some(
                words
                    .t("Scheduled: it leaves by itself when its time has come.")
                    .into(),
            ),
            "launched" => Some(words.t("Launched.").into()),
            "pause" => Some(words.t("Paused: nothing more is handed over.").into()),
            "resume" => Some(words.t("It goes on.").into()),
            "cancel" => Some(words.t("Cancelled. What was sent stays on record.").into()),
            "decide" => Some(
                words
                    .t("The winner is chosen; those who wait get it.")
                    .into(),
            ),
            _ => None,
        },
        sentence: format!(
            "{} {}",
            super::review::way_in_words(plan, words),
            super::when::in_words(plan.schedule.as_ref(), words)
        ),
        segment: match visit.may(Right::People) {
            true => plan.segment.clone(),
            false => discreet(&plan.segment),
        },
        cells: plan.cells.iter().map(|cell| cell.name.clone()).collect(),
        progress,
    };
    visit.answer(&state, "campaign_running", &view)
}

/// Who may let a paused campaign go on.
async fn whom_to_ask(state: &State, words: &Words) -> Result<String, ApiError> {
    let users = users::list(&state.db)
        .await
        .map_err(ApiError::unavailable)?;
    let names: Vec<String> = users
        .into_iter()
        .filter(|user| user.role.may(Right::Launch) && !user.is_disabled)
        .take(NAMED)
        .map(|user| user.name)
        .collect();
    Ok(words.fill(
        "Who may launch lets it go on; ask {names}.",
        &[("names", names.join(", "))],
    ))
}

/// Only how far it is, for the script.
pub(super) async fn fragment(
    visit: Visit,
    name: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    #[derive(Serialize)]
    struct Fragment {
        progress: ProgressView,
    }
    let campaign = plan::find(&state.db, &name).await?;
    let progress = ProgressView::of(&state, &campaign, visit.words()).await?;
    visit.answer(&state, "campaign_progress", &Fragment { progress })
}

fn missing() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND).with_detail(
        "There is no campaign of this name; the list of campaigns shows those there are.",
    )
}

impl ProgressView {
    async fn of(state: &State, campaign: &Campaign, words: &Words) -> Result<Self, ApiError> {
        let now_ms = state.clock.now_ms();
        let progress =
            progress::progress_with(&state.db, &state.settings, campaign, &state.held, now_ms)
                .await
                .map_err(ApiError::unavailable)?;
        Ok(Self::new(&progress, now_ms, words))
    }

    fn new(progress: &Progress, now_ms: i64, words: &Words) -> Self {
        let count = |n: i64| n.max(0).unsigned_abs();
        let (accepted, failed, unknown) = (
            count(progress.accepted),
            count(progress.failed),
            count(progress.unknown),
        );
        let deferred = count(progress.deferred);
        let open = count(progress.pending) + deferred;
        let done = accepted + failed + unknown;
        let of = done + open;
        let counts = [
            (words.t("Withheld"), count(progress.withheld), "withheld"),
            (words.t("Accepted"), accepted, "accepted"),
            (words.t("Failures"), failed, "failed"),
            (words.t("Deferred"), deferred, "deferred"),
            (words.t("Unknown"), unknown, "unknown"),
            (words.t("Pending"), count(progress.pending), "pending"),
        ];
        let mut x = 0.0;
        let mut bars = Vec::new();
        for (class, people) in [
            ("accepted", accepted),
            ("failed", failed),
            ("unknown", unknown),
            ("deferred", deferred),
        ] {
            let width = as_f64(people) / as_f64(of.max(1)) * FULL;
            if people > 0 {
                bars.push(Bar {
                    class,
                    x: format!("{x:.1}"),
                    width: format!("{width:.1}"),
                });
            }
            x += width;
        }
        Self {
            path: path_segment(&progress.campaign),
            status: status_in_words(progress.status, words),
            is_moving: matches!(progress.status, Status::Running | Status::Scheduled),
            reason: progress.status_reason.clone(),
            is_launched: progress.launched_at.is_some(),
            is_cancelled: progress.status == Status::Cancelled,
            launched_at: progress.launched_at,
            finished_at: progress.finished_at,
            next_due_at: progress.next_due_at,
            share: as_f64(done) / as_f64(of.max(1)),
            done,
            of,
            bars,
            counts: counts
                .into_iter()
                .map(|(name, people, key)| Count {
                    name: name.into(),
                    people,
                    key,
                })
                .collect(),
            rate: progress
                .per_second
                .map(|rate| format!("{rate:.*}", usize::from(rate < 10.0))),
            limit: progress.limit_per_second,
            left: progress
                .done_at
                .filter(|at| *at > now_ms)
                .map(|at| duration(as_f64((at - now_ms).unsigned_abs()) / 1000.0, words)),
            done_at: progress.done_at,
            held: count(progress.held),
            held_until: progress.held_until,
            limited: count(progress.limited),
            limited_until: progress.limited_until,
            next_try_at: progress.next_try_at,
            next_pending_at: progress.next_pending_at,
            deferred_because: progress
                .deferred_because
                .iter()
                .map(|(why, people)| Because {
                    why: words.t(&why.replace('_', " ")).to_owned(),
                    people: count(*people),
                })
                .collect(),
            resting: progress
                .resting
                .iter()
                .map(|rest| {
                    let until = from_ms(rest.until_at).format("%H:%M UTC");
                    words.pair(&rest.relay, &format!("{} ({until})", rest.reason))
                })
                .collect(),
            test: progress.test.as_ref().map(|test| TestView {
                waiting: count(test.waiting),
                decide_at: test.decide_at,
                winner: test
                    .decision
                    .as_ref()
                    .map(|decision| decision.winner.clone()),
            }),
        }
    }
}

#[derive(Debug, Serialize)]
struct CancelView {
    title: Cow<'static, str>,
    section: &'static str,
    name: String,
    path: String,
    left: u64,
}

/// Asks once more.
pub(super) async fn cancel_page(
    visit: Visit,
    name: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let campaign = plan::find(&state.db, &name).await?;
    if matches!(campaign.status, Status::Finished | Status::Cancelled) {
        return Ok(see_other(&format!("/campaigns/{}", path_segment(&name))));
    }
    let progress = ProgressView::of(&state, &campaign, visit.words()).await?;
    let view = CancelView {
        title: visit.words().t("Cancel the campaign").into(),
        section: "campaigns",
        path: path_segment(&campaign.definition.name),
        name: campaign.definition.name,
        left: progress.of.saturating_sub(progress.done),
    };
    visit.answer(&state, "campaign_cancel", &view)
}

/// Does what `act` says: `pause`, `resume`, `cancel` or `decide`.
pub(super) async fn act(
    visit: Visit,
    name: web::Path<String>,
    given: web::Form<Given>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let (db, now_ms) = (&state.db, state.clock.now_ms());
    let (act, actor) = (given.text("act"), visit.actor());
    match act {
        "pause" => {
            let reason = given.some("reason").unwrap_or_else(|| {
                let by = visit
                    .words()
                    .fill("by {name}", &[("name", visit.name.clone())]);
                by.chars().take(200).collect()
            });
            plan::pause(db, &name, &reason, &actor, now_ms).await?;
        }
        "resume" => {
            // It makes messages go out, as the launch does.
            visit.require(Right::Launch)?;
            plan::resume(db, &name, &actor, now_ms).await?;
        }
        "cancel" => {
            cancel::cancel(db, &name, &actor, now_ms).await?;
        }
        "decide" => {
            let cell = given.some("cell");
            decide::decide_now(db, &name, cell.as_deref(), &actor, now_ms)
                .await
                .map_err(|error| {
                    ApiError::new(StatusCode::CONFLICT).with_detail(error.to_string())
                })?;
        }
        _ => return Err(ApiError::new(StatusCode::BAD_REQUEST)),
    }
    let to = format!("/campaigns/{}?done={act}", path_segment(&name));
    Ok(see_other(&to))
}

impl From<PlanError> for ApiError {
    fn from(error: PlanError) -> Self {
        let status = match &error {
            PlanError::Database(_) => return Self::unavailable(error),
            PlanError::NotFound { .. } => return missing(),
            PlanError::NotEditable { .. }
            | PlanError::WrongStatus { .. }
            | PlanError::Drafted { .. }
            | PlanError::Stale { .. } => StatusCode::CONFLICT,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        let about = |said: Sentence, name: &str, status: Status| {
            said.with("name", format!("{name:?}"))
                .with("status", Value::word(status.as_str()))
        };
        Self::new(status).with_detail(match &error {
            PlanError::NotEditable { name, status, .. } => about(
                Sentence::new("campaign {name} is {status}: it cannot be changed any more"),
                name,
                *status,
            ),
            PlanError::WrongStatus { name, status, .. } => about(
                Sentence::new("campaign {name} is {status}: this cannot be done now"),
                name,
                *status,
            ),
            other => other.to_string().into(),
        })
    }
}
