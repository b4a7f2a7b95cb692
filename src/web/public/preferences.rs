//! `/p/{token}`: the preference centre, and the two requests that leave it for the mailbox.
//!
//! The token is the authority, as on every link in a message; looking changes nothing, and a form changes
//! only what the person changed in it.

mod told;
mod view;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::{HttpRequest, HttpResponse, web};

use self::told::{RequestView, Told};
pub(super) use self::view::topic_title;
use self::view::{Entered, PreferencesView};
use super::words::Language;
use super::{browser_language, details};
use crate::customers::normalise;
use crate::dialogue::model::{Opened, Purpose};
use crate::dialogue::preferences::model::{Pause, Preferences, Wishes};
use crate::dialogue::preferences::save::{self, Said};
use crate::dialogue::preferences::{self, request as requests};
use crate::ids::CustomerId;
use crate::tokens;
use crate::web::{ApiError, State};

/// Where the preference centre of a customer is, from any page one step below the root.
pub(super) fn path(state: &State, customer: CustomerId) -> String {
    format!("../p/{}", tokens::preferences_token(customer, &state.keys))
}

/// The page.
pub(super) async fn page(
    request: HttpRequest,
    token: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let customer = customer(&token, &state)?;
    let now = state.clock.now_ms();
    match preferences::read(&state.db, &state.settings, customer, now).await? {
        Some(preferences) => show(&request, &state, &preferences, None, now),
        None => gone(&request, &state),
    }
}

/// Does what was chosen, then says in words what changed.
pub(super) async fn choose(
    request: HttpRequest,
    token: web::Path<String>,
    form: web::Form<Vec<(String, String)>>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let customer = customer(&token, &state)?;
    let now = state.clock.now_ms();
    let Some(known) = preferences::read(&state.db, &state.settings, customer, now).await? else {
        return gone(&request, &state);
    };
    let language = language(&request, Some(&known));
    let said = said(&request, &state, language);
    let action = form.iter().find(|(name, _)| name == "action");
    let saved = match action.map(|(_, value)| value.as_str()) {
        Some("stop") => save::stop(&state.db, &state.settings, customer, &said, now).await?,
        Some("download") => return ask(&state, language, &known, Purpose::Download, now).await,
        Some("erase") => return ask(&state, language, &known, Purpose::Erasure, now).await,
        _ => {
            let wishes = Wishes::read(&form, preferences::today(&known, now));
            if wishes.pause == Pause::Unreadable {
                return show(&request, &state, &known, Some(Entered::of(&form)), now);
            }
            save::save(
                &state.db,
                &state.keys,
                &state.settings,
                customer,
                &wishes,
                &said,
                now,
            )
            .await?
        }
    };
    let Some(saved) = saved else {
        return gone(&request, &state);
    };
    // Who chose another language reads the answer in it.
    let language = self::language(&request, Some(&saved.now));
    let told = Told::saved(&state, language, &saved, path(&state, customer));
    state.pages.answer("told", &told)
}

/// Sends the link by which he confirms it; the same answer whether or not one went out a moment ago.
async fn ask(
    state: &State,
    language: Language,
    known: &Preferences,
    purpose: Purpose,
    now: i64,
) -> Result<HttpResponse, ApiError> {
    let customer = known.customer;
    if !requests::request(&state.db, &state.settings, customer, purpose, now).await? {
        return Err(ApiError::new(StatusCode::BAD_REQUEST));
    }
    let told = Told::asked(state, language, known, path(state, customer));
    state.pages.answer("told", &told)
}

/// The page behind the link of a download or a deletion.
pub(super) fn request_page(
    state: &State,
    language: Language,
    opened: &Opened,
) -> Result<HttpResponse, ApiError> {
    let Opened::Fresh(confirmation) = opened else {
        return request_over(state, language, opened);
    };
    let link = confirmation.customer.map(|customer| path(state, customer));
    let view = RequestView::new(state, language, confirmation.purpose, link);
    state.pages.answer("request", &view)
}

/// Does what the link of a download or a deletion stands for, once.
pub(super) async fn fulfil(
    state: &State,
    language: Language,
    opened: &Opened,
    token: &str,
) -> Result<HttpResponse, ApiError> {
    let now = state.clock.now_ms();
    match opened {
        Opened::Fresh(confirmation) if confirmation.purpose == Purpose::Download => {
            let (opened, archive) =
                requests::download_confirmed(&state.db, &state.keys, token, now).await?;
            match archive {
                Some(archive) => Ok(HttpResponse::Ok()
                    .content_type("application/zip")
                    .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"my-data.zip\""))
                    .body(archive)),
                None => request_over(state, language, &opened),
            }
        }
        Opened::Fresh(_) => {
            match requests::erase_confirmed(&state.db, &state.keys, token, now).await? {
                Opened::Fresh(known) => {
                    forget_test_mails(state, known.fingerprint).await;
                    let words = language.preferences();
                    let told = Told::plain(state, language, words.erased_title, words.erased_text);
                    state.pages.answer("told", &told.done())
                }
                opened => request_over(state, language, &opened),
            }
        }
        over => request_over(state, language, over),
    }
}

/// Deletes what the sandbox received for him. Best effort: he is erased already.
async fn forget_test_mails(state: &State, fingerprint: String) {
    let (outbox, keys) = (Arc::clone(&state.outbox), state.keys.clone());
    let forgotten = web::block(move || {
        outbox.forget(|recipient| {
            let email = normalise::email(recipient);
            email.is_ok_and(|email| keys.fingerprint(&email.key) == fingerprint)
        })
    });
    match forgotten.await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::warn!(%error, "test mails of an erased person stay"),
        Err(error) => tracing::warn!(%error, "test mails of an erased person stay"),
    }
}

/// What a link of a download or a deletion says when it works no more.
fn request_over(
    state: &State,
    language: Language,
    opened: &Opened,
) -> Result<HttpResponse, ApiError> {
    let words = language.preferences();
    let (title, line, customer) = match opened {
        // The second click of two: what he wants is so, and his preferences are gone.
        Opened::Used(known) if known.purpose == Purpose::Erasure => {
            let told = Told::plain(state, language, words.erased_title, words.erased_text);
            return state.pages.answer("told", &told.done());
        }
        Opened::Used(known) => (words.used_title, words.used_text, known.customer),
        Opened::Expired(known) => (words.expired_title, words.expired_text, known.customer),
        Opened::Fresh(_) | Opened::Unknown => return Err(ApiError::new(StatusCode::NOT_FOUND)),
    };
    let link = customer.map(|customer| path(state, customer));
    let told = Told::plain(state, language, title, line).with_link(link, words.back);
    state.pages.answer("told", &told)
}

fn show(
    request: &HttpRequest,
    state: &State,
    preferences: &Preferences,
    entered: Option<Entered>,
    now: i64,
) -> Result<HttpResponse, ApiError> {
    let language = language(request, Some(preferences));
    let view = PreferencesView::new(state, language, preferences, entered, now)?;
    state.pages.answer("preferences", &view)
}

/// For one who is no longer in the base: there is nothing to choose, and that is no error.
fn gone(request: &HttpRequest, state: &State) -> Result<HttpResponse, ApiError> {
    let language = language(request, None);
    let words = language.preferences();
    let told = Told::plain(state, language, words.gone_title, words.gone_text);
    state.pages.answer("told", &told)
}

fn customer(token: &str, state: &State) -> Result<CustomerId, ApiError> {
    tokens::read_preferences_token(token, &state.keys)
        .ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND))
}

/// The customer's own language, or the browser's.
fn language(request: &HttpRequest, preferences: Option<&Preferences>) -> Language {
    preferences
        .and_then(|preferences| Language::from_tag(&preferences.language))
        .unwrap_or_else(|| browser_language(request))
}

/// From where it was said. The address of the page stands there without the token, which would open it.
fn said(request: &HttpRequest, state: &State, language: Language) -> Said {
    Said {
        locale: language.code().to_owned(),
        tracking_wording: language.preferences().tracking_label.to_owned(),
        details: details(
            request,
            state,
            Some(format!("{}/p", state.settings.web.public_url)),
        ),
    }
}
