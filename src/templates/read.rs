//! Reading templates: from a folder, from the binary, or frozen.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use rust_embed::RustEmbed;
use serde::de::DeserializeOwned;

use super::error::{Place, TemplateError};
use super::tags::nearest;
use super::texts::FileTexts;
use super::wording::{MainFile, Script, Wording};

/// Bytes of a file: a letter has a few thousand.
const MAX_FILE_BYTES: usize = 256 * 1024;

pub(super) const MAIN: &str = "template.toml";

/// The templates that come with the program.
#[derive(RustEmbed)]
#[folder = "campaign-templates/"]
struct Embedded;

/// A file of a template: its name for errors, and its text.
pub(super) struct File {
    path: String,
    text: String,
}

/// The files of a template: the main one, and the translations by language.
pub(super) struct Files {
    main: File,
    translations: BTreeMap<String, File>,
}

impl Files {
    /// Reads `template.toml` and `template.<language>.toml` of a folder.
    pub(super) fn of_folder(folder: &Path) -> Result<Self, TemplateError> {
        let read_error = |path: &Path| {
            let path = path.to_owned();
            move |source| TemplateError::Read { path, source }
        };
        let main = read(&folder.join(MAIN))?;
        let mut translations = BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(read_error(folder))? {
            let path = entry.map_err(read_error(folder))?.path();
            let Some(language) = path
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(translation_language)
            else {
                continue;
            };
            translations.insert(language.to_owned(), read(&path)?);
        }
        Ok(Self { main, translations })
    }

    /// Takes a template out of the binary.
    pub(super) fn embedded(name: &str) -> Result<Self, TemplateError> {
        let mut main = None;
        let mut translations = BTreeMap::new();
        for path in Embedded::iter() {
            let Some(file) = path
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix('/'))
            else {
                continue;
            };
            let Some(data) = Embedded::get(&path) else {
                continue;
            };
            let shown = format!("campaign-templates/{path}");
            let text = decode(Path::new(&shown), data.data.into_owned())?;
            let content = File { path: shown, text };
            if file == MAIN {
                main = Some(content);
            } else if let Some(language) = translation_language(file) {
                translations.insert(language.to_owned(), content);
            }
        }
        match main {
            Some(main) => Ok(Self { main, translations }),
            None => {
                let names = embedded_names();
                let known = match nearest(name, names.iter().map(String::as_str)) {
                    Some(near) => format!("{} (did you mean {near:?}?)", names.join(", ")),
                    None => names.join(", "),
                };
                Err(TemplateError::NoSuchTemplate {
                    name: name.to_owned(),
                    known,
                })
            }
        }
    }

    /// Takes a template from its texts; errors name the files as they are named there.
    pub(super) fn of_texts(texts: &FileTexts) -> Result<Self, TemplateError> {
        let mut main = None;
        let mut translations = BTreeMap::new();
        for (name, text) in texts.iter() {
            let file = File {
                path: name.to_owned(),
                text: decode(Path::new(name), text.as_bytes().to_vec())?,
            };
            if name == MAIN {
                main = Some(file);
            } else if let Some(language) = translation_language(name) {
                translations.insert(language.to_owned(), file);
            } else {
                return Err(written(
                    name,
                    format!(
                        "a template has {MAIN} and template.<language>.toml, and no other file"
                    ),
                ));
            }
        }
        match main {
            Some(main) => Ok(Self { main, translations }),
            None => Err(written(MAIN, "it is missing".to_owned())),
        }
    }

    /// The texts, by the names that the files have in a folder.
    pub(super) fn texts(self) -> FileTexts {
        let mut texts = FileTexts::new(self.main.text);
        for (language, file) in self.translations {
            texts.set_translation(&language, file.text);
        }
        texts
    }

    /// What the files say.
    pub(super) fn script(&self) -> Result<Script, TemplateError> {
        let main: MainFile = parse(&self.main)?;
        let mut wordings = BTreeMap::new();
        let own = Wording {
            attention: main.attention,
            interest: main.interest,
            desire: main.desire,
            action: main.action,
            sms: main.sms,
        };
        wordings.insert(main.language.clone(), own);
        for (language, file) in &self.translations {
            if *language == main.language {
                return Err(written(
                    &file.path,
                    format!(
                        "{MAIN} is in {language:?} already; move this text there, or rename the file"
                    ),
                ));
            }
            wordings.insert(language.clone(), parse(file)?);
        }
        Ok(Script {
            name: main.name,
            description: main.description,
            language: main.language,
            theme: main.theme,
            wordings,
            interests: main.interests,
        })
    }

    /// Where some words of a key stand; `language` is none for what stands in the main file only.
    pub(super) fn locate(&self, language: Option<&str>, key: &str, near: &str) -> Place {
        let file = language
            .and_then(|language| self.translations.get(language))
            .unwrap_or(&self.main);
        Place {
            file: file.path.clone(),
            line: line_of(&file.text, key, near),
            key: key.to_owned(),
        }
    }
}

/// The names of the templates that come with the program.
pub(super) fn embedded_names() -> Vec<String> {
    let mut names: Vec<String> = Embedded::iter()
        .filter_map(|path| {
            path.strip_suffix(MAIN)
                .and_then(|folder| folder.strip_suffix('/'))
                .map(str::to_owned)
        })
        .collect();
    names.sort();
    names
}

/// A complaint about a whole file.
fn written(file: &str, problem: String) -> TemplateError {
    TemplateError::Written {
        place: Place {
            file: file.to_owned(),
            line: None,
            key: String::new(),
        },
        problem,
    }
}

pub(super) fn translation_language(file_name: &str) -> Option<&str> {
    file_name.strip_prefix("template.")?.strip_suffix(".toml")
}

fn read(path: &Path) -> Result<File, TemplateError> {
    let bytes = fs::read(path).map_err(|source| TemplateError::Read {
        path: path.to_owned(),
        source,
    })?;
    Ok(File {
        path: path.display().to_string(),
        text: decode(path, bytes)?,
    })
}

fn decode(path: &Path, bytes: Vec<u8>) -> Result<String, TemplateError> {
    let refuse = |why: String| TemplateError::Read {
        path: path.to_owned(),
        source: io::Error::new(io::ErrorKind::InvalidData, why),
    };
    if bytes.len() > MAX_FILE_BYTES {
        return Err(refuse(format!(
            "{} bytes, and at most {MAX_FILE_BYTES} are read; a letter is shorter",
            bytes.len()
        )));
    }
    let text = String::from_utf8(bytes)
        .map_err(|error| refuse(format!("not UTF-8 ({error}); save the file as UTF-8")))?;
    // Some editors put a byte order mark before the text.
    Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
}

fn parse<T: DeserializeOwned>(file: &File) -> Result<T, TemplateError> {
    let refuse = |key: String, error: &toml::de::Error| TemplateError::Written {
        place: Place {
            file: file.path.clone(),
            line: error.span().map(|span| line_at(&file.text, span.start)),
            key,
        },
        problem: error.message().trim().to_owned(),
    };
    let document =
        toml::Deserializer::parse(&file.text).map_err(|error| refuse(String::new(), &error))?;
    serde_path_to_error::deserialize(document).map_err(|error| {
        let path = error.path().to_string();
        let key = if path == "." { String::new() } else { path };
        refuse(key, error.inner())
    })
}

/// The line of some words within the value of a key, or of the key's value.
fn line_of(text: &str, key: &str, near: &str) -> Option<usize> {
    let root = toml::de::DeTable::parse(text).ok()?;
    let mut span = root.span();
    let mut table = Some(root.get_ref());
    for step in key.split('.') {
        let (name, number) = match step.strip_suffix(']').and_then(|s| s.split_once('[')) {
            Some((name, number)) => (name, number.parse::<usize>().ok()),
            None => (step, None),
        };
        let Some(value) = table.and_then(|table| table.get(name)) else {
            break;
        };
        let value = match number {
            Some(number) => value.get_ref().get(number).unwrap_or(value),
            None => value,
        };
        span = value.span();
        table = value.get_ref().as_table();
    }
    let within = text.get(span.clone()).unwrap_or_default();
    let offset = if near.is_empty() {
        0
    } else {
        within.find(near).unwrap_or(0)
    };
    Some(line_at(text, span.start + offset))
}

/// The line of a byte, counted from 1.
fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}
