//! `POST /api/v1/orders`: one order, or an array of them.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::Value;

use super::{body, invalid, once, problems, refused};
use crate::config::Scope;
use crate::customers::orders::{Taken, Told};
use crate::responses::attribution::MatchedBy;
use crate::responses::orders::{self, OrderFault, OrderRules, TakenOrder};
use crate::responses::requests::{Failed, Reply};
use crate::web::error::FieldProblem;
use crate::web::{ApiError, State};

/// Orders of one request.
const MOST: usize = 1_000;

/// What became of one order.
#[derive(Debug, Serialize)]
struct Outcome {
    /// The shop's number.
    id: Option<String>,
    /// created, updated, unchanged, cancelled, unmatched or invalid.
    status: &'static str,
    /// By which rule it was given to a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    matched_by: Option<MatchedBy>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldProblem>,
}

#[derive(Debug, Serialize)]
struct Outcomes<'a> {
    orders: &'a [Outcome],
}

/// Takes orders. One that cannot be read is refused with its fields; of an array the others are taken, and the
/// answer is 207 with what became of each.
pub(super) async fn take(
    request: HttpRequest,
    bytes: Bytes,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let token = state.tokens.authorize(&request, Scope::OrdersWrite)?;
    let (values, is_array) = match body::json(&bytes)? {
        Value::Array(values) => (values, true),
        one => (vec![one], false),
    };
    if values.is_empty() || values.len() > MOST {
        return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY)
            .with_detail("An array must hold 1 to 1,000 orders; send more in several requests."));
    }
    let rules = OrderRules::new(&state.keys, &state.settings);
    let now = state.clock.now_ms();
    let read: Vec<Result<Told, Vec<OrderFault>>> = values
        .iter()
        .map(|value| orders::read(value, rules.currency(), now))
        .collect();
    if !is_array && let Some(Err(faults)) = read.first() {
        return Err(invalid(faults.clone()));
    }
    once(&request, &state, token, &bytes, async |txn| {
        let told: Vec<Told> = read
            .iter()
            .filter_map(|one| one.as_ref().ok())
            .cloned()
            .collect();
        let mut taken = orders::take(txn, &rules, &told, now).await?.into_iter();
        let mut outcomes = Vec::with_capacity(read.len());
        for (value, one) in values.iter().zip(&read) {
            outcomes.push(match one {
                Ok(told) => outcome(told, taken.next()),
                Err(faults) => Outcome {
                    id: number(value),
                    status: "invalid",
                    matched_by: None,
                    errors: problems(faults.clone()),
                },
            });
        }
        reply(&outcomes, is_array)
    })
    .await
}

/// The number of an order that could not be read, as far as it has one.
fn number(value: &Value) -> Option<String> {
    match value.get("id")? {
        Value::String(text) => Some(text.chars().take(250).collect()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn outcome(told: &Told, taken: Option<TakenOrder>) -> Outcome {
    let (status, matched_by) = match taken {
        None => ("invalid", None),
        Some(taken) => (word(taken.taken), taken.matched_by),
    };
    let errors = if status == "invalid" {
        vec![FieldProblem {
            field: "customer.id".to_owned(),
            detail: "nobody in the base has this number",
        }]
    } else {
        Vec::new()
    };
    Outcome {
        id: told.order.external_id.clone(),
        status,
        matched_by,
        errors,
    }
}

/// The word for what became of an order.
pub(super) fn word(taken: Taken) -> &'static str {
    match taken {
        Taken::Created => "created",
        Taken::Updated => "updated",
        Taken::Unchanged => "unchanged",
        Taken::Cancelled => "cancelled",
        Taken::Unmatched => "unmatched",
        Taken::Nobody => "invalid",
    }
}

fn reply(outcomes: &[Outcome], is_array: bool) -> Result<Reply, Failed<ApiError>> {
    let is_invalid = |outcome: &Outcome| outcome.status == "invalid";
    let (status, body) = match outcomes {
        [only] if !is_array => {
            if is_invalid(only) {
                return Err(Failed::Refused(refused(
                    "customer.id",
                    "nobody in the base has this number",
                )));
            }
            let status = match only.status {
                "created" => 201,
                "unmatched" => 202,
                _ => 200,
            };
            (status, serde_json::to_string(only))
        }
        all => {
            let status = if all.iter().any(is_invalid) { 207 } else { 200 };
            (status, serde_json::to_string(&Outcomes { orders: all }))
        }
    };
    let body = body.map_err(|error| Failed::Refused(ApiError::internal(error)))?;
    Ok(Reply { status, body })
}
