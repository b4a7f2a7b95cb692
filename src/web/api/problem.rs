//! The form of an error, as the document shows it (RFC 9457).

use utoipa::ToSchema;

use crate::web::error::FieldProblem;

/// What went wrong and what to do next (RFC 9457).
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "it is written from a view of its own; this is its shape"
)]
pub(super) struct Problem {
    /// `about:blank`: the status says what it is.
    #[schema(rename = "type", example = "about:blank")]
    kind: String,
    #[schema(example = "Invalid input")]
    title: String,
    #[schema(minimum = 400, maximum = 599, example = 422)]
    status: u16,
    /// A word that stays the same, for programs.
    #[schema(example = "invalid")]
    code: String,
    /// What happened and what to do next, for people.
    detail: String,
    /// What is wrong with each field.
    #[schema(nullable = false)]
    errors: Option<Vec<FieldProblem>>,
    /// Leads to the line in the log; also in the header X-Request-Id.
    #[schema(example = "9e3779b97f4a7c15")]
    request_id: String,
}
