//! The revisions of a template, what differs between two of them, and the way back.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::auth::Caller;
use super::super::{answer, body, faults, instant, once, reply};
use super::library::{SavedTemplate, failed};
use super::open;
use super::text::Content;
use crate::responses::requests::Failed;
use crate::templates::FileTexts;
use crate::templates::difference;
use crate::templates::draft::{Differing, Draft};
use crate::templates::library::{self, Revision};
use crate::web::{ApiError, State};

/// One state of a template.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Revision)]
pub(in crate::web::api) struct RevisionView {
    #[schema(example = 2)]
    revision: i64,
    #[schema(value_type = String, format = DateTime)]
    saved_at: String,
    /// Empty for what came from the folder or with the program.
    saved_by: String,
    note: String,
    /// It is the one that stands.
    is_current: bool,
}

impl RevisionView {
    fn new(one: &Revision, current: i64) -> Self {
        Self {
            revision: one.number,
            saved_at: instant(one.saved_at),
            saved_by: one.saved_by.clone(),
            note: one.note.clone(),
            is_current: one.number == current,
        }
    }
}

/// The revisions of a template.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct Revisions {
    revisions: Vec<RevisionView>,
}

/// Lists the revisions of a template.
///
/// One that is not in the library yet has none.
#[utoipa::path(
    get, path = "/api/v1/templates/{template}/revisions", operation_id = "listTemplateRevisions", tag = "Templates",
    params(("template" = String, Path, description = "Its name", example = "spring-sale")),
    responses((status = 200, description = "The newest first", body = Revisions)),
)]
pub(in crate::web::api) async fn list(
    template: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let current = open(&state, &template).await?.origin.revision();
    let history = library::history(&state.db, &template)
        .await
        .map_err(|error| faults::library("", error))?;
    let revisions = history.iter().map(|one| RevisionView::new(one, current));
    let view = Revisions {
        revisions: revisions.collect(),
    };
    answer(StatusCode::OK, &view)
}

/// A past text of a template.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct RevisionText {
    #[serde(flatten)]
    revision: RevisionView,
    /// Its files by name, as they were written.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    files: FileTexts,
    /// The same, by language and field; null where the files are no TOML.
    content: Option<Content>,
}

/// Shows a revision of a template.
#[utoipa::path(
    get, path = "/api/v1/templates/{template}/revisions/{revision}", operation_id = "getTemplateRevision", tag = "Templates",
    params(
        ("template" = String, Path, description = "Its name", example = "spring-sale"),
        ("revision" = i64, Path, description = "Counted from 1", example = 2),
    ),
    responses((status = 200, description = "As it was", body = RevisionText)),
)]
pub(in crate::web::api) async fn one(
    place: web::Path<(String, i64)>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let (name, number) = place.into_inner();
    let current = open(&state, &name).await?.origin.revision();
    let revision = revision(&state, &name, number).await?;
    let view = RevisionText {
        revision: RevisionView::new(&revision, current),
        content: Content::of(&revision.files),
        files: revision.files,
    };
    answer(StatusCode::OK, &view)
}

async fn revision(state: &State, name: &str, number: i64) -> Result<Revision, ApiError> {
    library::revision(&state.db, name, number)
        .await
        .map_err(|error| faults::library("", error))
}

/// Makes a past revision of a template the newest one.
#[utoipa::path(
    post, path = "/api/v1/templates/{template}/revisions/{revision}/restore", operation_id = "restoreTemplate", tag = "Templates",
    params(
        ("template" = String, Path, description = "Its name", example = "spring-sale"),
        ("revision" = i64, Path, description = "Counted from 1", example = 1),
    ),
    responses((status = 200, description = "The template says what it said then", body = SavedTemplate)),
)]
pub(in crate::web::api) async fn restore(
    place: web::Path<(String, i64)>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    body::nothing(&request, &bytes)?;
    let (name, number) = place.into_inner();
    open(&state, &name).await?;
    let folder = &state.settings.templates_dir;
    let (actor, now_ms) = (caller.actor(), state.clock.now_ms());
    once(&request, &state, &caller, &bytes, async |txn| {
        let saved = library::restore_within(txn, folder, &name, number, &actor, now_ms)
            .await
            .map_err(failed)?;
        let view = SavedTemplate::new(&name, saved);
        reply(StatusCode::OK, &view).map_err(Failed::Refused)
    })
    .await
}

/// Which revisions are compared.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::web::api) struct Compared {
    /// None: the one before `to`.
    #[param(example = 1)]
    from: Option<i64>,
    /// None: the one that stands.
    #[param(example = 2)]
    to: Option<i64>,
}

/// What differs between two revisions.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct Difference {
    from: i64,
    to: i64,
    /// The fields that differ, what all languages have in common first; null where one of both is no TOML.
    fields: Option<Vec<FieldDifference>>,
    /// The files line by line, as `diff -u` writes it; empty: they are the same.
    unified: String,
}

/// A field that differs.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct FieldDifference {
    /// Null for what all languages have in common.
    #[schema(example = "fr")]
    language: Option<String>,
    #[schema(example = "attention.subject")]
    field: String,
    before: String,
    after: String,
}

impl From<Differing> for FieldDifference {
    fn from(one: Differing) -> Self {
        Self {
            language: one.language,
            field: one.key,
            before: one.before,
            after: one.after,
        }
    }
}

/// Compares two revisions of a template.
#[utoipa::path(
    get, path = "/api/v1/templates/{template}/difference", operation_id = "compareTemplateRevisions", tag = "Templates",
    params(("template" = String, Path, description = "Its name", example = "spring-sale"), Compared),
    responses((status = 200, description = "What differs", body = Difference)),
)]
pub(in crate::web::api) async fn compare(
    template: web::Path<String>,
    compared: web::Query<Compared>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let current = open(&state, &template).await?.origin.revision();
    let to = compared.to.unwrap_or(current);
    let from = compared.from.unwrap_or_else(|| to.saturating_sub(1));
    let before = revision(&state, &template, from).await?.files;
    let after = revision(&state, &template, to).await?.files;
    let fields = match (Draft::read(&before), Draft::read(&after)) {
        (Ok(one), Ok(other)) => Some(one.differences(&other)),
        _ => None,
    };
    let view = Difference {
        from,
        to,
        fields: fields.map(|all| all.into_iter().map(FieldDifference::from).collect()),
        unified: difference::unified(&before, &after),
    };
    answer(StatusCode::OK, &view)
}
