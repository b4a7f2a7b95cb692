//! A template to begin with: example texts that say what stands where.

use super::super::draft;
use super::super::error::TemplateError;
use super::super::texts::FileTexts;

const ENGLISH: &str = include_str!("start.en.toml");
const FRENCH: &str = include_str!("start.fr.toml");

/// The example in a language; in English words where we speak no other.
///
/// # Errors
/// When the example is no template: a defect of this program.
pub fn texts(name: &str, language: &str) -> Result<FileTexts, TemplateError> {
    let example = match language {
        "fr" => FRENCH,
        _ => ENGLISH,
    };
    draft::begun(&FileTexts::new(example), name, language)
}
