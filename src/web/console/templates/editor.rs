//! `/templates/{name}`: the editor.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::form::{Act, Form, base_of};
use super::preview::complaint;
use super::view::{Shown, view};
use super::{facts, labels, refused};
use crate::templates::draft::Draft;
use crate::templates::library::{self, Change, Found, LibraryError};
use crate::templates::{FileTexts, Template, TemplateError};
use crate::web::console::{Visit, see_other};
use crate::web::{ApiError, State};

/// What may be asked of the page.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    language: Option<String>,
    done: Option<String>,
}

/// `GET`
pub(super) async fn page(
    visit: Visit,
    name: web::Path<String>,
    asked: web::Query<Asked>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let found = open(&state, &name).await?;
    let done = match asked.done.as_deref() {
        Some("saved") => "Saved.",
        Some("same") => "Nothing had changed; nothing was saved.",
        Some("restored") => "The old revision is the newest now.",
        Some("created") => "Here it is: say it in your own words.",
        Some("archived") => "Archived: campaigns cannot take it until it is taken back.",
        Some("taken-back") => "Taken back.",
        _ => "",
    };
    // What is no TOML is nothing that a form could show; the files can still be had.
    let draft = Draft::read(&found.texts).map_err(|error| refused(error.into()))?;
    let findings = match Template::from_texts(&found.texts) {
        Ok(template) => template.lint(&facts(&state).await?),
        Err(error) => complaint(&error, &draft),
    };
    let shown = Shown {
        tab: asked.language.clone().unwrap_or_default(),
        done,
        findings,
        base: found.origin.revision(),
        ..Shown::default()
    };
    let view = view(&visit, &state, &found, &draft, shown).await?;
    visit.answer(&state, "template", &view)
}

/// `POST`: saves, or says why not with all that was written.
pub(super) async fn save(
    visit: Visit,
    name: web::Path<String>,
    body: web::Bytes,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let found = open(&state, &name).await?;
    let base = base_texts(&state, &found, base_of(&body)).await?;
    let before = Draft::read(&base).map_err(|error| refused(error.into()))?;
    let mut form = Form::read(&body, before);
    let written = changed(&visit, &mut form, &base);
    let texts = match written {
        Ok(texts) => texts,
        Err(problem) => {
            let shown = Shown {
                findings: match &problem {
                    Problem::Template(error) => complaint(error, &form.draft),
                    Problem::Language(_) => Vec::new(),
                },
                problem: match problem {
                    Problem::Template(error) => error.to_string(),
                    Problem::Language(text) => text,
                },
                ..again(&form)
            };
            let view = view(&visit, &state, &found, &form.draft, shown).await?;
            return visit.refuse(&state, "template", &view);
        }
    };
    let actor = visit.actor();
    let change = Change {
        name: &name,
        texts: &texts,
        base: Some(form.base),
        by: &actor,
        note: &form.note,
    };
    let folder = &state.settings.templates_dir;
    let now_ms = state.clock.now_ms();
    match library::save(&state.db, folder, &change, now_ms).await {
        Ok(saved) => {
            let done = if saved.is_new { "saved" } else { "same" };
            let language = super::super::path_segment(&form.tab);
            Ok(see_other(&format!(
                "/templates/{}?language={language}&done={done}",
                *name
            )))
        }
        Err(LibraryError::Conflict { revision, .. }) => {
            let now = open(&state, &name).await?;
            let theirs = Draft::read(&now.texts).map_err(|error| refused(error.into()))?;
            let ours = Draft::read(&base).map_err(|error| refused(error.into()))?;
            let words = visit.words();
            let mut keys: Vec<String> = ours
                .differences(&theirs)
                .iter()
                .map(|differing| {
                    let field = labels::full(words, &differing.key);
                    match &differing.language {
                        Some(code) => format!("{field} ({})", labels::language(words, code)),
                        None => field,
                    }
                })
                .collect();
            if keys.is_empty() {
                keys.push(words.t("no text").to_owned());
            }
            let template = Template::from_texts(&texts);
            let shown = Shown {
                findings: match template {
                    Ok(template) => template.lint(&facts(&state).await?),
                    Err(_) => Vec::new(),
                },
                conflict: Some(keys),
                base: revision,
                ..again(&form)
            };
            let view = view(&visit, &state, &now, &form.draft, shown).await?;
            visit.refuse(&state, "template", &view)
        }
        Err(LibraryError::Template(error)) => {
            let shown = Shown {
                findings: complaint(&error, &form.draft),
                problem: error.to_string(),
                ..again(&form)
            };
            let view = view(&visit, &state, &found, &form.draft, shown).await?;
            visit.refuse(&state, "template", &view)
        }
        Err(error) => Err(refused(error)),
    }
}

/// Why a form makes no texts.
enum Problem {
    Template(TemplateError),
    Language(String),
}

/// The texts that a form makes of those it was made of.
fn changed(visit: &Visit, form: &mut Form, base: &FileTexts) -> Result<FileTexts, Problem> {
    match form.act.clone() {
        Act::AddLanguage(code) => {
            let is_code = code.len() == 2 && code.bytes().all(|b| b.is_ascii_lowercase());
            if !is_code || form.draft.wordings.contains_key(&code) {
                let words = visit.words();
                return Err(Problem::Language(
                    words
                        .t("Write a language that is not here yet as two letters, such as de.")
                        .to_owned(),
                ));
            }
            let own = form.draft.wordings.get(&form.draft.language).cloned();
            let wording = own.unwrap_or_default();
            form.draft.wordings.insert(code.clone(), wording);
            form.tab = code;
        }
        Act::RemoveLanguage(code) if code != form.draft.language => {
            form.draft.wordings.remove(&code);
            form.tab.clone_from(&form.draft.language);
        }
        Act::RemoveLanguage(_) | Act::Save => {}
    }
    form.draft.replace(base).map_err(Problem::Template)
}

fn again(form: &Form) -> Shown {
    Shown {
        tab: form.tab.clone(),
        base: form.base,
        customer: form.customer.clone(),
        note: form.note.clone(),
        ..Shown::default()
    }
}

async fn open(state: &State, name: &str) -> Result<Found, ApiError> {
    library::open(&state.db, &state.settings.templates_dir, name)
        .await
        .map_err(refused)
}

/// The texts that a form was made of: those that stand, or those of its revision.
pub(super) async fn base_texts(
    state: &State,
    found: &Found,
    base: i64,
) -> Result<FileTexts, ApiError> {
    if base == found.origin.revision() {
        return Ok(found.texts.clone());
    }
    // Revision 1 are the files as they were before the library had them.
    let revision = library::revision(&state.db, &found.name, base.max(1))
        .await
        .map_err(refused)?;
    Ok(revision.files)
}
