//! `/sign-up`: the hosted form, for every topic or for one, and its JSON twin for a form of one's own.
//!
//! Whatever becomes of a request, the answer is the same; only limits that do not depend on the address
//! (per visitor, overall) are told, by 429.

mod view;

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::http::header::ORIGIN;
use actix_web::{Either, HttpMessage, HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use self::view::{FormView, SentView};
use super::words::Language;
use super::{browser_language, details, header};
use crate::config::{Settings, TopicSettings};
use crate::consent::model::Details;
use crate::dialogue::sign_up::form::{self, Filled, Typed};
use crate::dialogue::sign_up::{self, Request, Way};
use crate::web::error::FieldProblem;
use crate::web::limits::visitor;
use crate::web::{ApiError, State};

/// The name of the field that people do not see and robots fill in.
const TRAP: &str = "website";

/// `?lang=fr`
#[derive(Debug, Deserialize)]
pub(super) struct Wish {
    lang: Option<String>,
}

/// The form for every topic.
pub(super) async fn page(
    request: HttpRequest,
    wish: web::Query<Wish>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    show(&state, None, language(&request, wish.lang.as_deref()))
}

/// The form for one topic.
pub(super) async fn page_of(
    request: HttpRequest,
    topic: web::Path<String>,
    wish: web::Query<Wish>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let topic = offered(&state.settings, &topic)?;
    show(
        &state,
        Some(topic),
        language(&request, wish.lang.as_deref()),
    )
}

/// The form for every topic, filled in.
pub(super) async fn send(
    request: HttpRequest,
    wish: web::Query<Wish>,
    body: web::Bytes,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    take(&request, &state, None, wish.lang.as_deref(), &body).await
}

/// The form for one topic, filled in.
pub(super) async fn send_of(
    request: HttpRequest,
    topic: web::Path<String>,
    wish: web::Query<Wish>,
    body: web::Bytes,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let topic = offered(&state.settings, &topic)?;
    take(&request, &state, Some(topic), wish.lang.as_deref(), &body).await
}

/// The body of the JSON twin.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiSignUp {
    #[serde(default)]
    email: String,
    #[serde(default)]
    topics: Vec<String>,
    language: Option<String>,
    #[serde(default)]
    fields: BTreeMap<String, String>,
}

/// What the JSON twin always answers to a form that is well filled in.
#[derive(Debug, Serialize)]
struct ApiAnswer {
    status: &'static str,
}

/// A sign-up from a form of one's own.
pub(super) async fn api(
    request: HttpRequest,
    body: Either<web::Json<ApiSignUp>, web::Bytes>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    limit(&request, &state)?;
    let body = match body {
        Either::Left(body) => body.into_inner(),
        Either::Right(bytes) => return Err(not_understood(&request, &bytes)),
    };
    let language = language(&request, body.language.as_deref());
    let typed = Typed {
        email: body.email,
        topics: body.topics,
        fields: body.fields,
    };
    let filled = form::read(&state.settings, &typed, language.code()).map_err(|faults| {
        let fields = faults.into_iter().map(|fault| FieldProblem {
            field: fault.field,
            detail: fault.kind.describe().into(),
        });
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY).with_fields(fields.collect())
    })?;
    let from = details(
        &request,
        &state,
        header(&request, ORIGIN).map(str::to_owned),
    );
    ask(&state, filled, Way::Api, language, from).await?;
    Ok(HttpResponse::Accepted().json(ApiAnswer {
        status: "confirmation_sent",
    }))
}

/// The shape that a form of one's own sends.
const SHAPE: &str = r#"Send Content-Type: application/json and {"email": "name@example.com", "topics": ["offers"], "language": "en", "fields": {"first_name": "Ada"}}; language and fields may be left out."#;

/// Names what is wrong with a body, and the shape that is wanted.
fn not_understood(request: &HttpRequest, body: &[u8]) -> ApiError {
    let problem = match serde_json::from_slice::<ApiSignUp>(body) {
        Err(error) => error.to_string(),
        Ok(_) if request.content_type().is_empty() => "there is no Content-Type".to_owned(),
        Ok(_) => "the Content-Type is not application/json".to_owned(),
    };
    ApiError::new(StatusCode::BAD_REQUEST)
        .with_detail(format!("The body was not understood: {problem}. {SHAPE}"))
}

async fn take(
    request: &HttpRequest,
    state: &State,
    only: Option<&TopicSettings>,
    wish: Option<&str>,
    body: &[u8],
) -> Result<HttpResponse, ApiError> {
    limit(request, state)?;
    let (mut typed, rest) = typed(body)?;
    let language = language(request, rest.get("lang").map(String::as_str).or(wish));
    if let Some(topic) = only {
        typed.topics = vec![topic.name.clone()];
    }
    // What else a page of the firm's own sends along is not ours.
    let known = &state.settings.sign_up.fields;
    typed
        .fields
        .retain(|name, _| known.iter().any(|field| field.name == *name));
    let is_trapped = rest.get(TRAP).is_some_and(|text| !text.is_empty());
    match form::read(&state.settings, &typed, language.code()) {
        Ok(filled) => {
            if !is_trapped {
                let page = format!("{}{}", state.settings.web.public_url, request.path());
                let from = details(request, state, Some(page));
                ask(state, filled, Way::Form, language, from).await?;
            }
            let view = SentView::new(&state.settings, language, typed.email.trim());
            state.pages.answer("sign_up_sent", &view)
        }
        Err(faults) => {
            let view = FormView::new(&state.settings, language, only, &typed, &faults);
            state.pages.refuse("sign_up", &view)
        }
    }
}

async fn ask(
    state: &State,
    filled: Filled,
    way: Way,
    language: Language,
    from: Details,
) -> Result<(), ApiError> {
    let State {
        db, keys, settings, ..
    } = state;
    let request = Request {
        filled,
        way,
        language: language.code().to_owned(),
        from,
    };
    let asked = sign_up::request(db, keys, settings, request, state.clock.now_ms())
        .await
        .map_err(ApiError::unavailable)?;
    // For the log alone, and without the address.
    tracing::debug!(?asked, "a sign-up");
    Ok(())
}

fn limit(request: &HttpRequest, state: &State) -> Result<(), ApiError> {
    if state.limits.allow(visitor(request, &state.settings.web)) {
        Ok(())
    } else {
        Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS))
    }
}

fn show(
    state: &State,
    only: Option<&TopicSettings>,
    language: Language,
) -> Result<HttpResponse, ApiError> {
    let nothing = Typed::default();
    let view = FormView::new(&state.settings, language, only, &nothing, &[]);
    state.pages.answer("sign_up", &view)
}

fn offered<'a>(settings: &'a Settings, name: &str) -> Result<&'a TopicSettings, ApiError> {
    form::offered(settings)
        .find(|topic| topic.name == name)
        .ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND))
}

fn language(request: &HttpRequest, wish: Option<&str>) -> Language {
    wish.and_then(Language::from_tag)
        .unwrap_or_else(|| browser_language(request))
}

/// What a body holds: the form, and what stands beside it.
fn typed(body: &[u8]) -> Result<(Typed, BTreeMap<String, String>), ApiError> {
    let malformed = || ApiError::new(StatusCode::BAD_REQUEST);
    let body = std::str::from_utf8(body).map_err(|_not_utf8| malformed())?;
    let pairs = web::Query::<Vec<(String, String)>>::from_query(body.trim())
        .map_err(|_unreadable| malformed())?;
    let mut typed = Typed::default();
    let mut rest = BTreeMap::new();
    for (name, value) in pairs.into_inner() {
        match name.as_str() {
            "email" => typed.email = value,
            "topic" => typed.topics.push(value),
            "lang" | TRAP => {
                rest.insert(name, value);
            }
            _ => {
                typed.fields.insert(name, value);
            }
        }
    }
    Ok((typed, rest))
}
