//! What the copywriter would say, at the fields it is about.

use serde::Serialize;

use crate::templates::draft::{POINTS, SLOTS};
use crate::templates::model::Part;
use crate::templates::{Finding, Severity};
use crate::web::words::Words;

/// A finding, where it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Remark {
    /// The id of the field.
    pub(super) at: String,
    pub(super) is_error: bool,
    pub(super) message: String,
}

/// Findings with the ids of the fields they stand at: `fr-attention-subject`, `fr-template`.
pub(super) fn remarks(findings: &[Finding], words: &Words) -> Vec<Remark> {
    findings
        .iter()
        .map(|finding| Remark {
            at: place(&finding.language, &finding.key, finding.part),
            is_error: finding.severity == Severity::Error,
            message: words.say(&finding.message),
        })
        .collect()
}

/// Where the remarks about a key stand.
fn place(language: &str, key: &str, part: Option<Part>) -> String {
    if matches!(key, "theme.accent" | "theme.paper" | "description") {
        return id_of(key);
    }
    if key == "interests" || key.is_empty() {
        return "whole".to_owned();
    }
    let is_field = SLOTS.iter().any(|slot| slot.key == key) || key.starts_with(POINTS);
    if is_field {
        return format!("{language}-{}", id_of(key));
    }
    // About a part as a whole, such as `action.box`.
    let first = SLOTS.iter().find(|slot| {
        slot.key.starts_with(&format!("{key}.")) || slot.part.is_some() && slot.part == part
    });
    match first {
        Some(slot) => format!("{language}-{}", id_of(slot.key)),
        None => format!("{language}-whole"),
    }
}

/// The id of a key in the page.
pub(super) fn id_of(key: &str) -> String {
    key.replace(['.', '['], "-").replace(']', "")
}

/// Those that stand at a field.
pub(super) fn at(remarks: &[Remark], id: &str) -> Vec<Remark> {
    let mine = remarks.iter().filter(|remark| remark.at == id);
    mine.cloned().collect()
}
