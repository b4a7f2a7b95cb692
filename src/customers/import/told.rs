//! Customers as programs tell them: a row of a file without the file. Where a file's row would be taken with a
//! warning, this one is refused, since a program reads the answer.

use std::collections::BTreeMap;

use sea_orm::DbErr;
use serde_json::{Map, Value};

use super::customers::{Answer, Entry};
use super::fields::read_fields;
use super::report::ImportReport;
use super::write::{self, Change};
use super::{Defaults, ImportKind};
use crate::clock;
use crate::consent::ladder::Level;
use crate::consent::model::{Action, Basis, Channel, Scope};
use crate::customers::profile::Row;
use crate::customers::store::import as store;
use crate::ids::CustomerId;
use crate::keys::Keys;
use crate::storage::Txn;
use crate::storage::text::fold;

/// Rows written together.
const BATCH: usize = 1_000;
/// Characters a text of an attribute may have.
const MAX_ATTRIBUTE: usize = 4_000;
/// Bytes the name of an attribute may have.
const MAX_NAME: usize = 60;

/// A customer as he is told.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// Columns of an import and their texts, without attributes, tags and permissions; what is empty says nothing.
    pub fields: Vec<(&'static str, String)>,
    /// Texts, numbers and booleans by name.
    pub attributes: Map<String, Value>,
    pub tags: Vec<String>,
    /// When he agreed to be tracked so far, in milliseconds since the epoch: of one who is known, a looser consent
    /// without it is not taken.
    pub tracking_at: Option<i64>,
    pub said: Vec<Said>,
}

/// What he says of being contacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub channel: Channel,
    /// A yes names its topic; a no may be to the whole channel.
    pub scope: Scope,
    pub action: Action,
    /// Of a yes.
    pub basis: Option<Basis>,
    /// Where it was said.
    pub source: String,
    pub wording: Option<String>,
    pub level: Option<Level>,
    pub expires_at: Option<i64>,
    /// Milliseconds since the epoch; `None`, of a no: when it is recorded.
    pub occurred_at: Option<i64>,
}

/// A field that cannot be read, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    pub field: String,
    pub problem: String,
}

/// A customer who can be taken.
#[derive(Debug, Clone)]
pub struct Taken(Entry);

/// What holds for all who are told together.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Country of telephone numbers without a country code, where the customer names none.
    pub region: String,
    /// Language of a new customer without one.
    pub language: String,
    /// Country of a new customer without one.
    pub country: String,
    pub now_ms: i64,
}

/// What became of one who was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub customer: Option<CustomerId>,
    pub change: Change,
}

/// Reads one.
///
/// # Errors
/// The fields that cannot be read.
pub fn read(told: Told, terms: &Terms) -> Result<Taken, Vec<Unread>> {
    let mut unread = Vec::new();
    let mut refuse = |field: &str, problem: &str| {
        unread.push(Unread {
            field: field.to_owned(),
            problem: problem.to_owned(),
        });
    };
    let given: Vec<(String, String)> = told
        .fields
        .into_iter()
        .filter(|(_, text)| !text.trim().is_empty())
        .map(|(name, text)| (name.to_owned(), text))
        .collect();
    let country = given.iter().find(|(name, _)| name == "country");
    let region = country.map_or(terms.region.as_str(), |(_, country)| country.as_str());
    let mut row = Row::default();
    match read_fields(&given, region, terms.now_ms) {
        Ok(correction) => row = correction.row,
        Err(all) => {
            // Which of them it was: each by itself.
            let mut is_found = false;
            for one in &given {
                let one = std::slice::from_ref(one);
                if let (Err(problem), [(name, _)]) = (read_fields(one, region, terms.now_ms), one) {
                    refuse(name, &problem);
                    is_found = true;
                }
            }
            if !is_found {
                refuse("", &all);
            }
        }
    }
    if unread_identity(&given) {
        refuse("", "names nobody: give external_id, email or phone");
    }
    for (name, value) in &told.attributes {
        match problem_of_attribute(name, value) {
            Some(problem) => refuse(&format!("attributes.{name}"), problem),
            None => {
                row.attributes.insert(name.clone(), value.clone());
            }
        }
    }
    row.tags = tags(&told.tags, &mut refuse);
    row.tracking_at = told.tracking_at.filter(|at| *at <= terms.now_ms);
    let mut answers = Vec::with_capacity(told.said.len());
    for (n, said) in told.said.into_iter().enumerate() {
        match said.problem() {
            Some((field, problem)) => refuse(&format!("permissions[{n}].{field}"), problem),
            None => answers.push(said.answer()),
        }
    }
    if unread.is_empty() {
        return Ok(Taken(Entry {
            line: 0,
            row,
            answers,
        }));
    }
    Err(unread)
}

/// Whether nothing tells who it is.
fn unread_identity(given: &[(String, String)]) -> bool {
    !given
        .iter()
        .any(|(name, _)| ["external_id", "email", "phone"].contains(&name.as_str()))
}

/// What is wrong with an attribute.
pub fn problem_of_attribute(name: &str, value: &Value) -> Option<&'static str> {
    let is_name = !name.is_empty()
        && name.len() <= MAX_NAME
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    if !is_name {
        return Some("is not a name: 1 to 60 letters, digits, - or _");
    }
    match value {
        Value::String(text) if text.trim().is_empty() => Some("is empty; leave it out"),
        Value::String(text) => {
            let is_plain = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
            let is_short = text.len() <= MAX_ATTRIBUTE || text.chars().count() <= MAX_ATTRIBUTE;
            (!is_short || !text.chars().all(is_plain))
                .then_some("holds a control character or more than 4,000 characters")
        }
        Value::Number(_) | Value::Bool(_) => None,
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Some("is neither a text, a number nor a boolean")
        }
    }
}

fn tags(given: &[String], refuse: &mut impl FnMut(&str, &str)) -> BTreeMap<String, String> {
    const LONGEST: usize = 250;
    let mut tags = BTreeMap::new();
    for (n, tag) in given.iter().enumerate() {
        let tag = tag.trim();
        let is_tag = !tag.is_empty()
            && tag.chars().count() <= LONGEST
            && !tag.contains([',', ';', '|'])
            && !tag.chars().any(char::is_control);
        if is_tag {
            tags.entry(fold(tag)).or_insert_with(|| tag.to_owned());
        } else {
            refuse(
                &format!("tags[{n}]"),
                "is not a tag: one line of 1 to 250 characters, without , ; |",
            );
        }
    }
    tags
}

impl Said {
    /// What is missing of it: the field and the problem. Nothing is guessed, since it is to prove something.
    pub fn problem(&self) -> Option<(&'static str, &'static str)> {
        if self.source.trim().is_empty() {
            return Some(("source", "is missing: where it was said"));
        }
        if self.action == Action::Expire {
            return Some(("action", "is neither grant nor withdraw"));
        }
        if self.action == Action::Withdraw {
            return None;
        }
        if self.scope == Scope::All {
            return Some(("topic", "is missing: a yes names its topic"));
        }
        if self.basis.is_none() {
            return Some(("basis", "is missing: why the contact is lawful"));
        }
        if self.occurred_at.is_none() {
            return Some(("occurred_at", "is missing: when it was said"));
        }
        if self.basis == Some(Basis::Consent) && self.wording.is_none() {
            return Some(("wording", "is missing: the words that were agreed to"));
        }
        (self.level == Some(Level::Stranger))
            .then_some(("level", "allows nothing; withdraw instead"))
    }

    fn answer(self) -> Answer {
        Answer {
            channel: self.channel,
            scope: self.scope,
            action: self.action,
            basis: self.basis,
            source: self.source,
            wording: self.wording,
            level: self.level,
            expires_at: self.expires_at,
            occurred_at: self.occurred_at,
        }
    }
}

/// Takes customers, each in its place, by the rules of an import: who it is about, what is laid over what is known.
///
/// # Errors
/// When the database is away.
pub async fn take(
    txn: &Txn,
    keys: &Keys,
    terms: &Terms,
    taken: Vec<Taken>,
    source: &str,
) -> Result<Vec<Outcome>, DbErr> {
    let defaults = Defaults {
        region: terms.region.clone(),
        language: terms.language.clone(),
        country: terms.country.clone(),
        currency: String::new(),
        source: source.to_owned(),
        now_ms: terms.now_ms,
        today: clock::from_ms(terms.now_ms).date_naive(),
    };
    store::begin(txn).await?;
    let entries: Vec<Entry> = taken.into_iter().map(|Taken(entry)| entry).collect();
    let mut outcomes = Vec::with_capacity(entries.len());
    for batch in entries.chunks(BATCH) {
        let mut report = ImportReport::new(ImportKind::Customers, false, "UTF-8", b',');
        let written = write::write_each(txn, keys, &defaults, batch, &mut report).await?;
        outcomes.extend(
            written
                .into_iter()
                .map(|(customer, change)| Outcome { customer, change }),
        );
    }
    Ok(outcomes)
}
