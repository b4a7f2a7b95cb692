//! `/settings/profile/two-factors`: turning the second factor on and off, and new recovery codes.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::profile::{Confirmed, confirm, own};
use crate::accounts::AccountError;
use crate::accounts::model::User;
use crate::accounts::two_factors::{self, Enrolment};
use crate::web::console::{Visit, see_other};
use crate::web::{ApiError, State};

#[derive(Debug, Serialize)]
struct View<'a> {
    title: &'a str,
    section: &'static str,
    tab: &'static str,
    has_password: bool,
    has_totp: bool,
    /// Whether one is led here before anything else.
    is_required: bool,
    fault: Option<&'a str>,
    salt: &'a str,
    /// In groups of four.
    secret: String,
    uri: String,
    qr: Qr,
}

/// A QR code as a path of unit squares.
#[derive(Debug, Serialize)]
struct Qr {
    /// Squares a side, with the margin of four that readers need.
    side: usize,
    path: String,
}

impl Qr {
    fn new(text: &str) -> Result<Self, ApiError> {
        const MARGIN: usize = 4;
        let code = qrcode::QrCode::new(text.as_bytes()).map_err(ApiError::internal)?;
        let width = code.width();
        let mut path = String::new();
        for (at, color) in code.to_colors().into_iter().enumerate() {
            if color == qrcode::Color::Dark {
                let (x, y) = (at % width + MARGIN, at / width + MARGIN);
                path.push_str(&format!("M{x} {y}h1v1h-1z"));
            }
        }
        Ok(Self {
            side: width + 2 * MARGIN,
            path,
        })
    }
}

/// What to scan and to type.
pub(super) async fn page(visit: Visit, state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let user = own(&visit, &state).await?;
    let enrolment = two_factors::begin(&state.keys, user.id)?;
    shown(&visit, &state, &user, &enrolment, None)
}

fn shown(
    visit: &Visit,
    state: &State,
    user: &User,
    enrolment: &Enrolment,
    fault: Option<&str>,
) -> Result<HttpResponse, ApiError> {
    let secret: Vec<char> = enrolment.secret.base32().chars().collect();
    let groups: Vec<String> = secret.chunks(4).map(|four| four.iter().collect()).collect();
    let uri = enrolment.secret.uri(&user.email);
    let view = View {
        title: visit.words().t("Two factors"),
        section: "settings",
        tab: "profile",
        has_password: user.has_password,
        has_totp: user.has_totp,
        is_required: state.settings.accounts.require_two_factors && !user.has_totp,
        fault,
        salt: &enrolment.salt,
        secret: groups.join(" "),
        qr: Qr::new(&uri)?,
        uri,
    };
    match fault {
        None => visit.answer(state, "settings_two_factors", &view),
        Some(_) => visit.refuse(state, "settings_two_factors", &view),
    }
}

#[derive(Deserialize)]
pub(super) struct First {
    #[serde(default)]
    salt: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    password: String,
}

/// Turns the second factor on, and shows the recovery codes.
pub(super) async fn turn_on(
    visit: Visit,
    request: HttpRequest,
    form: web::Form<First>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let words = visit.words();
    let user = own(&visit, &state).await?;
    let enrolment = two_factors::of_salt(&state.keys, user.id, form.salt.clone());
    let confirmed = confirm(&request, &state, &user, &form.password).await?;
    if confirmed != Confirmed::Yes {
        let fault = confirmed.in_words(words);
        return shown(&visit, &state, &user, &enrolment, Some(fault));
    }
    let now_ms = state.clock.now_ms();
    let txn = state.db.begin().await.map_err(ApiError::unavailable)?;
    let actor = visit.actor();
    match two_factors::turn_on(&txn, user.id, &enrolment, &form.code, &actor, now_ms).await {
        Ok(codes) => {
            txn.commit().await.map_err(ApiError::unavailable)?;
            codes_page(&visit, &state, &codes)
        }
        Err(fault @ AccountError::Code) => {
            drop(txn);
            let fault = words.t(&fault.to_string()).to_owned();
            shown(&visit, &state, &user, &enrolment, Some(&fault))
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Debug, Serialize)]
struct CodesView<'a> {
    title: &'a str,
    section: &'static str,
    tab: &'static str,
    codes: &'a [String],
}

fn codes_page(visit: &Visit, state: &State, codes: &[String]) -> Result<HttpResponse, ApiError> {
    let view = CodesView {
        title: visit.words().t("Recovery codes"),
        section: "settings",
        tab: "profile",
        codes,
    };
    visit.answer(state, "settings_codes", &view)
}

#[derive(Deserialize)]
pub(super) struct Confirmation {
    #[serde(default)]
    password: String,
}

/// Turns the second factor off.
pub(super) async fn turn_off(
    visit: Visit,
    request: HttpRequest,
    form: web::Form<Confirmation>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let user = confirmed(&visit, &request, &form, &state).await?;
    let now_ms = state.clock.now_ms();
    let txn = state.db.begin().await.map_err(ApiError::unavailable)?;
    two_factors::turn_off(&txn, user.id, &visit.actor(), now_ms).await?;
    txn.commit().await.map_err(ApiError::unavailable)?;
    Ok(see_other("/settings/profile?done=factors-off"))
}

/// Makes new recovery codes, and shows them.
pub(super) async fn renew_codes(
    visit: Visit,
    request: HttpRequest,
    form: web::Form<Confirmation>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let user = confirmed(&visit, &request, &form, &state).await?;
    if !user.has_totp {
        return Ok(see_other("/settings/profile"));
    }
    let now_ms = state.clock.now_ms();
    let txn = state.db.begin().await.map_err(ApiError::unavailable)?;
    let codes = two_factors::renew_codes(&txn, user.id, &visit.actor(), now_ms).await?;
    txn.commit().await.map_err(ApiError::unavailable)?;
    codes_page(&visit, &state, &codes)
}

async fn confirmed(
    visit: &Visit,
    request: &HttpRequest,
    form: &Confirmation,
    state: &State,
) -> Result<User, ApiError> {
    let user = own(visit, state).await?;
    match confirm(request, state, &user, &form.password).await? {
        Confirmed::Yes => Ok(user),
        no => {
            let status = actix_web::http::StatusCode::UNPROCESSABLE_ENTITY;
            Err(ApiError::new(status).with_detail(no.in_words(visit.words()).to_owned()))
        }
    }
}
