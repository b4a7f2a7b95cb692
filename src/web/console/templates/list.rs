//! `/templates`: the list, and a new one.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::{labels, refused, told};
use crate::campaigns::store::uses;
use crate::templates::library::{self, Entry, LibraryError, Origin};
use crate::web::console::{Visit, person, see_other};
use crate::web::{ApiError, State};

#[derive(Debug, Serialize)]
struct Listing {
    title: String,
    section: &'static str,
    templates: Vec<Card>,
    archived: Vec<Card>,
}

#[derive(Debug, Serialize)]
struct Card {
    name: String,
    description: String,
    languages: Vec<String>,
    origin: String,
    saved_at: Option<i64>,
    saved_by: String,
    uses: usize,
    problem: Option<String>,
}

/// `GET /templates`
pub(super) async fn page(visit: Visit, state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let entries = entries(&state).await?;
    let uses = uses::by_template(&state.db)
        .await
        .map_err(ApiError::unavailable)?;
    let words = visit.words();
    let card = |entry: &Entry| Card {
        description: entry.description.clone(),
        languages: entry
            .languages
            .iter()
            .map(|code| labels::language(words, code))
            .collect(),
        origin: match entry.origin {
            Origin::Library { .. } => String::new(),
            Origin::Folder => words.t("from your folder").to_owned(),
            Origin::Binary => words.t("comes with the program").to_owned(),
        },
        saved_at: entry.saved_at,
        saved_by: person(&entry.saved_by).to_owned(),
        uses: uses.get(&entry.name).map_or(0, Vec::len),
        problem: entry.problem.clone(),
        name: entry.name.clone(),
    };
    let of = |is_archived: bool| {
        let wanted = entries.iter().filter(|e| e.is_archived == is_archived);
        wanted.map(&card).collect()
    };
    let view = Listing {
        title: words.t("Templates").to_owned(),
        section: "templates",
        templates: of(false),
        archived: of(true),
    };
    visit.answer(&state, "templates", &view)
}

async fn entries(state: &State) -> Result<Vec<Entry>, ApiError> {
    library::list(&state.db, &state.settings.templates_dir)
        .await
        .map_err(refused)
}

/// What a new template is made of.
#[derive(Debug, Default, Deserialize)]
pub(super) struct New {
    #[serde(default)]
    name: String,
    /// A template's name; empty for the example texts.
    #[serde(default)]
    from: String,
    /// Of the example texts.
    #[serde(default)]
    language: String,
}

#[derive(Debug, Serialize)]
struct NewView {
    title: String,
    section: &'static str,
    name: String,
    language: String,
    choices: Vec<Choice>,
    problem: String,
}

#[derive(Debug, Serialize)]
struct Choice {
    name: String,
    description: String,
    is_chosen: bool,
}

/// `GET /templates/new`
pub(super) async fn new(
    visit: Visit,
    new: web::Query<New>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let view = new_view(&visit, &state, &new, String::new()).await?;
    visit.answer(&state, "template_new", &view)
}

/// `POST /templates/new`
pub(super) async fn create(
    visit: Visit,
    new: web::Form<New>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    match made(&visit, &state, &new).await {
        Ok(name) => Ok(see_other(&format!("/templates/{name}?done=created"))),
        Err(error @ (LibraryError::Database(_) | LibraryError::Interrupted(_))) => {
            Err(refused(error))
        }
        Err(error) => {
            let view = new_view(&visit, &state, &new, visit.words().say(&told(&error))).await?;
            visit.refuse(&state, "template_new", &view)
        }
    }
}

async fn made(visit: &Visit, state: &State, new: &New) -> Result<String, LibraryError> {
    let name = new.name.trim();
    // It is the address of this very page.
    if name == "new" {
        return Err(LibraryError::Exists(name.to_owned()));
    }
    let folder = &state.settings.templates_dir;
    let texts = match new.from.as_str() {
        "" => {
            let language = match new.language.trim() {
                "" => visit.language.code().to_owned(),
                language => language.to_ascii_lowercase(),
            };
            library::start::texts("start", &language)?
        }
        from => library::open(&state.db, folder, from).await?.texts,
    };
    let now_ms = state.clock.now_ms();
    library::copy(&state.db, folder, &texts, name, &visit.actor(), now_ms).await?;
    Ok(name.to_owned())
}

async fn new_view(
    visit: &Visit,
    state: &State,
    new: &New,
    problem: String,
) -> Result<NewView, ApiError> {
    let choices = entries(state)
        .await?
        .into_iter()
        .filter(|entry| entry.problem.is_none())
        .map(|entry| Choice {
            is_chosen: entry.name == new.from,
            name: entry.name,
            description: entry.description,
        });
    Ok(NewView {
        title: visit.words().t("New template").to_owned(),
        section: "templates",
        name: new.name.clone(),
        language: match new.language.as_str() {
            "" => visit.language.code().to_owned(),
            language => language.to_owned(),
        },
        choices: choices.collect(),
        problem,
    })
}
