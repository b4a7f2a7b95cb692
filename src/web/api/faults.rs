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
use crate::dialogue::attest::AttestError;
use crate::segments::ParseError;
use crate::segments::library::LibraryError as SegmentError;
use crate::templates::TemplateError;
use crate::templates::library::LibraryError;
use crate::web::ApiError;

/// There is none of that name.
pub(super) fn nobody(what: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND).with_detail(format!("There is no {what} of that name."))
}

/// It stands otherwise than the request supposes.
pub(super) fn conflict(why: impl std::fmt::Display) -> ApiError {
    ApiError::new(StatusCode::CONFLICT).with_detail(body::sentence(&why.to_string()))
}

pub(super) fn definition(error: DefinitionError) -> ApiError {
    match error {
        DefinitionError::Key { key, problem, .. } => refused(key, problem.to_string()),
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

pub(super) fn segment(error: SegmentError) -> ApiError {
    let said = error.to_string();
    match error {
        SegmentError::NoName | SegmentError::LongName | SegmentError::OddName => {
            refused("name", said)
        }
        SegmentError::LongDescription => refused("description", said),
        SegmentError::Incomplete => refused("rule", said),
        SegmentError::Taken { .. } | SegmentError::Changed { .. } => conflict(said),
        SegmentError::Unknown { .. } => nobody("segment"),
        SegmentError::Database(error) => ApiError::unavailable(error),
    }
}

/// `field`: where the texts of the template stand in the request.
pub(super) fn library(field: &str, error: LibraryError) -> ApiError {
    match error {
        LibraryError::Template(TemplateError::NoSuchTemplate { .. }) => nobody("template"),
        LibraryError::NoSuchRevision { number, .. } => ApiError::new(StatusCode::NOT_FOUND)
            .with_detail(format!("The template has no revision {number}.")),
        LibraryError::Template(error) => template(field, &error),
        LibraryError::Name(_) | LibraryError::OtherName { .. } => {
            refused("name", error.to_string())
        }
        LibraryError::Exists(_)
        | LibraryError::Conflict { .. }
        | LibraryError::Archived { .. }
        | LibraryError::Unreadable { .. } => conflict(error),
        LibraryError::Database(_) | LibraryError::Interrupted(_) => ApiError::unavailable(error),
    }
}

/// Why a template that `field` names cannot be taken.
pub(super) fn named(field: &str, error: LibraryError) -> ApiError {
    match error {
        LibraryError::Database(_) | LibraryError::Interrupted(_) => ApiError::unavailable(error),
        error => refused(field, error.to_string()),
    }
}

pub(super) fn template(field: &str, error: &TemplateError) -> ApiError {
    refused(field, error.to_string())
}

pub(super) fn plan(error: PlanError) -> ApiError {
    match error {
        PlanError::NotFound { .. } => nobody("campaign"),
        PlanError::NotEditable { .. }
        | PlanError::WrongStatus { .. }
        | PlanError::Drafted { .. } => conflict(error),
        PlanError::Stale { .. } => ApiError::new(StatusCode::PRECONDITION_FAILED),
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
        LaunchError::Drafted(error) => plan(error),
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

pub(super) fn attest(error: AttestError) -> ApiError {
    match error {
        AttestError::Said { field, problem } => refused(field, problem),
        AttestError::Dialogue(error) => dialogue(error),
    }
}

pub(super) fn dialogue(error: DialogueError) -> ApiError {
    match &error {
        DialogueError::Field(problem) => {
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY).with_detail(body::sentence(problem))
        }
        DialogueError::NoSuchCustomer(_) | DialogueError::Whom(_) => nobody("customer"),
        DialogueError::Stale => ApiError::new(StatusCode::PRECONDITION_FAILED),
        DialogueError::Erased { on, .. } => ApiError::new(StatusCode::GONE)
            .with_detail(format!("This customer was erased on {on}.")),
        DialogueError::Database(_)
        | DialogueError::Settings(_)
        | DialogueError::Archive(_)
        | DialogueError::Known(_) => error.into(),
    }
}
