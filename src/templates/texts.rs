//! The very texts of a template's files.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::TemplateError;
use super::read::{Files, MAIN, translation_language};

/// The texts of a template by file name: `template.toml`, and `template.<language>.toml` for each translation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileTexts(BTreeMap<String, String>);

impl FileTexts {
    /// A template of one file.
    pub fn new(main: impl Into<String>) -> Self {
        Self(BTreeMap::from([(MAIN.to_owned(), main.into())]))
    }

    /// Reads the files of a folder, and says nothing of what stands in them.
    ///
    /// # Errors
    /// When there is no `template.toml`, or one of the files cannot be read.
    pub fn of_folder(folder: &Path) -> Result<Self, TemplateError> {
        Ok(Files::of_folder(folder)?.texts())
    }

    /// The files of a template that comes with the program.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn embedded(name: &str) -> Result<Self, TemplateError> {
        Ok(Files::embedded(name)?.texts())
    }

    /// File names and texts, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(file, text)| (file.as_str(), text.as_str()))
    }

    /// The text of `template.toml`; nothing where there is none.
    pub fn main(&self) -> &str {
        self.0.get(MAIN).map_or("", String::as_str)
    }

    /// The languages that have a file of their own, sorted.
    pub fn translations(&self) -> impl Iterator<Item = &str> {
        self.0.keys().filter_map(|file| translation_language(file))
    }

    /// The file of a language that is not the default one.
    pub fn translation(&self, language: &str) -> Option<&str> {
        self.0.get(&file_of(language)).map(String::as_str)
    }

    pub(super) fn set_main(&mut self, text: String) {
        self.0.insert(MAIN.to_owned(), text);
    }

    pub(super) fn set_translation(&mut self, language: &str, text: String) {
        self.0.insert(file_of(language), text);
    }

    /// Takes a translation away; whether there was one.
    pub fn remove_translation(&mut self, language: &str) -> bool {
        self.0.remove(&file_of(language)).is_some()
    }
}

fn file_of(language: &str) -> String {
    format!("template.{language}.toml")
}
