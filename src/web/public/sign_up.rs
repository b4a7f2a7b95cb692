//! `/sign-up`: the hosted form, for every topic or for one, and its JSON twin for a form of one's own.
//!
//! Whatever becomes of a request, the answer is the same; only limits that do not depend on the address
//! (per visitor, overall) are told, by 429.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::http::header::ORIGIN;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::words::{Language, SignUpWords};
use super::{browser_language, details, header};
use crate::config::{Settings, TopicSettings, in_language};
use crate::consent::model::Details;
use crate::dialogue::sign_up::form::{self, Fault, FaultKind, Filled, Typed};
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
    body: web::Json<ApiSignUp>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    limit(&request, &state)?;
    let body = body.into_inner();
    let language = language(&request, body.language.as_deref());
    let typed = Typed {
        email: body.email,
        topics: body.topics,
        fields: body.fields,
    };
    let filled = form::read(&state.settings, &typed, language.code()).map_err(|faults| {
        let fields = faults.into_iter().map(|fault| FieldProblem {
            field: fault.field,
            detail: fault.kind.describe(),
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

/// The page that says where to look.
#[derive(Debug, Serialize)]
struct SentView<'a> {
    language: &'static str,
    words: &'static SignUpWords,
    title: &'static str,
    sender: &'a str,
    email: &'a str,
    next: String,
}

impl<'a> SentView<'a> {
    fn new(settings: &'a Settings, language: Language, email: &'a str) -> Self {
        let words = language.sign_up();
        let hours = settings.sign_up.token_hours.to_string();
        Self {
            language: language.code(),
            words,
            title: words.sent_title,
            sender: &settings.notices.sender_name,
            email,
            next: words.sent_next.replace("{hours}", &hours),
        }
    }
}

/// The form, with what was typed and what is wrong with it.
#[derive(Debug, Serialize)]
struct FormView<'a> {
    language: &'static str,
    words: &'static SignUpWords,
    title: &'static str,
    sender: &'a str,
    postal_lines: Vec<&'a str>,
    privacy: String,
    privacy_url: Option<&'a str>,
    faults: Vec<FaultView>,
    email: &'a str,
    email_fault: Option<&'static str>,
    fields: Vec<FieldView<'a>>,
    topics: Vec<TopicView<'a>>,
    topics_fault: Option<&'static str>,
    /// What the form of one topic asks agreement to.
    single: Option<&'a str>,
    languages: Vec<LanguageView>,
}

#[derive(Debug, Serialize)]
struct FaultView {
    /// Of the field it leads to.
    id: String,
    label: String,
    text: &'static str,
}

#[derive(Debug, Serialize)]
struct FieldView<'a> {
    id: String,
    name: &'a str,
    label: &'a str,
    value: &'a str,
    autocomplete: &'static str,
    is_required: bool,
    fault: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct TopicView<'a> {
    id: String,
    name: &'a str,
    title: &'a str,
    wording: &'a str,
    is_ticked: bool,
}

#[derive(Debug, Serialize)]
struct LanguageView {
    code: &'static str,
    name: &'static str,
    is_current: bool,
}

impl<'a> FormView<'a> {
    fn new(
        settings: &'a Settings,
        language: Language,
        only: Option<&'a TopicSettings>,
        typed: &'a Typed,
        faults: &[Fault],
    ) -> Self {
        let code = language.code();
        let words = language.sign_up();
        let fault_of = |field: &str| {
            let fault = faults.iter().find(|fault| fault.field == field);
            fault.map(|fault| say(words, fault.kind))
        };
        let fields: Vec<FieldView<'_>> = settings
            .sign_up
            .fields
            .iter()
            .map(|field| FieldView {
                id: format!("field-{}", field.name),
                name: &field.name,
                label: in_language(&field.label, code),
                value: typed.fields.get(&field.name).map_or("", String::as_str),
                autocomplete: autocomplete(&field.name),
                is_required: field.is_required,
                fault: fault_of(&field.name),
            })
            .collect();
        let topics: Vec<TopicView<'_>> = form::offered(settings)
            .map(|topic| TopicView {
                id: format!("topic-{}", topic.name),
                name: &topic.name,
                title: in_language(&topic.title, code),
                wording: in_language(&topic.wording, code),
                is_ticked: typed.topics.contains(&topic.name),
            })
            .collect();
        let to_field = |fault: &Fault| {
            let (id, label) = match fault.field.as_str() {
                "email" => ("email".to_owned(), words.email),
                // The first box: a fieldset takes no focus.
                "topics" => {
                    let first = topics.first().map(|topic| topic.id.clone());
                    (first.unwrap_or_default(), words.topics)
                }
                name => {
                    let field = fields.iter().find(|field| field.name == name)?;
                    (field.id.clone(), field.label)
                }
            };
            Some(FaultView {
                id,
                label: label.to_owned(),
                text: say(words, fault.kind),
            })
        };
        let days = settings.sign_up.keep_unconfirmed_days.to_string();
        let sender = settings.notices.sender_name.as_str();
        Self {
            language: code,
            words,
            title: if faults.is_empty() {
                words.title
            } else {
                words.faults_title
            },
            sender,
            postal_lines: settings
                .notices
                .postal_address
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .collect(),
            privacy: words
                .privacy
                .replace("{sender}", sender)
                .replace("{days}", &days),
            privacy_url: settings.sign_up.privacy_url.as_deref(),
            faults: faults.iter().filter_map(to_field).collect(),
            email: &typed.email,
            email_fault: fault_of("email"),
            topics_fault: fault_of("topics"),
            single: only.map(|topic| in_language(&topic.wording, code)),
            languages: Language::ALL
                .into_iter()
                .map(|(one, name)| LanguageView {
                    code: one.code(),
                    name,
                    is_current: one == language,
                })
                .collect(),
            fields,
            topics,
        }
    }
}

fn say(words: &SignUpWords, kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::NoEmail => words.no_email,
        FaultKind::MalformedEmail => words.malformed_email,
        FaultKind::NoTopic => words.no_topic,
        FaultKind::UnknownTopic | FaultKind::UnknownField => words.unknown_topic,
        FaultKind::Required => words.required,
        FaultKind::Unreadable => words.unreadable,
    }
}

/// What a browser may fill in by itself (WCAG 2.1, 1.3.5).
fn autocomplete(field: &str) -> &'static str {
    match field {
        "first_name" => "given-name",
        "last_name" => "family-name",
        "company" => "organization",
        "postal_code" => "postal-code",
        "city" => "address-level2",
        _ => "on",
    }
}
