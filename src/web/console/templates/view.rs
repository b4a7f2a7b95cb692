//! What the editor shows.

use std::collections::BTreeSet;

use serde::Serialize;

use super::fields::{FieldView, PartView, parts};
use super::labels;
use super::remarks::{Remark, at, id_of, remarks};
use crate::campaigns::store::uses;
use crate::templates::draft::{Draft, Fields};
use crate::templates::library::{Found, Origin};
use crate::templates::{FIELDS, Finding, OFFER_FIELDS};
use crate::web::console::{Visit, person};
use crate::web::words::Words;
use crate::web::{ApiError, State};

#[derive(Debug, Serialize)]
pub(super) struct EditorView {
    title: String,
    section: &'static str,
    script: &'static str,
    name: String,
    revision: i64,
    is_archived: bool,
    /// Where it comes from, if not from here.
    origin: String,
    /// Milliseconds since the epoch.
    saved_at: Option<i64>,
    saved_by: String,
    done: String,
    /// Why it was not saved.
    problem: String,
    /// What another changed meanwhile.
    conflict: Option<Vec<String>>,
    description: FieldView,
    colours: Vec<FieldView>,
    tabs: Vec<Tab>,
    interests: Vec<InterestView>,
    /// About no field.
    remarks: Vec<Remark>,
    errors: usize,
    warnings: usize,
    customer: String,
    note: String,
    fields: Vec<HelpView>,
    uses: Vec<String>,
    /// The language that is looked at.
    language: String,
}

/// One language.
#[derive(Debug, Serialize)]
struct Tab {
    language: String,
    name: String,
    is_open: bool,
    is_default: bool,
    /// About the language as a whole.
    remarks: Vec<Remark>,
    remarks_id: String,
    parts: Vec<PartView>,
}

#[derive(Debug, Serialize)]
struct InterestView {
    number: usize,
    url: String,
    name: String,
}

#[derive(Debug, Serialize)]
struct HelpView {
    name: String,
    about: String,
}

/// What is to be shown beside what is stored.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) tab: String,
    pub(super) done: &'static str,
    pub(super) problem: String,
    pub(super) findings: Vec<Finding>,
    pub(super) conflict: Option<Vec<String>>,
    /// The revision that the next save is to follow.
    pub(super) base: i64,
    pub(super) customer: String,
    pub(super) note: String,
}

/// The page of a draft of `found`.
pub(super) async fn view(
    visit: &Visit,
    state: &State,
    found: &Found,
    draft: &Draft,
    shown: Shown,
) -> Result<EditorView, ApiError> {
    let words = visit.words();
    let remarks = remarks(&shown.findings, words);
    let open = match draft.wordings.contains_key(&shown.tab) {
        true => shown.tab.as_str(),
        false => draft.language.as_str(),
    };
    let empty = Fields::default();
    let tabs: Vec<Tab> = draft
        .languages()
        .into_iter()
        .map(|language| {
            let fields = draft.wordings.get(language).unwrap_or(&empty);
            Tab {
                name: labels::language(words, language),
                is_open: language == open,
                is_default: language == draft.language,
                remarks: at(&remarks, &format!("{language}-whole")),
                remarks_id: format!("{language}-whole"),
                parts: parts(words, language, fields, &remarks),
                language: language.to_owned(),
            }
        })
        .collect();
    let errors = remarks.iter().filter(|remark| remark.is_error).count();
    let common = |key: &'static str, name: &str, value: &str, kind: &'static str| {
        let (label, hint) = labels::field(key);
        FieldView {
            id: id_of(key),
            name: name.to_owned(),
            label: words.t(label).to_owned(),
            hint: words.t(hint).to_owned(),
            value: value.to_owned(),
            kind,
            remarks: at(&remarks, &id_of(key)),
            ..FieldView::default()
        }
    };
    let fields = FIELDS
        .iter()
        .map(|field| (field.name, field.about))
        .chain(OFFER_FIELDS.iter().copied())
        .map(|(name, about)| help(words, name, about))
        .collect();
    let uses = uses::by_template(&state.db)
        .await
        .map_err(ApiError::unavailable)?
        .remove(&found.name)
        .unwrap_or_default();
    Ok(EditorView {
        title: found.name.clone(),
        section: "templates",
        script: "/assets/templates.js",
        name: found.name.clone(),
        revision: shown.base,
        is_archived: found.is_archived,
        origin: match found.origin {
            Origin::Library { .. } => String::new(),
            Origin::Folder => words
                .t("From your folder of templates; saving makes a revision here.")
                .to_owned(),
            Origin::Binary => words
                .t("It comes with the program; saving makes a revision here.")
                .to_owned(),
        },
        saved_at: found.saved_at,
        saved_by: person(&found.saved_by).to_owned(),
        done: words.t(shown.done).to_owned(),
        problem: shown.problem,
        conflict: shown.conflict,
        description: common("description", "description", &draft.description, "text"),
        colours: vec![
            common("theme.accent", "accent", &draft.accent, "color"),
            common("theme.paper", "paper", &draft.paper, "color"),
        ],
        interests: interests(draft),
        remarks: at(&remarks, "whole"),
        warnings: remarks.len() - errors,
        errors,
        customer: shown.customer,
        note: shown.note,
        fields,
        uses,
        language: open.to_owned(),
        tabs,
    })
}

/// A field as it is written: most by their name, some as what is said of them shows.
fn help(words: &Words, name: &str, about: &str) -> HelpView {
    let (about, sample) = match about.find("{{") {
        Some(at) => about.split_at(at),
        None => (about, ""),
    };
    let about = about.trim_end().trim_end_matches(':');
    let about = about
        .trim_end_matches("write")
        .trim_end()
        .trim_end_matches(';');
    HelpView {
        name: match sample {
            "" => format!("{{{{{name}}}}}"),
            sample => sample.to_owned(),
        },
        about: words.t(about).to_owned(),
    }
}

/// The addresses of the template's links that say what a click shows interest in, and those that may.
fn interests(draft: &Draft) -> Vec<InterestView> {
    let mut urls: BTreeSet<String> = draft.interests.keys().cloned().collect();
    let texts = draft.wordings.values().flat_map(|fields| {
        let points = fields.points.iter();
        fields.texts.values().chain(points)
    });
    for text in texts {
        for (at, _) in text.match_indices("http") {
            let rest = text.get(at..).unwrap_or_default();
            let end = rest.find(|c: char| c.is_whitespace() || "\"'<>)]\\".contains(c));
            let url = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            if url.starts_with("https://") || url.starts_with("http://") {
                urls.insert(url.to_owned());
            }
        }
    }
    for fields in draft.wordings.values() {
        // A picture is looked at, not followed.
        let picture = fields.text("attention.image.url").trim();
        if !draft.interests.contains_key(picture) {
            urls.remove(picture);
        }
    }
    urls.into_iter()
        .enumerate()
        .map(|(number, url)| InterestView {
            number,
            name: draft.interests.get(&url).cloned().unwrap_or_default(),
            url,
        })
        .collect()
}
