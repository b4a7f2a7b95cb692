//! Asked, approved, sent back, launched: the word of a second one, and what follows from it.
//!
//! Each says which revision it is of: who answers has looked at that one and no other.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{DraftView, author, faults, meant, templates_of};
use crate::campaigns::drafts::{Draft, DraftError, Seen, approval};
use crate::campaigns::model::Status;
use crate::campaigns::store as campaign_store;
use crate::delivery::start;
use crate::templates::Template;
use crate::web::api::auth::Caller;
use crate::web::api::campaigns::check::{WithheldStep, steps};
use crate::web::api::campaigns::meant as campaign_of;
use crate::web::api::campaigns::steer::launch_options;
use crate::web::api::{body, instant, once_around, reply};
use crate::web::{ApiError, State};

/// Which revision is meant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web::api) struct RevisionTold {
    /// As it was read.
    #[schema(example = 4)]
    revision: i64,
}

/// What was looked at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web::api) struct ApprovedTold {
    /// As it was read.
    #[schema(example = 4)]
    revision: i64,
    /// As it was read: of the plan with its templates.
    digest: String,
}

/// What is launched.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web::api) struct LaunchTold {
    /// As it was read.
    #[schema(example = 4)]
    revision: i64,
    /// As it was read; left out: the templates as they are now.
    digest: Option<String>,
}

/// Which revision is meant, and what is said of it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web::api) struct WordTold {
    /// As it was read.
    #[schema(example = 4)]
    revision: i64,
    /// For whom it concerns.
    #[schema(example = "before Friday, please", max_length = 500)]
    word: Option<String>,
}

impl WordTold {
    fn read(request: &HttpRequest, bytes: &[u8]) -> Result<(i64, String), ApiError> {
        let told: Self = body::read(request, bytes)?;
        let word = told.word.unwrap_or_default();
        let word = body::line("word", &word, 500)?.unwrap_or_default();
        Ok((told.revision, word.to_owned()))
    }
}

async fn answered(state: &State, done: Result<Draft, DraftError>) -> Result<DraftView, ApiError> {
    DraftView::of(state, done.map_err(faults::draft)?).await
}

/// Asks for the approval of a draft.
///
/// Of the plan as it is; a change of it voids the request.
#[utoipa::path(
    post, path = "/api/v1/drafts/{draft}/ask", operation_id = "askApproval", tag = "Drafts",
    params(("draft" = String, Path, description = "Its name", example = "spring")),
    request_body(content = WordTold),
    responses((status = 200, description = "It waits for an approval", body = DraftView)),
)]
pub(in crate::web::api) async fn ask(
    draft: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let (revision, word) = WordTold::read(&request, &bytes)?;
    once_around(&request, &state, &caller, &bytes, async || {
        let (who, now_ms) = (author(&caller), state.clock.now_ms());
        let done = approval::ask(&state.db, &draft, revision, &word, &who, now_ms).await;
        reply(StatusCode::OK, &answered(&state, done).await?)
    })
    .await
}

/// Takes a request for approval, or an approval, back.
#[utoipa::path(
    post, path = "/api/v1/drafts/{draft}/withdraw", operation_id = "withdrawRequest", tag = "Drafts",
    params(("draft" = String, Path, description = "Its name", example = "spring")),
    request_body(content = RevisionTold),
    responses((status = 200, description = "Nothing is asked", body = DraftView)),
)]
pub(in crate::web::api) async fn withdraw(
    draft: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: RevisionTold = body::read(&request, &bytes)?;
    once_around(&request, &state, &caller, &bytes, async || {
        let (who, now_ms) = (author(&caller), state.clock.now_ms());
        let done = approval::withdraw(&state.db, &draft, told.revision, &who, now_ms).await;
        reply(StatusCode::OK, &answered(&state, done).await?)
    })
    .await
}

/// Approves a draft.
///
/// This very plan with its templates, as they were read: who asked may launch it. A token does not approve what it
/// asked for itself.
#[utoipa::path(
    post, path = "/api/v1/drafts/{draft}/approve", operation_id = "approveDraft", tag = "Drafts",
    params(("draft" = String, Path, description = "Its name", example = "spring")),
    request_body(content = ApprovedTold),
    responses((status = 200, description = "It may be launched as it is", body = DraftView)),
)]
pub(in crate::web::api) async fn approve(
    draft: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: ApprovedTold = body::read(&request, &bytes)?;
    once_around(&request, &state, &caller, &bytes, async || {
        let (who, now_ms) = (author(&caller), state.clock.now_ms());
        let templates = templates_of(&state, &meant(&state, &draft).await?).await?;
        let templates: Vec<&Template> = templates.iter().collect();
        let seen = Seen {
            revision: told.revision,
            digest: Some(&told.digest),
        };
        let done = approval::approve(&state.db, &draft, seen, &templates, &who, now_ms).await;
        reply(StatusCode::OK, &answered(&state, done).await?)
    })
    .await
}

/// Gives a draft back to who asked, with a word.
#[utoipa::path(
    post, path = "/api/v1/drafts/{draft}/send-back", operation_id = "sendBackDraft", tag = "Drafts",
    params(("draft" = String, Path, description = "Its name", example = "spring")),
    request_body(content = WordTold, example = json!({"revision": 4, "word": "fewer people, please"})),
    responses((status = 200, description = "It is to be changed", body = DraftView)),
)]
pub(in crate::web::api) async fn send_back(
    draft: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let (revision, word) = WordTold::read(&request, &bytes)?;
    once_around(&request, &state, &caller, &bytes, async || {
        let (who, now_ms) = (author(&caller), state.clock.now_ms());
        let done = approval::send_back(&state.db, &draft, revision, &word, &who, now_ms).await;
        reply(StatusCode::OK, &answered(&state, done).await?)
    })
    .await
}

/// What became of a draft.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct LaunchedDraft {
    /// The campaign it became.
    #[schema(example = "spring")]
    campaign: String,
    status: Status,
    /// It had been launched before: nothing was done.
    was_already: bool,
    /// None: it waits for its time.
    wave: Option<i64>,
    /// Messages to send.
    deliveries: Option<u64>,
    /// Who is withheld and why.
    withheld: Vec<WithheldStep>,
    #[schema(value_type = Option<String>, format = DateTime)]
    next_due_at: Option<String>,
}

/// Launches a draft.
///
/// It becomes a campaign, which is sent at once or waits for its time. What was not approved takes the scope
/// `campaigns:launch`, and who asked for an approval waits for it. Launching twice does nothing the second time.
#[utoipa::path(
    post, path = "/api/v1/drafts/{draft}/launch", operation_id = "launchDraft", tag = "Drafts",
    params(("draft" = String, Path, description = "Its name", example = "spring")),
    request_body(content = LaunchTold),
    responses((status = 200, description = "It is a campaign", body = LaunchedDraft)),
)]
pub(in crate::web::api) async fn launch(
    draft: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: LaunchTold = body::read(&request, &bytes)?;
    once_around(&request, &state, &caller, &bytes, async || {
        let templates = match meant(&state, &draft).await {
            Ok(known) => templates_of(&state, &known).await?,
            // Launched a moment ago, as a rule.
            Err(error) if error.status() == StatusCode::NOT_FOUND => Vec::new(),
            Err(error) => return Err(error),
        };
        let templates: Vec<&Template> = templates.iter().collect();
        let seen = Seen {
            revision: told.revision,
            digest: told.digest.as_deref(),
        };
        let (seen, now) = ((draft.as_str(), seen), state.clock.now());
        let (who, options) = (author(&caller), launch_options(&state));
        let started = start::start(&state.db, seen, &templates, &who, &options, now)
            .await
            .map_err(faults::start)?;
        let campaign = campaign_of(&state, &draft).await?;
        let due = campaign_store::next_due(&*state.db, campaign.id)
            .await
            .map_err(ApiError::unavailable)?;
        let launched = started.launched;
        let view = LaunchedDraft {
            campaign: campaign.definition.name,
            status: campaign.status,
            was_already: started.was_already,
            wave: launched.as_ref().map(|launched| launched.wave.0),
            deliveries: launched.as_ref().map(|launched| launched.deliveries),
            withheld: steps(launched.into_iter().flat_map(|launched| launched.withheld)),
            next_due_at: due.map(|(_, at)| instant(at)),
        };
        reply(StatusCode::OK, &view)
    })
    .await
}
