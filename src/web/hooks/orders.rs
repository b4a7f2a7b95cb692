//! `/hooks/orders/{name}[/{secret}]`: what a shop posts of its orders, in its own words.
//!
//! Promise: only what the shop signed, or posted to its secret address, is taken; where what stands in the body is
//! said in the settings. What is answered 204 is in the database.

use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use ring::hmac;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::config::{OrderField, OrderHookSettings, SignatureEncoding, SignatureSettings};
use crate::responses::orders::{self, OrderRules};
use crate::responses::requests::{self, Failed, Reply};
use crate::web::api::is_same_secret;
use crate::web::error::FieldProblem;
use crate::web::{ApiError, State, frame, resource};

/// The longest body: an order with hundreds of lines.
const BODY_LIMIT: usize = 1024 * 1024;

/// Registers the routes, among the public ones.
pub(super) fn configure(config: &mut ServiceConfig) {
    for path in ["/hooks/orders/{name}", "/hooks/orders/{name}/{secret}"] {
        config.service(
            resource(path, "POST")
                .app_data(web::PayloadConfig::new(BODY_LIMIT))
                .route(web::post().to(take))
                .wrap(from_fn(frame::public)),
        );
    }
}

/// The pieces of the path.
#[derive(Debug, Deserialize)]
struct Address {
    name: String,
    secret: Option<String>,
}

/// Takes an order: 204 when it is in the database, also where nobody knows yet whose it is.
async fn take(
    request: HttpRequest,
    address: web::Path<Address>,
    state: web::Data<State>,
    body: Bytes,
) -> Result<HttpResponse, ApiError> {
    let hook = state
        .settings
        .orders
        .hooks
        .get(&address.name)
        .ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND))?;
    if !is_the_shop(hook, &request, &address, &body)? {
        return Err(ApiError::new(StatusCode::FORBIDDEN));
    }
    let value: Value =
        serde_json::from_slice(&body).map_err(|_error| ApiError::new(StatusCode::BAD_REQUEST))?;
    let rules = OrderRules::new(&state.keys, &state.settings);
    let now = state.clock.now_ms();
    let order = translated(hook, &value);
    let told = orders::read(&order, rules.currency(), now)
        .or_else(|faults| {
            // A guest may order without an address worth the name: the order is kept all the same.
            let is_about_customer = faults.iter().all(|one| one.field.starts_with("customer."));
            let mut bare = order.clone();
            match bare.as_object_mut() {
                Some(fields) if is_about_customer => {
                    fields.remove("customer");
                    orders::read(&bare, rules.currency(), now)
                }
                _ => Err(faults),
            }
        })
        .map_err(|faults| {
            let fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
            tracing::warn!(
                hook = address.name,
                ?fields,
                "an order that a shop posted cannot be understood; look at the fields of the hook"
            );
            let fields = faults.into_iter().map(|fault| FieldProblem {
                field: fault.field,
                detail: fault.detail.into(),
            });
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY).with_fields(fields.collect())
        })?;
    let told = [told];
    let done = requests::once(&state.db, None, now, async |txn| {
        orders::take(txn, &rules, &told, now).await?;
        Ok(Reply {
            status: 204,
            body: String::new(),
        })
    });
    match done.await {
        Ok(_) => Ok(HttpResponse::NoContent().finish()),
        Err(Failed::Refused(error)) => Err(error),
        Err(Failed::KeyReused | Failed::Unanswered) => Err(ApiError::new(StatusCode::BAD_REQUEST)),
        Err(Failed::Room(error)) => Err(error.into()),
    }
}

fn is_the_shop(
    hook: &OrderHookSettings,
    request: &HttpRequest,
    address: &Address,
    body: &[u8],
) -> Result<bool, ApiError> {
    let secret = hook
        .path_secret(&address.name)
        .map_err(ApiError::internal)?;
    let is_addressed = match (&secret, &address.secret) {
        (Some(known), Some(given)) => is_same_secret(given, known.expose()),
        (None, None) => true,
        _ => false,
    };
    let is_signed = match &hook.signature {
        None => true,
        Some(signature) => {
            let secret = signature
                .secret(&address.name)
                .map_err(ApiError::internal)?;
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
            given(signature, request).is_some_and(|given| hmac::verify(&key, body, &given).is_ok())
        }
    };
    // The settings are refused without one of the two.
    Ok(is_addressed && is_signed && (secret.is_some() || hook.signature.is_some()))
}

/// The signature that came with a request.
fn given(settings: &SignatureSettings, request: &HttpRequest) -> Option<Vec<u8>> {
    let text = request.headers().get(settings.header.as_str())?;
    let text = text.to_str().ok()?.trim();
    let text = text.strip_prefix(settings.prefix.as_str())?;
    match settings.encoding {
        SignatureEncoding::Base64 => BASE64.decode(text.as_bytes()).ok(),
        SignatureEncoding::Hex => HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok(),
    }
}

/// An order in our words.
fn translated(hook: &OrderHookSettings, body: &Value) -> Value {
    let mut order = Map::new();
    let mut customer = Map::new();
    for (field, pointer) in &hook.fields {
        let value = match body.pointer(pointer) {
            Some(value @ (Value::String(_) | Value::Number(_))) => value.clone(),
            _ => continue,
        };
        let (into, name) = match field {
            OrderField::Id => (&mut order, "id"),
            OrderField::CustomerExternalId => (&mut customer, "external_id"),
            OrderField::CustomerEmail => (&mut customer, "email"),
            OrderField::OrderedAt => (&mut order, "ordered_at"),
            OrderField::Amount => (&mut order, "amount"),
            OrderField::AmountCents => (&mut order, "amount_cents"),
            OrderField::Currency => (&mut order, "currency"),
            OrderField::Product => (&mut order, "product"),
            OrderField::Category => (&mut order, "category"),
            OrderField::Token => (&mut order, "token"),
            OrderField::Coupon => (&mut order, "coupon"),
            OrderField::CampaignCode => (&mut order, "campaign_code"),
            OrderField::Status => {
                let word = value.as_str().unwrap_or_default();
                let is_cancelled = hook.cancelled.iter().any(|one| one == word);
                let status = if is_cancelled { "cancelled" } else { "placed" };
                order.insert("status".to_owned(), status.into());
                continue;
            }
        };
        into.insert(name.to_owned(), value);
    }
    if let Some(currency) = hook.currency.as_deref()
        && !order.contains_key("currency")
    {
        order.insert("currency".to_owned(), currency.into());
    }
    if !customer.is_empty() {
        order.insert("customer".to_owned(), json!(customer));
    }
    Value::Object(order)
}
