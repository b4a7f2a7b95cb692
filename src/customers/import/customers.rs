//! Rows of a customer file: what they say.

use super::columns::{Columns, Field, Proof, said};
use super::records::Cells;
use super::report::{Remarks, WarningKind};
use super::{Defaults, values};
use crate::consent::ladder::Level;
use crate::consent::model::{Action, Basis, Channel, Scope};
use crate::customers::model::{EmailState, Stage};
use crate::customers::normalise;
use crate::customers::profile::{Address, Row, TEXTS};
use crate::statistics::Sentence;
use crate::storage::text::fold;

/// Characters a one-line field may have.
const MAX_TEXT: usize = 250;
/// Characters an attribute may have.
const MAX_ATTRIBUTE: usize = 4_000;

/// A customer's word on a channel, as a row has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub channel: Channel,
    pub scope: Scope,
    pub action: Action,
    pub basis: Option<Basis>,
    pub source: String,
    pub wording: Option<String>,
    pub level: Option<Level>,
    pub expires_at: Option<i64>,
    /// `None`: a refusal without a date, which counts from the import. Of a yes as the row states it,
    /// which may be later today.
    pub occurred_at: Option<i64>,
}

/// A row that can be taken.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub line: u64,
    pub row: Row,
    pub answers: Vec<Answer>,
}

/// Reads a row.
///
/// # Errors
/// Why it cannot be taken.
pub(super) fn read(
    columns: &Columns,
    cells: &Cells,
    defaults: &Defaults,
    remarks: &mut Remarks,
) -> Result<Entry, Sentence> {
    let line = cells.line;
    let external_id = line_of(columns, &Field::ExternalId, cells)?;
    let mut row = Row {
        external_id,
        ..Row::default()
    };
    for (n, text) in row.texts.iter_mut().enumerate() {
        *text = line_of(columns, &Field::Text(n), cells)?;
    }
    if let Some(gender) = &mut row.texts[3] {
        *gender = values::gender(gender);
    }
    let mut warn = |kind| remarks.warnings.add(kind, line);
    if row.texts[7]
        .as_ref()
        .is_some_and(|zone| zone.parse::<chrono_tz::Tz>().is_err())
    {
        row.texts[7] = None;
        warn(WarningKind::UnknownTimeZone);
    }
    if let Some(text) = line_of(columns, &Field::Country, cells)? {
        row.country = values::country(&text);
        if row.country.is_none() {
            warn(WarningKind::UnknownCountry);
        }
    }
    if let Some(text) = line_of(columns, &Field::Language, cells)? {
        row.language = values::language(&text);
        if row.language.is_none() {
            warn(WarningKind::UnknownLanguage);
        }
    }
    if let Some(text) = long_line_of(columns, &Field::Email, cells, 4 * MAX_TEXT)? {
        row.email = Some(match normalise::email(&text) {
            Ok(email) => Address {
                text: email.address,
                key: email.key,
                state: EmailState::Ok,
            },
            Err(_) => {
                warn(WarningKind::MalformedEmail);
                let key = normalise::malformed_key(&text);
                Address {
                    text,
                    key,
                    state: EmailState::Malformed,
                }
            }
        });
    }
    if let Some(text) = line_of(columns, &Field::Phone, cells)? {
        let region = row.country.as_deref().unwrap_or(&defaults.region);
        row.phone = normalise::phone(&text, region).ok();
        if row.phone.is_none() {
            warn(WarningKind::InvalidPhone);
        }
    }
    if let Some(text) = columns.cell(&Field::BirthDate, cells) {
        // A spreadsheet often adds midnight.
        let day = text.split_once([' ', 'T']).map_or(text, |(day, _)| day);
        row.birth_date = values::date(day).ok().filter(|day| *day <= defaults.today);
        if row.birth_date.is_none() {
            warn(WarningKind::UnreadableBirthDate);
        }
    }
    if let Some(text) = columns.cell(&Field::Stage, cells) {
        row.stage = stage(text);
        if row.stage.is_none() {
            warn(WarningKind::UnknownStage);
        }
    }
    if let Some(text) = columns.cell(&Field::Tracking, cells) {
        row.tracking = values::tracking(text);
        if row.tracking.is_none() {
            warn(WarningKind::UnknownTracking);
        }
        row.tracking_at = columns
            .cell(&Field::Proof(None, Proof::Date), cells)
            .and_then(|text| values::instant(text).ok())
            .filter(|at| *at <= defaults.now_ms);
    }
    for (name, place) in &columns.attributes {
        let text = said(cells, *place);
        if text.is_empty() {
            continue;
        }
        let is_plain = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
        if !text.chars().all(is_plain) || text.chars().count() > MAX_ATTRIBUTE {
            return Err(Sentence::new(
                "attribute.{name} holds a control character or more than {n} characters",
            )
            .named("name", name)
            .named("n", MAX_ATTRIBUTE));
        }
        row.attributes.insert(name.clone(), values::attribute(text));
    }
    if let Some(text) = long_line_of(columns, &Field::Tags, cells, MAX_ATTRIBUTE)? {
        for tag in text
            .split([',', ';', '|'])
            .map(str::trim)
            .filter(|tag| !tag.is_empty())
        {
            row.tags.entry(fold(tag)).or_insert_with(|| tag.to_owned());
        }
    }
    if row.external_id.is_none() && row.email.is_none() && row.phone.is_none() {
        return Err(Sentence::new(
            "no external id, e-mail address or valid telephone number says who this is",
        ));
    }
    let answers = answers(columns, cells, defaults, remarks)?;
    Ok(Entry { line, row, answers })
}

fn stage(text: &str) -> Option<Stage> {
    let folded = fold(text);
    let named = Stage::ALL
        .into_iter()
        .find(|stage| stage.as_str() == folded);
    named.or(match folded.as_str() {
        "client" | "cliente" | "kunde" => Some(Stage::Customer),
        "ancien client" | "inactif" | "inactive" | "perdu" => Some(Stage::Lapsed),
        "lead" => Some(Stage::Prospect),
        _ => None,
    })
}

/// A cell that must be one line: what stands in a header of a message may not break it.
fn line_of(columns: &Columns, field: &Field, cells: &Cells) -> Result<Option<String>, Sentence> {
    long_line_of(columns, field, cells, MAX_TEXT)
}

pub(super) fn long_line_of(
    columns: &Columns,
    field: &Field,
    cells: &Cells,
    longest: usize,
) -> Result<Option<String>, Sentence> {
    let Some(text) = columns.cell(field, cells) else {
        return Ok(None);
    };
    let name = columns.header(field);
    if text
        .chars()
        .any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
    {
        return Err(
            Sentence::new("{name} holds a line break or another control character")
                .with("name", name),
        );
    }
    if text.len() > longest && text.chars().count() > longest {
        return Err(Sentence::new("{name} is longer than {n} characters")
            .with("name", name)
            .named("n", longest));
    }
    Ok(Some(text.to_owned()))
}

/// What the permission columns of a row say.
fn answers(
    columns: &Columns,
    cells: &Cells,
    defaults: &Defaults,
    remarks: &mut Remarks,
) -> Result<Vec<Answer>, Sentence> {
    let line = cells.line;
    let mut answers = Vec::new();
    let mut lacks_proof = false;
    let mut lacks_wording = false;
    for (channel, scope, place) in &columns.permissions {
        let text = said(cells, *place);
        if text.is_empty() {
            continue;
        }
        let name = columns.headers.get(*place).map_or("", String::as_str);
        // Nothing is guessed here: a refusal in other words must not be lost.
        let is_yes = values::answer(text).ok_or_else(|| {
            Sentence::new("{name} holds {text}; write yes or no")
                .with("name", name)
                .with("text", format!("{:?}", shorten(text)))
        })?;
        let proof = |kind| columns.proof(*channel, scope, kind, cells);
        let date = match proof(Proof::Date).map(values::instant) {
            None => None,
            // Without an offset, a time of today may lie ahead; a consent from later would outlive a "no".
            Some(Ok(at)) if at <= values::end_of_day(defaults.now_ms) => Some(at),
            Some(_) => {
                remarks
                    .warnings
                    .add(WarningKind::UnusablePermissionDate, line);
                None
            }
        };
        let source = proof(Proof::Source).map(plain);
        let wording = proof(Proof::Wording).map(plain);
        if !is_yes {
            answers.push(Answer {
                channel: *channel,
                scope: scope.clone(),
                action: Action::Withdraw,
                basis: None,
                source: source.unwrap_or_else(|| defaults.source.clone()),
                wording,
                level: None,
                expires_at: None,
                occurred_at: date.map(|at| at.min(defaults.now_ms)),
            });
            continue;
        }
        if *scope == Scope::All {
            remarks.warnings.add(WarningKind::YesWithoutTopic, line);
            continue;
        }
        let word = proof(Proof::Basis);
        let basis = word.and_then(values::basis);
        if word.is_some() && basis.is_none() {
            remarks.warnings.add(WarningKind::UnknownBasis, line);
        }
        // A rung or an end that cannot be read might be lower or sooner than any guess.
        let level = readable(proof(Proof::Level), |word| {
            values::level(word).filter(|level| *level != Level::Stranger)
        });
        if level.is_none() {
            remarks.warnings.add(WarningKind::UnknownLevel, line);
        }
        let expires_at = readable(proof(Proof::Expires), |text| values::instant(text).ok());
        if expires_at.is_none() {
            remarks
                .warnings
                .add(WarningKind::UnreadablePermissionEnd, line);
        }
        if let (Some(source), Some(at), Some(basis), Some(level), Some(expires_at)) =
            (source, date, basis, level, expires_at)
        {
            lacks_wording |= basis == Basis::Consent && wording.is_none();
            answers.push(Answer {
                channel: *channel,
                scope: scope.clone(),
                action: Action::Grant,
                basis: Some(basis),
                source,
                wording,
                level,
                expires_at,
                occurred_at: Some(at),
            });
        } else {
            lacks_proof = true;
        }
    }
    if lacks_proof {
        remarks.no_basis += 1;
        remarks.warnings.add(WarningKind::NoBasis, line);
    }
    if lacks_wording {
        remarks.warnings.add(WarningKind::NoWording, line);
    }
    Ok(answers)
}

/// What a cell says: nothing where it is empty, `None` where it cannot be read.
fn readable<T>(cell: Option<&str>, read: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    match cell {
        None => Some(None),
        Some(text) => read(text).map(Some),
    }
}

/// Without what PostgreSQL cannot keep.
fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| *c != '\0')
        .take(MAX_ATTRIBUTE)
        .collect()
}

pub(super) fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}

const _: () = assert!(
    TEXTS.len() == 9,
    "gender is the 4th text and time_zone the 8th"
);
