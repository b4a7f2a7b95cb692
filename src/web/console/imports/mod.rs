//! `GET /imports`: the files that came in; `POST /imports`: one more. Behind it a page for each ([`one`]).

mod columns;
mod one;

pub(in crate::web) use one::told;

use actix_multipart::{Field, Multipart};
use actix_web::http::StatusCode;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, guard};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};

use super::{Visit, person, place, see_other};
use crate::accounts::model::Right;
use crate::customers::import::ImportKind;
use crate::ids::UploadId;
use crate::imports::desk::{self, Parts};
use crate::imports::model::{Plan, Standing, Upload, file_name};
use crate::imports::shelf::{Kept, Shelf, ShelfError, Unfit};
use crate::web::words::Words;
use crate::web::{ApiError, State};

/// Files on a page.
const PAGE: i64 = 30;
/// Bytes of a field that is no file.
const WORD: usize = 64;

/// Registers the pages about files.
pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(
            place("/imports", "GET, POST", Right::Import)
                .route(web::get().to(list))
                .route(web::post().guard(guard::fn_guard(is_upload)).to(upload)),
        )
        .service(place("/imports/{id}", "GET", Right::Import).route(web::get().to(one::page)))
        .service(
            place("/imports/{id}/begin", "POST", Right::Import).route(web::post().to(one::begin)),
        )
        .service(
            place("/imports/{id}/rejects.csv", "GET", Right::Import)
                .route(web::get().to(one::rejects)),
        )
        .service(
            place("/imports/{id}/remove", "POST", Right::Import).route(web::post().to(one::remove)),
        );
}

/// Whether a body is a form with files.
fn is_upload(context: &guard::GuardContext<'_>) -> bool {
    let header = context.head().headers().get("content-type");
    header
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("multipart/form-data"))
}

/// How the rows of a file are read if nobody says otherwise.
pub(in crate::web) fn usual_plan(kind: ImportKind, state: &State) -> Plan {
    let usual = &state.settings.customers;
    Plan::new(kind, &usual.country, &usual.language)
}

/// What the imports room needs of us.
pub(in crate::web) fn parts(state: &State) -> Parts {
    Parts {
        db: state.db.clone(),
        keys: state.keys.clone(),
        settings: state.settings.clone(),
        clock: state.clock.clone(),
    }
}

pub(in crate::web) fn shelf(state: &State) -> Shelf {
    Shelf::in_folder(&state.settings.data_dir)
}

/// Which part of the list is asked for, and what was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    before: Option<i64>,
    done: String,
}

#[derive(Debug, Serialize)]
struct ListView {
    title: String,
    section: &'static str,
    done: Option<String>,
    fault: Option<String>,
    max_mb: u32,
    uploads: Vec<Line>,
    is_paged: bool,
    newest: Option<&'static str>,
    older: Option<String>,
}

#[derive(Debug, Serialize)]
struct Line {
    id: i64,
    name: String,
    kind: String,
    state: String,
    is_bad: bool,
    is_counted: bool,
    rows: u64,
    rejected: u64,
    actor: String,
    uploaded_at: i64,
}

/// The list.
pub(super) async fn list(
    visit: Visit,
    asked: web::Query<Asked>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let words = visit.words();
    let mut view = view(&visit, &state, asked.before.map(UploadId)).await?;
    view.done = (asked.done == "removed").then(|| words.t("The file is forgotten.").to_owned());
    visit.answer(&state, "imports", &view)
}

async fn view(
    visit: &Visit,
    state: &State,
    before: Option<UploadId>,
) -> Result<ListView, ApiError> {
    let words = visit.words();
    let mut uploads = desk::newest(&state.db, before, PAGE + 1)
        .await
        .map_err(ApiError::unavailable)?;
    let limit = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let has_older = uploads.len() > limit;
    uploads.truncate(limit);
    let older = uploads
        .last()
        .filter(|_| has_older)
        .map(|last| format!("/imports?before={}", last.id));
    let newest = before.map(|_| "/imports");
    let shelf = shelf(state);
    Ok(ListView {
        title: words.t("Imports").to_owned(),
        section: "imports",
        done: None,
        fault: None,
        max_mb: state.settings.imports.max_mb,
        uploads: uploads
            .into_iter()
            .map(|upload| {
                let standing = state.imports.standing(&shelf, &upload);
                line(upload, standing, words)
            })
            .collect(),
        is_paged: older.is_some() || newest.is_some(),
        newest,
        older,
    })
}

fn line(upload: Upload, standing: Standing, words: &Words) -> Line {
    Line {
        id: upload.id.0,
        kind: words.t(kind_in_words(upload.plan.kind)).to_owned(),
        state: words.t(standing_in_words(standing)).to_owned(),
        is_bad: is_bad(standing),
        is_counted: upload.outcome.is_some(),
        rows: upload.outcome.as_ref().map_or(0, |outcome| outcome.rows),
        rejected: upload
            .outcome
            .as_ref()
            .map_or(0, |outcome| outcome.rejected),
        actor: person(&upload.actor).to_owned(),
        name: upload.name,
        uploaded_at: upload.uploaded_at,
    }
}

fn kind_in_words(kind: ImportKind) -> &'static str {
    match kind {
        ImportKind::Customers => "Customers",
        ImportKind::Orders => "Orders",
    }
}

fn standing_in_words(standing: Standing) -> &'static str {
    match standing {
        Standing::Waiting => "Uploaded",
        Standing::Running => "Running",
        Standing::Interrupted => "Interrupted",
        Standing::Tried => "Tried",
        Standing::Imported => "Imported",
        Standing::Failed => "Failed",
        Standing::Gone => "File gone",
    }
}

fn is_bad(standing: Standing) -> bool {
    matches!(
        standing,
        Standing::Interrupted | Standing::Failed | Standing::Gone
    )
}

/// Why a file was not kept.
enum Refused {
    /// What its sender can mend.
    Fault(String),
    Error(ApiError),
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self::Error(error)
    }
}

/// Takes a file, and leads to its page.
async fn upload(
    visit: Visit,
    body: Multipart,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    match take(&visit, body, &state).await {
        Ok(id) => Ok(see_other(&format!("/imports/{id}"))),
        Err(Refused::Error(error)) => Err(error),
        Err(Refused::Fault(fault)) => {
            let mut view = view(&visit, &state, None).await?;
            view.fault = Some(fault);
            visit.refuse(&state, "imports", &view)
        }
    }
}

async fn take(visit: &Visit, mut body: Multipart, state: &State) -> Result<UploadId, Refused> {
    let words = visit.words();
    let broken = |_| ApiError::new(StatusCode::BAD_REQUEST);
    let shelf = shelf(state);
    let mut kind = ImportKind::Customers;
    let mut kept: Option<(String, Kept)> = None;
    // The fields come in the order of the form, a file may be the first.
    while let Some(field) = body.next().await {
        let field = field.map_err(broken)?;
        let name = field.name().unwrap_or_default().to_owned();
        if name == "kind" {
            if word(field).await? == "orders" {
                kind = ImportKind::Orders;
            }
        } else if name == "file" && kept.is_none() {
            kept = Some(receive(words, field, state, &shelf).await?);
        }
    }
    let nothing = || Refused::Fault(words.t("Choose a file first.").to_owned());
    let (name, kept) = kept.ok_or_else(nothing)?;
    let looked = (shelf.clone(), kept.clone());
    let unfit = web::block(move || looked.0.unfit(&looked.1))
        .await
        .map_err(ApiError::internal)?;
    if let Some(unfit) = unfit {
        shelf.refuse(&kept);
        return Err(match unfit {
            Unfit::Workbook => Refused::Fault(
                words
                    .t("This is a workbook, not a CSV file: save it from your spreadsheet as “CSV UTF-8” and upload that.")
                    .to_owned(),
            ),
            Unfit::Empty if name == file_name("") => nothing(),
            Unfit::Empty => Refused::Fault(words.t("The file is empty.").to_owned()),
        });
    }
    added(visit, state, &name, &kept, &usual_plan(kind, state))
        .await
        .map_err(|error| {
            shelf.refuse(&kept);
            error.into()
        })
}

async fn added(
    visit: &Visit,
    state: &State,
    name: &str,
    kept: &Kept,
    plan: &Plan,
) -> Result<UploadId, ApiError> {
    let txn = state.db.begin().await.map_err(ApiError::unavailable)?;
    let now_ms = state.clock.now_ms();
    let id = desk::add(&txn, name, kept, plan, &visit.actor(), now_ms)
        .await
        .map_err(ApiError::unavailable)?;
    txn.commit().await.map_err(ApiError::unavailable)?;
    Ok(id)
}

/// A field that is no file.
async fn word(mut field: Field) -> Result<String, ApiError> {
    let mut word = Vec::new();
    while let Some(bytes) = field.next().await {
        word.extend(bytes.map_err(|_cause| ApiError::new(StatusCode::BAD_REQUEST))?);
        if word.len() > WORD {
            return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE));
        }
    }
    String::from_utf8(word).map_err(|_cause| ApiError::new(StatusCode::BAD_REQUEST))
}

/// Keeps a file as it comes in, with its name.
async fn receive(
    words: &Words,
    mut field: Field,
    state: &State,
    shelf: &Shelf,
) -> Result<(String, Kept), Refused> {
    let told = |error| match error {
        ShelfError::TooLarge { max_mb } => Refused::Fault(words.fill(
            "The file is larger than {n} MB; split it, or have the limit raised (imports.max_mb).",
            &[("n", words.number(max_mb.into()))],
        )),
        ShelfError::Write(cause) => Refused::Error(ApiError::unavailable(cause)),
    };
    let name = field.content_disposition().and_then(|of| of.get_filename());
    let name = file_name(name.unwrap_or_default());
    let mut incoming = shelf
        .receive(state.settings.imports.max_mb)
        .await
        .map_err(told)?;
    while let Some(bytes) = field.next().await {
        // It broke off: what came is dropped.
        let bytes = bytes.map_err(|_cause| ApiError::new(StatusCode::BAD_REQUEST))?;
        if let Err(error) = incoming.write(&bytes).await {
            // A browser reads the answer only when it has sent all.
            while let Some(Ok(_)) = field.next().await {}
            return Err(told(error));
        }
    }
    Ok((name, incoming.finish().await.map_err(told)?))
}
