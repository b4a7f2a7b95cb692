//! `/campaigns`: plan a campaign step by step, launch it, and see how it goes.
//!
//! Every step is a form of its own that saves what is there, complete or not; the review tells what is
//! missing. Nothing is launched but by the form of the confirmation page.

mod answer;
mod audience;
mod begin;
mod form;
mod launch;
mod list;
mod message;
mod preview;
mod review;
mod running;
mod schedule;
mod step;
mod test;
mod when;

use std::borrow::Cow;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{self, ServiceConfig};
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Visit, long_form, path_segment, place};
use crate::accounts::model::Right;
use crate::campaigns::check::{self, CheckError, CheckedCampaign};
use crate::campaigns::definition::Definition;
use crate::campaigns::drafts::{self, Author, Draft, DraftError, Standing, Step, edit, gaps};
use crate::campaigns::plan;
use crate::customers::store as customers;
use crate::storage::Unanswered;
use crate::templates::{Template, library};
use crate::web::words::Words;
use crate::web::{ApiError, State};

pub(super) use form::Given;

/// Customers from which on an audience is counted when somebody asks for it, not for each look at a page.
const MANY: u32 = 50_000;
/// How long somebody waits for all that a launch would do.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest form of a step: a rule of its greatest length, with every sign of it written as three.
const FORM_LIMIT: usize = 128 * 1024;

/// Registers the pages.
pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(place("/campaigns", "GET", Right::Reports).route(web::get().to(list::page)))
        .service(
            place("/campaigns/new", "GET, POST", Right::Plan)
                .route(web::get().to(begin::page))
                .route(web::post().to(begin::begin)),
        )
        .service(
            place("/campaigns/{name}", "GET", Right::Reports).route(web::get().to(running::page)),
        )
        .service(
            long_form(
                place("/campaigns/{name}/audience", "GET, POST", Right::Plan),
                FORM_LIMIT,
            )
            .route(web::get().to(audience::page))
            .route(web::post().to(audience::save)),
        )
        .service(
            place("/campaigns/{name}/count", "GET", Right::Plan)
                .route(web::get().to(audience::fragment)),
        )
        .service(
            long_form(
                place("/campaigns/{name}/message", "GET, POST", Right::Plan),
                FORM_LIMIT,
            )
            .route(web::get().to(step::page::<message::Form>))
            .route(web::post().to(step::save::<message::Form>)),
        )
        .service(
            long_form(
                place("/campaigns/{name}/schedule", "GET, POST", Right::Plan),
                FORM_LIMIT,
            )
            .route(web::get().to(step::page::<schedule::Form>))
            .route(web::post().to(step::save::<schedule::Form>)),
        )
        .service(
            long_form(
                place("/campaigns/{name}/test", "GET, POST", Right::Plan),
                FORM_LIMIT,
            )
            .route(web::get().to(step::page::<test::Form>))
            .route(web::post().to(step::save::<test::Form>)),
        )
        .service(
            place("/campaigns/{name}/review", "GET", Right::Plan)
                .route(web::get().to(review::page)),
        )
        .service(
            place("/campaigns/{name}/check", "POST", Right::Plan)
                .route(web::post().to(review::count)),
        )
        .service(
            place("/campaigns/{name}/approval", "POST", Right::Plan)
                .route(web::post().to(answer::answer)),
        )
        .service(
            place("/campaigns/{name}/trial", "POST", Right::Plan)
                .route(web::post().to(preview::send)),
        )
        .service(
            place("/campaigns/{name}/launch", "GET, POST", Right::Plan)
                .route(web::get().to(launch::page))
                .route(web::post().to(launch::launch)),
        )
        .service(
            place("/campaigns/{name}/delete", "GET, POST", Right::Plan)
                .route(web::get().to(begin::delete_page))
                .route(web::post().to(begin::delete)),
        )
        .service(
            place("/campaigns/{name}/reopen", "POST", Right::Plan)
                .route(web::post().to(begin::reopen)),
        )
        .service(
            place("/campaigns/{name}/progress", "GET", Right::Reports)
                .route(web::get().to(running::fragment)),
        )
        .service(
            place("/campaigns/{name}/cancel", "GET", Right::Plan)
                .route(web::get().to(running::cancel_page)),
        )
        .service(
            place("/campaigns/{name}/act", "POST", Right::Plan).route(web::post().to(running::act)),
        );
}

/// The address of a page of a campaign.
fn address(name: &str, page: &str) -> String {
    format!("/campaigns/{}/{page}", path_segment(name))
}

/// Who works on a draft.
fn author(visit: &Visit) -> Author {
    Author {
        key: format!("user {}", visit.user),
        name: visit.name.clone(),
        actor: visit.actor(),
        may_launch: visit.may(Right::Launch),
    }
}

/// The draft of this name.
///
/// # Errors
/// When there is none; where it was launched, the page leads to its campaign.
async fn find(state: &State, name: &str) -> Result<Draft, ApiError> {
    let error = match edit::find(&state.db, name).await {
        Ok(draft) => return Ok(draft),
        Err(error) => ApiError::from(error),
    };
    if error.status() == StatusCode::NOT_FOUND && plan::find(&state.db, name).await.is_ok() {
        let campaign = format!("/campaigns/{}", path_segment(name));
        return Err(error.leading(campaign, "To the campaign"));
    }
    Err(error)
}

/// An error of a draft, on a page that leads back to its review.
fn on_review(name: &str) -> impl Fn(DraftError) -> ApiError {
    let review = address(name, "review");
    move |error| ApiError::from(error).leading(review.clone(), "Back to the review")
}

/// The templates a definition names; none while one of them is missing or cannot be read.
async fn templates_of(state: &State, draft: &Draft) -> Option<Vec<Template>> {
    if draft.definition.template.is_empty() {
        return None;
    }
    drafts::templates(&state.db, &state.settings.templates_dir, &draft.definition)
        .await
        .ok()
}

/// The templates to choose from: name and description.
async fn template_names(state: &State) -> Result<Vec<(String, String)>, ApiError> {
    let all = library::list(&state.db, &state.settings.templates_dir)
        .await
        .map_err(ApiError::unavailable)?;
    let usable = all
        .into_iter()
        .filter(|one| !one.is_archived && one.problem.is_none());
    Ok(usable.map(|one| (one.name, one.description)).collect())
}

/// What a launch would do, and when that was found.
struct Checked {
    found: CheckedCampaign,
    at: i64,
}

/// What a launch of the draft would do: as it was found last, or looked at now where that is quick. `None`: it
/// is incomplete, or somebody has to ask for it.
async fn checked(
    state: &State,
    draft: &Draft,
    templates: &[&Template],
) -> Result<Option<Checked>, ApiError> {
    if !gaps(&draft.definition).is_empty() || templates.is_empty() {
        return Ok(None);
    }
    if !is_large(state).await? {
        let now = state.clock.now();
        let found = looked_at(state, draft, templates, now).await;
        if let Err(error) = &found {
            tracing::error!(%error, "the audience of a draft could not be counted");
        }
        return Ok(found.ok().map(|found| Checked {
            found,
            at: now.timestamp_millis(),
        }));
    }
    let digest = drafts::digest(&draft.definition, templates).map_err(ApiError::internal)?;
    let kept = drafts::store::kept_check(&*state.db, &draft.name, &digest)
        .await
        .map_err(ApiError::unavailable)?;
    Ok(kept.map(|(found, at)| Checked { found, at }))
}

/// Whether the base is so large that counting takes its time.
async fn is_large(state: &State) -> Result<bool, ApiError> {
    customers::are_more_than(&state.db, MANY)
        .await
        .map_err(ApiError::unavailable)
}

async fn looked_at(
    state: &State,
    draft: &Draft,
    templates: &[&Template],
    now: DateTime<Utc>,
) -> Result<CheckedCampaign, CheckError> {
    let (plan, settings) = (&draft.definition, &state.settings);
    check::check_within(&state.db, plan, templates, settings, now, PATIENCE).await
}

/// Why an audience was not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Uncounted {
    TooLong,
    /// The same person asked anew.
    Replaced,
    Failed,
}

impl Uncounted {
    /// What did not happen because of an error; one that nobody could expect is logged.
    fn of(error: &Unanswered) -> Self {
        match error {
            Unanswered::TooLong(_) => Self::TooLong,
            Unanswered::Replaced => Self::Replaced,
            Unanswered::Database(error) => {
                tracing::error!(%error, "an audience could not be counted");
                Self::Failed
            }
        }
    }

    /// The word in addresses.
    fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Replaced => "replaced",
            Self::Failed => "uncounted",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        let all = [Self::TooLong, Self::Replaced, Self::Failed];
        all.into_iter().find(|one| one.as_str() == word)
    }
}

/// Why there is no count, in words.
fn told(why: Uncounted, words: &Words, patience: Duration) -> String {
    match why {
        Uncounted::TooLong => words.fill(
            "Counting took longer than {n} seconds and was given up.",
            &[("n", words.number(patience.as_secs()))],
        ),
        Uncounted::Replaced => words
            .t("Counting was given up, since you asked for another count.")
            .to_owned(),
        Uncounted::Failed => words.t("The count failed; the log says why.").to_owned(),
    }
}

/// Looks at the audience of a large base and keeps what was found, so that the page has it. A small one is looked
/// at by the page itself.
async fn check_and_keep(
    visit: &Visit,
    state: &State,
    draft: &Draft,
) -> Result<Result<(), Uncounted>, ApiError> {
    if !gaps(&draft.definition).is_empty() {
        return Ok(Ok(()));
    }
    if !is_large(state).await? {
        return Ok(Ok(()));
    }
    let Some(templates) = templates_of(state, draft).await else {
        return Ok(Ok(()));
    };
    let templates: Vec<&Template> = templates.iter().collect();
    let now = state.clock.now();
    let digest = drafts::digest(&draft.definition, &templates).map_err(ApiError::internal)?;
    let who = format!("{} check", visit.actor());
    let turns = state.studies.turns();
    let looking = looked_at(state, draft, &templates, now);
    let found = match turns.ask(Some(&who), PATIENCE, looking).await {
        Ok(found) => found,
        Err(CheckError::Unanswered(error)) => return Ok(Err(Uncounted::of(&error))),
        Err(error) => {
            tracing::error!(%error, "the audience of a draft could not be counted");
            return Ok(Err(Uncounted::Failed));
        }
    };
    let now_ms = now.timestamp_millis();
    let txn = state.db.begin().await.map_err(ApiError::unavailable)?;
    drafts::store::keep_check(&*txn, &draft.name, &digest, &found, now_ms)
        .await
        .map_err(ApiError::unavailable)?;
    txn.commit().await.map_err(ApiError::unavailable)?;
    Ok(Ok(()))
}

/// What stands above every step: the name, the standing, and where one is.
#[derive(Debug, Serialize)]
struct Head {
    name: String,
    path: String,
    revision: i64,
    standing: Cow<'static, str>,
    is_asked: bool,
    is_approved: bool,
    is_sent_back: bool,
    who: String,
    word: String,
    steps: Vec<StepLink>,
    /// Said once, after a save.
    done: Option<Cow<'static, str>>,
    /// What was saved of this step and cannot stay so.
    gaps: Vec<String>,
    /// Somebody saved it since the form was opened, which stands there as it was filled in.
    is_stale: bool,
    faults: Vec<Fault>,
}

#[derive(Debug, Serialize)]
struct StepLink {
    number: usize,
    title: Cow<'static, str>,
    href: String,
    is_here: bool,
    /// Saved, with nothing missing.
    is_done: bool,
    has_gap: bool,
}

/// What is wrong with a field of a form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Fault {
    field: &'static str,
    problem: String,
}

impl Head {
    fn new(draft: &Draft, here: Step, words: &Words, done: Option<&str>) -> Self {
        let gaps = gaps(&draft.definition);
        let review = &draft.review;
        let said = match draft.standing {
            Standing::Open => None,
            Standing::Asked => review.asked.as_ref(),
            Standing::Approved => review.approved.as_ref(),
            Standing::SentBack => review.sent_back.as_ref(),
        };
        Self {
            name: draft.name.clone(),
            path: path_segment(&draft.name),
            revision: draft.revision,
            standing: match draft.standing {
                Standing::Open => words.t("draft").into(),
                Standing::Asked => words.t("waits for approval").into(),
                Standing::Approved => words.t("approved").into(),
                Standing::SentBack => words.t("sent back").into(),
            },
            is_asked: draft.standing == Standing::Asked,
            is_approved: draft.standing == Standing::Approved,
            is_sent_back: draft.standing == Standing::SentBack,
            who: said.map_or_else(String::new, |said| said.name.clone()),
            word: said.map_or_else(String::new, |said| said.word.clone()),
            steps: Step::ALL
                .into_iter()
                .zip(1..)
                .map(|(step, number)| {
                    let has_gap = gaps.iter().any(|gap| gap.step == step);
                    StepLink {
                        number,
                        title: title_of(step, words),
                        href: address(&draft.name, step.as_str()),
                        is_here: step == here,
                        is_done: draft.step >= step && !has_gap && step != Step::Review,
                        has_gap: has_gap && draft.step >= step,
                    }
                })
                .collect(),
            done: match done {
                Some("saved") => Some(words.t("Saved.").into()),
                Some("counted") => Some(words.t("Counted anew.").into()),
                Some("asked") => Some(words.t("The approval is asked for.").into()),
                Some("approved") => Some(words.t("Approved. Who asked may launch it now.").into()),
                Some("sent_back") => Some(words.t("Sent back.").into()),
                Some("withdrawn") => Some(words.t("The request is withdrawn.").into()),
                Some(word) => {
                    Uncounted::from_word(word).map(|why| told(why, words, PATIENCE).into())
                }
                None => None,
            },
            gaps: gaps
                .iter()
                .filter(|gap| gap.step == here && draft.step >= here)
                .map(|gap| {
                    let key = review::label_of(&gap.key, words);
                    let problem = words.say(&gap.problem);
                    words.fill("{key}: {problem}", &[("key", key), ("problem", problem)])
                })
                .collect(),
            is_stale: false,
            faults: Vec::new(),
        }
    }
}

impl Head {
    /// Above a form that was not saved, and stands there as it was filled in.
    fn refused(draft: &Draft, here: Step, words: &Words, given: &Given, is_stale: bool) -> Self {
        let head = Self::new(draft, here, words, None);
        Self {
            // Knowing of the other change, one may save again.
            revision: match is_stale {
                true => draft.revision,
                false => given.revision(),
            },
            is_stale,
            gaps: Vec::new(),
            ..head
        }
    }
}

/// Whether somebody changed the plan since a form was opened that would change it otherwise.
fn is_outrun(draft: &Draft, given: &Given, definition: &Definition) -> bool {
    given.revision() != draft.revision && *definition != draft.definition
}

/// A step as the pages call it.
fn title_of(step: Step, words: &Words) -> Cow<'static, str> {
    match step {
        Step::Audience => words.t("Audience").into(),
        Step::Message => words.t("Message").into(),
        Step::Schedule => words.t("Channel & schedule").into(),
        Step::Test => words.t("Test & control").into(),
        Step::Review => words.t("Review").into(),
    }
}

/// One of several to choose from.
#[derive(Debug, Serialize)]
struct Choice {
    value: String,
    title: String,
    is_chosen: bool,
}

impl Choice {
    fn new(value: &str, title: impl Into<String>, chosen: &str) -> Self {
        Self {
            value: value.to_owned(),
            title: title.into(),
            is_chosen: value == chosen,
        }
    }
}

/// Saves a step and leads on: to the next one, or back to it.
async fn save_step(
    visit: &Visit,
    state: &State,
    draft: &Draft,
    given: &Given,
    definition: Definition,
    step: Step,
) -> Result<actix_web::HttpResponse, ApiError> {
    let revision = given.revision();
    let now_ms = state.clock.now_ms();
    let saved = edit::save(
        &state.db,
        &draft.name,
        revision,
        definition,
        step,
        &author(visit),
        now_ms,
    )
    .await?;
    let onward = given.text("go") == "next";
    let next = step.next().filter(|_| onward).unwrap_or(step);
    let mut done = (!onward).then_some("saved");
    if (next == Step::Review || (step == Step::Test && !onward))
        && let Err(why) = check_and_keep(visit, state, &saved).await?
    {
        done = Some(why.as_str());
    }
    let mut to = address(&saved.name, next.as_str());
    if let Some(done) = done {
        to.push_str("?done=");
        to.push_str(done);
    }
    Ok(super::see_other(&to))
}

impl From<DraftError> for ApiError {
    fn from(error: DraftError) -> Self {
        let status = match &error {
            DraftError::Database(_) => return Self::unavailable(error),
            DraftError::NotFound { .. } | DraftError::NoCampaign { .. } => StatusCode::NOT_FOUND,
            DraftError::OwnRequest | DraftError::MayNotApprove | DraftError::NeedsApproval => {
                StatusCode::FORBIDDEN
            }
            DraftError::Taken { .. }
            | DraftError::Stale
            | DraftError::NotAsked
            | DraftError::ChangedSince
            | DraftError::Unseen
            | DraftError::ApproverGone { .. }
            | DraftError::NotEditable { .. } => StatusCode::CONFLICT,
            DraftError::Name { .. } | DraftError::Incomplete(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status).with_detail(error.sentence())
    }
}
