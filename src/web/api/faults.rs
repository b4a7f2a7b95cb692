//! Why a use case says no, as a problem: what one can mend is named, what is away is said to be.

use actix_web::http::StatusCode;

use super::{body, refused};
use crate::campaigns::check::CheckError;
use crate::campaigns::definition::DefinitionError;
use crate::campaigns::plan::PlanError;
use crate::consent::topics::TopicError;
use crate::delivery::decide::DecideError;
use crate::delivery::launch::LaunchError;
use crate::delivery::why::WhyError;
use crate::dialogue::DialogueError;
use crate::segments::ParseError;
use crate::templates::TemplateError;
use crate::web::ApiError;

/// There is none of that name.
pub(super) fn nobody(what: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND).with_detail(format!("There is no {what} of that name."))
}

/// It stands otherwise than the request supposes.
fn conflict(why: impl std::fmt::Display) -> ApiError {
    ApiError::new(StatusCode::CONFLICT).with_detail(body::sentence(&why.to_string()))
}

pub(super) fn definition(error: DefinitionError) -> ApiError {
    match error {
        DefinitionError::Key { key, problem, .. } => refused(key, problem),
        DefinitionError::Toml { message, .. } => refused("", message),
        DefinitionError::Read { .. } => ApiError::internal(error),
    }
}

pub(super) fn rule(field: &str, error: &ParseError) -> ApiError {
    let place = error.place.as_ref();
    let place = place.map_or_else(String::new, |place| {
        format!(" (line {}, column {})", place.line, place.column)
    });
    refused(field, format!("{}{place}", error.message))
}

pub(super) fn template(field: &str, error: &TemplateError) -> ApiError {
    refused(field, error.to_string())
}

pub(super) fn plan(error: PlanError) -> ApiError {
    match error {
        PlanError::NotFound { .. } => nobody("campaign"),
        PlanError::NotEditable { .. } | PlanError::WrongStatus { .. } => conflict(error),
        PlanError::Segment(error) => rule("segment", &error),
        PlanError::Template(error) => template("template", &error),
        PlanError::Unsendable { .. } | PlanError::NoTemplate { .. } => {
            refused("template", error.to_string())
        }
        PlanError::Schedule(problem) => refused("schedule", problem),
        PlanError::Database(error) => ApiError::unavailable(error),
    }
}

pub(super) fn check(error: CheckError) -> ApiError {
    match error {
        CheckError::Segment(error) => rule("segment", &error),
        CheckError::Settings(error) => ApiError::internal(error),
        CheckError::Unanswered(error) => ApiError::unavailable(error),
        CheckError::Database(error) => ApiError::unavailable(error),
    }
}

pub(super) fn launch(error: LaunchError) -> ApiError {
    match error {
        LaunchError::Gone => nobody("campaign"),
        LaunchError::Database(error) => ApiError::unavailable(error),
        LaunchError::WrongStatus { .. }
        | LaunchError::Segment(_)
        | LaunchError::Offer(_)
        | LaunchError::Coupons(_)
        | LaunchError::Relay(_)
        | LaunchError::NotDue { .. } => conflict(error),
    }
}

pub(super) fn decide(error: DecideError) -> ApiError {
    match error {
        DecideError::Plan(error) => plan(error),
        DecideError::NothingToDecide { .. } => conflict("it has no test that waits for a winner"),
        DecideError::NoSuchCell { .. } => refused("cell", error.to_string()),
        DecideError::Database(error) => ApiError::unavailable(error),
    }
}

pub(super) fn why(error: WhyError) -> ApiError {
    match error {
        WhyError::NoSuchCustomer(_) => nobody("customer"),
        WhyError::Segment(error) => conflict(format!("the segment cannot be read: {error}")),
        WhyError::Database(error) => ApiError::unavailable(error),
    }
}

pub(super) fn topic(field: &str, error: TopicError) -> ApiError {
    match error {
        TopicError::Unknown { .. } => refused(field, error.to_string()),
        TopicError::Database(error) => ApiError::unavailable(error),
    }
}

pub(super) fn dialogue(error: DialogueError) -> ApiError {
    match &error {
        DialogueError::Field(problem) => {
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY).with_detail(body::sentence(problem))
        }
        DialogueError::NoSuchCustomer(_) | DialogueError::Whom(_) => nobody("customer"),
        DialogueError::Erased { on, .. } => ApiError::new(StatusCode::GONE)
            .with_detail(format!("This customer was erased on {on}.")),
        DialogueError::Database(_)
        | DialogueError::Settings(_)
        | DialogueError::Archive(_)
        | DialogueError::Known(_) => error.into(),
    }
}
