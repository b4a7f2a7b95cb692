//! `/api/v1/coupons`: redeemed in shops and at tills; and the pools they come from.

use std::io::Cursor;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::auth::Caller;
use super::{
    body, faults, instant, invalid, once, once_around, orders as order_words, refused, reply,
};
use crate::campaigns::store::coupons as pool_store;
use crate::clock::from_ms;
use crate::customers::orders::{Taken, Told};
use crate::responses::coupons::{self, PoolError, RedeemError, Redemption};
use crate::responses::orders::{self, OrderRules};
use crate::responses::requests::{Failed, Reply};
use crate::web::{ApiError, State};

const DAY_MS: i64 = 86_400_000;
/// Codes of one request.
const MOST: usize = 100_000;

/// A coupon that was brought.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read field by field, so that each fault is named")]
pub(super) struct RedemptionTold {
    /// As it was written or said.
    #[schema(example = "7K2M-9QWX-4T", max_length = 80)]
    code: String,
    /// None: now.
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<String>,
    /// What was bought with it: as an order, whose instant and customer may be left out.
    #[schema(value_type = Option<Object>)]
    order: Option<Value>,
}

/// A coupon that is redeemed now.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "written from a view of its own; this is its shape"
)]
pub(super) struct Redeemed {
    /// `redeemed`
    status: String,
    campaign: String,
    /// The message was part of a simulation: it is worth nothing.
    is_simulated: bool,
    #[schema(value_type = Option<String>, format = DateTime)]
    redeemed_at: Option<String>,
    /// What became of the order.
    #[schema(value_type = Option<Object>)]
    order: Option<Value>,
}

/// Redeems a coupon.
///
/// Of two who redeem one at the same instant exactly one succeeds. With an order that cannot be taken nothing is: the
/// coupon is not used up by it.
#[utoipa::path(
    post, path = "/api/v1/coupons/redeem", operation_id = "redeemCoupon", tag = "Events",
    request_body(content = RedemptionTold, example = json!({"code": "7K2M-9QWX-4T"})),
    responses(
        (status = 200, description = "What it stood for", body = Redeemed),
        (status = 410, description = "Its deadline is over", body = super::problem::Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn redeem(
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let object = body::object(&request, &bytes, &["code", "at", "order"])?;
    let code = body::required(&object, "code", 80)?;
    let now = state.clock.now_ms();
    let at = body::instant(&object, "at", now)?;
    let rules = OrderRules::new(&state.keys, &state.settings);
    let order = match object.get("order") {
        None | Some(Value::Null) => None,
        Some(value) => Some(order(value, &rules, at, now)?),
    };
    let grace_ms = i64::from(state.settings.orders.coupon_grace_days) * DAY_MS;
    once(&request, &state, &caller, &bytes, async |txn| {
        let brought = Redemption {
            code,
            at,
            order: order.clone(),
            grace_ms,
        };
        let redeemed = coupons::redeem(txn, &rules, brought, now)
            .await
            .map_err(failed)?;
        // With an order that cannot be taken nothing is: the coupon is not used up by it.
        match redeemed.order.as_ref().map(|order| order.taken) {
            Some(Taken::Nobody) => {
                return Err(Failed::Refused(refused(
                    "order.customer",
                    "is nobody of the base",
                )));
            }
            Some(Taken::Cancelled) => {
                return Err(Failed::Refused(refused(
                    "order",
                    "is cancelled, or was before; redeem without it",
                )));
            }
            _ => {}
        }
        let coupon = redeemed.coupon;
        let body = json!({
            "status": "redeemed",
            "campaign": coupon.campaign,
            "is_simulated": coupon.is_simulated,
            "redeemed_at": coupon.redeemed_at.map(|at| from_ms(at).to_rfc3339()),
            "order": redeemed.order.map(|order| json!({
                "status": order_words::word(order.taken),
                "matched_by": order.matched_by,
            })),
        });
        Ok(Reply {
            status: 200,
            body: body.to_string(),
        })
    })
    .await
}

/// What was bought with it; its instant may be left out, and whose it is: the coupon tells.
fn order(value: &Value, rules: &OrderRules, at: i64, now: i64) -> Result<Told, ApiError> {
    let mut value = value.clone();
    if let Some(object) = value.as_object_mut() {
        object
            .entry("ordered_at")
            .or_insert_with(|| from_ms(at).to_rfc3339().into());
        // For the check that somebody is named; the code is put in as it was brought.
        object.insert("coupon".to_owned(), "the one that is redeemed".into());
    }
    orders::read(&value, rules.currency(), now).map_err(|mut faults| {
        for fault in &mut faults {
            fault.field = format!("order.{}", fault.field);
        }
        invalid(faults)
    })
}

fn failed(error: RedeemError) -> Failed<ApiError> {
    let status = match error {
        RedeemError::Room(error) => return Failed::Room(error),
        RedeemError::Unknown => StatusCode::NOT_FOUND,
        RedeemError::Used { .. } => StatusCode::CONFLICT,
        RedeemError::Expired { .. } => StatusCode::GONE,
    };
    let mut detail = error.to_string();
    if let RedeemError::Used {
        order: Some(order), ..
    } = &error
    {
        detail = format!("{detail}, for the order {order}");
    }
    let mut letters = detail.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string());
    let detail = format!("{}{}.", first.unwrap_or_default(), letters.as_str());
    Failed::Refused(ApiError::new(status).with_detail(detail))
}

/// What is known of a coupon.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CouponView {
    campaign: String,
    wave: i64,
    /// Whose message it stood in; null when the ledger has let it go.
    customer: Option<i64>,
    /// The message was part of a simulation: it is worth nothing.
    is_simulated: bool,
    /// The end of its last day.
    #[schema(value_type = Option<String>, format = DateTime)]
    deadline_at: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    redeemed_at: Option<String>,
    /// The number of the order it was used for.
    order: Option<String>,
}

/// Shows a coupon.
#[utoipa::path(
    get, path = "/api/v1/coupons/{code}", operation_id = "getCoupon", tag = "Events",
    params(("code" = String, Path, description = "As it is written", example = "7K2M-9QWX-4T")),
    responses((status = 200, description = "What is known of it", body = CouponView)),
)]
pub(super) async fn show(
    code: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let coupon = coupons::show(&state.db, &state.keys, &code)
        .await?
        .ok_or_else(|| faults::nobody("coupon"))?;
    let view = CouponView {
        campaign: coupon.campaign,
        wave: coupon.wave,
        customer: coupon.customer.map(|id| id.0),
        is_simulated: coupon.is_simulated,
        deadline_at: coupon.deadline_at.map(instant),
        redeemed_at: coupon.redeemed_at.map(instant),
        order: coupon.order,
    };
    super::answer(StatusCode::OK, &view)
}

/// A pool of coupons that another system made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PoolView {
    name: String,
    /// How many it ever had.
    size: i64,
    /// How many can still be given out.
    left: i64,
}

/// All pools.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Pools {
    pools: Vec<PoolView>,
}

/// Lists the pools of coupons.
#[utoipa::path(
    get, path = "/api/v1/coupon-pools", operation_id = "listCouponPools", tag = "Events",
    responses((status = 200, description = "All pools, by name", body = Pools)),
)]
pub(super) async fn pools(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let found = pool_store::pools(&*state.db)
        .await
        .map_err(ApiError::unavailable)?;
    let pools = found.into_iter().map(|(name, pool)| PoolView {
        name,
        size: pool.size,
        left: pool.left(),
    });
    let view = Pools {
        pools: pools.collect(),
    };
    super::answer(StatusCode::OK, &view)
}

/// Codes that another system made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Codes {
    /// At most 100,000.
    #[schema(min_items = 1, max_items = 100000, example = json!(["AAAA-1111", "BBBB-2222"]))]
    codes: Vec<String>,
}

/// What was added to a pool.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CodesAdded {
    added: u64,
    /// Codes that this or another pool has already, or that read alike.
    known: u64,
    /// How many can be given out from now on.
    left: i64,
}

/// Puts codes into a pool.
///
/// Whole or not at all; a pool that is not there is made. A campaign names it in `offer.coupon`.
#[utoipa::path(
    post, path = "/api/v1/coupon-pools/{pool}/codes", operation_id = "addCouponCodes", tag = "Events",
    params(("pool" = String, Path, description = "1 to 60 lower-case letters, digits, - or _", example = "spring")),
    request_body(content = Codes),
    responses((status = 200, description = "They can be given out", body = CodesAdded)),
)]
pub(super) async fn add_codes(
    pool: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let Codes { codes } = body::read(&request, &bytes)?;
    if codes.is_empty() || codes.len() > MOST {
        return Err(refused("codes", "does not hold 1 to 100,000 codes"));
    }
    if codes.iter().any(|code| code.contains(['\n', '\r'])) {
        return Err(refused("codes", "holds a code with a line break"));
    }
    let lines = codes.join("\n");
    once_around(&request, &state, &caller, &bytes, async || {
        let now_ms = state.clock.now_ms();
        let done = coupons::import_pool(&state.db, &pool, Cursor::new(lines), now_ms)
            .await
            .map_err(|error| match error {
                PoolError::Database(error) => ApiError::unavailable(error),
                error => refused("", error.to_string()),
            })?;
        super::note(&state, &caller, "coupon_pool.fill", &pool, "").await?;
        let added = CodesAdded {
            added: done.added,
            known: done.known,
            left: done.left,
        };
        reply(StatusCode::OK, &added)
    })
    .await
}
