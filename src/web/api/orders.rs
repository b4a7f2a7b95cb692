//! `/api/v1/orders`: what people bought, as shops tell it.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::auth::Caller;
use super::{body, instant, invalid, once, problems, refused};
use crate::customers::orders::{Taken, Told};
use crate::responses::attribution::MatchedBy;
use crate::responses::orders::{self, OrderFault, OrderRules, TakenOrder};
use crate::responses::requests::{Failed, Reply};
use crate::web::error::FieldProblem;
use crate::web::{ApiError, State};

/// Orders of one request.
const MOST: usize = 1_000;

/// An order as a shop tells it.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read field by field, so that each fault is named")]
pub(super) struct OrderTold {
    /// The shop's number, by which it counts once and is corrected.
    #[schema(example = "A-1042", max_length = 250)]
    id: String,
    /// Whose it is; a token or a coupon tells too.
    customer: Option<Whose>,
    /// Of what is cancelled neither instant nor amount is needed.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-11-22T14:05:00+01:00")]
    ordered_at: Option<String>,
    /// What was paid, as a decimal text; or `amount_cents`.
    #[schema(example = "49.90")]
    amount: Option<String>,
    amount_cents: Option<i64>,
    /// ISO 4217; none: that of the settings.
    #[schema(example = "EUR", min_length = 3, max_length = 3)]
    currency: Option<String>,
    #[schema(max_length = 250)]
    product: Option<String>,
    #[schema(max_length = 250)]
    category: Option<String>,
    /// The token of the link that led to it (`?vv=`).
    token: Option<String>,
    /// The coupon it was paid with.
    coupon: Option<String>,
    /// The name of the campaign it is said to come from.
    campaign_code: Option<String>,
    status: Option<OrderState>,
}

/// Whether it holds.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "read as a word")]
pub(super) enum OrderState {
    Placed,
    /// Or refunded in full; it stays so.
    Cancelled,
}

/// Who it was, by one of these.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read field by field, so that each fault is named")]
pub(super) struct Whose {
    /// Our number.
    id: Option<i64>,
    /// Your own key of him.
    #[schema(example = "K-1001")]
    external_id: Option<String>,
    email: Option<String>,
    phone: Option<String>,
}

/// One order, or an array of them.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "read one by one, so that each fault is named")]
pub(super) enum OrderBody {
    One(OrderTold),
    Many(Vec<OrderTold>),
}

/// What became of one order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderOutcome)]
pub(super) struct Outcome {
    /// The shop's number.
    id: Option<String>,
    /// `created`, `updated`, `unchanged`, `cancelled`, `unmatched` (kept until we know whose it is) or `invalid`.
    #[schema(value_type = String)]
    status: &'static str,
    /// By which rule it was given to a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    matched_by: Option<MatchedBy>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldProblem>,
}

/// What became of each, in their order.
#[derive(Debug, Serialize)]
struct Outcomes<'a> {
    orders: &'a [Outcome],
}

/// What became of each, in their order.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "written from a view of its own; this is its shape"
)]
pub(super) struct OrderOutcomes {
    orders: Vec<Outcome>,
}

/// What became of one order, or of each of several.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(
    dead_code,
    reason = "written from a view of its own; this is its shape"
)]
pub(super) enum OrderAnswer {
    One(Outcome),
    Many(OrderOutcomes),
}

/// Tells orders.
///
/// One, or an array of at most 1,000. Telling an order twice changes nothing; telling it anew corrects it; one that was
/// cancelled stays so. Of an array those that can be read are taken, and the answer is 207 when one was refused.
#[utoipa::path(
    post, path = "/api/v1/orders", operation_id = "tellOrders", tag = "Events",
    request_body(content = OrderBody, example = json!({
        "id": "A-1042", "customer": {"external_id": "K-1001"}, "ordered_at": "2026-11-22T14:05:00+01:00",
        "amount": "49.90", "currency": "EUR",
    })),
    responses(
        (status = 200, description = "They are taken", body = OrderAnswer),
        (status = 201, description = "The order is new", body = Outcome),
        (status = 202, description = "It waits for its customer", body = Outcome),
        (status = 207, description = "Some were refused", body = OrderOutcomes),
    ),
)]
pub(super) async fn take(
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let (values, is_array) = match body::json(&request, &bytes)? {
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
    once(&request, &state, &caller, &bytes, async |txn| {
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
            detail: "nobody in the base has this number".into(),
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

/// How many are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HowMany {
    /// At most so many.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
}

/// An order of somebody whom the base does not have.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WaitingOrder {
    /// The shop's number.
    external_id: Option<String>,
    /// Your own key of whom it names.
    customer_external_id: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    ordered_at: String,
    amount_cents: i64,
    currency: Option<String>,
    /// Why it waits.
    reason: String,
    #[schema(value_type = String, format = DateTime)]
    received_at: String,
}

/// Orders that wait.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WaitingOrders {
    /// How many there are.
    count: i64,
    /// The newest of them.
    orders: Vec<WaitingOrder>,
}

/// Lists orders that wait for their customer.
///
/// Of people whom the base does not have; they are taken when these come.
#[utoipa::path(
    get, path = "/api/v1/orders/unmatched", operation_id = "listUnmatchedOrders", tag = "Events",
    params(HowMany),
    responses((status = 200, description = "The newest", body = WaitingOrders)),
)]
pub(super) async fn unmatched(
    wanted: web::Query<HowMany>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let limit = super::cursor::limit(wanted.limit)?;
    let (count, waiting) = orders::unmatched(&state.db, limit).await?;
    let waiting = waiting.into_iter().map(|one| WaitingOrder {
        external_id: one.external_id,
        customer_external_id: one.customer_external_id,
        ordered_at: instant(one.ordered_at),
        amount_cents: one.amount_cents,
        currency: one.currency,
        reason: one.reason,
        received_at: instant(one.received_at),
    });
    let view = WaitingOrders {
        count,
        orders: waiting.collect(),
    };
    super::answer(StatusCode::OK, &view)
}
