//! `POST /api/v1/coupons/redeem`.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::{body, invalid, once, orders as order_words, refused};
use crate::clock::from_ms;
use crate::config::Scope;
use crate::customers::orders::{Taken, Told};
use crate::responses::coupons::{self, RedeemError, Redemption};
use crate::responses::orders::{self, OrderRules};
use crate::responses::requests::{Failed, Reply};
use crate::web::{ApiError, State};

const DAY_MS: i64 = 86_400_000;

/// Redeems a coupon: 200 with what it stood for, 404 when it is none of ours, 409 when it was used, 410 when its
/// deadline is over.
pub(super) async fn redeem(
    request: HttpRequest,
    bytes: Bytes,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let token = state.tokens.authorize(&request, Scope::CouponsRedeem)?;
    let object = body::object(&bytes, &["code", "at", "order"])?;
    let code = body::required(&object, "code", 80)?;
    let now = state.clock.now_ms();
    let at = body::instant(&object, "at", now)?;
    let rules = OrderRules::new(&state.keys, &state.settings);
    let order = match object.get("order") {
        None | Some(Value::Null) => None,
        Some(value) => Some(order(value, &rules, at, now)?),
    };
    let grace_ms = i64::from(state.settings.orders.coupon_grace_days) * DAY_MS;
    once(&request, &state, token, &bytes, async |txn| {
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
