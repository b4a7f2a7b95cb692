//! `/api/v1/imports`: uploaded files, how each is to be read, its trial, its import and what became of it.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use utoipa::ToSchema;

use super::auth::Caller;
use super::cursor::{self, Page, Paging};
use super::import_views::{ImportView, KindTold};
use super::{answer, body, changing, faults, once_around, refused, reply};
use crate::customers::import::ImportKind;
use crate::ids::UploadId;
use crate::imports::desk::{self, BeginError};
use crate::imports::model::{Plan, Upload};
use crate::responses::requests::Failed;
use crate::web::console::imports::{parts, told};
use crate::web::public::words::Language;
use crate::web::{ApiError, State};

/// The list, for its cursors.
const LIST: &str = "imports";
/// Columns of a file at most, for which fields are named.
const COLUMNS: usize = 1_000;

pub(super) async fn find(state: &State, id: i64) -> Result<Upload, ApiError> {
    desk::get(&state.db, UploadId(id))
        .await
        .map_err(ApiError::unavailable)?
        .ok_or_else(|| faults::nobody("import"))
}

fn failed(state: &State, error: BeginError) -> Failed<ApiError> {
    Failed::Refused(match error {
        BeginError::Database(error) => return error.into(),
        BeginError::NoSuchUpload => faults::nobody("import"),
        BeginError::File(error) => {
            let words = state.pages.words(Language::English);
            refused("fields", told(&error, words))
        }
        BeginError::Busy | BeginError::BeingRead | BeginError::Imported | BeginError::Gone => {
            faults::conflict(error)
        }
    })
}

/// Lists the uploaded files, the newest first.
#[utoipa::path(
    get, path = "/api/v1/imports", operation_id = "listImports", tag = "Imports",
    params(Paging),
    responses((status = 200, description = "A page of files", body = Page<ImportView>)),
)]
pub(super) async fn list(
    paging: web::Query<Paging>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let limit = paging.limit()?;
    let before = paging.after(&state.keys, LIST)?.map(UploadId);
    let found = desk::newest(&state.db, before, limit + 1)
        .await
        .map_err(ApiError::unavailable)?;
    let page = cursor::page(
        &state.keys,
        LIST,
        found,
        limit,
        |one| one.id,
        |one| ImportView::new(&state, one),
    );
    cursor::answer(&page)
}

/// Shows an uploaded file, how far it has come, and what became of it.
#[utoipa::path(
    get, path = "/api/v1/imports/{import}", operation_id = "getImport", tag = "Imports",
    params(("import" = i64, Path, description = "Its number", example = 7)),
    responses((status = 200, description = "The file", body = ImportView)),
)]
pub(super) async fn one(
    id: web::Path<i64>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let upload = find(&state, *id).await?;
    answer(StatusCode::OK, &ImportView::new(&state, upload))
}

/// How a file is to be read; what is not named stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ImportChange {
    kind: Option<KindTold>,
    /// Our name of what each column holds, in their order, as `preview` shows them; `ignore`: it is not looked at.
    /// Empty: as the header tells.
    #[schema(example = json!(["external_id", "email", "ignore"]), max_items = 1000)]
    fields: Option<Vec<String>>,
    /// Country of telephone numbers without a prefix (ISO 3166-1 alpha-2).
    #[schema(example = "FR", min_length = 2, max_length = 2)]
    region: Option<String>,
    /// Language of new customers whose row names none (ISO 639-1).
    #[schema(example = "fr", min_length = 2, max_length = 2)]
    language: Option<String>,
    /// Country of new customers whose row names none (ISO 3166-1 alpha-2).
    #[schema(example = "FR", min_length = 2, max_length = 2)]
    country: Option<String>,
}

impl ImportChange {
    /// The plan with what is changed.
    ///
    /// # Errors
    /// 422 with the field that cannot be.
    fn of(self, plan: Plan) -> Result<Plan, ApiError> {
        let code = |field: &str, told: Option<String>, known: String| match told {
            None => Ok(known),
            Some(text) if text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic()) => {
                Ok(text)
            }
            Some(_) => Err(refused(field, "is not a code of two letters")),
        };
        let fields = self.fields.unwrap_or(plan.fields);
        if fields.len() > COLUMNS {
            return Err(refused("fields", "names more than 1,000 columns"));
        }
        for (n, field) in fields.iter().enumerate() {
            let place = format!("fields[{n}]");
            body::line(&place, field, 120)?
                .ok_or_else(|| refused(&place, "is empty; write ignore"))?;
        }
        Ok(Plan {
            kind: self.kind.map_or(plan.kind, ImportKind::from),
            fields: fields.iter().map(|field| field.trim().to_owned()).collect(),
            region: code("region", self.region, plan.region)?.to_ascii_uppercase(),
            language: code("language", self.language, plan.language)?.to_ascii_lowercase(),
            country: code("country", self.country, plan.country)?.to_ascii_uppercase(),
        })
    }
}

/// Changes how a file is to be read.
///
/// What a trial by another plan showed is forgotten. Whether the columns suffice, the trial says.
#[utoipa::path(
    patch, path = "/api/v1/imports/{import}", operation_id = "changeImport", tag = "Imports",
    params(("import" = i64, Path, description = "Its number", example = 7)),
    request_body(content = ImportChange, example = json!({"fields": ["external_id", "email", "ignore"], "country": "BE"})),
    responses(
        (status = 200, description = "As it is now", body = ImportView),
        (status = 409, description = "It is being read, or is imported already", body = super::problem::Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn change(
    id: web::Path<i64>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let asked: ImportChange = body::read(&request, &bytes)?;
    let upload = find(&state, *id).await?;
    let plan = asked.of(upload.plan)?;
    let (actor, now_ms) = (caller.actor(), state.clock.now_ms());
    changing(&state, async |txn| {
        desk::set_plan(&state.imports, txn, upload.id, &plan, &actor, now_ms)
            .await
            .map_err(|error| failed(&state, error))
    })
    .await?;
    let upload = find(&state, *id).await?;
    answer(StatusCode::OK, &ImportView::new(&state, upload))
}

/// Tries a file: everything is done and taken back.
///
/// It is read beside whatever else the server does; `GET /api/v1/imports/{import}` shows how far it has come. One file
/// at a time.
#[utoipa::path(
    post, path = "/api/v1/imports/{import}/try", operation_id = "tryImport", tag = "Imports",
    params(("import" = i64, Path, description = "Its number", example = 7)),
    responses((status = 202, description = "It is being read", body = ImportView)),
)]
pub(super) async fn dry_run(
    id: web::Path<i64>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    run(*id, true, &request, &bytes, &caller, &state).await
}

/// Imports a file, whole or not at all; what is wrong with a row rejects that row.
///
/// It is read beside whatever else the server does; `GET /api/v1/imports/{import}` shows how far it has come. One file
/// at a time.
#[utoipa::path(
    post, path = "/api/v1/imports/{import}/begin", operation_id = "beginImport", tag = "Imports",
    params(("import" = i64, Path, description = "Its number", example = 7)),
    responses((status = 202, description = "It is being read", body = ImportView)),
)]
pub(super) async fn begin(
    id: web::Path<i64>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    run(*id, false, &request, &bytes, &caller, &state).await
}

async fn run(
    id: i64,
    is_dry_run: bool,
    request: &HttpRequest,
    bytes: &Bytes,
    caller: &Caller,
    state: &State,
) -> Result<HttpResponse, ApiError> {
    body::nothing(request, bytes)?;
    let upload = find(state, id).await?;
    once_around(request, state, caller, bytes, async || {
        let (plan, actor) = (upload.plan.clone(), caller.actor());
        state
            .imports
            .begin(&parts(state), upload.id, plan, is_dry_run, &actor)
            .await
            .map_err(|error| refusal(state, error))?;
        let upload = find(state, id).await?;
        reply(StatusCode::ACCEPTED, &ImportView::new(state, upload))
    })
    .await
}

fn refusal(state: &State, error: BeginError) -> ApiError {
    match failed(state, error) {
        Failed::Refused(error) => error,
        Failed::Room(error) => error.into(),
        Failed::KeyReused | Failed::Unanswered => ApiError::new(StatusCode::CONFLICT),
    }
}

/// Forgets a file; what it brought into the base stays.
#[utoipa::path(
    delete, path = "/api/v1/imports/{import}", operation_id = "removeImport", tag = "Imports",
    params(("import" = i64, Path, description = "Its number", example = 7)),
    responses(
        (status = 204, description = "It is forgotten"),
        (status = 409, description = "A file is being read; wait until that is done", body = super::problem::Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn remove(
    id: web::Path<i64>,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let upload = find(&state, *id).await?.id;
    desk::remove(&state.imports, &parts(&state), upload, &caller.actor())
        .await
        .map_err(|error| refusal(&state, error))?;
    Ok(HttpResponse::NoContent().finish())
}
