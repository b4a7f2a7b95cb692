//! `/settings/users`: who works here, with what role; inviting, changing and shutting out.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::profile::{codes_in_words, role_in_words};
use super::{Done, console_url};
use crate::accounts::links::{self, Purpose};
use crate::accounts::model::{Role, User, UserId};
use crate::accounts::users::{self, NewUser};
use crate::accounts::{AccountError, audit, sessions, two_factors};
use crate::web::console::{Visit, path_segment, see_other};
use crate::web::words::Words;
use crate::web::{ApiError, State};

#[derive(Debug, Serialize)]
struct View<'a> {
    title: &'a str,
    section: &'static str,
    tab: &'static str,
    script: &'static str,
    users: Vec<Line<'a>>,
    roles: Vec<RoleView<'a>>,
    /// The form that came back.
    email: &'a str,
    name: &'a str,
    is_french: bool,
    fault: Option<&'a str>,
    /// To be handed on to who was invited.
    link: Option<String>,
    invited: Option<String>,
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    id: i64,
    name: &'a str,
    email: &'a str,
    role: &'a str,
    has_totp: bool,
    /// Has neither password nor ever signed in.
    is_invited: bool,
    is_disabled: bool,
    is_own: bool,
    signed_in_at: Option<i64>,
}

#[derive(Debug, Serialize)]
struct RoleView<'a> {
    word: &'static str,
    title: &'a str,
    about: &'a str,
    is_chosen: bool,
}

fn roles(chosen: Role, words: &Words) -> Vec<RoleView<'_>> {
    Role::ALL
        .into_iter()
        .map(|role| RoleView {
            word: role.as_str(),
            title: role_in_words(role, words),
            about: about(role, words),
            is_chosen: role == chosen,
        })
        .collect()
}

/// What a role may do.
fn about(role: Role, words: &Words) -> &str {
    match role {
        Role::Administrator => words.t("may do everything, and adds users"),
        Role::Marketer => words.t("plans campaigns; launches what another person approved"),
        Role::Approver => words.t("approves and launches campaigns"),
        Role::Analyst => words.t("reads reports; sees no people"),
        Role::Support => words.t("sees customers and does what they ask for"),
    }
}

fn line<'a>(user: &'a User, visit: &'a Visit) -> Line<'a> {
    Line {
        id: user.id.0,
        name: &user.name,
        email: &user.email,
        role: role_in_words(user.role, visit.words()),
        has_totp: user.has_totp,
        is_invited: !user.has_password && user.signed_in_at.is_none(),
        is_disabled: user.is_disabled,
        is_own: user.id == visit.user,
        signed_in_at: user.signed_in_at,
    }
}

/// What is shown beside the list.
#[derive(Debug, Default)]
struct Said<'a> {
    form: Option<&'a Invitation>,
    fault: Option<&'a str>,
    link: Option<String>,
    invited: Option<String>,
}

/// The list.
pub(super) async fn list(visit: Visit, state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    shown(&visit, &state, Said::default()).await
}

async fn shown(visit: &Visit, state: &State, said: Said<'_>) -> Result<HttpResponse, ApiError> {
    let words = visit.words();
    let users = users::list(&state.db)
        .await
        .map_err(ApiError::unavailable)?;
    let chosen = said.form.and_then(|form| Role::from_word(&form.role));
    let view = View {
        title: words.t("Users"),
        section: "settings",
        tab: "users",
        script: super::SCRIPT,
        users: users.iter().map(|user| line(user, visit)).collect(),
        roles: roles(chosen.unwrap_or(Role::Marketer), words),
        email: said.form.map_or("", |form| &form.email),
        name: said.form.map_or("", |form| &form.name),
        is_french: said
            .form
            .map_or(visit.language.code() == "fr", |form| form.language == "fr"),
        fault: said.fault,
        link: said.link,
        invited: said.invited,
    };
    match said.fault {
        None => visit.answer(state, "settings_users", &view),
        Some(_) => visit.refuse(state, "settings_users", &view),
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Invitation {
    #[serde(default)]
    email: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    language: String,
}

/// Adds a user, and shows the link by which he comes in.
pub(super) async fn invite(
    visit: Visit,
    request: HttpRequest,
    form: web::Form<Invitation>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let new = NewUser {
        email: &form.email,
        name: &form.name,
        role: Role::from_word(&form.role).unwrap_or(Role::Analyst),
        language: if form.language == "fr" { "fr" } else { "en" },
    };
    match add(&visit, &state, new).await {
        Ok(token) => {
            let said = Said {
                link: Some(link_of(&request, &state, &token)),
                invited: Some(form.name.trim().to_owned()),
                ..Said::default()
            };
            shown(&visit, &state, said).await
        }
        Err(fault @ (AccountError::Email | AccountError::Name | AccountError::Taken)) => {
            let fault = fault.to_string();
            let said = Said {
                form: Some(&form),
                fault: Some(visit.words().t(&fault)),
                ..Said::default()
            };
            shown(&visit, &state, said).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn add(visit: &Visit, state: &State, new: NewUser<'_>) -> Result<String, AccountError> {
    let now_ms = state.clock.now_ms();
    let txn = state.db.begin().await?;
    let id = users::add(&txn, new, &visit.actor(), now_ms).await?;
    let token = links::make(&txn, Purpose::Password, Some(id), now_ms).await?;
    txn.commit().await?;
    Ok(token)
}

fn link_of(request: &HttpRequest, state: &State, token: &str) -> String {
    format!(
        "{}/enter/{}",
        console_url(request, state),
        path_segment(token)
    )
}

#[derive(Debug, Serialize)]
struct OneView<'a> {
    title: &'a str,
    section: &'static str,
    tab: &'static str,
    script: &'static str,
    done: Option<&'a str>,
    fault: Option<&'a str>,
    link: Option<String>,
    user: Line<'a>,
    roles: Vec<RoleView<'a>>,
    created_at: i64,
    codes_left: String,
}

/// One user.
pub(super) async fn page(
    visit: Visit,
    id: web::Path<i64>,
    done: web::Query<Done>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    one(&visit, &state, UserId(*id), &done, None, None).await
}

async fn one(
    visit: &Visit,
    state: &State,
    id: UserId,
    done: &Done,
    fault: Option<&str>,
    link: Option<String>,
) -> Result<HttpResponse, ApiError> {
    let words = visit.words();
    let user = users::find(&state.db, id)
        .await
        .map_err(ApiError::unavailable)?
        .ok_or(AccountError::NoSuchUser)?;
    let codes_left = two_factors::codes_left(&state.db, id).await?;
    let view = OneView {
        title: &user.name,
        section: "settings",
        tab: "users",
        script: super::SCRIPT,
        done: done.said(words),
        fault,
        link,
        user: line(&user, visit),
        roles: roles(user.role, words),
        created_at: user.created_at,
        codes_left: codes_in_words(codes_left, words),
    };
    match fault {
        None => visit.answer(state, "settings_user", &view),
        Some(_) => visit.refuse(state, "settings_user", &view),
    }
}

/// What is to be done with a user.
#[derive(Debug, Deserialize)]
pub(super) struct Change {
    act: Act,
    #[serde(default)]
    role: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Act {
    Role,
    Disable,
    Enable,
    /// A new link to set a password.
    Link,
    EndSessions,
    EndTwoFactors,
}

/// Changes a user.
pub(super) async fn change(
    visit: Visit,
    request: HttpRequest,
    id: web::Path<i64>,
    form: web::Form<Change>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = UserId(*id);
    let nothing = Done {
        done: String::new(),
    };
    match act(&visit, &state, id, &form).await {
        Ok(Some(token)) => {
            let link = link_of(&request, &state, &token);
            one(&visit, &state, id, &nothing, None, Some(link)).await
        }
        Ok(None) => {
            let word = match form.act {
                Act::Role => "role",
                Act::Disable => "disabled",
                Act::Enable => "enabled",
                Act::EndTwoFactors => "factors-off",
                Act::EndSessions | Act::Link => "session",
            };
            Ok(see_other(&format!("/settings/users/{id}?done={word}")))
        }
        Err(fault @ AccountError::LastAdministrator) => {
            let fault = fault.to_string();
            let fault = visit.words().t(&fault);
            one(&visit, &state, id, &nothing, Some(fault), None).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn act(
    visit: &Visit,
    state: &State,
    id: UserId,
    form: &Change,
) -> Result<Option<String>, AccountError> {
    let now_ms = state.clock.now_ms();
    let actor = visit.actor();
    users::find(&state.db, id)
        .await?
        .ok_or(AccountError::NoSuchUser)?;
    let txn = state.db.begin().await?;
    let mut token = None;
    match form.act {
        Act::Role => {
            let role = Role::from_word(&form.role).ok_or(AccountError::NoSuchUser)?;
            users::set_role(&txn, id, role, &actor, now_ms).await?;
        }
        Act::Disable => users::set_disabled(&txn, id, true, &actor, now_ms).await?,
        Act::Enable => users::set_disabled(&txn, id, false, &actor, now_ms).await?,
        Act::Link => {
            token = Some(links::make(&txn, Purpose::Password, Some(id), now_ms).await?);
            audit::note(&*txn, &actor, "user.link", &id.to_string(), "", now_ms).await?;
        }
        Act::EndSessions => {
            sessions::end_others(&txn, id, None).await?;
            let id = id.to_string();
            audit::note(&*txn, &actor, "user.sessions.end", &id, "", now_ms).await?;
        }
        Act::EndTwoFactors => two_factors::turn_off(&txn, id, &actor, now_ms).await?,
    }
    txn.commit().await?;
    Ok(token)
}
