//! The ways in and out: sign-in by address and password, one-time links, sign-out.

use actix_web::http::StatusCode;
use actix_web::http::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE, USER_AGENT};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};

use super::{Visit, door, oidc, path_segment, place_for_all, second_step, see_other};
use crate::accounts::links::{self, Link, Purpose};
use crate::accounts::model::{Right, Role, User};
use crate::accounts::sessions::{self, Lifetime};
use crate::accounts::sign_in::{self, SignIn};
use crate::accounts::users::{self, NewUser};
use crate::accounts::{AccountError, audit, passwords};
use crate::web::limits;
use crate::web::public::words::Language;
use crate::web::{ApiError, State};

/// The prefix makes browsers take it from https (or localhost), for this host and the whole of it alone (RFC 6265bis
/// §4.1.3.2).
const SESSION: &str = "__Host-visavis";

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(
            place_for_all("/sign-in", "GET, POST")
                .route(web::get().to(page))
                .route(web::post().to(enter)),
        )
        .service(
            place_for_all("/sign-in/code", "GET, POST")
                .route(web::get().to(second_step::page))
                .route(web::post().to(second_step::enter)),
        )
        .service(place_for_all("/sign-in/oidc", "GET").route(web::get().to(oidc::leave)))
        .service(place_for_all("/sign-in/oidc/back", "GET").route(web::get().to(oidc::enter)))
        .service(
            place_for_all("/enter/{token}", "GET, POST")
                .route(web::get().to(link_page))
                .route(web::post().to(use_link)),
        )
        .service(door("/sign-out", "POST").route(web::post().to(leave)));
}

/// Who asks, by the session his browser names.
///
/// # Errors
/// When the database is away.
pub(in crate::web) async fn visit(
    headers: &HeaderMap,
    state: &State,
) -> Result<Option<Visit>, ApiError> {
    let Some(token) = token_of(headers) else {
        return Ok(None);
    };
    let lifetime = Lifetime::of(&state.settings.accounts);
    let user = sessions::find(&state.db, &token, lifetime, state.clock.now_ms())
        .await
        .map_err(ApiError::unavailable)?;
    Ok(user.map(|user| Visit::new(user, state)))
}

/// The session's token among the cookies.
pub(in crate::web) fn token_of(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(COOKIE)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == SESSION).then(|| value.to_owned())
        })
}

/// Where one signs in who wanted to go to `uri`.
pub(in crate::web) fn path_to(uri: &actix_web::http::Uri) -> String {
    match uri.path_and_query().map(|path| path.as_str()) {
        None | Some("/") => "/sign-in".to_owned(),
        Some(path) => format!("/sign-in?next={}", path_segment(path)),
    }
}

/// Where one sets up a second factor.
pub(in crate::web) const SECOND_FACTOR: &str = "/settings/profile/two-factors";

/// What is open to who must set up a second factor first.
pub(in crate::web) fn is_open_without_factor(path: &str) -> bool {
    path == SECOND_FACTOR || path == "/sign-out"
}

/// A path of ours, or the first page: nobody is led elsewhere by a link to the sign-in.
pub(super) fn safe_path(next: &str) -> &str {
    let is_path = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains('\\')
        && next.bytes().all(|b| (0x21..0x7f).contains(&b));
    if is_path { next } else { "/" }
}

#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    next: String,
}

#[derive(Debug, Serialize)]
struct View<'a> {
    title: &'a str,
    language: &'static str,
    next: &'a str,
    email: &'a str,
    fault: Option<&'a str>,
    /// Whether nobody was ever added.
    is_new: bool,
    /// With whom one may sign in instead, and where.
    oidc: Option<&'a str>,
    oidc_path: String,
}

fn oidc_title(state: &State) -> Option<&str> {
    let oidc = state.settings.accounts.oidc.as_ref();
    oidc.map(|oidc| oidc.title.as_str())
}

fn oidc_path(next: &str) -> String {
    format!("/sign-in/oidc?next={}", path_segment(next))
}

pub(super) fn browser_language(request: &HttpRequest) -> Language {
    let header = request
        .headers()
        .get(actix_web::http::header::ACCEPT_LANGUAGE);
    match Language::from_header(header.and_then(|value| value.to_str().ok())) {
        Language::French => Language::French,
        _ => Language::English,
    }
}

/// The form.
async fn page(
    request: HttpRequest,
    wanted: web::Query<Wanted>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    if visit(request.headers(), &state).await?.is_some() {
        return Ok(see_other(safe_path(&wanted.next)));
    }
    let language = browser_language(&request);
    let is_new = users::is_nobody_here(&state.db)
        .await
        .map_err(ApiError::unavailable)?;
    let view = View {
        title: state.pages.words(language).t("Sign in"),
        language: language.code(),
        next: safe_path(&wanted.next),
        email: "",
        fault: None,
        is_new,
        oidc: oidc_title(&state),
        oidc_path: oidc_path(safe_path(&wanted.next)),
    };
    state.pages.answer_in(language, "sign_in", &view)
}

#[derive(Deserialize)]
struct Credentials {
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    next: String,
}

/// Takes address and password.
async fn enter(
    request: HttpRequest,
    form: web::Form<Credentials>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let language = browser_language(&request);
    let words = state.pages.words(language);
    let network = limits::network_of(&request, &state.settings.web);
    let now_ms = state.clock.now_ms();
    let tried = sign_in::check(
        &state.db,
        &state.keys,
        &form.email,
        &form.password,
        &network,
        now_ms,
    )
    .await?;
    let fault = match tried {
        SignIn::Right(user) => return admit(&request, &state, &user, safe_path(&form.next)).await,
        SignIn::Wrong => words.t("Address or password is not right."),
        SignIn::TooOften => words
            .t("Too many tries. Wait a quarter of an hour, or ask an administrator for a link."),
    };
    let view = View {
        title: words.t("Sign in"),
        language: language.code(),
        next: safe_path(&form.next),
        email: &form.email,
        fault: Some(fault),
        is_new: false,
        oidc: oidc_title(&state),
        oidc_path: oidc_path(safe_path(&form.next)),
    };
    state.pages.refuse_in(language, "sign_in", &view)
}

/// Begins a session, or asks for the second factor first.
pub(super) async fn admit(
    request: &HttpRequest,
    state: &State,
    user: &User,
    next: &str,
) -> Result<HttpResponse, ApiError> {
    if user.has_totp {
        return second_step::ask(state, user, next).await;
    }
    begin(request, state, user, next).await
}

/// Begins a session and leads on.
pub(super) async fn begin(
    request: &HttpRequest,
    state: &State,
    user: &User,
    next: &str,
) -> Result<HttpResponse, ApiError> {
    let now_ms = state.clock.now_ms();
    let agent = request
        .headers()
        .get(USER_AGENT)
        .and_then(|agent| agent.to_str().ok())
        .unwrap_or_default();
    let txn = state.db.begin().await.map_err(ApiError::unavailable)?;
    let token = sessions::begin(&txn, user.id, now_ms).await?;
    sessions::set_agent(&txn, &token, agent)
        .await
        .map_err(ApiError::unavailable)?;
    let actor = format!("user {} {}", user.id, user.name);
    audit::note(
        &*txn,
        &actor,
        "user.sign_in",
        &user.id.to_string(),
        "",
        now_ms,
    )
    .await
    .map_err(ApiError::unavailable)?;
    txn.commit().await.map_err(ApiError::unavailable)?;
    Ok(HttpResponse::SeeOther()
        .insert_header((LOCATION, next))
        .insert_header((SET_COOKIE, session_cookie(&token)))
        .finish())
}

/// Until the browser is closed, at most. Lax, so that a link in a mail to a report finds its reader signed in; forms
/// of other sites are refused by the frame.
fn session_cookie(token: &str) -> String {
    format!("{SESSION}={token}; Path=/; Secure; HttpOnly; SameSite=Lax")
}

/// Ends the session.
async fn leave(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    if let Some(token) = token_of(request.headers()) {
        sessions::end(&state.db, &token)
            .await
            .map_err(ApiError::unavailable)?;
    }
    let gone = format!("{}; Max-Age=0", session_cookie(""));
    Ok(HttpResponse::SeeOther()
        .insert_header((LOCATION, "/sign-in"))
        .insert_header((SET_COOKIE, gone))
        .finish())
}

#[derive(Debug, Serialize)]
struct LinkView<'a> {
    title: &'a str,
    language: &'static str,
    path: String,
    /// Makes the first administrator: asks for name and address too.
    is_setup: bool,
    /// Only a button.
    is_sign_in: bool,
    who: &'a str,
    email: &'a str,
    name: &'a str,
    fault: Option<String>,
}

async fn link_of(state: &State, token: &str) -> Result<Link, ApiError> {
    links::look(&state.db, token, state.clock.now_ms())
        .await?
        .ok_or_else(|| ApiError::from(AccountError::Link))
}

fn link_view<'a>(
    state: &'a State,
    language: Language,
    token: &str,
    link: &'a Link,
    form: &'a Newcomer,
    fault: Option<String>,
) -> LinkView<'a> {
    let words = state.pages.words(language);
    LinkView {
        title: match link.purpose {
            Purpose::Setup => words.t("Set up visavis"),
            Purpose::Password => words.t("Choose your password"),
            Purpose::SignIn => words.t("Sign in"),
        },
        language: language.code(),
        path: format!("/enter/{}", path_segment(token)),
        is_setup: link.purpose == Purpose::Setup,
        is_sign_in: link.purpose == Purpose::SignIn,
        who: link.user.as_ref().map_or("", |user| user.name.as_str()),
        email: &form.email,
        name: &form.name,
        fault,
    }
}

/// What a link leads to; it is not used up by looking, since mail programs look too.
async fn link_page(
    request: HttpRequest,
    token: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let link = link_of(&state, &token).await?;
    let language = browser_language(&request);
    let form = Newcomer::default();
    let view = link_view(&state, language, &token, &link, &form, None);
    state.pages.answer_in(language, "enter", &view)
}

#[derive(Default, Deserialize)]
struct Newcomer {
    #[serde(default)]
    name: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
}

/// Uses a link and signs in.
async fn use_link(
    request: HttpRequest,
    token: web::Path<String>,
    form: web::Form<Newcomer>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let link = link_of(&state, &token).await?;
    let language = browser_language(&request);
    match pass(&state, &token, &link, &form, language).await {
        Ok(user) => admit(&request, &state, &user, "/").await,
        Err(
            fault @ (AccountError::Email
            | AccountError::Name
            | AccountError::Password
            | AccountError::Taken),
        ) => {
            let words = state.pages.words(language);
            let fault = words.t(&fault.to_string()).to_owned();
            let view = link_view(&state, language, &token, &link, &form, Some(fault));
            state.pages.refuse_in(language, "enter", &view)
        }
        Err(error) => Err(error.into()),
    }
}

async fn pass(
    state: &State,
    token: &str,
    link: &Link,
    form: &Newcomer,
    language: Language,
) -> Result<User, AccountError> {
    let now_ms = state.clock.now_ms();
    let hash = match link.purpose {
        Purpose::SignIn => None,
        // Hashed before the transaction begins: it takes a while.
        Purpose::Setup | Purpose::Password => Some(passwords::hash(&form.password).await?),
    };
    let txn = state.db.begin().await?;
    let id = match &link.user {
        Some(user) => {
            links::take(&txn, token, link.purpose, now_ms).await?;
            user.id
        }
        None => {
            let new = NewUser {
                email: &form.email,
                name: &form.name,
                role: Role::Administrator,
                language: language.code(),
            };
            users::add_first(&txn, token, new, now_ms).await?
        }
    };
    if let Some(hash) = &hash {
        users::set_password(&txn, id, hash, None, &format!("user {id}"), now_ms).await?;
    }
    txn.commit().await?;
    users::find(&state.db, id)
        .await?
        .ok_or(AccountError::NoSuchUser)
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Database(_) => Self::unavailable(error),
            AccountError::NoRandom | AccountError::Hash(_) => Self::internal(error),
            AccountError::NoSuchUser
            | AccountError::Link
            | AccountError::NoSuchToken
            | AccountError::NoSuchSession => {
                Self::new(StatusCode::NOT_FOUND).with_detail(error.to_string())
            }
            AccountError::Taken | AccountError::TokenTaken | AccountError::LastAdministrator => {
                Self::new(StatusCode::CONFLICT).with_detail(error.to_string())
            }
            AccountError::Email
            | AccountError::Name
            | AccountError::Password
            | AccountError::Code
            | AccountError::TokenName
            | AccountError::NoScope => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY).with_detail(error.to_string())
            }
        }
    }
}

/// The first page that a role may see.
pub(in crate::web) fn home(visit: &Visit) -> &'static str {
    if visit.may(Right::Reports) {
        "/"
    } else {
        "/customers"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_the_sign_in_leads_nowhere_else() {
        for (next, path) in [
            ("/reports/spring?wave=2", "/reports/spring?wave=2"),
            ("https://evil.example/", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("/a\nb", "/"),
            ("", "/"),
        ] {
            assert_eq!(safe_path(next), path, "{next}");
        }
    }
}
