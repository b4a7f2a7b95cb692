//! `/api/v1`: what programs need of the console and the command line; described by itself.
//!
//! Promise: a program does what its token allows and nothing else; an answer that says done stands in the
//! database; whoever gets none sends the same again, and it is done once; every answer there is stands in the
//! document, which is made of the code that answers.

mod admin;
mod auth;
mod body;
mod calendar;
mod campaigns;
mod coupons;
mod cursor;
mod customers;
mod customers_in;
mod document;
mod drafts;
mod faults;
mod import_views;
mod imports;
mod inbox;
mod notes;
mod orders;
mod page;
mod permissions;
mod problem;
mod relays;
mod reports;
mod responses;
mod rights;
mod rules;
mod secrets;
mod segments;
mod senders;
mod suppressions;
mod templates;
mod tokens;
mod uploads;
mod users;
mod webhook_deliveries;
mod webhooks;

use std::borrow::Cow;

use actix_web::dev::HttpServiceFactory;
use actix_web::http::header::{ALLOW, ETAG, HeaderName, HeaderValue, IF_MATCH};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder};
use data_encoding::HEXLOWER;
use ring::digest::{Context, SHA256};
use serde::Serialize;

use super::error::FieldProblem;
use super::{ApiError, State, frame, resource};
use crate::accounts::audit;
use crate::clock::from_ms;
use crate::responses::orders::OrderFault;
use crate::responses::requests::{self, Failed, Reply, Request};
use crate::storage::Txn;
use auth::Caller;

pub(super) use auth::{Tokens, is_same_secret};

/// The longest body of most requests.
const BODY_LIMIT: usize = 1024 * 1024;
/// The longest body that holds many of something.
const BULK_LIMIT: usize = 32 * 1024 * 1024;
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Characters of a key: a UUID has 36.
const LONGEST_KEY: usize = 255;

/// Registers the routes, among the public ones: shops stand elsewhere.
pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(open("/api/v1", page::page))
        .service(open("/api/v1/style.css", page::style))
        .service(open("/api/v1/openapi.json", document::json));
    let at = At::new;
    // What is written out stands before what a pattern would take too.
    for place in [
        at("/api/v1/token").get(page::token),
        at("/api/v1/customers")
            .get(customers::list)
            .post(customers_in::put),
        at("/api/v1/customers/bulk")
            .most(BULK_LIMIT)
            .post(customers_in::bulk),
        at("/api/v1/customers/{customer}")
            .get(customers::one)
            .patch(customers::change)
            .delete(customers::erase),
        at("/api/v1/customers/{customer}/export").get(customers::export),
        at("/api/v1/customers/{customer}/timeline").get(customers::timeline),
        at("/api/v1/customers/{customer}/why").get(customers::why),
        at("/api/v1/customers/{customer}/permissions")
            .get(permissions::list)
            .post(permissions::record),
        at("/api/v1/customers/{customer}/opt-out").post(permissions::opt_out),
        at("/api/v1/customers/{customer}/proof").get(permissions::proof),
        at("/api/v1/customers/{customer}/notes")
            .get(notes::list)
            .post(notes::write),
        at("/api/v1/customers/{customer}/notes/{note}").delete(notes::remove),
        at("/api/v1/imports")
            .get(imports::list)
            .post(uploads::upload),
        at("/api/v1/imports/{import}")
            .get(imports::one)
            .patch(imports::change)
            .delete(imports::remove),
        at("/api/v1/imports/{import}/preview").get(uploads::preview),
        at("/api/v1/imports/{import}/rejected").get(uploads::rejected),
        at("/api/v1/imports/{import}/try").post(imports::dry_run),
        at("/api/v1/imports/{import}/begin").post(imports::begin),
        at("/api/v1/suppressions")
            .get(suppressions::list)
            .post(suppressions::add),
        at("/api/v1/suppressions/check").post(suppressions::check),
        at("/api/v1/orders").post(orders::take),
        at("/api/v1/orders/unmatched").get(orders::unmatched),
        at("/api/v1/responses").post(responses::take),
        at("/api/v1/coupons/redeem").post(coupons::redeem),
        at("/api/v1/coupons/{code}").get(coupons::show),
        at("/api/v1/coupon-pools").get(coupons::pools),
        at("/api/v1/coupon-pools/{pool}/codes")
            .most(BULK_LIMIT)
            .post(coupons::add_codes),
        at("/api/v1/segments")
            .get(segments::library::list)
            .post(segments::library::create),
        at("/api/v1/segments/count").post(segments::rules::count),
        at("/api/v1/segments/explain").post(segments::rules::explain),
        at("/api/v1/segments/reach").post(segments::study::reach),
        at("/api/v1/segments/study").post(segments::study::study),
        at("/api/v1/segments/words").get(segments::rules::words),
        at("/api/v1/segments/{segment}")
            .get(segments::library::one)
            .patch(segments::library::change),
        at("/api/v1/segments/{segment}/archive").post(segments::library::archive),
        at("/api/v1/segments/{segment}/take-back").post(segments::library::take_back),
        at("/api/v1/segments/{segment}/uses").get(segments::library::uses),
        at("/api/v1/templates")
            .get(templates::library::list)
            .post(templates::library::create),
        at("/api/v1/templates/{template}")
            .get(templates::library::one)
            .put(templates::library::put),
        at("/api/v1/templates/{template}/archive").post(templates::library::archive),
        at("/api/v1/templates/{template}/take-back").post(templates::library::take_back),
        at("/api/v1/templates/{template}/check")
            .get(templates::check::check)
            .post(templates::check::check_text),
        at("/api/v1/templates/{template}/preview").post(templates::check::preview),
        at("/api/v1/templates/{template}/difference").get(templates::revisions::compare),
        at("/api/v1/templates/{template}/revisions").get(templates::revisions::list),
        at("/api/v1/templates/{template}/revisions/{revision}").get(templates::revisions::one),
        at("/api/v1/templates/{template}/revisions/{revision}/restore")
            .post(templates::revisions::restore),
        at("/api/v1/campaigns").get(campaigns::list),
        at("/api/v1/campaigns/check").post(campaigns::check::check_given),
        at("/api/v1/campaigns/{campaign}")
            .get(campaigns::one)
            .put(campaigns::put),
        at("/api/v1/campaigns/{campaign}/check").get(campaigns::check::check),
        at("/api/v1/campaigns/{campaign}/progress").get(campaigns::steer::progress),
        at("/api/v1/campaigns/{campaign}/launch").post(campaigns::steer::launch),
        at("/api/v1/campaigns/{campaign}/reschedule").post(campaigns::steer::reschedule),
        at("/api/v1/campaigns/{campaign}/pause").post(campaigns::steer::pause),
        at("/api/v1/campaigns/{campaign}/resume").post(campaigns::steer::resume),
        at("/api/v1/campaigns/{campaign}/cancel").post(campaigns::steer::cancel),
        at("/api/v1/campaigns/{campaign}/decide").post(campaigns::steer::decide),
        at("/api/v1/campaigns/{campaign}/reopen").post(drafts::reopen),
        at("/api/v1/calendar").get(calendar::show),
        at("/api/v1/drafts").get(drafts::list).post(drafts::begin),
        at("/api/v1/drafts/{draft}")
            .get(drafts::one)
            .put(drafts::replace)
            .patch(drafts::change)
            .delete(drafts::delete),
        at("/api/v1/drafts/{draft}/check").get(drafts::look::check),
        at("/api/v1/drafts/{draft}/preview").post(drafts::look::preview),
        at("/api/v1/drafts/{draft}/test-send").post(drafts::look::test_send),
        at("/api/v1/drafts/{draft}/ask").post(drafts::answer::ask),
        at("/api/v1/drafts/{draft}/withdraw").post(drafts::answer::withdraw),
        at("/api/v1/drafts/{draft}/approve").post(drafts::answer::approve),
        at("/api/v1/drafts/{draft}/send-back").post(drafts::answer::send_back),
        at("/api/v1/drafts/{draft}/launch").post(drafts::answer::launch),
        at("/api/v1/reports").get(reports::list),
        at("/api/v1/reports/grid").get(reports::grid),
        at("/api/v1/reports/standing").get(reports::standing),
        at("/api/v1/reports/{campaign}").get(reports::one),
        at("/api/v1/reports/{campaign}/csv").get(reports::csv),
        at("/api/v1/reports/{campaign}/improve").get(reports::improve),
        at("/api/v1/replies").get(inbox::replies),
        at("/api/v1/replies/{reply}/done").post(inbox::reply_done),
        at("/api/v1/mails").get(inbox::mails),
        at("/api/v1/mails/{mail}").get(inbox::mail),
        at("/api/v1/mails/{mail}/done").post(inbox::mail_done),
        at("/api/v1/permission-levels").get(admin::levels),
        at("/api/v1/evidence/verification").get(admin::verification),
        at("/api/v1/users").get(users::list).post(users::add),
        at("/api/v1/users/{user}")
            .get(users::one)
            .patch(users::change),
        at("/api/v1/users/{user}/link").post(users::link),
        at("/api/v1/users/{user}/end-sessions").post(users::end_sessions),
        at("/api/v1/users/{user}/end-two-factors").post(users::end_two_factors),
        at("/api/v1/tokens").get(tokens::list).post(tokens::make),
        at("/api/v1/tokens/{token}").delete(tokens::revoke),
        at("/api/v1/webhooks")
            .get(webhooks::list)
            .post(webhooks::add),
        at("/api/v1/webhooks/{webhook}")
            .get(webhooks::one)
            .patch(webhooks::change)
            .delete(webhooks::remove),
        at("/api/v1/webhooks/{webhook}/deliveries").get(webhook_deliveries::list),
        at("/api/v1/webhooks/{webhook}/secret").post(webhooks::renew_secret),
        at("/api/v1/webhooks/{webhook}/test").post(webhook_deliveries::test),
        at("/api/v1/webhooks/{webhook}/resend").post(webhook_deliveries::resend),
        at("/api/v1/rules").get(rules::in_force),
        at("/api/v1/senders").get(senders::list),
        at("/api/v1/senders/{domain}").get(senders::one),
        at("/api/v1/senders/{domain}/check").post(senders::check),
        at("/api/v1/relays").get(relays::list),
        at("/api/v1/relays/{route}/test").post(relays::test),
        at("/api/v1/audit-log").get(admin::audit_log),
    ] {
        config.service(place.finish());
    }
}

/// What anybody may read.
fn open<F, A>(path: &'static str, handler: F) -> impl HttpServiceFactory + use<F, A>
where
    F: Handler<A>,
    A: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    resource(path, "GET, HEAD")
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
        .wrap(from_fn(frame::public))
}

/// A path that needs a token.
struct At {
    path: &'static str,
    resource: Resource,
    most: usize,
}

impl At {
    fn new(path: &'static str) -> Self {
        Self {
            path,
            resource: web::resource(path),
            most: BODY_LIMIT,
        }
    }

    /// Reads bodies of so many bytes at most.
    fn most(mut self, bytes: usize) -> Self {
        self.most = bytes;
        self
    }

    fn get<F, A>(self, handler: F) -> Self
    where
        F: Handler<A>,
        A: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::GET, handler.clone())
            .on(Method::HEAD, handler)
    }

    fn post<F, A>(self, handler: F) -> Self
    where
        F: Handler<A>,
        A: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::POST, handler)
    }

    fn put<F, A>(self, handler: F) -> Self
    where
        F: Handler<A>,
        A: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::PUT, handler)
    }

    fn patch<F, A>(self, handler: F) -> Self
    where
        F: Handler<A>,
        A: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::PATCH, handler)
    }

    fn delete<F, A>(self, handler: F) -> Self
    where
        F: Handler<A>,
        A: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::DELETE, handler)
    }

    /// Answers a method; one that the table of rights does not name is not answered.
    fn on<F, A>(mut self, method: Method, handler: F) -> Self
    where
        F: Handler<A>,
        A: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        if rights::needed(self.path, &method).is_some() {
            self.resource = self.resource.route(web::method(method).to(handler));
        }
        self
    }

    fn finish(self) -> impl HttpServiceFactory {
        let allow = rights::methods(self.path);
        let named = allow.clone();
        self.resource
            .app_data(web::PayloadConfig::new(self.most))
            .route(web::method(Method::OPTIONS).to(move || {
                let allow = named.clone();
                async move {
                    HttpResponse::NoContent()
                        .insert_header((ALLOW, allow))
                        .finish()
                }
            }))
            .default_service(web::to(move || {
                let allow = allow.clone();
                async move {
                    let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED).with_allow(allow);
                    Err::<HttpResponse, ApiError>(error)
                }
            }))
            .wrap(from_fn(auth::guard))
            .wrap(from_fn(frame::public))
            .wrap(from_fn(auth::told))
    }
}

/// Does the work of a request in one transaction, once, if it carries a key.
async fn once(
    request: &HttpRequest,
    state: &State,
    caller: &Caller,
    body: &[u8],
    work: impl AsyncFn(&Txn) -> Result<Reply, Failed<ApiError>>,
) -> Result<HttpResponse, ApiError> {
    let keyed = keyed(request, caller, body)?;
    finished(requests::once(&state.db, keyed.as_ref(), state.clock.now_ms(), work).await)
}

/// As [`once`], of work that has transactions of its own.
async fn once_around(
    request: &HttpRequest,
    state: &State,
    caller: &Caller,
    body: &[u8],
    work: impl AsyncFnOnce() -> Result<Reply, ApiError>,
) -> Result<HttpResponse, ApiError> {
    let keyed = keyed(request, caller, body)?;
    finished(requests::around(&state.db, keyed.as_ref(), state.clock.now_ms(), work).await)
}

/// Does the work of a PATCH or DELETE in one transaction; it may be sent again as it is.
async fn changing(
    state: &State,
    work: impl AsyncFn(&Txn) -> Result<(), Failed<ApiError>>,
) -> Result<(), ApiError> {
    let done = requests::once(&state.db, None, state.clock.now_ms(), async |txn| {
        work(txn).await?;
        Ok(Reply {
            status: StatusCode::NO_CONTENT.as_u16(),
            body: String::new(),
        })
    });
    finished(done.await).map(drop)
}

fn keyed(request: &HttpRequest, caller: &Caller, body: &[u8]) -> Result<Option<Request>, ApiError> {
    let key = request
        .headers()
        .get(&IDEMPOTENCY_KEY)
        .map(key)
        .transpose()?;
    Ok(key.map(|key| Request {
        token: caller.key.clone(),
        key,
        digest: digest(request, body),
    }))
}

fn finished(done: Result<Reply, Failed<ApiError>>) -> Result<HttpResponse, ApiError> {
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
        Err(Failed::Unanswered) => Err(ApiError::new(StatusCode::CONFLICT).with_detail(
            "The first request with this Idempotency-Key has no answer yet; send it again in a minute.",
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
        .filter(|text| {
            text.bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'"')
        })
        .ok_or_else(|| {
            ApiError::new(StatusCode::BAD_REQUEST)
                .with_detail("The Idempotency-Key must be 1 to 255 visible ASCII characters.")
        })
}

fn digest(request: &HttpRequest, body: &[u8]) -> String {
    let mut context = Context::new(&SHA256);
    let place = request.uri().path_and_query();
    context.update(place.map_or("", |place| place.as_str()).as_bytes());
    context.update(b"\n");
    context.update(body);
    HEXLOWER.encode(context.finish().as_ref())
}

/// An answer in JSON.
fn answer(status: StatusCode, view: &impl Serialize) -> Result<HttpResponse, ApiError> {
    let body = serde_json::to_string(view).map_err(ApiError::internal)?;
    Ok(HttpResponse::build(status)
        .content_type("application/json")
        .body(body))
}

/// What [`once`] keeps of an answer.
fn reply(status: StatusCode, view: &impl Serialize) -> Result<Reply, ApiError> {
    Ok(Reply {
        status: status.as_u16(),
        body: serde_json::to_string(view).map_err(ApiError::internal)?,
    })
}

/// An answer in JSON with the tag of what it shows (RFC 9110 §8.8.3).
fn tagged(view: &impl Serialize) -> Result<HttpResponse, ApiError> {
    let mut response = answer(StatusCode::OK, view)?;
    let tag = HeaderValue::from_str(&tag(view)?).map_err(ApiError::internal)?;
    response.headers_mut().insert(ETAG, tag);
    Ok(response)
}

/// The tag of what an answer shows.
fn tag(view: &impl Serialize) -> Result<String, ApiError> {
    let body = serde_json::to_vec(view).map_err(ApiError::internal)?;
    let digest = ring::digest::digest(&SHA256, &body);
    let half = digest.as_ref().get(..16).unwrap_or_default();
    Ok(format!("\"{}\"", HEXLOWER.encode(half)))
}

/// The tag of a revision.
fn revision_tag(revision: i64) -> String {
    format!("\"{revision}\"")
}

/// Refuses a change of what is no more what the caller read: where the request carries If-Match (RFC 9110 §13.1.1),
/// `known` is to be one of its tags; `None`: there is nothing.
///
/// # Errors
/// 412 when it is another.
fn require_match(request: &HttpRequest, known: Option<&str>) -> Result<(), ApiError> {
    let Some(wanted) = request.headers().get(IF_MATCH) else {
        return Ok(());
    };
    let wanted = wanted.to_str().unwrap_or_default();
    let is_met = known.is_some_and(|known| {
        wanted.trim() == "*" || wanted.split(',').any(|one| one.trim() == known)
    });
    if is_met {
        return Ok(());
    }
    Err(ApiError::new(StatusCode::PRECONDITION_FAILED))
}

/// Notes in the audit log what a program did by a use case that has transactions of its own.
///
/// # Errors
/// When the database is away.
async fn note(
    state: &State,
    caller: &Caller,
    action: &str,
    subject: &str,
    detail: &str,
) -> Result<(), ApiError> {
    let now_ms = state.clock.now_ms();
    let txn = state.db.begin().await.map_err(ApiError::unavailable)?;
    audit::note(&*txn, &caller.actor(), action, subject, detail, now_ms)
        .await
        .map_err(ApiError::unavailable)?;
    txn.commit().await.map_err(ApiError::unavailable)
}

/// As [`note`], in the transaction of what was done.
///
/// # Errors
/// When the database is away.
async fn note_in(
    txn: &Txn,
    caller: &Caller,
    action: &str,
    subject: &str,
    now_ms: i64,
) -> Result<(), Failed<ApiError>> {
    audit::note(&**txn, &caller.actor(), action, subject, "", now_ms).await?;
    Ok(())
}

/// An instant as every answer has it (RFC 3339, UTC, to the millisecond).
fn instant(ms: i64) -> String {
    from_ms(ms).to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// The fields of a problem.
fn problems(faults: Vec<OrderFault>) -> Vec<FieldProblem> {
    faults
        .into_iter()
        .map(|fault| FieldProblem {
            field: fault.field,
            detail: fault.detail.into(),
        })
        .collect()
}

fn invalid(faults: Vec<OrderFault>) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY).with_fields(problems(faults))
}

fn refused(field: &str, detail: impl Into<Cow<'static, str>>) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY).with_fields(vec![FieldProblem {
        field: field.to_owned(),
        detail: detail.into(),
    }])
}
