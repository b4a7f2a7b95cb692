//! A template to begin with: example texts that say what stands where.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::super::draft;
use super::super::error::TemplateError;
use super::super::texts::FileTexts;
use super::super::wording::{MainFile, Wording};

const ENGLISH: &str = include_str!("start.en.toml");
const FRENCH: &str = include_str!("start.fr.toml");

/// Every text of the examples, as [`folded`].
static TEXTS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let mut texts = BTreeSet::new();
    for example in [ENGLISH, FRENCH] {
        // A test makes templates of them.
        let Ok(file) = toml::from_str::<MainFile>(example) else {
            continue;
        };
        let wording = Wording {
            attention: file.attention,
            interest: file.interest,
            desire: file.desire,
            action: file.action,
            sms: file.sms,
        };
        texts.extend(wording.texts().iter().map(|text| folded(text.text)));
        texts.extend(wording.sms().map(folded));
    }
    texts
});

/// Whether a text is one of the examples, left as it was.
pub(in crate::templates) fn is_example(text: &str) -> bool {
    TEXTS.contains(&folded(text))
}

/// With one blank where any white space is: the editor breaks lines as it likes.
fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

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
