//! `/campaigns/{name}/launch`: the last question, and the launch.

use std::borrow::Cow;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::preview::by_reference;
use super::review::{Found, people};
use super::{Checked, Given, address, author, checked, find, on_review, templates_of};
use crate::campaigns::drafts::{self, Draft};
use crate::campaigns::plan;
use crate::delivery::launch::LaunchOptions;
use crate::delivery::start::{self, StartError};
use crate::gate::rules::Rules;
use crate::web::console::{Visit, path_segment, see_other};
use crate::web::{ApiError, State};

#[derive(Debug, Serialize)]
struct View {
    title: Cow<'static, str>,
    section: &'static str,
    name: String,
    path: String,
    revision: i64,
    /// Of what is shown.
    digest: String,
    /// As the button says it.
    people: String,
    sentence: String,
    is_scheduled: bool,
    warnings: Vec<String>,
    /// Why it was not launched, of one who just tried.
    refusal: Option<String>,
}

/// Asks once more, with the number of people.
pub(super) async fn page(
    visit: Visit,
    name: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let draft = find(&state, &name).await?;
    let templates = templates_of(&state, &draft).await.unwrap_or_default();
    let templates = by_reference(&templates);
    let digest = drafts::digest(&draft.definition, &templates).map_err(ApiError::internal)?;
    draft.launched_by(&author(&visit), &digest)?;
    let checked = checked(&state, &draft, &templates).await?;
    let Some(checked) = checked.filter(|checked| checked.found.is_ready()) else {
        // What is missing is said there.
        return Ok(see_other(&address(&draft.name, "review")));
    };
    let view = view(&visit, &state, draft, digest, checked);
    visit.answer(&state, "campaign_launch", &view)
}

fn view(visit: &Visit, state: &State, draft: Draft, digest: String, checked: Checked) -> View {
    let words = visit.words();
    let found = Found::new(state, &draft.definition, &checked, words);
    View {
        title: words.t("Launch").into(),
        section: "campaigns",
        path: path_segment(&draft.name),
        revision: draft.revision,
        digest,
        people: people(found.will_receive, words),
        sentence: found.sentence,
        is_scheduled: draft.definition.schedule.is_some(),
        warnings: found.warnings,
        refusal: None,
        name: draft.name,
    }
}

/// Launches; who presses twice launches once.
pub(super) async fn launch(
    visit: Visit,
    name: web::Path<String>,
    given: web::Form<Given>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let onward = format!("/campaigns/{}?done=launched", path_segment(&name));
    let draft = match find(&state, &name).await {
        Ok(draft) => draft,
        // Launched a moment ago, as a rule.
        Err(error) if error.status() == StatusCode::NOT_FOUND => {
            crate::campaigns::plan::find(&state.db, &name)
                .await
                .map_err(|_gone| error)?;
            return Ok(see_other(&onward));
        }
        Err(error) => return Err(error),
    };
    let templates = templates_of(&state, &draft).await.unwrap_or_default();
    let options = LaunchOptions {
        chunk: state.settings.delivery.chunk,
        is_simulated: false,
        rules: Arc::new(Rules::new(&state.settings).map_err(ApiError::internal)?),
        settings: Arc::clone(&state.settings),
    };
    let templates = by_reference(&templates);
    let started = start::start(
        &state.db,
        (&name, given.seen()),
        &templates,
        &author(&visit),
        &options,
        state.clock.now(),
    )
    .await;
    let (status, refusal) = match started {
        Ok(_) => return Ok(see_other(&onward)),
        Err(StartError::Draft(error)) => return Err(on_review(&name)(error)),
        Err(error) => {
            let told = match plan::lies_behind(&draft.definition, state.clock.now()) {
                true => visit.words()
                    .t("Its time lies behind us. Give one to come under “Channel & schedule”, or send it as soon as it is launched.").to_owned(),
                false => sentence(&error.to_string()),
            };
            let refused = ApiError::from(error);
            if refused.status().is_server_error() {
                return Err(refused);
            }
            (refused.status(), told)
        }
    };
    let Some(checked) = checked(&state, &draft, &templates).await? else {
        return Err(ApiError::new(status).with_detail(refusal));
    };
    let digest = drafts::digest(&draft.definition, &templates).map_err(ApiError::internal)?;
    let mut view = view(&visit, &state, draft, digest, checked);
    view.refusal = Some(refusal);
    let mut answer = visit.refuse(&state, "campaign_launch", &view)?;
    *answer.status_mut() = status;
    Ok(answer)
}

/// Begun with a capital and ended with a point.
fn sentence(text: &str) -> String {
    let mut letters = text.trim_end_matches('.').chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).chain(['.']).collect()
}

impl From<StartError> for ApiError {
    fn from(error: StartError) -> Self {
        use crate::campaigns::plan::PlanError;
        use crate::delivery::launch::LaunchError;
        match error {
            StartError::Draft(error) => error.into(),
            StartError::Database(_)
            | StartError::Plan(PlanError::Database(_))
            | StartError::Launch(LaunchError::Database(_)) => Self::unavailable(error),
            StartError::Refused(why)
            | StartError::Launch(LaunchError::Coupons(why) | LaunchError::Offer(why)) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY).with_detail(why)
            }
            StartError::NothingNew
            | StartError::Plan(PlanError::NotEditable { .. })
            | StartError::Launch(LaunchError::WrongStatus { .. }) => {
                Self::new(StatusCode::CONFLICT).with_detail(error.to_string())
            }
            StartError::Plan(_) | StartError::Launch(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY).with_detail(error.to_string())
            }
        }
    }
}
