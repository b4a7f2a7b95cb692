//! `/confirm/{token}`: the page behind the link of a notice. GET shows it, POST does it, once.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::words::{Language, SignUpWords};
use super::{browser_language, details, preferences};
use crate::config::in_language;
use crate::delivery::message::preferences_url;
use crate::dialogue::confirmation;
use crate::dialogue::model::{Agreement, Confirmation, Opened, Purpose};
use crate::dialogue::sign_up::{self, Confirmed};
use crate::web::{ApiError, State};

/// What the templates show.
#[derive(Debug, Serialize)]
struct View<'a> {
    language: &'static str,
    words: &'static SignUpWords,
    sender: &'a str,
    title: &'static str,
    text: &'static str,
    button: &'static str,
    wordings: Vec<&'a str>,
    /// What was typed into the form and will be stored.
    fields: Vec<Entry<'a>>,
    preferences_url: Option<String>,
    form_url: Option<String>,
}

/// A field of the form as it was filled in.
#[derive(Debug, Serialize)]
struct Entry<'a> {
    label: &'a str,
    value: &'a str,
}

impl<'a> View<'a> {
    fn new(state: &'a State, language: Language, title: &'static str) -> Self {
        Self {
            language: language.code(),
            words: language.sign_up(),
            sender: &state.settings.notices.sender_name,
            title,
            text: "",
            button: "",
            wordings: Vec::new(),
            fields: Vec::new(),
            preferences_url: None,
            form_url: None,
        }
    }
}

/// The page, whatever the link opens; it changes nothing.
pub(super) async fn page(
    request: HttpRequest,
    token: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let now_ms = state.clock.now_ms();
    let opened = confirmation::open(&state.db, &state.keys, &token, now_ms)
        .await
        .map_err(ApiError::unavailable)?;
    match opened {
        _ if is_request(&opened) => {
            preferences::request_page(&state, request_language(&request, &opened), &opened)
        }
        Opened::Fresh(confirmation) => ask(&request, &state, &confirmation),
        Opened::Used(confirmation) => used(&request, &state, &confirmation),
        Opened::Expired(confirmation) => expired(&request, &state, &confirmation),
        Opened::Unknown => Err(ApiError::new(StatusCode::NOT_FOUND)),
    }
}

/// Confirms. Any body will do, since the token says it all.
pub(super) async fn confirm(
    request: HttpRequest,
    token: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let now_ms = state.clock.now_ms();
    let opened = confirmation::open(&state.db, &state.keys, &token, now_ms)
        .await
        .map_err(ApiError::unavailable)?;
    match opened {
        _ if is_request(&opened) => {
            let language = request_language(&request, &opened);
            preferences::fulfil(&state, language, &opened, &token).await
        }
        Opened::Unknown => Err(ApiError::new(StatusCode::NOT_FOUND)),
        Opened::Fresh(_) | Opened::Used(_) | Opened::Expired(_) => {
            agree(&request, &state, &token, now_ms).await
        }
    }
}

/// What a link opens, if it is known.
fn known(opened: &Opened) -> Option<&Confirmation> {
    match opened {
        Opened::Fresh(known) | Opened::Used(known) | Opened::Expired(known) => Some(known),
        Opened::Unknown => None,
    }
}

/// Whether the link is about the person's data, which the preference centre sees to.
fn is_request(opened: &Opened) -> bool {
    known(opened).is_some_and(|known| matches!(known.purpose, Purpose::Download | Purpose::Erasure))
}

fn request_language(request: &HttpRequest, opened: &Opened) -> Language {
    known(opened).map_or_else(
        || browser_language(request),
        |known| language(request, known),
    )
}

/// The sign-up, or the old permission, holds from now on.
async fn agree(
    request: &HttpRequest,
    state: &State,
    token: &str,
    now_ms: i64,
) -> Result<HttpResponse, ApiError> {
    let State {
        db, keys, settings, ..
    } = state;
    let from = details(request, state, None);
    let confirmed = sign_up::confirm(db, keys, settings, token, from, now_ms)
        .await
        .map_err(ApiError::unavailable)?;
    match confirmed {
        Confirmed::Done {
            customer,
            agreement,
            confirmation,
        } => {
            let language = language(request, &confirmation);
            let public_url = &settings.web.public_url;
            let view = View {
                wordings: wordings(&agreement),
                preferences_url: Some(preferences_url(public_url, keys, customer)),
                ..View::new(state, language, language.sign_up().welcome_title)
            };
            state.pages.answer("confirmed", &view)
        }
        Confirmed::Before(confirmation) => used(request, state, &confirmation),
        Confirmed::Expired(confirmation) => expired(request, state, &confirmation),
        Confirmed::Unknown => Err(ApiError::new(StatusCode::NOT_FOUND)),
    }
}

fn ask(
    request: &HttpRequest,
    state: &State,
    confirmation: &Confirmation,
) -> Result<HttpResponse, ApiError> {
    let agreement = Agreement::read(&confirmation.payload).map_err(ApiError::internal)?;
    let language = language(request, confirmation);
    let words = language.sign_up();
    let (title, button) = match confirmation.purpose {
        Purpose::RePermission => (words.renew_title, words.renew_button),
        _ => (words.confirm_title, words.confirm_button),
    };
    let view = View {
        button,
        wordings: wordings(&agreement),
        fields: entries(state, language, &agreement),
        ..View::new(state, language, title)
    };
    state.pages.answer("confirm", &view)
}

/// It was done before. What the person has with us stands behind links of his own, not behind this one.
fn used(
    request: &HttpRequest,
    state: &State,
    confirmation: &Confirmation,
) -> Result<HttpResponse, ApiError> {
    let language = language(request, confirmation);
    let words = language.sign_up();
    let view = View {
        text: words.used_text,
        ..View::new(state, language, words.used_title)
    };
    state.pages.answer("confirm_over", &view)
}

fn expired(
    request: &HttpRequest,
    state: &State,
    confirmation: &Confirmation,
) -> Result<HttpResponse, ApiError> {
    let language = language(request, confirmation);
    let words = language.sign_up();
    let view = View {
        text: words.expired_text,
        form_url: Some(format!("/sign-up?lang={}", language.code())),
        ..View::new(state, language, words.expired_title)
    };
    state.pages.answer("confirm_over", &view)
}

/// The language of the message whose link this is.
fn language(request: &HttpRequest, confirmation: &Confirmation) -> Language {
    Language::from_tag(&confirmation.language).unwrap_or_else(|| browser_language(request))
}

/// With the labels of the form; one that left it meanwhile goes by its name.
fn entries<'a>(state: &'a State, language: Language, agreement: &'a Agreement) -> Vec<Entry<'a>> {
    let known = &state.settings.sign_up.fields;
    agreement
        .fields
        .iter()
        .map(|(name, value)| Entry {
            label: known
                .iter()
                .find(|field| field.name == *name)
                .map_or(name, |field| in_language(&field.label, language.code())),
            value,
        })
        .collect()
}

fn wordings(agreement: &Agreement) -> Vec<&str> {
    let topics = agreement.topics.iter();
    topics.map(|topic| topic.wording.as_str()).collect()
}
