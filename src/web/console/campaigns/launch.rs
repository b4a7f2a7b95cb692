//! `/campaigns/{name}/launch`: the last question, and the launch.

use std::borrow::Cow;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::preview::by_reference;
use super::review::{Found, people};
use super::{Given, address, author, checked, find, templates_of};
use crate::campaigns::drafts;
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
    /// As the button says it.
    people: String,
    sentence: String,
    is_scheduled: bool,
    warnings: Vec<String>,
}

/// Asks once more, with the number of people.
pub(super) async fn page(
    visit: Visit,
    name: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let draft = find(&state, &name).await?;
    let words = visit.words();
    let templates = templates_of(&state, &draft).await.unwrap_or_default();
    let templates = by_reference(&templates);
    let digest = drafts::digest(&draft.definition, &templates).map_err(ApiError::internal)?;
    draft.launched_by(&author(&visit), &digest)?;
    let checked = checked(&state, &draft, &templates).await?;
    let Some(checked) = checked.filter(|checked| checked.found.is_ready()) else {
        // What is missing is said there.
        return Ok(see_other(&address(&draft.name, "review")));
    };
    let found = Found::new(&state, &draft.definition, &checked, words);
    let view = View {
        title: words.t("Launch").into(),
        section: "campaigns",
        path: path_segment(&draft.name),
        revision: draft.revision,
        people: people(found.will_receive, words),
        sentence: found.sentence,
        is_scheduled: draft.definition.schedule.is_some(),
        warnings: found.warnings,
        name: draft.name,
    };
    visit.answer(&state, "campaign_launch", &view)
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
    start::start(
        &state.db,
        (&name, given.revision()),
        &by_reference(&templates),
        &author(&visit),
        &options,
        state.clock.now(),
    )
    .await?;
    Ok(see_other(&onward))
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
