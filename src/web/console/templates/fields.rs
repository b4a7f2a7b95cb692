//! The fields of one language, part by part.

use serde::Serialize;

use super::labels;
use super::remarks::{Remark, at, id_of};
use crate::templates::draft::{Fields, Kind, POINTS, SLOTS, Slot};
use crate::templates::model::Part;
use crate::web::words::Words;

/// Empty points to write into, where no script adds them.
const SPARE_POINTS: usize = 2;

#[derive(Debug, Serialize)]
pub(super) struct PartView {
    pub(super) letter: &'static str,
    pub(super) name: String,
    pub(super) purpose: String,
    /// `attention`; `sms` for the text message.
    pub(super) key: &'static str,
    pub(super) groups: Vec<Group>,
}

/// Fields that belong together; one with a title can be folded.
#[derive(Debug, Serialize)]
pub(super) struct Group {
    pub(super) title: String,
    pub(super) is_open: bool,
    pub(super) fields: Vec<FieldView>,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct FieldView {
    /// In the page; the name is its name in the form.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) label: String,
    pub(super) hint: String,
    pub(super) value: String,
    /// `text`, `url`, `color`, `area` or `points`.
    pub(super) kind: &'static str,
    pub(super) rows: usize,
    pub(super) points: Vec<Point>,
    pub(super) remarks: Vec<Remark>,
    pub(super) has_error: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Point {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) label: String,
    pub(super) value: String,
    pub(super) remarks: Vec<Remark>,
}

/// The four parts and the text message.
pub(super) fn parts(
    words: &Words,
    language: &str,
    fields: &Fields,
    remarks: &[Remark],
) -> Vec<PartView> {
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
                    name: format!("points.{language}"),
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
