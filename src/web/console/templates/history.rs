//! `/templates/{name}/history`: revisions, what changed, and the way back.

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::{labels, refused};
use crate::templates::difference::{self, Piece};
use crate::templates::draft::Draft;
use crate::templates::library::{self, Revision};
use crate::web::console::{Visit, person, see_other};
use crate::web::{ApiError, State};

/// Which revisions are compared; the newest with the one before it where none is said.
#[derive(Debug, Deserialize)]
pub(super) struct Compared {
    from: Option<i64>,
    to: Option<i64>,
}

#[derive(Debug, Serialize)]
struct HistoryView {
    title: String,
    section: &'static str,
    name: String,
    revisions: Vec<RevisionView>,
    from: i64,
    to: i64,
    is_compared: bool,
    /// Why there is no difference to show.
    remark: String,
    changes: Vec<ChangeView>,
    files: Vec<String>,
}

#[derive(Debug, Serialize)]
struct RevisionView {
    number: i64,
    saved_at: i64,
    saved_by: String,
    note: String,
    is_current: bool,
    /// The one before it; 0 for the first.
    before: i64,
    is_shown: bool,
}

/// A field that is not the same.
#[derive(Debug, Serialize)]
struct ChangeView {
    field: String,
    language: String,
    before: Vec<PieceView>,
    after: Vec<PieceView>,
}

#[derive(Debug, Serialize)]
struct PieceView {
    text: String,
    is_changed: bool,
}

/// `GET`
pub(super) async fn page(
    visit: Visit,
    name: web::Path<String>,
    compared: web::Query<Compared>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let folder = &state.settings.templates_dir;
    let found = library::open(&state.db, folder, &name)
        .await
        .map_err(refused)?;
    let history = library::history(&state.db, &name).await.map_err(refused)?;
    let current = found.origin.revision();
    let to = compared.to.unwrap_or(current);
    let from = compared.from.unwrap_or(to - 1);
    let words = visit.words();
    let (mut changes, mut remark) = (Vec::new(), String::new());
    let is_compared = from > 0 && to > 0 && from != to;
    if is_compared {
        let before = revision(&state, &name, from).await?;
        let after = revision(&state, &name, to).await?;
        match (Draft::read(&before.files), Draft::read(&after.files)) {
            (Ok(one), Ok(other)) => {
                changes = one
                    .differences(&other)
                    .into_iter()
                    .map(|differing| {
                        let (before, after) =
                            difference::words(&differing.before, &differing.after);
                        let code = differing.language.as_deref();
                        ChangeView {
                            field: labels::full(words, &differing.key),
                            language: code
                                .map(|code| labels::language(words, code))
                                .unwrap_or_default(),
                            before: pieces(before),
                            after: pieces(after),
                        }
                    })
                    .collect();
                if changes.is_empty() {
                    remark = match before.files == after.files {
                        true => words.t("These two are the same.").to_owned(),
                        false => words
                            .t("No text differs, only how the files are written.")
                            .to_owned(),
                    };
                }
            }
            (Err(error), _) | (_, Err(error)) => remark = error.to_string(),
        }
    }
    let view = HistoryView {
        title: words.fill("History of {name}", &[("name", name.as_str())]),
        section: "templates",
        revisions: history
            .into_iter()
            .map(|revision| RevisionView {
                number: revision.number,
                saved_at: revision.saved_at,
                saved_by: person(&revision.saved_by).to_owned(),
                note: revision.note,
                is_current: revision.number == current,
                before: revision.number - 1,
                is_shown: is_compared && revision.number == to,
            })
            .collect(),
        from,
        to,
        is_compared,
        remark,
        changes,
        files: found
            .texts
            .iter()
            .map(|(file, _)| file.to_owned())
            .collect(),
        name: name.into_inner(),
    };
    visit.answer(&state, "template_history", &view)
}

async fn revision(state: &State, name: &str, number: i64) -> Result<Revision, ApiError> {
    library::revision(&state.db, name, number)
        .await
        .map_err(refused)
}

fn pieces(pieces: Vec<Piece>) -> Vec<PieceView> {
    let view = |piece: Piece| PieceView {
        text: piece.text,
        is_changed: piece.is_changed,
    };
    pieces.into_iter().map(view).collect()
}

/// Which revision comes back.
#[derive(Debug, Deserialize)]
pub(super) struct Restored {
    revision: i64,
}

/// `POST /templates/{name}/restore`
pub(super) async fn restore(
    visit: Visit,
    name: web::Path<String>,
    restored: web::Form<Restored>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let folder = &state.settings.templates_dir;
    let (actor, now_ms) = (visit.actor(), state.clock.now_ms());
    library::restore(&state.db, folder, &name, restored.revision, &actor, now_ms)
        .await
        .map_err(refused)?;
    Ok(see_other(&format!("/templates/{}?done=restored", *name)))
}

/// Whether it is put away or taken back.
#[derive(Debug, Deserialize)]
pub(super) struct Archived {
    #[serde(rename = "do")]
    act: String,
}

/// `POST /templates/{name}/archive`
pub(super) async fn archive(
    visit: Visit,
    name: web::Path<String>,
    form: web::Form<Archived>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let is_archived = form.act != "take-back";
    let folder = &state.settings.templates_dir;
    let (actor, now_ms) = (visit.actor(), state.clock.now_ms());
    library::archive(&state.db, folder, &name, is_archived, &actor, now_ms)
        .await
        .map_err(refused)?;
    let done = if is_archived {
        "archived"
    } else {
        "taken-back"
    };
    Ok(see_other(&format!("/templates/{}?done={done}", *name)))
}

/// `GET /templates/{name}/files/{file}`: the very text of a file.
pub(super) async fn file(
    _visit: Visit,
    path: web::Path<(String, String)>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let (name, file) = path.into_inner();
    let folder = &state.settings.templates_dir;
    let found = library::open(&state.db, folder, &name)
        .await
        .map_err(refused)?;
    let text = found.texts.iter().find(|(known, _)| *known == file);
    let Some((file, text)) = text else {
        return Err(ApiError::new(StatusCode::NOT_FOUND));
    };
    Ok(HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header((
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{file}\""),
        ))
        .body(text.to_owned()))
}
