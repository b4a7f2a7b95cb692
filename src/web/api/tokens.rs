//! `/api/v1/tokens`: the programs that may ask, and what each may do.

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Caller;
use super::secrets::once_shown;
use super::{answer, body, changing, faults, instant, refused};
use crate::accounts::AccountError;
use crate::accounts::tokens::{self, ApiToken};
use crate::config::Scope;
use crate::responses::requests::Failed;
use crate::web::{ApiError, State};

/// A token that was made in the console or here.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiToken)]
pub(super) struct ApiTokenView {
    #[schema(example = 3)]
    id: i64,
    #[schema(example = "shop")]
    name: String,
    #[schema(example = json!(["orders:write"]))]
    scopes: Vec<String>,
    /// A user or a token.
    made_by: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    /// Null: it works until it is revoked.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<String>,
    /// To the hour.
    #[schema(value_type = Option<String>, format = DateTime)]
    used_at: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<String>,
}

impl From<ApiToken> for ApiTokenView {
    fn from(one: ApiToken) -> Self {
        Self {
            id: one.id,
            name: one.name,
            scopes: one.scopes.split(' ').map(str::to_owned).collect(),
            made_by: one.made_by,
            created_at: instant(one.created_at),
            expires_at: one.expires_at.map(instant),
            used_at: one.used_at.map(instant),
            revoked_at: one.revoked_at.map(instant),
        }
    }
}

/// All tokens but those of the settings file.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApiTokens {
    /// Those that were not revoked first, the newest first.
    tokens: Vec<ApiTokenView>,
}

/// Lists the tokens.
///
/// Those of the settings file (`[api.tokens]`) are not among them.
#[utoipa::path(
    get, path = "/api/v1/tokens", operation_id = "listTokens", tag = "Administration",
    responses((status = 200, description = "All tokens, also those that were revoked", body = ApiTokens)),
)]
pub(super) async fn list(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let found = tokens::list(&state.db)
        .await
        .map_err(ApiError::unavailable)?;
    let view = ApiTokens {
        tokens: found.into_iter().map(ApiTokenView::from).collect(),
    };
    answer(StatusCode::OK, &view)
}

/// A new token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenTold {
    /// Of the program that is to bear it: letters, digits, spaces, - or _.
    #[schema(example = "shop", min_length = 1, max_length = 60)]
    name: String,
    /// What it may do: of what the token that asks may do itself.
    #[schema(example = json!(["orders:write"]), min_items = 1)]
    scopes: Vec<String>,
    /// None: it works until it is revoked.
    #[schema(value_type = Option<String>, format = DateTime, example = "2027-11-22T00:00:00Z")]
    expires_at: Option<String>,
}

/// A token that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenMade {
    #[schema(example = 3)]
    id: i64,
    #[schema(example = "shop")]
    name: String,
    /// What its bearer shows. It stands in this answer alone; null in one that is sent again under its Idempotency-Key.
    #[schema(example = "vv_…")]
    secret: Option<String>,
}

/// Makes a token.
///
/// It may do no more than the one that asks. Its secret is shown this once.
#[utoipa::path(
    post, path = "/api/v1/tokens", operation_id = "makeToken", tag = "Administration",
    request_body(content = TokenTold, example = json!({"name": "shop", "scopes": ["orders:write"]})),
    responses((status = 201, description = "It works from now on", body = TokenMade)),
)]
pub(super) async fn make(
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: TokenTold = body::read(&request, &bytes)?;
    let scopes = scopes(&told.scopes, &caller)?;
    let now_ms = state.clock.now_ms();
    let expires_at = told.expires_at.as_deref();
    let expires_at = expires_at
        .map(|text| body::any_instant("expires_at", text))
        .transpose()?;
    if expires_at.is_some_and(|at| at <= now_ms) {
        return Err(refused("expires_at", "is past"));
    }
    let actor = caller.actor();
    once_shown(&request, &state, &caller, &bytes, "secret", async |txn| {
        let made = tokens::make(txn, &told.name, &scopes, expires_at, &actor, now_ms)
            .await
            .map_err(failed)?;
        Ok(TokenMade {
            id: made.id,
            name: told.name.trim().to_owned(),
            secret: Some(made.secret),
        })
    })
    .await
}

/// The scopes of a new token, each of them one that the caller has.
fn scopes(words: &[String], caller: &Caller) -> Result<BTreeSet<Scope>, ApiError> {
    let mut scopes = BTreeSet::new();
    for (n, word) in words.iter().enumerate() {
        let field = format!("scopes[{n}]");
        let scope = Scope::read(word)
            .ok_or_else(|| refused(&field, "is no scope; the document of this API names them"))?;
        if !caller.scopes.contains(&scope) {
            return Err(refused(
                &field,
                "is one that the token which asks has not itself",
            ));
        }
        scopes.insert(scope);
    }
    Ok(scopes)
}

fn failed(error: AccountError) -> Failed<ApiError> {
    match error {
        AccountError::TokenName | AccountError::TokenTaken => {
            Failed::Refused(refused("name", error.to_string()))
        }
        AccountError::NoSuchToken => Failed::Refused(faults::nobody("token")),
        AccountError::NoScope => Failed::Refused(refused("scopes", error.to_string())),
        AccountError::Database(error) => error.into(),
        error => Failed::Refused(ApiError::internal(error)),
    }
}

/// Revokes a token; it may be the one that asks.
#[utoipa::path(
    delete, path = "/api/v1/tokens/{token}", operation_id = "revokeToken", tag = "Administration",
    params(("token" = i64, Path, description = "Its number", example = 3)),
    responses((status = 204, description = "Programs that use it are refused from now on")),
)]
pub(super) async fn revoke(
    id: web::Path<i64>,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let now_ms = state.clock.now_ms();
    changing(&state, async |txn| {
        tokens::revoke(txn, *id, &caller.actor(), now_ms)
            .await
            .map_err(failed)
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}
