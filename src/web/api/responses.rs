//! `POST /api/v1/responses`: who comes to a shop or calls, and names the code of an offer.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::auth::Caller;
use super::orders::Whose;
use super::{body, invalid, once, refused, reply};
use crate::customers::orders::Who;
use crate::responses::answers::{self, Answer, AnswerError, Place};
use crate::responses::orders::read_customer;
use crate::responses::requests::Failed;
use crate::storage::Txn;
use crate::web::error::FieldProblem;
use crate::web::{ApiError, State};

/// Characters of a note.
const NOTE: usize = 500;
/// Answers of one request.
const MOST: usize = 1_000;
const FIELDS: [&str; 5] = ["campaign_code", "customer", "kind", "note", "at"];

/// Somebody who came to a shop or called, and named the code of an offer.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read field by field, so that each fault is named")]
pub(super) struct AnswerTold {
    /// As in `offer.code` of the campaign.
    #[schema(example = "SPRING26", max_length = 80)]
    campaign_code: String,
    /// Where he answered.
    kind: Place,
    customer: Option<Whose>,
    #[schema(max_length = 500)]
    note: Option<String>,
    /// None: now.
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<String>,
}

/// One answer, or an array of them.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "read one by one, so that each fault is named")]
pub(super) enum AnswerBody {
    One(AnswerTold),
    Many(Vec<AnswerTold>),
}

/// What became of one answer.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct AnswerOutcome {
    status: AnswerStatus,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldProblem>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum AnswerStatus {
    /// It answers a message of ours.
    Matched,
    /// It is only counted: nobody we know got the offer within its window.
    Unmatched,
    Invalid,
}

/// What became of each, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AnswerOutcomes {
    responses: Vec<AnswerOutcome>,
}

/// An answer that can be taken.
struct Read {
    code: String,
    who: Who,
    place: Place,
    note: Option<String>,
    at: i64,
}

fn read(value: Value, now: i64) -> Result<Read, ApiError> {
    let object = body::fields_of(value, &FIELDS)?;
    Ok(Read {
        code: body::required(&object, "campaign_code", 80)?.to_owned(),
        place: Place::read(body::required(&object, "kind", 20)?)
            .ok_or_else(|| refused("kind", "is neither shop nor phone"))?,
        note: body::text(&object, "note", NOTE)?.map(str::to_owned),
        who: read_customer(&object).map_err(invalid)?,
        at: body::instant(&object, "at", now)?,
    })
}

/// Tells who answered in a shop or by telephone.
///
/// One, or an array of at most 1,000. It counts for the last message with that offer the person got, within its window.
#[utoipa::path(
    post, path = "/api/v1/responses", operation_id = "tellResponses", tag = "Events",
    request_body(content = AnswerBody, example = json!({
        "campaign_code": "SPRING26", "kind": "shop", "customer": {"external_id": "K-1001"},
    })),
    responses(
        (status = 200, description = "All are taken", body = AnswerOutcomes),
        (status = 201, description = "It answers a message of ours", body = AnswerOutcome),
        (status = 202, description = "It is only counted", body = AnswerOutcome),
        (status = 207, description = "Some were refused", body = AnswerOutcomes),
    ),
)]
pub(super) async fn take(
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let now = state.clock.now_ms();
    let values = match body::json(&request, &bytes)? {
        Value::Array(values) => values,
        one => {
            let read = read(one, now)?;
            return once(&request, &state, &caller, &bytes, async |txn| {
                let status = match write(txn, &read, now).await? {
                    AnswerStatus::Matched => StatusCode::CREATED,
                    _ => StatusCode::ACCEPTED,
                };
                let word = match status {
                    StatusCode::CREATED => AnswerStatus::Matched,
                    _ => AnswerStatus::Unmatched,
                };
                reply(status, &outcome(word, Vec::new())).map_err(Failed::Refused)
            })
            .await;
        }
    };
    if values.is_empty() || values.len() > MOST {
        return Err(refused("", "does not hold 1 to 1,000 answers"));
    }
    let all: Vec<Result<Read, ApiError>> =
        values.into_iter().map(|value| read(value, now)).collect();
    once(&request, &state, &caller, &bytes, async |txn| {
        let mut responses = Vec::with_capacity(all.len());
        for one in &all {
            let done = match one {
                Ok(read) => write(txn, read, now).await,
                Err(error) => {
                    responses.push(refusal(error));
                    continue;
                }
            };
            responses.push(match done {
                Ok(status) => outcome(status, Vec::new()),
                // Only a code that is none is refused when it is written, and then nothing of it was.
                Err(Failed::Refused(error)) => refusal(&error),
                Err(error) => return Err(error),
            });
        }
        let is_whole = responses
            .iter()
            .all(|one| one.status != AnswerStatus::Invalid);
        let status = match is_whole {
            true => StatusCode::OK,
            false => StatusCode::MULTI_STATUS,
        };
        reply(status, &AnswerOutcomes { responses }).map_err(Failed::Refused)
    })
    .await
}

fn outcome(status: AnswerStatus, errors: Vec<FieldProblem>) -> AnswerOutcome {
    AnswerOutcome { status, errors }
}

fn refusal(error: &ApiError) -> AnswerOutcome {
    outcome(AnswerStatus::Invalid, error.problem("").errors.to_vec())
}

async fn write(txn: &Txn, read: &Read, now: i64) -> Result<AnswerStatus, Failed<ApiError>> {
    let told = Answer {
        code: &read.code,
        who: read.who.clone(),
        place: read.place,
        note: read.note.as_deref(),
        at: read.at,
    };
    let message = answers::answer(txn, &told, now)
        .await
        .map_err(|error| match error {
            AnswerError::Room(error) => Failed::Room(error),
            AnswerError::UnknownCode => Failed::Refused(refused(
                "campaign_code",
                "is no code of an offer that was launched",
            )),
        })?;
    Ok(match message {
        Some(_) => AnswerStatus::Matched,
        None => AnswerStatus::Unmatched,
    })
}
