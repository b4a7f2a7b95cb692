//! `/api/v1/imports`: a file on its way in, its first rows, and the rows that were refused.

use actix_web::http::StatusCode;
use actix_web::web::{self, Payload};
use actix_web::{HttpRequest, HttpResponse};
use data_encoding::HEXLOWER;
use futures_util::StreamExt as _;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Caller;
use super::import_views::{ImportView, KindTold};
use super::imports::find;
use super::{answer, body, faults, once, refused, reply};
use crate::customers::import::{self, PreviewColumn, fields_of};
use crate::imports::desk;
use crate::imports::model::{Plan, file_name};
use crate::imports::shelf::{Incoming, Kept, ShelfError};
use crate::responses::requests::Failed;
use crate::web::console::imports::{shelf, told, usual_plan};
use crate::web::download::csv_file;
use crate::web::public::words::Language;
use crate::web::{ApiError, State};

/// What is not imported.
const NOTHING: &str = "ignore";

/// What a file is.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FileTold {
    /// Its name, for whoever looks at the list.
    #[param(example = "customers.csv", min_length = 1, max_length = 250)]
    name: String,
    /// None: customers.
    #[serde(default)]
    #[param(inline, required = false)]
    kind: KindTold,
}

/// Uploads a file.
///
/// A CSV file as it is, of any delimiter and encoding that spreadsheets write, up to `imports.max_mb` of the settings.
/// Nothing is imported yet: look at `preview`, name the columns, `try` it, then `begin`. It lies on the machine that took
/// it, until it is imported or `imports.keep_days` are over.
#[utoipa::path(
    post, path = "/api/v1/imports", operation_id = "uploadImport", tag = "Imports",
    params(FileTold),
    request_body(content((String = "text/csv"), (String = "application/octet-stream"))),
    responses((status = 201, description = "It lies there", body = ImportView)),
)]
pub(super) async fn upload(
    request: HttpRequest,
    told: web::Query<FileTold>,
    payload: Payload,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let is_file = body::media_type(&request)
        .is_none_or(|essence| essence == "text/csv" || essence == "application/octet-stream");
    if !is_file {
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            .with_detail("The body is the file itself; send Content-Type: text/csv."));
    }
    let name = body::line("name", &told.name, 250)?
        .ok_or_else(|| refused("name", "is missing: how the file is called"))?;
    let name = file_name(name);
    let (kept, digest) = receive(payload, &state).await?;
    let shelf = shelf(&state);
    let looked = (shelf.clone(), kept.clone());
    let unfit = web::block(move || looked.0.unfit(&looked.1))
        .await
        .map_err(ApiError::internal)?;
    if let Some(unfit) = unfit {
        shelf.refuse(&kept);
        return Err(refused("", unfit.to_string()));
    }
    let plan = usual_plan(told.kind.into(), &state);
    let now_ms = state.clock.now_ms();
    let is_of_use = std::cell::Cell::new(false);
    let done = once(&request, &state, &caller, digest.as_bytes(), async |txn| {
        let id = desk::add(txn, &name, &kept, &plan, &caller.actor(), now_ms).await?;
        let upload = desk::get_in(txn, id)
            .await?
            .ok_or_else(|| Failed::Refused(faults::nobody("import")))?;
        is_of_use.set(true);
        reply(StatusCode::CREATED, &ImportView::new(&state, upload)).map_err(Failed::Refused)
    })
    .await;
    // Of a request that was sent again the first file is there already.
    if !is_of_use.get() || done.is_err() {
        shelf.refuse(&kept);
    }
    done
}

/// Keeps a body as it comes in; with the digest of all of it.
async fn receive(payload: Payload, state: &State) -> Result<(Kept, String), ApiError> {
    let max_mb = state.settings.imports.max_mb;
    let incoming = shelf(state).receive(max_mb).await.map_err(unkept)?;
    let mut payload = payload;
    match written(&mut payload, incoming).await {
        Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            // Most programs read the answer only when they have sent all; of one that never ends nobody waits for that.
            let mut left = u64::from(max_mb) * 1_000_000;
            while let Some(Ok(bytes)) = payload.next().await {
                left = left.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                if left == 0 {
                    break;
                }
            }
            Err(error)
        }
        done => done,
    }
}

async fn written(
    payload: &mut Payload,
    mut incoming: Incoming,
) -> Result<(Kept, String), ApiError> {
    let mut context = Context::new(&SHA256);
    while let Some(bytes) = payload.next().await {
        // It broke off: what came is dropped.
        let bytes = bytes.map_err(|_cause| {
            ApiError::new(StatusCode::BAD_REQUEST)
                .with_detail("The file broke off; nothing of it was kept. Send it again.")
        })?;
        context.update(&bytes);
        incoming.write(&bytes).await.map_err(unkept)?;
    }
    let kept = incoming.finish().await.map_err(unkept)?;
    Ok((kept, HEXLOWER.encode(context.finish().as_ref())))
}

fn unkept(error: ShelfError) -> ApiError {
    match error {
        ShelfError::TooLarge { .. } => ApiError::new(StatusCode::PAYLOAD_TOO_LARGE)
            .with_detail(body::sentence(&error.to_string())),
        ShelfError::Write(cause) => ApiError::unavailable(cause),
    }
}

/// The begin of a file, and how it would be read.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ImportPreview {
    columns: Vec<ImportColumn>,
    /// Whether it has rows beyond the header.
    has_rows: bool,
    #[schema(value_type = String, example = "UTF-8")]
    encoding: &'static str,
    #[schema(value_type = String, example = ";")]
    delimiter: char,
    /// Our names of what a column may hold; besides `attribute.NAME`, and `permission.email.TOPIC` or
    /// `permission.sms.TOPIC` for a yes or no.
    #[schema(value_type = Vec<String>)]
    known_fields: Vec<&'static str>,
}

/// A column of a file.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ImportColumn {
    #[schema(example = "Courriel")]
    header: String,
    /// Our name of what it holds, as it would be read now; `ignore`: it is not looked at.
    #[schema(example = "email")]
    field: String,
    /// Our name of what it seems to hold.
    #[schema(example = "email")]
    guess: Option<String>,
    /// What it would be called as an attribute.
    #[schema(example = "attribute.courriel")]
    as_attribute: String,
    /// Its cells in the first rows.
    samples: Vec<String>,
}

impl ImportColumn {
    fn new(n: usize, column: PreviewColumn, plan: &Plan) -> Self {
        let chosen = plan.fields.get(n).cloned();
        let chosen = chosen.or_else(|| column.guess.clone());
        Self {
            header: column.header,
            field: chosen.unwrap_or_else(|| NOTHING.to_owned()),
            guess: column.guess,
            as_attribute: column.as_attribute,
            samples: column.samples,
        }
    }
}

/// Shows the columns of a file and its first rows.
#[utoipa::path(
    get, path = "/api/v1/imports/{import}/preview", operation_id = "previewImport", tag = "Imports",
    params(("import" = i64, Path, description = "Its number", example = 7)),
    responses(
        (status = 200, description = "Its columns", body = ImportPreview),
        (status = 409, description = "The file is not on this machine (any more)", body = super::problem::Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn preview(
    id: web::Path<i64>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let upload = find(&state, *id).await?;
    let shelf = shelf(&state);
    if !shelf.holds(&upload.stored) {
        return Err(faults::conflict(desk::BeginError::Gone));
    }
    let (path, kind) = (shelf.path(&upload.stored), upload.plan.kind);
    let seen = web::block(move || import::preview(&path, kind))
        .await
        .map_err(ApiError::internal)?
        .map_err(|error| {
            let words = state.pages.words(Language::English);
            refused("", told(&error, words))
        })?;
    let columns = seen.columns.into_iter().enumerate();
    let view = ImportPreview {
        columns: columns
            .map(|(n, column)| ImportColumn::new(n, column, &upload.plan))
            .collect(),
        has_rows: seen.has_rows,
        encoding: seen.encoding,
        delimiter: seen.delimiter,
        known_fields: fields_of(kind),
    };
    answer(StatusCode::OK, &view)
}

/// Downloads the rows that the last run refused.
///
/// As a file that can be mended and uploaded: the line and the reason stand behind the columns. Safe for spreadsheets.
#[utoipa::path(
    get, path = "/api/v1/imports/{import}/rejected", operation_id = "getRejectedRows", tag = "Imports",
    params(("import" = i64, Path, description = "Its number", example = 7)),
    responses((status = 200, description = "The rows", body = String, content_type = "text/csv")),
)]
pub(super) async fn rejected(
    id: web::Path<i64>,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let upload = find(&state, *id).await?;
    let has_some = upload.outcome.is_some_and(|outcome| outcome.rejected > 0);
    let none = || {
        ApiError::new(StatusCode::NOT_FOUND)
            .with_detail("There are no rejected rows, or they were removed after their time.")
    };
    if !has_some {
        return Err(none());
    }
    let path = shelf(&state).rejects(&upload.stored);
    let file = tokio::fs::File::open(path).await.map_err(|_cause| none())?;
    let subject = upload.id.to_string();
    super::note(&state, &caller, "import.rejects", &subject, "").await?;
    Ok(csv_file(&format!("rejected-{}", upload.name), file))
}
