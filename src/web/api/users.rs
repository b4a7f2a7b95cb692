//! `/api/v1/users`: who works with the console, with what role, and who may not any more.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Caller;
use super::secrets::once_shown;
use super::{answer, body, changing, faults, instant, once, refused, reply};
use crate::accounts::links::{self, Purpose};
use crate::accounts::model::{Role, User, UserId};
use crate::accounts::users::{self, NewUser};
use crate::accounts::{AccountError, audit, sessions, two_factors};
use crate::responses::requests::Failed;
use crate::storage::Txn;
use crate::web::{ApiError, State};

/// Somebody who works here.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(super) struct UserView {
    id: i64,
    #[schema(example = "anne@example.com")]
    email: String,
    #[schema(example = "Anne Petit")]
    name: String,
    /// `administrator`, `marketer`, `approver`, `analyst` or `support`.
    #[schema(example = "marketer")]
    role: String,
    /// ISO 639-1.
    #[schema(example = "fr")]
    language: String,
    /// Shut out: he cannot sign in.
    is_disabled: bool,
    /// Whether a code of his telephone is asked for too.
    has_two_factors: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    signed_in_at: Option<String>,
}

impl From<User> for UserView {
    fn from(one: User) -> Self {
        Self {
            id: one.id.0,
            email: one.email,
            name: one.name,
            role: one.role.to_string(),
            language: one.language,
            is_disabled: one.is_disabled,
            has_two_factors: one.has_totp,
            created_at: instant(one.created_at),
            signed_in_at: one.signed_in_at.map(instant),
        }
    }
}

/// All users.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Users {
    /// By name.
    users: Vec<UserView>,
}

/// Lists the users.
#[utoipa::path(
    get, path = "/api/v1/users", operation_id = "listUsers", tag = "Administration",
    responses((status = 200, description = "All users, by name", body = Users)),
)]
pub(super) async fn list(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let found = users::list(&state.db)
        .await
        .map_err(ApiError::unavailable)?;
    let view = Users {
        users: found.into_iter().map(UserView::from).collect(),
    };
    answer(StatusCode::OK, &view)
}

/// Somebody new.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UserTold {
    #[schema(example = "anne@example.com")]
    email: String,
    #[schema(example = "Anne Petit", min_length = 1, max_length = 100)]
    name: String,
    role: RoleTold,
    /// None: English.
    language: Option<LanguageTold>,
}

/// What somebody is here for.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Role)]
enum RoleTold {
    Administrator,
    Marketer,
    Approver,
    Analyst,
    Support,
}

impl From<RoleTold> for Role {
    fn from(told: RoleTold) -> Self {
        match told {
            RoleTold::Administrator => Self::Administrator,
            RoleTold::Marketer => Self::Marketer,
            RoleTold::Approver => Self::Approver,
            RoleTold::Analyst => Self::Analyst,
            RoleTold::Support => Self::Support,
        }
    }
}

/// The language of his pages.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PageLanguage)]
enum LanguageTold {
    En,
    Fr,
}

/// A user who was added.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UserAdded {
    id: i64,
    /// Where on the console he sets his password: it works once, for three days, and nobody else may have it. It stands
    /// in this answer alone; null in one that is sent again under its Idempotency-Key.
    #[schema(example = "/enter/…")]
    path: Option<String>,
}

/// Adds a user.
///
/// The answer holds the address at which he sets his password; nothing is sent to him.
#[utoipa::path(
    post, path = "/api/v1/users", operation_id = "addUser", tag = "Administration",
    request_body(content = UserTold, example = json!({"email": "anne@example.com", "name": "Anne Petit", "role": "marketer"})),
    responses((status = 201, description = "He is added", body = UserAdded)),
)]
pub(super) async fn add(
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: UserTold = body::read(&request, &bytes)?;
    let language = match told.language {
        Some(LanguageTold::Fr) => "fr",
        Some(LanguageTold::En) | None => "en",
    };
    let now_ms = state.clock.now_ms();
    let actor = caller.actor();
    once_shown(&request, &state, &caller, &bytes, "path", async |txn| {
        let new = NewUser {
            email: &told.email,
            name: &told.name,
            role: told.role.into(),
            language,
        };
        let id = users::add(txn, new, &actor, now_ms).await.map_err(failed)?;
        let path = Some(way_in(txn, id, now_ms).await?);
        Ok(UserAdded { id: id.0, path })
    })
    .await
}

/// Where a user sets his password, once.
async fn way_in(txn: &Txn, user: UserId, now_ms: i64) -> Result<String, Failed<ApiError>> {
    let token = links::make(txn, Purpose::Password, Some(user), now_ms)
        .await
        .map_err(failed)?;
    Ok(format!("/enter/{token}"))
}

fn failed(error: AccountError) -> Failed<ApiError> {
    Failed::Refused(match error {
        AccountError::Database(error) => return error.into(),
        AccountError::Email | AccountError::Taken => refused("email", error.to_string()),
        AccountError::Name => refused("name", error.to_string()),
        AccountError::NoSuchUser => faults::nobody("user"),
        AccountError::LastAdministrator => faults::conflict(error),
        error => ApiError::internal(error),
    })
}

async fn find(state: &State, id: i64) -> Result<User, ApiError> {
    users::find(&state.db, UserId(id))
        .await
        .map_err(ApiError::unavailable)?
        .ok_or_else(|| faults::nobody("user"))
}

/// Shows a user.
#[utoipa::path(
    get, path = "/api/v1/users/{user}", operation_id = "getUser", tag = "Administration",
    params(("user" = i64, Path, description = "His number", example = 3)),
    responses((status = 200, description = "The user", body = UserView)),
)]
pub(super) async fn one(
    id: web::Path<i64>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let user = find(&state, *id).await?;
    answer(StatusCode::OK, &UserView::from(user))
}

/// What is to be changed of a user; what is not named stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UserChange {
    role: Option<RoleTold>,
    /// True shuts him out: his sessions end at once.
    is_disabled: Option<bool>,
}

/// Gives a user another role, shuts him out, or lets him in again.
#[utoipa::path(
    patch, path = "/api/v1/users/{user}", operation_id = "changeUser", tag = "Administration",
    params(("user" = i64, Path, description = "His number", example = 3)),
    request_body(content = UserChange, example = json!({"role": "approver"})),
    responses(
        (status = 200, description = "As he is now", body = UserView),
        (status = 409, description = "He is the only administrator", body = super::problem::Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn change(
    id: web::Path<i64>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: UserChange = body::read(&request, &bytes)?;
    let user = find(&state, *id).await?.id;
    let (actor, now_ms) = (caller.actor(), state.clock.now_ms());
    changing(&state, async |txn| {
        if let Some(role) = told.role {
            users::set_role(txn, user, role.into(), &actor, now_ms)
                .await
                .map_err(failed)?;
        }
        if let Some(is_disabled) = told.is_disabled {
            users::set_disabled(txn, user, is_disabled, &actor, now_ms)
                .await
                .map_err(failed)?;
        }
        Ok(())
    })
    .await?;
    answer(StatusCode::OK, &UserView::from(find(&state, *id).await?))
}

/// A link by which somebody comes in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WayIn {
    /// Where on the console he sets his password: it works once, for three days. It stands in this answer alone; null
    /// in one that is sent again under its Idempotency-Key.
    #[schema(example = "/enter/…")]
    path: Option<String>,
}

/// Makes a link by which a user sets a new password.
///
/// Earlier ones end; nothing is sent to him.
#[utoipa::path(
    post, path = "/api/v1/users/{user}/link", operation_id = "makeUserLink", tag = "Administration",
    params(("user" = i64, Path, description = "His number", example = 3)),
    responses((status = 201, description = "The link", body = WayIn)),
)]
pub(super) async fn link(
    id: web::Path<i64>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    body::nothing(&request, &bytes)?;
    let user = find(&state, *id).await?.id;
    let (actor, now_ms) = (caller.actor(), state.clock.now_ms());
    once_shown(&request, &state, &caller, &bytes, "path", async |txn| {
        let path = Some(way_in(txn, user, now_ms).await?);
        audit::note(&**txn, &actor, "user.link", &user.to_string(), "", now_ms).await?;
        Ok(WayIn { path })
    })
    .await
}

/// Ends all sessions of a user.
///
/// He may sign in again.
#[utoipa::path(
    post, path = "/api/v1/users/{user}/end-sessions", operation_id = "endUserSessions", tag = "Administration",
    params(("user" = i64, Path, description = "His number", example = 3)),
    responses((status = 200, description = "The user, whose sessions have ended", body = UserView)),
)]
pub(super) async fn end_sessions(
    id: web::Path<i64>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    body::nothing(&request, &bytes)?;
    let user = find(&state, *id).await?;
    let (actor, now_ms) = (caller.actor(), state.clock.now_ms());
    once(&request, &state, &caller, &bytes, async |txn| {
        sessions::end_others(txn, user.id, None).await?;
        let subject = user.id.to_string();
        audit::note(&**txn, &actor, "user.sessions.end", &subject, "", now_ms).await?;
        reply(StatusCode::OK, &UserView::from(user.clone())).map_err(Failed::Refused)
    })
    .await
}

/// Turns a user's second factor off, for one who lost his telephone.
#[utoipa::path(
    post, path = "/api/v1/users/{user}/end-two-factors", operation_id = "endUserTwoFactors", tag = "Administration",
    params(("user" = i64, Path, description = "His number", example = 3)),
    responses((status = 200, description = "The user, who signs in by his password alone", body = UserView)),
)]
pub(super) async fn end_two_factors(
    id: web::Path<i64>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    body::nothing(&request, &bytes)?;
    let user = find(&state, *id).await?;
    let (actor, now_ms) = (caller.actor(), state.clock.now_ms());
    once(&request, &state, &caller, &bytes, async |txn| {
        two_factors::turn_off(txn, user.id, &actor, now_ms)
            .await
            .map_err(failed)?;
        let view = UserView {
            has_two_factors: false,
            ..UserView::from(user.clone())
        };
        reply(StatusCode::OK, &view).map_err(Failed::Refused)
    })
    .await
}
