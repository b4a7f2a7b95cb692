//! `/api/v1`: what programs tell us of events elsewhere: orders, redeemed coupons, answers in shops and by
//! telephone.
//!
//! Promise: a program does what its token allows and nothing else; an answer that says done stands in the
//! database; whoever gets none sends the same again, and it is done once.

mod auth;
mod body;
mod coupons;
mod orders;
mod responses;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use data_encoding::HEXLOWER;
use ring::digest::{Context, SHA256};

use super::error::FieldProblem;
use super::{ApiError, State, frame, resource};
use crate::responses::orders::OrderFault;
use crate::responses::requests::{self, Failed, Reply, Request};
use crate::storage::Txn;

pub(super) use auth::{Tokens, is_same_secret};

/// The longest body: a thousand orders.
const BODY_LIMIT: usize = 1024 * 1024;
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Characters of a key: a UUID has 36.
const LONGEST_KEY: usize = 255;

/// Registers the routes, among the public ones: shops stand elsewhere.
pub(super) fn configure(config: &mut ServiceConfig) {
    let limit = || web::PayloadConfig::new(BODY_LIMIT);
    config
        .service(
            resource("/api/v1/orders", "POST")
                .app_data(limit())
                .route(web::post().to(orders::take))
                .wrap(from_fn(frame::public)),
        )
        .service(
            resource("/api/v1/coupons/redeem", "POST")
                .app_data(limit())
                .route(web::post().to(coupons::redeem))
                .wrap(from_fn(frame::public)),
        )
        .service(
            resource("/api/v1/responses", "POST")
                .app_data(limit())
                .route(web::post().to(responses::take))
                .wrap(from_fn(frame::public)),
        );
}

/// Does the work of a request once, if it carries a key.
async fn once(
    request: &HttpRequest,
    state: &State,
    token: &str,
    body: &[u8],
    work: impl AsyncFn(&Txn) -> Result<Reply, Failed<ApiError>>,
) -> Result<HttpResponse, ApiError> {
    let key = request
        .headers()
        .get(&IDEMPOTENCY_KEY)
        .map(key)
        .transpose()?;
    let keyed = key.map(|key| Request {
        token: token.to_owned(),
        key,
        digest: digest(request.path(), body),
    });
    let done = requests::once(&state.db, keyed.as_ref(), state.clock.now_ms(), work).await;
    match done {
        Ok(reply) => {
            let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
            Ok(HttpResponse::build(status)
                .content_type("application/json")
                .body(reply.body))
        }
        Err(Failed::Refused(error)) => Err(error),
        Err(Failed::KeyReused) => Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY).with_detail(
            "This Idempotency-Key came with another request before; take a new key for a new request.",
        )),
        Err(Failed::Room(error)) => Err(error.into()),
    }
}

/// The key of a request; some programs put it in quotation marks, as the draft says.
fn key(value: &HeaderValue) -> Result<String, ApiError> {
    value
        .to_str()
        .ok()
        .map(|text| text.trim().trim_matches('"').to_owned())
        .filter(|text| (1..=LONGEST_KEY).contains(&text.len()))
        .ok_or_else(|| {
            ApiError::new(StatusCode::BAD_REQUEST)
                .with_detail("The Idempotency-Key must be 1 to 255 visible ASCII characters.")
        })
}

fn digest(path: &str, body: &[u8]) -> String {
    let mut context = Context::new(&SHA256);
    context.update(path.as_bytes());
    context.update(b"\n");
    context.update(body);
    HEXLOWER.encode(context.finish().as_ref())
}

/// The fields of a problem.
fn problems(faults: Vec<OrderFault>) -> Vec<FieldProblem> {
    faults
        .into_iter()
        .map(|fault| FieldProblem {
            field: fault.field,
            detail: fault.detail,
        })
        .collect()
}

fn invalid(faults: Vec<OrderFault>) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY).with_fields(problems(faults))
}

fn refused(field: &str, detail: &'static str) -> ApiError {
    invalid(vec![OrderFault {
        field: field.to_owned(),
        detail,
    }])
}
