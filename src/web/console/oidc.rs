//! `/sign-in/oidc`: to the provider of OpenID Connect, and back from it.

use actix_web::http::StatusCode;
use actix_web::http::header::{LOCATION, SET_COOKIE};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::entry;
use super::second_step::{brief_cookie, cookie_of, no_cookie};
use crate::accounts::AccountError;
use crate::accounts::oidc::{self, Journey, OidcError, Provider};
use crate::accounts::{sign_in, tickets};
use crate::config::OidcSettings;
use crate::web::limits;
use crate::web::{ApiError, State};

/// Holds the journey, for some minutes.
const COOKIE_NAME: &str = "__Host-visavis-oidc";
const STEP: &str = "oidc";

impl From<OidcError> for ApiError {
    fn from(error: OidcError) -> Self {
        match error {
            OidcError::Database(_) => Self::unavailable(error),
            OidcError::Account(error) => error.into(),
            OidcError::Settings(_) => Self::internal(error),
            OidcError::Unreachable(_) | OidcError::Answer(_) => {
                tracing::warn!(%error, "signing in by OpenID Connect");
                Self::new(StatusCode::BAD_GATEWAY).with_detail(
                    "The sign-in provider gave no answer that could be used. Try again, or sign in with your password.",
                )
            }
            OidcError::Refused(_) | OidcError::Claim(_) => {
                tracing::warn!(%error, "signing in by OpenID Connect");
                Self::new(StatusCode::FORBIDDEN)
                    .with_detail("The sign-in provider did not let you in. Sign in once more.")
            }
            OidcError::Unverified
            | OidcError::Unknown
            | OidcError::NoRole
            | OidcError::Disabled => {
                let mut said = error.to_string();
                if let Some(first) = said.get_mut(..1) {
                    first.make_ascii_uppercase();
                }
                Self::new(StatusCode::FORBIDDEN).with_detail(format!("{said}."))
            }
        }
    }
}

fn settings_of(state: &State) -> Result<&OidcSettings, ApiError> {
    state
        .settings
        .accounts
        .oidc
        .as_ref()
        .ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND))
}

#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    next: String,
}

/// To the provider.
pub(super) async fn leave(
    request: HttpRequest,
    wanted: web::Query<Wanted>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let settings = settings_of(&state)?;
    let now_ms = state.clock.now_ms();
    slow_down(&request, &state, now_ms).await?;
    let journey = Journey::new(entry::safe_path(&wanted.next))?;
    let provider = Provider::discover(settings, &state.oidc, now_ms).await?;
    let door = provider.door(&journey)?;
    let ticket = tickets::write(&state.keys, STEP, &journey, now_ms);
    Ok(HttpResponse::SeeOther()
        .insert_header((LOCATION, door))
        .insert_header((SET_COOKIE, brief_cookie(COOKIE_NAME, &ticket)))
        .finish())
}

/// Refuses a network from which many go and none comes back.
async fn slow_down(request: &HttpRequest, state: &State, now_ms: i64) -> Result<(), ApiError> {
    let network = limits::network_of(request, &state.settings.web);
    let may = sign_in::is_provider_allowed(&state.db, &state.keys, &network, now_ms)
        .await
        .map_err(ApiError::unavailable)?;
    if may {
        return Ok(());
    }
    Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS)
        .with_wait(900)
        .with_detail(
            "Too many tries. Wait a quarter of an hour, or ask an administrator for a link.",
        ))
}

#[derive(Deserialize)]
pub(super) struct Back {
    #[serde(default)]
    code: String,
    #[serde(default)]
    state: String,
    /// RFC 9207.
    #[serde(default)]
    iss: Option<String>,
}

/// Back from the provider: begins the session of who it says it is.
pub(super) async fn enter(
    request: HttpRequest,
    back: web::Query<Back>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let settings = settings_of(&state)?;
    let now_ms = state.clock.now_ms();
    let journey = cookie_of(request.headers(), COOKIE_NAME)
        .and_then(|ticket| tickets::read::<Journey>(&state.keys, STEP, &ticket, now_ms));
    // Without it somebody else's sign-in could be put upon this browser.
    let journey = journey
        .filter(|journey| journey.state == back.state)
        .ok_or(OidcError::Claim("it answers no sign-in of this browser"))?;
    if back.iss.as_ref().is_some_and(|iss| *iss != settings.issuer) {
        return Err(OidcError::Claim("it is from another issuer").into());
    }
    if back.code.is_empty() {
        return Err(OidcError::Refused("it gave no code".to_owned()).into());
    }
    slow_down(&request, &state, now_ms).await?;
    if !oidc::use_up(&state.db, &journey, now_ms).await? {
        return Err(OidcError::Claim("it answered a sign-in already").into());
    }
    let provider = Provider::discover(settings, &state.oidc, now_ms).await?;
    let identity = provider
        .identify(&back.code, &journey, now_ms)
        .await
        .inspect_err(|error| {
            if matches!(error, OidcError::Unreachable(_) | OidcError::Answer(_)) {
                state.oidc.forget();
            }
        })?;
    let txn = state.db.begin().await.map_err(ApiError::unavailable)?;
    let entered = oidc::enter(&txn, &identity, settings, now_ms).await;
    if matches!(entered, Ok(_) | Err(OidcError::NoRole)) {
        txn.commit().await.map_err(AccountError::Database)?;
    }
    let user = entered?;
    let network = limits::network_of(&request, &state.settings.web);
    sign_in::came_from_provider(&state.db, &state.keys, &network)
        .await
        .map_err(ApiError::unavailable)?;
    let mut response = entry::admit(&request, &state, &user, &journey.next).await?;
    if let Ok(gone) = no_cookie(COOKIE_NAME).parse() {
        response.headers_mut().append(SET_COOKIE, gone);
    }
    Ok(response)
}
