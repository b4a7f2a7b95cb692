//! What a rule selects, line by line, in one pass over the base: how many each line takes away, how well the
//! base knows what the rule asks, and how its people differ from the others.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::DbErr;
use serde::{Deserialize, Serialize};

use super::model::{Field, Name, Node, Rule, Subject};
use super::store;
use crate::ids::CustomerId;
use crate::storage::{Db, Unanswered};

/// Days back in which an order or a response tells how people behave today.
pub const BEHAVIOUR_DAYS: i64 = 365;

/// Subjects whose knowledge is counted: the rest of a longer list is left out.
const MAX_SUBJECTS: usize = 12;

/// What a rule selects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Analysis {
    /// The canonical text of the rule.
    pub rule: String,
    /// How many customers there are.
    pub base: u64,
    /// How many of them the rule means.
    pub people: u64,
    /// How the lines are joined: each of an "or" adds people, each other takes some away.
    pub is_any: bool,
    /// The parts of the outermost conjunction or disjunction, in order.
    pub lines: Vec<LineCount>,
    /// How many of the base are known by each field the rule asks, where that may be unknown.
    pub known: Vec<Known>,
    /// Who responded within [`BEHAVIOUR_DAYS`].
    pub responded: Contrast,
    /// Who ordered within [`BEHAVIOUR_DAYS`].
    pub ordered: Contrast,
    /// The names in the rule that nothing in the base bears.
    pub unknown: Vec<Name>,
}

/// One line of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineCount {
    pub rule: String,
    /// How many are selected by the lines up to this one.
    pub people: u64,
    /// How many this line took away from those before it; of an "or", added to them.
    pub moved: u64,
}

/// How many of the base have a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The field, as it is written.
    pub subject: String,
    pub people: u64,
}

/// How many did something, among the people of the rule and among all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Contrast {
    pub inside: u64,
    pub outside: u64,
}

impl Rule {
    /// The parts of the outermost conjunction or disjunction, and whether it is a disjunction.
    pub fn lines(&self) -> (Vec<Rule>, bool) {
        let parts = |parts: &[Node]| parts.iter().cloned().map(|root| Rule { root }).collect();
        match self.root() {
            Node::All(lines) => (parts(lines), false),
            Node::Any(lines) => (parts(lines), true),
            _ => (vec![self.clone()], false),
        }
    }

    /// What it compares, where that may be unknown of somebody, each once and in order.
    pub fn subjects(&self) -> Vec<Subject> {
        let mut subjects: Vec<Subject> = Vec::new();
        let mut waiting = vec![self.root()];
        while let Some(node) = waiting.pop() {
            match node {
                // Backwards, so that the first is taken out first.
                Node::All(parts) | Node::Any(parts) => waiting.extend(parts.iter().rev()),
                Node::Not(part) => waiting.push(part),
                Node::Compare(subject, _)
                    if may_be_unknown(subject) && !subjects.contains(subject) =>
                {
                    subjects.push(subject.clone());
                }
                _ => {}
            }
        }
        subjects
    }
}

/// Counts a rule, and gives it up after `patience`.
///
/// # Errors
/// When it took too long or the database is away.
pub async fn analyse(
    db: &Db,
    rule: &Rule,
    now: DateTime<Utc>,
    patience: Duration,
) -> Result<Analysis, Unanswered> {
    let begin = std::time::Instant::now();
    let (lines, is_any) = rule.lines();
    let mut subjects = rule.subjects();
    subjects.truncate(MAX_SUBJECTS);
    let mut analysis = Analysis {
        rule: rule.to_string(),
        base: 0,
        people: 0,
        is_any,
        lines: Vec::new(),
        known: subjects
            .iter()
            .map(|subject| Known {
                subject: subject.to_string(),
                people: 0,
            })
            .collect(),
        responded: Contrast::default(),
        ordered: Contrast::default(),
        unknown: Vec::new(),
    };
    // For each line how many stopped at it: of an "and" the first that is not true, of an "or" the first that is.
    let mut stopped = vec![0_u64; lines.len()];
    let mut through = 0_u64;
    for step in store::analysis::steps(db, &lines, is_any, &subjects, now, patience).await? {
        analysis.base += step.people;
        let is_inside = (step.line < lines.len()) == is_any;
        if let Some(count) = stopped.get_mut(step.line) {
            *count += step.people;
        } else {
            through += step.people;
        }
        for (known, people) in analysis.known.iter_mut().zip(&step.known) {
            known.people += people;
        }
        for (contrast, people) in [
            (&mut analysis.responded, step.responded),
            (&mut analysis.ordered, step.ordered),
        ] {
            if is_inside {
                contrast.inside += people;
            } else {
                contrast.outside += people;
            }
        }
    }
    let mut people = if is_any { 0 } else { analysis.base };
    for (line, moved) in lines.iter().zip(stopped) {
        people = if is_any {
            people + moved
        } else {
            people - moved
        };
        analysis.lines.push(LineCount {
            rule: line.to_string(),
            people,
            moved,
        });
    }
    analysis.people = if is_any {
        analysis.base - through
    } else {
        through
    };
    let rest = patience
        .checked_sub(begin.elapsed())
        .ok_or(Unanswered::TooLong(patience))?;
    analysis.unknown = store::analysis::unknown(db, rule, rest).await?;
    Ok(analysis)
}

/// Some of those a rule means, from the customer numbered `from` on, and around.
///
/// # Errors
/// When it took longer than `patience` or the database is away.
pub async fn sample(
    db: &Db,
    rule: &Rule,
    now: DateTime<Utc>,
    from: CustomerId,
    limit: usize,
    patience: Duration,
) -> Result<Vec<CustomerId>, Unanswered> {
    let mut found = store::analysis::sample(db, rule, now, from, limit, patience).await?;
    if found.len() < limit && from.0 > 1 {
        let rest = limit - found.len();
        let first = CustomerId(1);
        for id in store::analysis::sample(db, rule, now, first, rest, patience).await? {
            if !found.contains(&id) {
                found.push(id);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The greatest number of a customer; 0 of an empty base.
///
/// # Errors
/// When the database is away.
pub async fn last_customer(db: &Db) -> Result<CustomerId, DbErr> {
    store::analysis::last_customer(db).await
}

fn may_be_unknown(subject: &Subject) -> bool {
    match subject {
        Subject::Attribute(_) => true,
        Subject::Field(field) => !matches!(
            field,
            Field::Id
                | Field::Language
                | Field::Country
                | Field::Stage
                | Field::Orders
                | Field::Revenue
                | Field::Engagement
                | Field::Created
                // Unknown of whoever never did it, which is knowledge too.
                | Field::FirstOrder
                | Field::LastOrder
                | Field::LastContact
                | Field::LastResponse
                | Field::Recency
                | Field::Frequency
                | Field::Monetary
                | Field::Rfm
                | Field::ValueClass
        ),
    }
}
