//! What a sign-up form may say, without I/O.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization;

use crate::config::{FieldSettings, Settings, TopicSettings, in_language};
use crate::customers::normalise::{self, Email, EmailError};
use crate::dialogue::model::AgreedTopic;

/// Characters of a field.
const LONGEST_FIELD: usize = 250;

/// A form as it was filled in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Typed {
    pub email: String,
    /// Names of topics.
    pub topics: Vec<String>,
    /// By name.
    pub fields: BTreeMap<String, String>,
}

/// A form that can be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled {
    pub email: Email,
    /// With their wordings as they were shown.
    pub topics: Vec<AgreedTopic>,
    pub fields: BTreeMap<String, String>,
}

/// Why a form cannot be taken, field by field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `email`, `topics`, or the name of a field.
    pub field: String,
    pub kind: FaultKind,
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    NoEmail,
    MalformedEmail,
    NoTopic,
    UnknownTopic,
    Required,
    /// Too long, or more than one line.
    Unreadable,
    UnknownField,
}

impl FaultKind {
    /// What happened and what to do, for programs.
    pub fn describe(self) -> &'static str {
        match self {
            Self::NoEmail => "There is no email address; give one.",
            Self::MalformedEmail => "This is not an email address; give one like name@example.com.",
            Self::NoTopic => "There is no topic; give at least one that the form offers.",
            Self::UnknownTopic => "The form offers no such topic; give one of [sign_up] topics.",
            Self::Required => "This field is required.",
            Self::Unreadable => "This must be one line of at most 250 characters.",
            Self::UnknownField => "The form has no such field; leave it out.",
        }
    }
}

/// The topics the form offers, in its order.
pub fn offered(settings: &Settings) -> impl Iterator<Item = &TopicSettings> {
    let known = &settings.permission.topics;
    settings
        .sign_up
        .topics
        .iter()
        .filter_map(|name| known.iter().find(|topic| topic.name == *name))
}

/// Reads a form shown in `language`.
///
/// # Errors
/// Everything that is wrong with it, in the order of the form.
pub fn read(settings: &Settings, typed: &Typed, language: &str) -> Result<Filled, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut fault = |field: &str, kind| {
        faults.push(Fault {
            field: field.to_owned(),
            kind,
        });
    };
    let email = normalise::email(&typed.email);
    match &email {
        Ok(_) => {}
        Err(EmailError::Empty) => fault("email", FaultKind::NoEmail),
        Err(_) => fault("email", FaultKind::MalformedEmail),
    }
    let mut fields = BTreeMap::new();
    for field in &settings.sign_up.fields {
        match value(field, typed) {
            Ok(Some(value)) => {
                fields.insert(field.name.clone(), value);
            }
            Ok(None) => {}
            Err(kind) => fault(&field.name, kind),
        }
    }
    let known = &settings.sign_up.fields;
    for name in typed.fields.keys() {
        if !known.iter().any(|field| field.name == *name) {
            fault(name, FaultKind::UnknownField);
        }
    }
    if typed.topics.is_empty() {
        fault("topics", FaultKind::NoTopic);
    } else if !typed
        .topics
        .iter()
        .all(|name| offered(settings).any(|topic| topic.name == *name))
    {
        fault("topics", FaultKind::UnknownTopic);
    }
    let topics = offered(settings)
        .filter(|topic| typed.topics.contains(&topic.name))
        .map(|topic| AgreedTopic {
            name: topic.name.clone(),
            wording: in_language(&topic.wording, language).to_owned(),
        })
        .collect();
    match email {
        Ok(email) if faults.is_empty() => Ok(Filled {
            email,
            topics,
            fields,
        }),
        _ => Err(faults),
    }
}

fn value(field: &FieldSettings, typed: &Typed) -> Result<Option<String>, FaultKind> {
    let text = typed.fields.get(&field.name).map_or("", String::as_str);
    if text.trim().chars().any(char::is_control) || text.len() > 4 * LONGEST_FIELD {
        return Err(FaultKind::Unreadable);
    }
    let words: Vec<String> = text
        .split_whitespace()
        .map(|word| word.nfc().collect())
        .collect();
    let text = words.join(" ");
    if text.chars().count() > LONGEST_FIELD {
        return Err(FaultKind::Unreadable);
    }
    match text.is_empty() {
        true if field.is_required => Err(FaultKind::Required),
        true => Ok(None),
        false => Ok(Some(text)),
    }
}
