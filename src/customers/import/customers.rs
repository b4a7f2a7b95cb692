//! Rows of a customer file: what they say, whom they are about, and what is written.

use std::collections::{BTreeMap, HashMap, HashSet};

use sea_orm::DbErr;

use super::columns::{Columns, Field, Proof};
use super::records::Cells;
use super::report::{ImportReport, WarningKind};
use super::{Defaults, values};
use crate::consent::ladder::Level;
use crate::consent::model::{Action, Basis, Channel, Evidence, Scope};
use crate::consent::store as consent;
use crate::customers::model::{EmailState, Stage};
use crate::customers::normalise;
use crate::customers::profile::{Address, Profile, Row, TEXTS};
use crate::customers::store::import as store;
use crate::ids::CustomerId;
use crate::keys::Keys;
use crate::storage::Txn;
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
    /// `None`: a refusal without a date, which counts from the import.
    pub occurred_at: Option<i64>,
}

/// A row that can be taken.
#[derive(Debug)]
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
    defaults: &Defaults<'_>,
    report: &mut ImportReport,
) -> Result<Entry, String> {
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
    let mut warn = |kind| report.warnings.add(kind, line);
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
        let region = row.country.as_deref().unwrap_or(defaults.region);
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
        let text = cells.get(*place).unwrap_or_default().trim();
        if text.is_empty() {
            continue;
        }
        let is_plain = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
        if !text.chars().all(is_plain) || text.chars().count() > MAX_ATTRIBUTE {
            return Err(format!(
                "attribute.{name} holds a control character or more than {MAX_ATTRIBUTE} characters"
            ));
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
        return Err(
            "no external id, e-mail address or valid telephone number says who this is".to_owned(),
        );
    }
    let answers = answers(columns, cells, defaults, report)?;
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
fn line_of(columns: &Columns, field: &Field, cells: &Cells) -> Result<Option<String>, String> {
    long_line_of(columns, field, cells, MAX_TEXT)
}

pub(super) fn long_line_of(
    columns: &Columns,
    field: &Field,
    cells: &Cells,
    longest: usize,
) -> Result<Option<String>, String> {
    let Some(text) = columns.cell(field, cells) else {
        return Ok(None);
    };
    let name = columns.header(field);
    if text
        .chars()
        .any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
    {
        return Err(format!(
            "{name} holds a line break or another control character"
        ));
    }
    if text.len() > longest && text.chars().count() > longest {
        return Err(format!("{name} is longer than {longest} characters"));
    }
    Ok(Some(text.to_owned()))
}

/// What the permission columns of a row say.
fn answers(
    columns: &Columns,
    cells: &Cells,
    defaults: &Defaults<'_>,
    report: &mut ImportReport,
) -> Result<Vec<Answer>, String> {
    let line = cells.line;
    let mut answers = Vec::new();
    let mut lacks_proof = false;
    let mut lacks_wording = false;
    for (channel, scope, place) in &columns.permissions {
        let text = cells.get(*place).unwrap_or_default().trim();
        if text.is_empty() {
            continue;
        }
        let name = columns.headers.get(*place).map_or("", String::as_str);
        // Nothing is guessed here: a refusal in other words must not be lost.
        let is_yes = values::answer(text)
            .ok_or_else(|| format!("{name} holds {:?}; write yes or no", shorten(text)))?;
        let proof = |kind| columns.proof(*channel, scope, kind, cells);
        let date = match proof(Proof::Date).map(values::instant) {
            None => None,
            Some(Ok(at)) if at <= defaults.now_ms => Some(at),
            // A date without a time may be today; a consent from the future would outlive a later "no".
            Some(Ok(at)) if at <= values::end_of_day(defaults.now_ms) => Some(defaults.now_ms),
            Some(_) => {
                report
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
                source: source.unwrap_or_else(|| defaults.source.to_owned()),
                wording,
                level: None,
                expires_at: None,
                occurred_at: date,
            });
            continue;
        }
        if *scope == Scope::All {
            report.warnings.add(WarningKind::YesWithoutTopic, line);
            continue;
        }
        let word = proof(Proof::Basis);
        let basis = word.and_then(values::basis);
        if word.is_some() && basis.is_none() {
            report.warnings.add(WarningKind::UnknownBasis, line);
        }
        // A rung or an end that cannot be read might be lower or sooner than any guess.
        let level = readable(proof(Proof::Level), |word| {
            values::level(word).filter(|level| *level != Level::Stranger)
        });
        if level.is_none() {
            report.warnings.add(WarningKind::UnknownLevel, line);
        }
        let expires_at = readable(proof(Proof::Expires), |text| values::instant(text).ok());
        if expires_at.is_none() {
            report
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
        report.no_basis += 1;
        report.warnings.add(WarningKind::NoBasis, line);
    }
    if lacks_wording {
        report.warnings.add(WarningKind::NoWording, line);
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

/// The customers a batch is about: those the base has, and those it will have.
struct Base {
    profiles: Vec<Profile>,
    by_external_id: HashMap<String, usize>,
    by_email: HashMap<String, Vec<usize>>,
    by_phone: HashMap<String, Vec<usize>>,
}

impl Base {
    fn new(known: Vec<Profile>) -> Self {
        let mut base = Self {
            profiles: known,
            by_external_id: HashMap::new(),
            by_email: HashMap::new(),
            by_phone: HashMap::new(),
        };
        for n in 0..base.profiles.len() {
            base.index(n);
        }
        base
    }

    /// Makes the n-th profile findable by what it holds now.
    fn index(&mut self, n: usize) {
        let Some(profile) = self.profiles.get(n) else {
            return;
        };
        if let Some(id) = &profile.external_id {
            self.by_external_id.insert(id.clone(), n);
        }
        if let Some(email) = &profile.email {
            let same = self.by_email.entry(email.key.clone()).or_default();
            if !same.contains(&n) {
                same.push(n);
            }
        }
        if let Some(phone) = &profile.phone {
            let same = self.by_phone.entry(phone.clone()).or_default();
            if !same.contains(&n) {
                same.push(n);
            }
        }
    }

    /// Whom a row is about: by its external id; else by its address; without an address by its
    /// number. Someone with another external id is someone else, even at the same address.
    fn find(&self, row: &Row) -> Option<usize> {
        if let Some(n) = row
            .external_id
            .as_ref()
            .and_then(|id| self.by_external_id.get(id))
        {
            return Some(*n);
        }
        let fits = |n: &&usize| {
            row.external_id.is_none()
                || self
                    .profiles
                    .get(**n)
                    .is_some_and(|profile| profile.external_id.is_none())
        };
        let still_has = |n: &usize| {
            self.profiles
                .get(*n)
                .is_some_and(|profile| match &row.email {
                    Some(email) => profile
                        .email
                        .as_ref()
                        .is_some_and(|known| known.key == email.key),
                    None => profile.phone == row.phone,
                })
        };
        let same = match (&row.email, &row.phone) {
            (Some(email), _) => self.by_email.get(&email.key),
            (None, Some(phone)) => self.by_phone.get(phone),
            (None, None) => None,
        };
        same?.iter().filter(fits).find(|n| still_has(n)).copied()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Created,
    Updated,
    Unchanged,
}

/// Writes a batch; returns the customers it was about.
///
/// # Errors
/// When the database is away.
pub(super) async fn write(
    txn: &Txn,
    keys: &Keys,
    defaults: &Defaults<'_>,
    batch: &[Entry],
    report: &mut ImportReport,
) -> Result<Vec<CustomerId>, DbErr> {
    let rows: Vec<&Row> = batch.iter().map(|entry| &entry.row).collect();
    let mut base = Base::new(store::matching(txn, &rows).await?);
    let mut changes = Vec::with_capacity(batch.len());
    for entry in batch {
        let (n, mut change) = match base.find(&entry.row) {
            Some(n) => (n, Change::Unchanged),
            None => {
                base.profiles
                    .push(Profile::new(defaults.language, defaults.country));
                (base.profiles.len() - 1, Change::Created)
            }
        };
        if let Some(profile) = base.profiles.get_mut(n) {
            let merged = profile.merge(&entry.row);
            if merged.is_changed && change == Change::Unchanged {
                change = Change::Updated;
            }
            if merged.is_email_kept {
                report.warnings.add(WarningKind::EmailKept, entry.line);
            }
            if merged.is_tracking_kept {
                report.warnings.add(WarningKind::TrackingKept, entry.line);
            }
        }
        base.index(n);
        changes.push((n, change));
    }
    store::write(txn, keys, &mut base.profiles, defaults.now_ms).await?;
    let concerned = write_answers(txn, keys, defaults, batch, &changes, &base.profiles).await?;
    for ((n, change), entry) in changes.iter().zip(batch) {
        let id = base.profiles.get(*n).and_then(|profile| profile.id);
        let has_news = !entry.answers.is_empty() && id.is_some_and(|id| concerned.contains(&id));
        match change {
            Change::Created => report.created += 1,
            Change::Unchanged if !has_news => report.unchanged += 1,
            Change::Updated | Change::Unchanged => report.updated += 1,
        }
    }
    Ok(base
        .profiles
        .iter()
        .filter_map(|profile| profile.id)
        .collect())
}

/// Records what the rows say about permission; returns the customers about whom that was news.
async fn write_answers(
    txn: &Txn,
    keys: &Keys,
    defaults: &Defaults<'_>,
    batch: &[Entry],
    changes: &[(usize, Change)],
    profiles: &[Profile],
) -> Result<HashSet<CustomerId>, DbErr> {
    let withdrawn = withdrawn(txn, batch, changes, profiles).await?;
    let mut evidence = Vec::new();
    let mut suppressions = Vec::new();
    for (entry, (n, _)) in batch.iter().zip(changes) {
        let Some((profile, customer)) = profiles.get(*n).and_then(|p| Some((p, p.id?))) else {
            continue;
        };
        for answer in &entry.answers {
            let fingerprint = fingerprint(profile, answer.channel, keys);
            let known = withdrawn.get(&(customer, answer.channel, answer.scope.clone()));
            if let (None, Some(since_at)) = (answer.occurred_at, known) {
                // He is out already, and when he said so is known: no news. His address may be.
                suppressions.extend(fingerprint.map(|fingerprint| consent::Suppression {
                    fingerprint,
                    channel: answer.channel,
                    scope: answer.scope.clone(),
                    reason: consent::OPT_OUT.to_owned(),
                    suppressed_at: *since_at,
                }));
                continue;
            }
            let piece = Evidence {
                customer,
                channel: answer.channel,
                scope: answer.scope.clone(),
                action: answer.action,
                basis: answer.basis,
                source: answer.source.clone(),
                wording: answer.wording.clone(),
                occurred_at: answer.occurred_at.unwrap_or(defaults.now_ms),
                level: answer.level,
                expires_at: answer.expires_at,
                locale: None,
                actor: Some("import".to_owned()),
                confirmation: None,
                details: None,
            };
            evidence.push((piece, fingerprint));
        }
    }
    consent::suppress(&**txn, &suppressions).await?;
    consent::record_all(&**txn, &evidence, defaults.now_ms).await
}

/// Since when customers of the batch are out, where a row refuses without saying when.
async fn withdrawn(
    txn: &Txn,
    batch: &[Entry],
    changes: &[(usize, Change)],
    profiles: &[Profile],
) -> Result<BTreeMap<(CustomerId, Channel, Scope), i64>, DbErr> {
    let mut customers: Vec<CustomerId> = batch
        .iter()
        .zip(changes)
        .filter(|(entry, (_, change))| {
            *change != Change::Created && entry.answers.iter().any(|a| a.occurred_at.is_none())
        })
        .filter_map(|(_, (n, _))| profiles.get(*n)?.id)
        .collect();
    customers.sort_unstable();
    customers.dedup();
    if customers.is_empty() {
        return Ok(BTreeMap::new());
    }
    let permissions = consent::permissions_of_all(&**txn, &customers).await?;
    Ok(permissions
        .into_iter()
        .filter(|(_, permission)| !permission.is_granted)
        .map(|(customer, p)| ((customer, p.channel, p.scope), p.since_at))
        .collect())
}

/// The fingerprint of where the channel would reach the customer.
fn fingerprint(profile: &Profile, channel: Channel, keys: &Keys) -> Option<String> {
    let key = match channel {
        Channel::Email => profile
            .email
            .as_ref()
            .filter(|email| email.state != EmailState::Malformed)
            .map(|email| email.key.as_str()),
        Channel::Sms => profile.phone.as_deref(),
    };
    key.map(|key| keys.fingerprint(key))
}

const _: () = assert!(
    TEXTS.len() == 9,
    "gender is the 4th text and time_zone the 8th"
);
