//! Why something cannot be done with a draft, as a problem; told to a program, which has scopes and no role.

use actix_web::http::StatusCode;

use crate::campaigns::drafts::{DraftError, Gap};
use crate::delivery::start::StartError;
use crate::delivery::trial::TrialError;
use crate::web::ApiError;
use crate::web::api::{body, faults, refused};
use crate::web::error::FieldProblem;

pub(super) fn draft(error: DraftError) -> ApiError {
    let forbidden = |why: &'static str| ApiError::new(StatusCode::FORBIDDEN).with_detail(why);
    match error {
        DraftError::Incomplete(gaps) => incomplete(gaps),
        DraftError::Name { .. } => refused("name", error.to_string()),
        DraftError::NotFound { .. } => faults::nobody("draft"),
        DraftError::NoCampaign { .. } => faults::nobody("campaign"),
        DraftError::OwnRequest => {
            forbidden("This token asked for the approval; another one, or a person, gives it.")
        }
        DraftError::MayNotApprove => {
            forbidden("This token approves nothing; one with the scope campaigns:launch does.")
        }
        DraftError::NeedsApproval => forbidden(
            "This token lacks the scope campaigns:launch, so the draft needs an approval; ask for it.",
        ),
        error => error.into(),
    }
}

/// Names what is missing as the fields that are to be given.
pub(super) fn incomplete(gaps: Vec<Gap>) -> ApiError {
    let fields = gaps.into_iter().map(|gap| FieldProblem {
        field: gap.key,
        detail: gap.problem.to_string().into(),
    });
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY)
        .with_detail("The draft is not complete.")
        .with_fields(fields.collect())
}

pub(super) fn start(error: StartError) -> ApiError {
    match error {
        StartError::Draft(error) => draft(error),
        StartError::Plan(error) => faults::plan(error),
        StartError::Launch(error) => faults::launch(error),
        StartError::Refused(why) => ApiError::new(StatusCode::UNPROCESSABLE_ENTITY)
            .with_detail(body::sentence(&why.to_string())),
        StartError::NothingNew => faults::conflict(error),
        StartError::Database(error) => ApiError::unavailable(error),
    }
}

pub(super) fn trial(error: TrialError) -> ApiError {
    match error {
        TrialError::Addresses => refused("to", error.to_string()),
        TrialError::Channel(_) => refused("channel", error.to_string()),
        TrialError::Template(_) | TrialError::Render(_) => refused("template", error.to_string()),
        TrialError::Route(why) => ApiError::new(StatusCode::UNPROCESSABLE_ENTITY)
            .with_detail(body::sentence(&why.to_string())),
        TrialError::TooMany => ApiError::new(StatusCode::TOO_MANY_REQUESTS)
            .with_detail(body::sentence(&error.to_string())),
        TrialError::Database(error) => ApiError::unavailable(error),
    }
}
