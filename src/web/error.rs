//! The one form of an error: an RFC 9457 problem for programs, a page for people.
//!
//! What a stranger may know is the status, a stable code and a sentence; what went wrong inside goes to
//! the log, under the request id that the answer shows.

use std::borrow::Cow;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::dialogue::DialogueError;
use crate::reports::ReportError;
use crate::responses::ResponseError as RoomError;
use crate::statistics::Sentence;
use crate::storage::StorageError;

/// What a handler returns when it cannot do what was asked.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    /// Apart, so that a result with an error stays small.
    detail: Option<Box<Sentence>>,
    allow: Option<Cow<'static, str>>,
    fields: Vec<FieldProblem>,
    /// Seconds until it is worth trying again, where that is known.
    wait: Option<u32>,
    /// Where a reader of the page goes on.
    onward: Option<Box<Onward>>,
    /// For the log only.
    cause: Option<String>,
}

/// A link on the page of an error.
#[derive(Debug)]
pub(super) struct Onward {
    pub path: String,
    /// In English.
    pub text: &'static str,
}

impl ApiError {
    /// An error with the code and sentence of its status.
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            detail: None,
            allow: None,
            fields: Vec::new(),
            wait: None,
            onward: None,
            cause: None,
        }
    }

    /// Says what happened and what to do next; shown to the caller, so never for a 500.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Sentence>) -> Self {
        self.detail = Some(Box::new(detail.into()));
        self
    }

    /// Names what is wrong with each field.
    #[must_use]
    pub(super) fn with_fields(mut self, fields: Vec<FieldProblem>) -> Self {
        self.fields = fields;
        self
    }

    /// Says that the fields stand within another one.
    #[must_use]
    pub(super) fn within(mut self, field: &str) -> Self {
        for one in &mut self.fields {
            one.field = match one.field.as_str() {
                "" => field.to_owned(),
                inner if inner.starts_with('[') => format!("{field}{inner}"),
                inner => format!("{field}.{inner}"),
            };
        }
        self
    }

    #[must_use]
    pub(super) fn with_allow(mut self, methods: impl Into<Cow<'static, str>>) -> Self {
        self.allow = Some(methods.into());
        self
    }

    /// Says when it is worth trying again.
    #[must_use]
    pub(super) fn with_wait(mut self, seconds: u32) -> Self {
        self.wait = Some(seconds);
        self
    }

    /// Leads a reader on: to a path of ours, by the text of a link.
    #[must_use]
    pub(super) fn leading(mut self, path: String, text: &'static str) -> Self {
        self.onward = Some(Box::new(Onward { path, text }));
        self
    }

    /// A fault of ours: the caller learns the request id, the log the cause.
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self {
            cause: Some(cause.to_string()),
            ..Self::new(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }

    /// Something we need is away: the caller may come again.
    pub fn unavailable(cause: impl fmt::Display) -> Self {
        Self {
            cause: Some(cause.to_string()),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE)
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn allow(&self) -> Option<&str> {
        self.allow.as_deref()
    }

    /// Seconds until it is worth trying again, for one who asked too often.
    pub(super) fn retry_after(&self) -> Option<u32> {
        let is_too_often = self.status == StatusCode::TOO_MANY_REQUESTS;
        is_too_often.then_some(self.wait.unwrap_or(3600))
    }

    pub(super) fn onward(&self) -> Option<&Onward> {
        self.onward.as_deref()
    }

    pub(super) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The problem as the caller sees it.
    pub(super) fn problem<'a>(&'a self, request_id: &'a str) -> Problem<'a> {
        let (code, title, sentence) = words(self.status);
        Problem {
            kind: "about:blank",
            title,
            status: self.status.as_u16(),
            code,
            detail: self
                .detail
                .as_deref()
                .cloned()
                .unwrap_or_else(|| sentence.into()),
            errors: &self.fields,
            request_id,
        }
    }
}

/// RFC 9457 §3.1, with members of our own: `code` is stable, `request_id` leads to the log, `errors` names
/// fields.
#[derive(Debug, Serialize)]
pub(super) struct Problem<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub title: &'static str,
    pub status: u16,
    pub code: &'static str,
    pub detail: Sentence,
    #[serde(skip_serializing_if = "<[FieldProblem]>::is_empty")]
    pub errors: &'a [FieldProblem],
    pub request_id: &'a str,
}

/// What is wrong with one field of a body.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct FieldProblem {
    /// Its name; of one within another `order.amount`. Empty: the whole.
    pub field: String,
    #[schema(value_type = String)]
    pub detail: Cow<'static, str>,
}

/// Code, title and sentence of a status.
pub(super) fn words(status: StatusCode) -> (&'static str, &'static str, &'static str) {
    match status {
        StatusCode::BAD_REQUEST => (
            "bad_request",
            "Bad request",
            "The request could not be understood.",
        ),
        StatusCode::UNAUTHORIZED => (
            "unauthorized",
            "Unauthorized",
            "A token is needed: Authorization: Bearer followed by it. Tokens are made under Settings, API tokens, or in [api.tokens].",
        ),
        StatusCode::REQUEST_TIMEOUT => (
            "too_slow",
            "Too slow",
            "The body of the request did not come in time. Send it again.",
        ),
        StatusCode::CONFLICT => ("conflict", "Conflict", "This was done before."),
        StatusCode::GONE => ("gone", "Gone", "It was there and is no more."),
        StatusCode::FORBIDDEN => (
            "forbidden",
            "Forbidden",
            "This request is not accepted here.",
        ),
        StatusCode::NOT_FOUND => (
            "not_found",
            "Not found",
            "There is nothing at this address.",
        ),
        StatusCode::METHOD_NOT_ALLOWED => (
            "method_not_allowed",
            "Method not allowed",
            "This address does not answer that method; the Allow header names those it does.",
        ),
        StatusCode::PRECONDITION_FAILED => (
            "precondition_failed",
            "Changed meanwhile",
            "It is not any more what If-Match names; read it again and decide anew.",
        ),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (
            "unsupported_media_type",
            "Unsupported media type",
            "The body is read as JSON; send Content-Type: application/json.",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => (
            "payload_too_large",
            "Body too large",
            "The body of the request is longer than this address reads.",
        ),
        StatusCode::MISDIRECTED_REQUEST => (
            "misdirected_request",
            "Wrong host",
            "The console answers on localhost only; open it by that name or change web.console_listen.",
        ),
        StatusCode::UNPROCESSABLE_ENTITY => (
            "invalid",
            "Invalid input",
            "Something in the request is missing or not allowed; `errors` names each field.",
        ),
        StatusCode::TOO_MANY_REQUESTS => (
            "too_many_requests",
            "Too many requests",
            "Too many requests came from your address, or from everywhere. Please try again in an hour.",
        ),
        StatusCode::SERVICE_UNAVAILABLE => (
            "unavailable",
            "Not available now",
            "Something this needs is away at the moment. Please try again in a little while.",
        ),
        status if status.is_client_error() => (
            "bad_request",
            "Bad request",
            "The request could not be understood.",
        ),
        _ => (
            "internal",
            "Something went wrong",
            "This is our fault and it is in our log. Please try again in a little while.",
        ),
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What actix may print into a body: never the cause.
        f.write_str(words(self.status).1)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    /// The bare form; [`super::frame`] puts the request id in and makes a page of it for people.
    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if let Some(allow) = &self.allow {
            response.insert_header((ALLOW, allow.as_ref()));
        }
        response
            .insert_header((CONTENT_TYPE, "application/problem+json"))
            .json(self.problem(""))
    }
}

impl From<RoomError> for ApiError {
    fn from(error: RoomError) -> Self {
        match error {
            RoomError::Database(_) => Self::unavailable(error),
            RoomError::Template { .. } => Self::internal(error),
        }
    }
}

impl From<DialogueError> for ApiError {
    fn from(error: DialogueError) -> Self {
        match error {
            DialogueError::Database(_) => Self::unavailable(error),
            DialogueError::Settings(_) | DialogueError::Archive(_) => Self::internal(error),
            DialogueError::Field(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY),
            DialogueError::NoSuchCustomer(_) | DialogueError::Whom(_) => {
                Self::new(StatusCode::NOT_FOUND)
            }
            DialogueError::Known(_) | DialogueError::Stale => {
                Self::new(StatusCode::CONFLICT).with_detail(error.to_string())
            }
            DialogueError::Erased { .. } => Self::new(StatusCode::GONE),
        }
    }
}

impl From<ReportError> for ApiError {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Database(_) => Self::unavailable(error),
            ReportError::Responses(error) => error.into(),
            ReportError::Csv(_) | ReportError::Accounts(_) => Self::internal(error),
        }
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        Self::unavailable(error)
    }
}
