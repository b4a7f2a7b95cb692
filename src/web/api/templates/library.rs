//! Templates read and saved.

use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, HeaderValue, IF_MATCH, LOCATION};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::auth::Caller;
use super::super::{answer, body, faults, instant, once, refused, reply, require_match};
use super::open;
use super::text::{Content, Told, found};
use crate::campaigns::store::uses;
use crate::responses::requests::Failed;
use crate::templates::library::{self, Change, Entry, Found, LibraryError, Saved, start};
use crate::templates::{FileTexts, Template};
use crate::web::{ApiError, State};

/// Characters of a note.
const LONGEST_NOTE: usize = 200;

/// Where a template comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::web::api) enum Origin {
    /// It is edited in the console, or saved by the API or the command line.
    Library,
    /// The folder of the settings.
    Folder,
    /// The program itself.
    Binary,
}

impl From<library::Origin> for Origin {
    fn from(one: library::Origin) -> Self {
        match one {
            library::Origin::Library { .. } => Self::Library,
            library::Origin::Folder => Self::Folder,
            library::Origin::Binary => Self::Binary,
        }
    }
}

/// A template of the list.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct ListedTemplate {
    #[schema(example = "super-chef")]
    name: String,
    description: String,
    languages: Vec<String>,
    origin: Origin,
    /// 0 for one that is not in the library yet.
    revision: i64,
    #[schema(value_type = Option<String>, format = DateTime)]
    saved_at: Option<String>,
    saved_by: String,
    /// The campaigns that were planned with it.
    campaigns: Vec<String>,
    /// Why it cannot be read; null where it can.
    fault: Option<String>,
}

/// All templates.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct Templates {
    templates: Vec<ListedTemplate>,
}

/// Which templates are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::web::api) struct Wanted {
    /// Those that were put away, instead of those that campaigns can take.
    #[serde(default)]
    #[param(default = false)]
    archived: bool,
}

/// Lists the templates.
///
/// Those of the library, of the templates folder, and those that come with the program; of two of one name the first.
#[utoipa::path(
    get, path = "/api/v1/templates", operation_id = "listTemplates", tag = "Templates",
    params(Wanted),
    responses((status = 200, description = "All templates, by name", body = Templates)),
)]
pub(in crate::web::api) async fn list(
    wanted: web::Query<Wanted>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let entries = library::list(&state.db, &state.settings.templates_dir)
        .await
        .map_err(|error| faults::library("", error))?;
    let mut uses = uses::by_template(&state.db)
        .await
        .map_err(ApiError::unavailable)?;
    let wanted = entries
        .into_iter()
        .filter(|entry| entry.is_archived == wanted.archived);
    let templates = wanted.map(|entry: Entry| ListedTemplate {
        campaigns: uses.remove(&entry.name).unwrap_or_default(),
        name: entry.name,
        description: entry.description,
        languages: entry.languages,
        origin: entry.origin.into(),
        revision: entry.origin.revision(),
        saved_at: entry.saved_at.map(instant),
        saved_by: entry.saved_by,
        fault: entry.problem,
    });
    let view = Templates {
        templates: templates.collect(),
    };
    answer(StatusCode::OK, &view)
}

/// A template.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Template)]
pub(in crate::web::api) struct TemplateView {
    #[schema(example = "super-chef")]
    name: String,
    description: String,
    /// Its own first.
    languages: Vec<String>,
    origin: Origin,
    /// 0 for one that is not in the library yet; also its ETag.
    revision: i64,
    /// No campaign can take it.
    is_archived: bool,
    #[schema(value_type = Option<String>, format = DateTime)]
    saved_at: Option<String>,
    saved_by: String,
    /// The campaigns that were planned with it.
    campaigns: Vec<String>,
    /// The fields of customers it uses.
    fields: Vec<String>,
    /// Its links, in the order of their numbers.
    links: Vec<LinkView>,
    /// Of all that is written in it: the same digest, the same message. Null where it cannot be read.
    digest: Option<String>,
    /// Why it cannot be read; null where it can.
    fault: Option<String>,
    /// Its files by name, as they are written.
    #[schema(value_type = std::collections::BTreeMap<String, String>, example = json!({"template.toml": "name = \"super-chef\"\n"}))]
    files: FileTexts,
    /// The same, by language and field; null where the files are no TOML.
    content: Option<Content>,
}

/// A link of a template.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Link)]
pub(in crate::web::api) struct LinkView {
    url: String,
    label: String,
}

impl TemplateView {
    fn new(found: Found, campaigns: Vec<String>) -> Self {
        let read = Template::from_texts(&found.texts);
        let content = Content::of(&found.texts);
        let template = read.as_ref().ok();
        Self {
            description: template.map_or_else(String::new, |one| one.description().to_owned()),
            languages: template.map_or_else(Vec::new, |one| one.languages().to_vec()),
            origin: found.origin.into(),
            revision: found.origin.revision(),
            is_archived: found.is_archived,
            saved_at: found.saved_at.map(instant),
            saved_by: found.saved_by,
            campaigns,
            fields: template.map_or_else(Vec::new, |one| one.fields().into_iter().collect()),
            links: template
                .map_or_else(<&[_]>::default, Template::links)
                .iter()
                .map(|link| LinkView {
                    url: link.url.clone(),
                    label: link.label.clone(),
                })
                .collect(),
            digest: template.map(|one| one.digest().to_owned()),
            fault: read.as_ref().err().map(ToString::to_string),
            name: found.name,
            files: found.texts,
            content,
        }
    }
}

fn revision_tag(found: &Found) -> String {
    format!("\"{}\"", found.origin.revision())
}

async fn shown(state: &State, status: StatusCode, name: &str) -> Result<HttpResponse, ApiError> {
    let found = open(state, name).await?;
    let tag = HeaderValue::from_str(&revision_tag(&found)).map_err(ApiError::internal)?;
    let mut uses = uses::by_template(&state.db)
        .await
        .map_err(ApiError::unavailable)?;
    let campaigns = uses.remove(name).unwrap_or_default();
    let mut response = answer(status, &TemplateView::new(found, campaigns))?;
    response.headers_mut().insert(ETAG, tag);
    if status == StatusCode::CREATED {
        place(&mut response, name)?;
    }
    Ok(response)
}

/// Says where a new template is.
fn place(response: &mut HttpResponse, name: &str) -> Result<(), ApiError> {
    let place = HeaderValue::from_str(&format!("/api/v1/templates/{name}"));
    let place = place.map_err(ApiError::internal)?;
    response.headers_mut().insert(LOCATION, place);
    Ok(())
}

/// Shows a template, with all its text.
#[utoipa::path(
    get, path = "/api/v1/templates/{template}", operation_id = "getTemplate", tag = "Templates",
    params(("template" = String, Path, description = "Its name", example = "super-chef")),
    responses((status = 200, description = "The template", body = TemplateView, headers(("ETag" = String, description = "Its revision, for If-Match")))),
)]
pub(in crate::web::api) async fn one(
    template: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    shown(&state, StatusCode::OK, &template).await
}

/// A template that is to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web::api) struct NewTemplate {
    /// Small letters, digits and hyphens.
    #[schema(
        example = "spring-sale",
        min_length = 1,
        max_length = 60,
        pattern = "^[a-z0-9-]+$"
    )]
    name: String,
    /// The template whose texts it begins with; none: texts that say what stands where.
    #[schema(example = "super-chef")]
    from: Option<String>,
    /// Its own language, where it begins with such texts; none: `en`.
    #[schema(example = "fr")]
    language: Option<String>,
}

/// What became of a template.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct SavedTemplate {
    #[schema(example = "spring-sale")]
    name: String,
    /// The one that stands now.
    revision: i64,
    /// It is a new one; the same texts make none.
    is_new: bool,
}

impl SavedTemplate {
    pub(super) fn new(name: &str, saved: Saved) -> Self {
        Self {
            name: name.to_owned(),
            revision: saved.revision,
            is_new: saved.is_new,
        }
    }
}

/// What the work of a request could not do; a database that was in the way is asked again.
pub(super) fn failed(error: LibraryError) -> Failed<ApiError> {
    match error {
        LibraryError::Database(error) => error.into(),
        error => Failed::Refused(faults::library("", error)),
    }
}

/// Refuses the name under which the console makes new ones.
fn ensure_free(name: &str) -> Result<(), ApiError> {
    if name == "new" {
        return Err(refused(
            "name",
            "is an address of the console; take another",
        ));
    }
    Ok(())
}

/// Makes a template: a copy of another, or one with example texts.
///
/// `PUT /api/v1/templates/{template}` makes one of a text of your own.
#[utoipa::path(
    post, path = "/api/v1/templates", operation_id = "addTemplate", tag = "Templates",
    request_body(content = NewTemplate, example = json!({"name": "spring-sale", "from": "super-chef"})),
    responses((status = 201, description = "It is made", body = SavedTemplate)),
)]
pub(in crate::web::api) async fn create(
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: NewTemplate = body::read(&request, &bytes)?;
    ensure_free(&told.name)?;
    let folder = &state.settings.templates_dir;
    let texts = match (&told.from, &told.language) {
        (Some(_), Some(_)) => {
            return Err(refused(
                "language",
                "is that of the template it is made from",
            ));
        }
        (Some(from), None) => {
            library::open(&state.db, folder, from)
                .await
                .map_err(|error| faults::named("from", error))?
                .texts
        }
        (None, language) => start::texts("start", language.as_deref().unwrap_or("en"))
            .map_err(|error| faults::template("language", &error))?,
    };
    let (actor, now_ms) = (caller.actor(), state.clock.now_ms());
    let mut response = once(&request, &state, &caller, &bytes, async |txn| {
        let made = library::copy_within(txn, folder, &texts, &told.name, &actor, now_ms);
        let made = made.await.map_err(|error| match error {
            LibraryError::Template(error) => {
                let field = if told.from.is_some() {
                    "from"
                } else {
                    "language"
                };
                Failed::Refused(faults::template(field, &error))
            }
            error => failed(error),
        })?;
        let view = SavedTemplate::new(&told.name, made);
        reply(StatusCode::CREATED, &view).map_err(Failed::Refused)
    })
    .await?;
    place(&mut response, &told.name)?;
    Ok(response)
}

/// The text of a template, in one of both forms.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web::api) struct TemplateText {
    /// `template.toml`, and `template.LANGUAGE.toml` for each translation.
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    files: Option<FileTexts>,
    /// By language and field, instead of files.
    content: Option<Content>,
    /// Why it was changed, for the list of revisions.
    #[schema(example = "a shorter subject", max_length = 200)]
    note: Option<String>,
}

/// Saves the text of a template, or makes a new one of it.
///
/// Each time the next revision; what the copywriter would say (`check`) is no reason to refuse. One of the folder or
/// of the program moves into the library. An archived one is taken back.
#[utoipa::path(
    put, path = "/api/v1/templates/{template}", operation_id = "putTemplate", tag = "Templates",
    params(
        ("template" = String, Path, description = "Its name", example = "spring-sale"),
        ("If-Match" = Option<String>, Header, description = "The revision it was read with"),
    ),
    request_body(content = TemplateText, example = json!({
        "content": {
            "description": "For those who cook", "language": "en", "wordings": {"en": {
                "texts": {
                    "attention.subject": "Spring is here", "attention.headline": "Spring is here",
                    "interest.body": "Your kitchen has waited for it.", "desire.body": "Fresh, and from near by.",
                    "action.body": "Come and see.", "action.button": "To the shop", "action.link": "https://shop.example/",
                },
                "points": ["picked in the morning", "yours by noon"],
            }},
        },
        "note": "the first words",
    })),
    responses(
        (status = 200, description = "It was there", body = TemplateView, headers(("ETag" = String, description = "Its revision, for If-Match"))),
        (status = 201, description = "It is new", body = TemplateView),
        (status = 409, description = "Somebody else was faster", body = super::super::problem::Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::web::api) async fn put(
    template: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: TemplateText = body::read(&request, &bytes)?;
    ensure_free(&template)?;
    let note = body::line(
        "note",
        told.note.as_deref().unwrap_or_default(),
        LONGEST_NOTE,
    )?;
    let before = found(&state, &template).await?;
    let tag = before.as_ref().map(revision_tag);
    require_match(&request, tag.as_deref())?;
    let is_conditional = request.headers().contains_key(IF_MATCH);
    let text = Told {
        files: told.files.as_ref(),
        content: told.content.as_ref(),
    };
    let texts = text
        .texts(&template, before.as_ref())?
        .ok_or_else(|| refused("files", "are missing; send them, or the content"))?;
    let actor = caller.actor();
    // Fields were written onto what stood: they may not undo what somebody saved meanwhile.
    let is_bound = is_conditional || told.content.is_some();
    let revision = before.as_ref().map_or(0, |found| found.origin.revision());
    let change = Change {
        name: &template,
        texts: &texts,
        base: is_bound.then_some(revision),
        by: &actor,
        note: note.unwrap_or_default(),
    };
    let folder = &state.settings.templates_dir;
    library::save(&state.db, folder, &change, state.clock.now_ms())
        .await
        .map_err(|error| match error {
            LibraryError::Conflict { .. } if is_conditional => {
                ApiError::new(StatusCode::PRECONDITION_FAILED)
            }
            error => faults::library(text.field(), error),
        })?;
    let status = match before {
        Some(_) => StatusCode::OK,
        None => StatusCode::CREATED,
    };
    shown(&state, status, &template).await
}

/// A template that was put away or taken back.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct PutAway {
    #[schema(example = "spring-sale")]
    name: String,
    is_archived: bool,
}

/// Puts a template away.
///
/// No campaign can take it any more; those that were planned with it keep their text.
#[utoipa::path(
    post, path = "/api/v1/templates/{template}/archive", operation_id = "archiveTemplate", tag = "Templates",
    params(("template" = String, Path, description = "Its name", example = "spring-sale")),
    responses((status = 200, description = "It is put away", body = PutAway)),
)]
pub(in crate::web::api) async fn archive(
    template: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    put_away(&template, true, &request, &bytes, &caller, &state).await
}

/// Takes a template back that was put away.
#[utoipa::path(
    post, path = "/api/v1/templates/{template}/take-back", operation_id = "takeBackTemplate", tag = "Templates",
    params(("template" = String, Path, description = "Its name", example = "spring-sale")),
    responses((status = 200, description = "Campaigns can take it again", body = PutAway)),
)]
pub(in crate::web::api) async fn take_back(
    template: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    put_away(&template, false, &request, &bytes, &caller, &state).await
}

async fn put_away(
    name: &str,
    is_archived: bool,
    request: &HttpRequest,
    bytes: &Bytes,
    caller: &Caller,
    state: &State,
) -> Result<HttpResponse, ApiError> {
    body::nothing(request, bytes)?;
    let folder = &state.settings.templates_dir;
    let (actor, now_ms) = (caller.actor(), state.clock.now_ms());
    once(request, state, caller, bytes, async |txn| {
        library::archive_within(txn, folder, name, is_archived, &actor, now_ms)
            .await
            .map_err(failed)?;
        let view = PutAway {
            name: name.to_owned(),
            is_archived,
        };
        reply(StatusCode::OK, &view).map_err(Failed::Refused)
    })
    .await
}
