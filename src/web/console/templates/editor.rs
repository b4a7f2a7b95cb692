//! `/templates/{name}`: the editor.

use std::collections::BTreeSet;

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::form::{Act, Form, base_of};
use super::preview::complaint;
use super::{facts, labels, refused};
use crate::campaigns::store::uses;
use crate::templates::draft::{Draft, Fields, Kind, POINTS, SLOTS, Slot};
use crate::templates::library::{self, Change, Found, LibraryError, Origin};
use crate::templates::model::Part;
use crate::templates::{
    FIELDS, FileTexts, Finding, OFFER_FIELDS, Severity, Template, TemplateError,
};
use crate::web::console::{Visit, see_other};
use crate::web::words::Words;
use crate::web::{ApiError, State};

/// Empty points to write into, where no script adds them.
const SPARE_POINTS: usize = 2;

/// What may be asked of the page.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    language: Option<String>,
    done: Option<String>,
}

#[derive(Debug, Serialize)]
struct EditorView {
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
struct PartView {
    letter: &'static str,
    name: String,
    purpose: String,
    /// `attention`; `sms` for the text message.
    key: &'static str,
    groups: Vec<Group>,
}

/// Fields that belong together; one with a title can be folded.
#[derive(Debug, Serialize)]
struct Group {
    title: String,
    is_open: bool,
    fields: Vec<FieldView>,
}

#[derive(Debug, Default, Serialize)]
struct FieldView {
    /// In the page; the name is its name in the form.
    id: String,
    name: String,
    label: String,
    hint: String,
    value: String,
    /// `text`, `url`, `color`, `area` or `points`.
    kind: &'static str,
    rows: usize,
    points: Vec<Point>,
    remarks: Vec<Remark>,
    has_error: bool,
}

#[derive(Debug, Serialize)]
struct Point {
    id: String,
    label: String,
    value: String,
    remarks: Vec<Remark>,
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

/// A finding, where it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Remark {
    /// The id of the field.
    pub(super) at: String,
    pub(super) is_error: bool,
    pub(super) message: String,
}

/// What is to be shown beside what is stored.
#[derive(Debug, Default)]
struct Shown {
    tab: String,
    done: &'static str,
    problem: String,
    findings: Vec<Finding>,
    conflict: Option<Vec<String>>,
    /// The revision that the next save is to follow.
    base: i64,
    customer: String,
    note: String,
}

/// `GET`
pub(super) async fn page(
    visit: Visit,
    name: web::Path<String>,
    asked: web::Query<Asked>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let found = open(&state, &name).await?;
    let done = match asked.done.as_deref() {
        Some("saved") => "Saved.",
        Some("same") => "Nothing had changed; nothing was saved.",
        Some("restored") => "The old revision is the newest now.",
        Some("created") => "Here it is: say it in your own words.",
        Some("archived") => "Archived: campaigns cannot take it until it is taken back.",
        Some("taken-back") => "Taken back.",
        _ => "",
    };
    let (draft, findings, problem) = match Draft::read(&found.texts) {
        Ok(draft) => match Template::from_texts(&found.texts) {
            Ok(template) => (draft, template.lint(&facts(&state).await?), String::new()),
            Err(error) => (draft.clone(), complaint(&error, &draft), error.to_string()),
        },
        // Nothing that a form could show; the files can still be had.
        Err(error) => return Err(refused(error.into())),
    };
    let shown = Shown {
        tab: asked.language.clone().unwrap_or_default(),
        done,
        problem,
        findings,
        base: found.origin.revision(),
        ..Shown::default()
    };
    let view = view(&visit, &state, &found, &draft, shown).await?;
    visit.answer(&state, "template", &view)
}

/// `POST`: saves, or says why not with all that was written.
pub(super) async fn save(
    visit: Visit,
    name: web::Path<String>,
    body: web::Bytes,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let found = open(&state, &name).await?;
    let base = base_texts(&state, &found, base_of(&body)).await?;
    let before = Draft::read(&base).map_err(|error| refused(error.into()))?;
    let mut form = Form::read(&body, before);
    let written = changed(&visit, &mut form, &base);
    let texts = match written {
        Ok(texts) => texts,
        Err(problem) => {
            let shown = Shown {
                findings: match &problem {
                    Problem::Template(error) => complaint(error, &form.draft),
                    Problem::Language(_) => Vec::new(),
                },
                problem: match problem {
                    Problem::Template(error) => error.to_string(),
                    Problem::Language(text) => text,
                },
                ..again(&form)
            };
            let view = view(&visit, &state, &found, &form.draft, shown).await?;
            return visit.refuse(&state, "template", &view);
        }
    };
    let actor = visit.actor();
    let change = Change {
        name: &name,
        texts: &texts,
        base: Some(form.base),
        by: &actor,
        note: &form.note,
    };
    let folder = &state.settings.templates_dir;
    let now_ms = state.clock.now_ms();
    match library::save(&state.db, folder, &change, now_ms).await {
        Ok(saved) => {
            let done = if saved.is_new { "saved" } else { "same" };
            let language = super::super::path_segment(&form.tab);
            Ok(see_other(&format!(
                "/templates/{}?language={language}&done={done}",
                *name
            )))
        }
        Err(LibraryError::Conflict { revision, .. }) => {
            let now = open(&state, &name).await?;
            let theirs = Draft::read(&now.texts).map_err(|error| refused(error.into()))?;
            let ours = Draft::read(&base).map_err(|error| refused(error.into()))?;
            let words = visit.words();
            let keys: Vec<String> = ours
                .differences(&theirs)
                .iter()
                .map(|differing| {
                    let field = labels::full(words, &differing.key);
                    match &differing.language {
                        Some(code) => format!("{field} ({})", labels::language(words, code)),
                        None => field,
                    }
                })
                .collect();
            let template = Template::from_texts(&texts);
            let shown = Shown {
                findings: match template {
                    Ok(template) => template.lint(&facts(&state).await?),
                    Err(_) => Vec::new(),
                },
                conflict: Some(keys),
                base: revision,
                ..again(&form)
            };
            let view = view(&visit, &state, &now, &form.draft, shown).await?;
            visit.refuse(&state, "template", &view)
        }
        Err(LibraryError::Template(error)) => {
            let shown = Shown {
                findings: complaint(&error, &form.draft),
                problem: error.to_string(),
                ..again(&form)
            };
            let view = view(&visit, &state, &found, &form.draft, shown).await?;
            visit.refuse(&state, "template", &view)
        }
        Err(error) => Err(refused(error)),
    }
}

/// Why a form makes no texts.
enum Problem {
    Template(TemplateError),
    Language(String),
}

/// The texts that a form makes of those it was made of.
fn changed(visit: &Visit, form: &mut Form, base: &FileTexts) -> Result<FileTexts, Problem> {
    match form.act.clone() {
        Act::AddLanguage(code) => {
            let is_code = code.len() == 2 && code.bytes().all(|b| b.is_ascii_lowercase());
            if !is_code || form.draft.wordings.contains_key(&code) {
                let words = visit.words();
                return Err(Problem::Language(
                    words
                        .t("Write a language that is not here yet as two letters, such as de.")
                        .to_owned(),
                ));
            }
            let own = form.draft.wordings.get(&form.draft.language).cloned();
            let wording = own.unwrap_or_default();
            form.draft.wordings.insert(code.clone(), wording);
            form.tab = code;
        }
        Act::RemoveLanguage(code) if code != form.draft.language => {
            form.draft.wordings.remove(&code);
            form.tab.clone_from(&form.draft.language);
        }
        Act::RemoveLanguage(_) | Act::Save => {}
    }
    let mut texts = form.draft.write(base).map_err(Problem::Template)?;
    let gone: Vec<String> = texts
        .translations()
        .filter(|language| !form.draft.wordings.contains_key(*language))
        .map(str::to_owned)
        .collect();
    for language in gone {
        texts.remove_translation(&language);
    }
    Ok(texts)
}

fn again(form: &Form) -> Shown {
    Shown {
        tab: form.tab.clone(),
        base: form.base,
        customer: form.customer.clone(),
        note: form.note.clone(),
        ..Shown::default()
    }
}

async fn open(state: &State, name: &str) -> Result<Found, ApiError> {
    library::open(&state.db, &state.settings.templates_dir, name)
        .await
        .map_err(refused)
}

/// The texts that a form was made of: those that stand, or those of its revision.
pub(super) async fn base_texts(
    state: &State,
    found: &Found,
    base: i64,
) -> Result<FileTexts, ApiError> {
    if base == found.origin.revision() {
        return Ok(found.texts.clone());
    }
    // Revision 1 are the files as they were before the library had them.
    let revision = library::revision(&state.db, &found.name, base.max(1))
        .await
        .map_err(refused)?;
    Ok(revision.files)
}

/// Findings with the ids of the fields they stand at: `fr-attention-subject`, `fr-template`.
pub(super) fn remarks(findings: &[Finding]) -> Vec<Remark> {
    findings
        .iter()
        .map(|finding| Remark {
            at: place(&finding.language, &finding.key, finding.part),
            is_error: finding.severity == Severity::Error,
            message: finding.message.clone(),
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

fn id_of(key: &str) -> String {
    key.replace(['.', '['], "-").replace(']', "")
}

async fn view(
    visit: &Visit,
    state: &State,
    found: &Found,
    draft: &Draft,
    shown: Shown,
) -> Result<EditorView, ApiError> {
    let words = visit.words();
    let remarks = remarks(&shown.findings);
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
        saved_by: found.saved_by.clone(),
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

fn at(remarks: &[Remark], id: &str) -> Vec<Remark> {
    let mine = remarks.iter().filter(|remark| remark.at == id);
    mine.cloned().collect()
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

fn parts(words: &Words, language: &str, fields: &Fields, remarks: &[Remark]) -> Vec<PartView> {
    let all = Part::ALL.into_iter().map(Some).chain([None]);
    all.map(|part| {
        let (letter, name, purpose) = labels::part(part);
        let mut groups: Vec<Group> = Vec::new();
        for slot in SLOTS.iter().filter(|slot| slot.part == part) {
            let title = if slot.key.starts_with("attention.image.") {
                words.t("A picture")
            } else if slot.key.starts_with("action.box.") {
                words.t("A box set apart")
            } else {
                ""
            };
            if groups.last().is_none_or(|group| group.title != title) {
                groups.push(Group {
                    title: title.to_owned(),
                    is_open: title.is_empty(),
                    fields: Vec::new(),
                });
            }
            let Some(group) = groups.last_mut() else {
                continue;
            };
            // The points stand between the text and the quotation.
            if slot.key == "desire.quote" {
                group.fields.push(points(words, language, fields, remarks));
            }
            let field = field(words, language, *slot, fields, remarks);
            group.is_open |= !field.value.trim().is_empty() || !field.remarks.is_empty();
            group.fields.push(field);
        }
        PartView {
            letter,
            name: words.t(name).to_owned(),
            purpose: words.t(purpose).to_owned(),
            key: part.map_or("sms", Part::as_str),
            groups,
        }
    })
    .collect()
}

fn field(
    words: &Words,
    language: &str,
    slot: Slot,
    fields: &Fields,
    remarks: &[Remark],
) -> FieldView {
    let (label, hint) = labels::field(slot.key);
    let value = fields.text(slot.key).trim().to_owned();
    let id = format!("{language}-{}", id_of(slot.key));
    let remarks = at(remarks, &id);
    FieldView {
        name: format!("text.{language}.{}", slot.key),
        label: words.t(label).to_owned(),
        hint: words.fill(hint, &[("link", "{{link}}")]),
        kind: match slot.kind {
            Kind::Line => "text",
            Kind::Address => "url",
            Kind::Markdown | Kind::Plain => "area",
        },
        rows: rows(&value),
        has_error: remarks.iter().any(|remark| remark.is_error),
        value,
        points: Vec::new(),
        remarks,
        id,
    }
}

fn points(words: &Words, language: &str, fields: &Fields, remarks: &[Remark]) -> FieldView {
    let (label, hint) = labels::field(POINTS);
    let id = format!("{language}-{}", id_of(POINTS));
    let spare = std::iter::repeat_n(String::new(), SPARE_POINTS);
    let points = fields.points.iter().cloned().chain(spare);
    FieldView {
        name: format!("points.{language}"),
        label: words.t(label).to_owned(),
        hint: words.t(hint).to_owned(),
        kind: "points",
        points: points
            .enumerate()
            .map(|(number, point)| {
                let id = format!("{id}-{number}");
                Point {
                    label: words.fill("Point {n}", &[("n", (number + 1).to_string())]),
                    value: point.trim().to_owned(),
                    remarks: at(remarks, &id),
                    id,
                }
            })
            .collect(),
        remarks: at(remarks, &id),
        id,
        ..FieldView::default()
    }
}

/// Lines of a field that shows its text without scrolling, as far as that is sensible.
fn rows(text: &str) -> usize {
    let lines: usize = text.lines().map(|line| line.chars().count() / 72 + 1).sum();
    (lines + 1).clamp(3, 14)
}
