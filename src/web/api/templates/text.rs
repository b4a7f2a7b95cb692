//! The text of a template: as its files have it, and as its fields.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::{faults, refused};
use crate::templates::draft::{Draft, Fields, SLOTS};
use crate::templates::library::{Found, LibraryError, start};
use crate::templates::{FileTexts, TemplateError};
use crate::web::{ApiError, State};

/// All that a template says, by language and field.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web::api) struct Content {
    #[serde(default)]
    description: String,
    /// Its own language, ISO 639-1: of those who are written to in none of the others.
    #[schema(example = "fr")]
    language: String,
    /// Of headlines and buttons; empty: the usual one.
    #[serde(default)]
    #[schema(example = "#8a3b12")]
    accent: String,
    /// Of the background; empty: the usual one.
    #[serde(default)]
    #[schema(example = "#f6f1e9")]
    paper: String,
    /// What a click shows interest in, by the address of the link.
    #[serde(default)]
    interests: BTreeMap<String, String>,
    /// By language, its own among them.
    wordings: BTreeMap<String, Wording>,
}

/// What a template says in a language.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web::api) struct Wording {
    /// By field, such as `attention.subject`, `interest.body` or `action.button`.
    #[schema(example = json!({"attention.subject": "Spring is here", "action.button": "To the shop"}))]
    texts: BTreeMap<String, String>,
    /// The list in Desire.
    #[serde(default)]
    points: Vec<String>,
}

impl Content {
    /// Reads the fields out of the files; none where they are no TOML.
    pub(super) fn of(texts: &FileTexts) -> Option<Self> {
        Draft::read(texts).ok().map(|draft| Self {
            description: draft.description,
            language: draft.language,
            accent: draft.accent,
            paper: draft.paper,
            interests: draft.interests,
            wordings: draft
                .wordings
                .into_iter()
                .map(|(language, fields)| {
                    let Fields { texts, points } = fields;
                    (language, Wording { texts, points })
                })
                .collect(),
        })
    }

    /// # Errors
    /// 422 with a field that no template has.
    fn draft(&self) -> Result<Draft, ApiError> {
        for (language, wording) in &self.wordings {
            for key in wording.texts.keys() {
                if SLOTS.iter().all(|slot| slot.key != key) {
                    let key: String = key.chars().take(60).collect();
                    return Err(refused(
                        &format!("content.wordings.{language}.texts.{key}"),
                        "is not a field of templates",
                    ));
                }
            }
        }
        let wordings = self.wordings.iter().map(|(language, wording)| {
            let fields = Fields {
                texts: wording.texts.clone(),
                points: wording.points.clone(),
            };
            (language.clone(), fields)
        });
        Ok(Draft {
            description: self.description.clone(),
            language: self.language.clone(),
            accent: self.accent.clone(),
            paper: self.paper.clone(),
            interests: self.interests.clone(),
            wordings: wordings.collect(),
        })
    }
}

/// A text that is told, in one of both forms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told<'a> {
    pub files: Option<&'a FileTexts>,
    pub content: Option<&'a Content>,
}

impl Told<'_> {
    /// In which field it stands.
    pub fn field(self) -> &'static str {
        match self.content {
            Some(_) => "content",
            None => "files",
        }
    }

    /// The files that the text makes of the template `name`, which is `found` if there is one: its comments stay, and
    /// what is not changed stays to the letter. None: nothing is told.
    ///
    /// # Errors
    /// 422 when both forms are told, or the fields make no files.
    pub fn texts(self, name: &str, found: Option<&Found>) -> Result<Option<FileTexts>, ApiError> {
        let content = match (self.files, self.content) {
            (None, None) => return Ok(None),
            (Some(files), None) => return Ok(Some(files.clone())),
            (None, Some(content)) => content,
            (Some(_), Some(_)) => {
                return Err(refused("content", "stands beside files; send one of them"));
            }
        };
        let draft = content.draft()?;
        let unwritten = |error: TemplateError| faults::template("content", &error);
        let base = match found {
            Some(found) => found.texts.clone(),
            None => start::texts(name, &draft.language).map_err(unwritten)?,
        };
        let own = Draft::read(&base).map_err(unwritten)?.language;
        if draft.language != own {
            return Err(refused(
                "content.language",
                format!("the template’s own language is {own:?}; send files to make it another"),
            ));
        }
        if !draft.wordings.contains_key(&own) {
            return Err(refused(
                "content.wordings",
                format!("{own:?} is missing, its own language"),
            ));
        }
        draft.replace(&base).map(Some).map_err(unwritten)
    }
}

/// The template of this name, where there is one.
///
/// # Errors
/// When the database is away.
pub(super) async fn found(state: &State, name: &str) -> Result<Option<Found>, ApiError> {
    let folder = &state.settings.templates_dir;
    match super::templates::open(&state.db, folder, name).await {
        Ok(found) => Ok(Some(found)),
        Err(LibraryError::Template(TemplateError::NoSuchTemplate { .. })) => Ok(None),
        Err(error) => Err(faults::library("", error)),
    }
}
