//! What stands around every handler: request id, security headers, metrics, and errors in the form the
//! caller reads.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    self, ACCEPT, ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST,
    HeaderMap, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpResponse, web};
use ring::rand::SecureRandom as _;

use super::State;
use super::bodies::{self, Watch};
use super::console::{Visit, entry, forbidden};
use super::error::ApiError;
use super::pages::Finished;
use super::public::words::Language;
use crate::accounts::model::Right;

/// Who reads an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Surface {
    /// Customers, mail programs, scanners.
    Public,
    /// The marketing team, and programs that watch.
    Console,
}

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

/// The frame of a public route.
pub(super) async fn public(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    around(Surface::Public, Door::Everybody, request, next).await
}

/// The frame of a route of the console that needs no login: probes, and the ways in.
pub(super) async fn console(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    around(Surface::Console, Door::Everybody, request, next).await
}

/// Whom a console route lets in.
#[derive(Debug, Clone, Copy)]
enum Door {
    Everybody,
    /// Whoever is signed in, with this right where there is one.
    User(Option<Right>),
}

/// The frame of a console route that needs a user, with this right where one is given.
pub(super) async fn signed_in(
    right: Option<Right>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    around(Surface::Console, Door::User(right), request, next).await
}

async fn around(
    surface: Surface,
    door: Door,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(state) = request.app_data::<web::Data<State>>().cloned() else {
        // Cannot happen in a server that was built whole; better an empty 500 than a panic.
        return Ok(request.into_response(HttpResponse::InternalServerError().finish()));
    };
    let id = request_id();
    let route = request.match_pattern();
    let method = request.method().clone();
    let refused = match surface {
        Surface::Console => refusal(door, &request, &state).await,
        Surface::Public => None,
    };
    let watch = bodies::watch(&mut request);
    let language = request
        .extensions()
        .get::<Visit>()
        .map(|visit| visit.language);
    let mut response = match refused {
        Some(Refused::Led(path)) => {
            let response = HttpResponse::SeeOther()
                .insert_header((header::LOCATION, path))
                .finish();
            request.into_response(response)
        }
        Some(Refused::Error(error)) => {
            let reader = Reader::of(surface, request.headers(), language);
            request.into_response(answer(&error, &state, reader, &id))
        }
        None => match next.call(request).await {
            Ok(response) => framed(surface, language, &watch, response, &state, &id),
            // Not from a handler, whose errors are responses by now; actix answers it in its own words.
            Err(error) => return Err(error),
        },
    };
    state
        .metrics
        .count_request(route.as_deref(), &method, response.status());
    protect(surface, response.headers_mut(), &state, &id);
    Ok(response)
}

/// The response as it goes out: an error gets the caller's form, all else stays.
fn framed(
    surface: Surface,
    language: Option<Language>,
    watch: &Watch,
    response: ServiceResponse<impl MessageBody + 'static>,
    state: &State,
    id: &str,
) -> ServiceResponse<BoxBody> {
    if let Some(fault) = watch.fault() {
        let reader = Reader::of(surface, response.request().headers(), language);
        let mut answer = answer(&fault, state, reader, id);
        answer.extensions_mut().insert(watch.clone());
        return response.into_response(answer);
    }
    let status = response.status();
    let is_finished = response.response().extensions().contains::<Finished>();
    if is_finished || (!status.is_client_error() && !status.is_server_error()) {
        return response.map_into_boxed_body();
    }
    let reader = Reader::of(surface, response.request().headers(), language);
    let of_status = ApiError::new(status);
    let error = response.response().error();
    let error = error.and_then(|error| error.as_error::<ApiError>());
    let answer = answer(error.unwrap_or(&of_status), state, reader, id);
    response.into_response(answer)
}

/// How the caller wants to read errors.
#[derive(Debug, Clone, Copy)]
struct Reader {
    surface: Surface,
    wants_page: bool,
    language: Language,
}

impl Reader {
    /// `language`: the one of a user; else the one the browser asks for.
    fn of(surface: Surface, headers: &HeaderMap, language: Option<Language>) -> Self {
        let text = |name| {
            let value: Option<&HeaderValue> = headers.get(name);
            value.and_then(|value| value.to_str().ok())
        };
        Self {
            surface,
            wants_page: text(ACCEPT).is_some_and(|accept| accept.contains("text/html")),
            language: language.unwrap_or_else(|| Language::from_header(text(ACCEPT_LANGUAGE))),
        }
    }
}

fn answer(error: &ApiError, state: &State, reader: Reader, id: &str) -> HttpResponse {
    if let Some(cause) = error.cause() {
        tracing::error!(request_id = id, cause, "request {id} failed");
    }
    let mut response = HttpResponse::build(error.status());
    if let Some(allow) = error.allow() {
        response.insert_header((header::ALLOW, allow));
    }
    if error.status() == StatusCode::UNAUTHORIZED && reader.surface == Surface::Public {
        response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
    }
    if let Some(seconds) = error.retry_after() {
        response.insert_header((header::RETRY_AFTER, seconds.to_string()));
    }
    let page = reader
        .wants_page
        .then(|| {
            let is_console = reader.surface == Surface::Console;
            let page = state.pages.error(error, reader.language, is_console, id);
            page.ok()
        })
        .flatten();
    match page {
        Some(page) => response.content_type("text/html; charset=utf-8").body(page),
        None => response
            .insert_header((CONTENT_TYPE, "application/problem+json"))
            .json(error.problem(id)),
    }
}

/// Security headers (RULES.md §6, OWASP), unless the handler set its own.
fn protect(surface: Surface, headers: &mut HeaderMap, state: &State, id: &str) {
    // Values that are copied by reference: every click carries them.
    const FIXED: [(HeaderName, HeaderValue); 5] = [
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (ROBOTS, HeaderValue::from_static("noindex, nofollow")),
    ];
    let mut set = |name: HeaderName, value: HeaderValue| {
        if !headers.contains_key(&name) {
            headers.insert(name, value);
        }
    };
    if let Ok(id) = HeaderValue::from_str(id) {
        set(REQUEST_ID, id);
    }
    match surface {
        Surface::Public => set(CONTENT_SECURITY_POLICY, state.pages.policy().clone()),
        Surface::Console => {
            set(
                CONTENT_SECURITY_POLICY,
                state.pages.console_policy().clone(),
            );
            // Without it a browser would not say where a form of ours comes from.
            set(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        }
    }
    for (name, value) in FIXED {
        set(name, value);
    }
}

/// Why a request does not reach its handler.
enum Refused {
    /// To this page first: to sign in, or to one he may see.
    Led(String),
    Error(ApiError),
}

/// Who may pass: asked for by our own name, by a form of our own, and by a user who has the right; his visit is put
/// on the request.
async fn refusal(
    door: Door,
    request: &ServiceRequest,
    state: &web::Data<State>,
) -> Option<Refused> {
    if !is_own_host(state, request) {
        let error = ApiError::new(StatusCode::MISDIRECTED_REQUEST);
        return Some(Refused::Error(error));
    }
    if !request.method().is_safe() && !is_of_own_page(request.headers()) {
        return Some(Refused::Error(ApiError::new(StatusCode::FORBIDDEN)));
    }
    if bodies::is_nul_asked_for(request) {
        return Some(Refused::Error(bodies::nul()));
    }
    let Door::User(right) = door else {
        return None;
    };
    let visit = match entry::visit(request.headers(), state).await {
        Ok(visit) => visit,
        Err(error) => return Some(Refused::Error(error)),
    };
    let Some(visit) = visit else {
        let reads_pages = request
            .headers()
            .get(ACCEPT)
            .and_then(|accept| accept.to_str().ok())
            .is_some_and(|accept| accept.contains("text/html"));
        let is_page = request.method() == Method::GET && reads_pages;
        return Some(if is_page {
            Refused::Led(entry::path_to(request.uri()))
        } else {
            Refused::Error(
                ApiError::new(StatusCode::UNAUTHORIZED).with_detail(
                    "Nobody is signed in, or the session has ended. Sign in at /sign-in.",
                ),
            )
        });
    };
    let must_add_factor = state.settings.accounts.require_two_factors && visit.lacks_second_factor;
    if must_add_factor && !entry::is_open_without_factor(request.path()) {
        return Some(Refused::Led(entry::SECOND_FACTOR.to_owned()));
    }
    let may = right.is_none_or(|right| visit.may(right));
    let home = entry::home(&visit);
    request.extensions_mut().insert(visit);
    if may {
        None
    } else if request.path() == "/" && home != "/" {
        // Who signs in lands here, whatever he may see.
        Some(Refused::Led(home.to_owned()))
    } else {
        Some(Refused::Error(forbidden()))
    }
}

/// Whether a form comes from a page of ours: what another site sends on the way of a user of ours, his browser
/// says so (Fetch Metadata, and Origin where a browser is old). A program that is no browser says neither.
fn is_of_own_page(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| {
        let value = headers.get(name);
        value.map(|value: &HeaderValue| value.to_str().unwrap_or("?"))
    };
    let is_own_origin = match (text(ORIGIN), text(HOST)) {
        (None, _) => true,
        (Some(origin), Some(host)) => origin
            .split_once("://")
            .is_some_and(|(_, origin)| origin.eq_ignore_ascii_case(host)),
        (Some(_), None) => false,
    };
    is_own_origin && text(FETCH_SITE).is_none_or(|site| matches!(site, "same-origin" | "none"))
}

/// Whether the console is asked for by a name that a page of another site cannot take (DNS rebinding):
/// on loopback only `localhost` and loopback addresses. A console that listens elsewhere has a proxy in
/// front, which knows its own name.
fn is_own_host(state: &State, request: &ServiceRequest) -> bool {
    if !state.settings.web.console_listen.ip().is_loopback() {
        return true;
    }
    let host = request
        .headers()
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .or_else(|| {
            request
                .uri()
                .authority()
                .map(|authority| authority.as_str())
        });
    // Without a name (HTTP/1.0) no browser is asking.
    let Some(host) = host else {
        return true;
    };
    let name = match host.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// 64 bits in hexadecimal, enough to find a line in a log: the first at random, each further one a step on.
fn request_id() -> String {
    /// Odd, so that all 2⁶⁴ come before one comes again, and neighbours look unlike each other.
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    static LAST: LazyLock<AtomicU64> = LazyLock::new(|| {
        let mut first = [0_u8; 8];
        // Without chance the process number tells servers apart.
        if ring::rand::SystemRandom::new().fill(&mut first).is_err() {
            first = u64::from(std::process::id()).to_be_bytes();
        }
        AtomicU64::new(u64::from_be_bytes(first))
    });
    let id = LAST.fetch_add(STEP, Ordering::Relaxed);
    data_encoding::HEXLOWER.encode(&id.to_be_bytes())
}

/// The label of a method in metrics: what a stranger sends must not make new time series.
pub(super) fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        _ => "other",
    }
}
