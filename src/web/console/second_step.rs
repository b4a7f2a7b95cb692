//! `/sign-in/code`: the second factor, between the first one and the session.

use actix_web::http::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::entry;
use super::see_other;
use crate::accounts::model::{User, UserId};
use crate::accounts::{AccountError, sessions, sign_in, tickets, two_factors, users};
use crate::web::{ApiError, State, limits};

/// Holds who gave the first factor; as the session's cookie, for some minutes.
const COOKIE_NAME: &str = "__Host-visavis-code";
/// What its ticket is for.
const STEP: &str = "code";

/// Who gave the first factor, and where he wanted to go.
#[derive(Debug, Serialize, Deserialize)]
struct Half {
    user: UserId,
    /// [`sessions::times_ended`] of then: a new password ends what the old one began.
    ended: i64,
    next: String,
}

/// A cookie that a browser gives back for some minutes. Lax: a provider of OpenID Connect leads back from elsewhere.
pub(super) fn brief_cookie(name: &str, value: &str) -> String {
    let seconds = tickets::LASTS_MS / 1000;
    format!("{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax")
}

/// Takes a cookie away.
pub(super) fn no_cookie(name: &str) -> String {
    format!("{name}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax")
}

/// The value of a cookie.
pub(super) fn cookie_of(headers: &HeaderMap, wanted: &str) -> Option<String> {
    headers
        .get_all(COOKIE)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == wanted).then(|| value.to_owned())
        })
}

/// Leads who gave the first factor to the second.
pub(super) async fn ask(state: &State, user: &User, next: &str) -> Result<HttpResponse, ApiError> {
    let half = Half {
        user: user.id,
        ended: times_ended(state, user.id).await?,
        next: next.to_owned(),
    };
    let ticket = tickets::write(&state.keys, STEP, &half, state.clock.now_ms());
    Ok(HttpResponse::SeeOther()
        .insert_header((LOCATION, "/sign-in/code"))
        .insert_header((SET_COOKIE, brief_cookie(COOKIE_NAME, &ticket)))
        .finish())
}

async fn times_ended(state: &State, user: UserId) -> Result<i64, ApiError> {
    sessions::times_ended(&state.db, user)
        .await
        .map_err(ApiError::unavailable)
}

fn half_of(request: &HttpRequest, state: &State) -> Option<Half> {
    let ticket = cookie_of(request.headers(), COOKIE_NAME)?;
    tickets::read(&state.keys, STEP, &ticket, state.clock.now_ms())
}

#[derive(Debug, Serialize)]
struct View<'a> {
    title: &'a str,
    language: &'static str,
    fault: Option<&'a str>,
}

/// The form.
pub(super) async fn page(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    if half_of(&request, &state).is_none() {
        return Ok(see_other("/sign-in"));
    }
    let language = entry::browser_language(&request);
    let view = View {
        title: state.pages.words(language).t("One more step"),
        language: language.code(),
        fault: None,
    };
    state.pages.answer_in(language, "sign_in_code", &view)
}

#[derive(Deserialize)]
pub(super) struct Given {
    #[serde(default)]
    code: String,
}

/// Takes a code, and begins the session.
pub(super) async fn enter(
    request: HttpRequest,
    form: web::Form<Given>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let Some(half) = half_of(&request, &state) else {
        return Ok(see_other("/sign-in"));
    };
    let user = users::find(&state.db, half.user)
        .await
        .map_err(ApiError::unavailable)?
        .filter(|user| !user.is_disabled);
    let Some(user) = user else {
        return Ok(see_other("/sign-in"));
    };
    if times_ended(&state, user.id).await? != half.ended {
        return Ok(see_other("/sign-in"));
    }
    let language = entry::browser_language(&request);
    let words = state.pages.words(language);
    let fault = match take(&request, &state, &user, &form.code).await? {
        Taken::Yes => {
            let mut response = entry::begin(&request, &state, &user, &half.next).await?;
            if let Ok(gone) = no_cookie(COOKIE_NAME).parse() {
                response.headers_mut().append(SET_COOKIE, gone);
            }
            return Ok(response);
        }
        Taken::No => words.t("This code is not the one of now, or was used. Wait for the next one, or take a recovery code."),
        Taken::TooOften => words.t("Too many codes. Wait a quarter of an hour."),
    };
    let view = View {
        title: words.t("One more step"),
        language: language.code(),
        fault: Some(fault),
    };
    state.pages.refuse_in(language, "sign_in_code", &view)
}

enum Taken {
    Yes,
    No,
    TooOften,
}

async fn take(
    request: &HttpRequest,
    state: &State,
    user: &User,
    code: &str,
) -> Result<Taken, ApiError> {
    let network = limits::network_of(request, &state.settings.web);
    let now_ms = state.clock.now_ms();
    let begun = sign_in::try_code(&state.db, &state.keys, &user.email, &network, now_ms)
        .await
        .map_err(ApiError::unavailable)?;
    let Some(begun) = begun else {
        return Ok(Taken::TooOften);
    };
    let txn = state.db.begin().await.map_err(ApiError::unavailable)?;
    match two_factors::take(&txn, &state.keys, user, code, now_ms).await {
        Ok(()) => {
            sign_in::forgive(&txn, begun)
                .await
                .map_err(ApiError::unavailable)?;
            txn.commit().await.map_err(ApiError::unavailable)?;
            Ok(Taken::Yes)
        }
        Err(AccountError::Code) => {
            drop(txn);
            Ok(Taken::No)
        }
        Err(error) => Err(error.into()),
    }
}
