//! `GET /settings/profile`: one's own name, language, password, second factor and sessions.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::Done;
use crate::accounts::model::User;
use crate::accounts::sessions::{self, Lifetime, Session};
use crate::accounts::sign_in::{self, SignIn};
use crate::accounts::{AccountError, digest_of, passwords, two_factors, users};
use crate::web::console::entry::token_of;
use crate::web::console::{Visit, see_other};
use crate::web::limits;
use crate::web::words::Words;
use crate::web::{ApiError, State};

#[derive(Debug, Serialize)]
struct View<'a> {
    title: &'a str,
    section: &'static str,
    tab: &'static str,
    done: Option<&'a str>,
    email: &'a str,
    name: &'a str,
    role: &'a str,
    is_french: bool,
    has_password: bool,
    has_totp: bool,
    codes_left: String,
    is_single: bool,
    sessions: Vec<SessionView>,
    name_fault: Option<&'a str>,
    password_fault: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct SessionView {
    digest: String,
    browser: String,
    began_at: i64,
    seen_at: i64,
    is_own: bool,
}

/// What is wrong with a form that came back.
#[derive(Debug, Default)]
struct Faults<'a> {
    /// What was written, so that it is not lost.
    name: Option<&'a str>,
    name_fault: Option<String>,
    password_fault: Option<String>,
}

/// The page.
pub(super) async fn page(
    visit: Visit,
    request: HttpRequest,
    done: web::Query<Done>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    shown(&visit, &request, &state, &done, &Faults::default()).await
}

async fn shown(
    visit: &Visit,
    request: &HttpRequest,
    state: &State,
    done: &Done,
    faults: &Faults<'_>,
) -> Result<HttpResponse, ApiError> {
    let words = visit.words();
    let user = own(visit, state).await?;
    let lifetime = Lifetime::of(&state.settings.accounts);
    let now_ms = state.clock.now_ms();
    let found = sessions::list(&state.db, visit.user, lifetime, now_ms)
        .await
        .map_err(ApiError::unavailable)?;
    let own = token_of(request.headers()).map(|token| digest_of(&token));
    let codes_left = two_factors::codes_left(&state.db, visit.user).await?;
    let view = View {
        title: words.t("Your profile"),
        section: "settings",
        tab: "profile",
        done: done.said(words),
        email: &user.email,
        name: faults.name.unwrap_or(&user.name),
        role: role_in_words(user.role, words),
        is_french: user.language == "fr",
        has_password: user.has_password,
        has_totp: user.has_totp,
        codes_left: codes_in_words(codes_left, words),
        is_single: found.len() < 2,
        sessions: found
            .into_iter()
            .map(|session| session_view(session, own.as_deref(), words))
            .collect(),
        name_fault: faults.name_fault.as_deref(),
        password_fault: faults.password_fault.as_deref(),
    };
    if faults.name_fault.is_some() || faults.password_fault.is_some() {
        visit.refuse(state, "settings_profile", &view)
    } else {
        visit.answer(state, "settings_profile", &view)
    }
}

/// The visitor as the database has him now.
pub(super) async fn own(visit: &Visit, state: &State) -> Result<User, ApiError> {
    users::find(&state.db, visit.user)
        .await
        .map_err(ApiError::unavailable)?
        .ok_or_else(|| AccountError::NoSuchUser.into())
}

/// How many recovery codes are left.
pub(super) fn codes_in_words(left: i64, words: &Words) -> String {
    match left.unsigned_abs() {
        0 => words.t("No recovery code is left.").to_owned(),
        left => words.counted(
            left,
            "{n} recovery code is left.",
            "{n} recovery codes are left.",
        ),
    }
}

/// A role as people call it.
pub(super) fn role_in_words(role: crate::accounts::model::Role, words: &Words) -> &str {
    use crate::accounts::model::Role;
    match role {
        Role::Administrator => words.t("Administrator"),
        Role::Marketer => words.t("Marketer"),
        Role::Approver => words.t("Approver"),
        Role::Analyst => words.t("Analyst"),
        Role::Support => words.t("Support"),
    }
}

fn session_view(session: Session, own: Option<&str>, words: &Words) -> SessionView {
    SessionView {
        browser: browser(&session.agent, words),
        is_own: own == Some(session.digest.as_str()),
        digest: session.digest,
        began_at: session.began_at,
        seen_at: session.seen_at,
    }
}

/// `Firefox, Linux`, as far as a browser names itself.
fn browser(agent: &str, words: &Words) -> String {
    // The more special ones first: each also names those it descends from.
    const BROWSERS: [(&str, &str); 6] = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("CriOS/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    const SYSTEMS: [(&str, &str); 6] = [
        ("Windows", "Windows"),
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ];
    let named = |names: &[(&str, &'static str)]| {
        names
            .iter()
            .find(|(mark, _)| agent.contains(mark))
            .map(|(_, name)| *name)
    };
    match (named(&BROWSERS), named(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser}, {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => words.t("Another program").to_owned(),
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Profile {
    #[serde(default)]
    name: String,
    #[serde(default)]
    language: String,
}

/// Takes name and language.
pub(super) async fn save(
    visit: Visit,
    request: HttpRequest,
    form: web::Form<Profile>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let language = if form.language == "fr" { "fr" } else { "en" };
    let now_ms = state.clock.now_ms();
    let txn = state.db.begin().await.map_err(ApiError::unavailable)?;
    let actor = visit.actor();
    match users::set_profile(&txn, visit.user, &form.name, language, &actor, now_ms).await {
        Ok(()) => {
            txn.commit().await.map_err(ApiError::unavailable)?;
            Ok(see_other("/settings/profile?done=profile"))
        }
        Err(fault @ AccountError::Name) => {
            drop(txn);
            let faults = Faults {
                name: Some(&form.name),
                name_fault: Some(visit.words().t(&fault.to_string()).to_owned()),
                ..Faults::default()
            };
            let nothing = Done {
                done: String::new(),
            };
            shown(&visit, &request, &state, &nothing, &faults).await
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Deserialize)]
pub(super) struct NewPassword {
    #[serde(default)]
    current: String,
    #[serde(default)]
    password: String,
}

/// Takes a new password, when the present one is right; ends the other sessions.
pub(super) async fn change_password(
    visit: Visit,
    request: HttpRequest,
    form: web::Form<NewPassword>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let words = visit.words();
    let user = own(&visit, &state).await?;
    let fault = match confirm(&request, &state, &user, &form.current).await? {
        Confirmed::Yes => match passwords::hash(&form.password).await {
            Ok(hash) => {
                let kept = token_of(request.headers());
                let now_ms = state.clock.now_ms();
                let txn = state.db.begin().await.map_err(ApiError::unavailable)?;
                let actor = visit.actor();
                users::set_password(&txn, user.id, &hash, kept.as_deref(), &actor, now_ms).await?;
                txn.commit().await.map_err(ApiError::unavailable)?;
                return Ok(see_other("/settings/profile?done=password"));
            }
            Err(fault @ AccountError::Password) => words.t(&fault.to_string()).to_owned(),
            Err(error) => return Err(error.into()),
        },
        no => no.in_words(words).to_owned(),
    };
    let faults = Faults {
        password_fault: Some(fault),
        ..Faults::default()
    };
    let nothing = Done {
        done: String::new(),
    };
    shown(&visit, &request, &state, &nothing, &faults).await
}

/// Whether it is the user himself who sits at his browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Confirmed {
    Yes,
    No,
    /// Guessed too often.
    TooOften,
}

impl Confirmed {
    pub(super) fn in_words(self, words: &Words) -> &str {
        match self {
            Self::Yes => "",
            Self::No => words.t("The present password is not right."),
            Self::TooOften => words.t("Too many tries. Wait a quarter of an hour."),
        }
    }
}

/// Asks for the password again, slowed down as a sign-in is; who has none signs in elsewhere, and is believed.
pub(super) async fn confirm(
    request: &HttpRequest,
    state: &State,
    user: &User,
    password: &str,
) -> Result<Confirmed, ApiError> {
    if !user.has_password {
        return Ok(Confirmed::Yes);
    }
    let network = limits::network_of(request, &state.settings.web);
    let now_ms = state.clock.now_ms();
    let tried = sign_in::check(
        &state.db,
        &state.keys,
        &user.email,
        password,
        &network,
        now_ms,
    )
    .await?;
    Ok(match tried {
        SignIn::Right(_) => Confirmed::Yes,
        SignIn::Wrong => Confirmed::No,
        SignIn::TooOften => Confirmed::TooOften,
    })
}

#[derive(Debug, Deserialize)]
pub(super) struct Ended {
    /// Empty: all but this one.
    #[serde(default)]
    session: String,
}

/// Ends a session of one's own, or all others.
pub(super) async fn end_session(
    visit: Visit,
    request: HttpRequest,
    form: web::Form<Ended>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let now_ms = state.clock.now_ms();
    let txn = state.db.begin().await.map_err(ApiError::unavailable)?;
    let path = if form.session.is_empty() {
        let kept = token_of(request.headers());
        sessions::end_others(&txn, visit.user, kept.as_deref())
            .await
            .map_err(ApiError::unavailable)?;
        let actor = visit.actor();
        let id = visit.user.to_string();
        crate::accounts::audit::note(&*txn, &actor, "user.sessions.end", &id, "", now_ms)
            .await
            .map_err(ApiError::unavailable)?;
        "/settings/profile?done=sessions"
    } else {
        sessions::end_one(&txn, visit.user, &form.session, &visit.actor(), now_ms).await?;
        "/settings/profile?done=session"
    };
    txn.commit().await.map_err(ApiError::unavailable)?;
    Ok(see_other(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::public::words::Language;

    #[test]
    fn a_browser_is_named_by_what_it_is() {
        let words = Words::new(Language::English, "EUR", chrono_tz::UTC);
        for (agent, name) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
                "Firefox, Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/130.0 Safari/537.36 Edg/130.0",
                "Edge, Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Mobile Safari/604.1",
                "Safari, iPhone",
            ),
            ("curl/8.0", "Another program"),
            ("", "Another program"),
        ] {
            assert_eq!(browser(agent, &words), name);
        }
    }
}
