//! The names in a rule that the base does not know: a misspelt campaign in an exclusion excludes nobody,
//! and nothing else would tell.

use std::collections::BTreeSet;

use sea_orm::DbErr;

use super::model::{Name, Node, Rule, Subject};
use super::store;
use crate::storage::Db;

impl Rule {
    /// The names the rule uses, in order.
    pub fn names(&self) -> BTreeSet<Name> {
        let mut names = BTreeSet::new();
        let mut waiting = vec![self.root()];
        while let Some(node) = waiting.pop() {
            match node {
                Node::All(parts) | Node::Any(parts) => waiting.extend(parts),
                Node::Not(part) => waiting.push(part),
                Node::Compare(Subject::Attribute(name), _) => {
                    names.insert(Name::Attribute(name.clone()));
                }
                Node::Tagged(tag) => {
                    names.insert(Name::Tag(tag.clone()));
                }
                Node::Interested(name) => {
                    names.insert(Name::Interest(name.clone()));
                }
                Node::Did(behaviour) => {
                    names.extend(behaviour.campaign.clone().map(Name::Campaign));
                }
                Node::CanReceive { topic, .. } => {
                    names.insert(Name::Topic(topic.clone()));
                }
                Node::Everyone | Node::Compare(Subject::Field(_), _) => {}
            }
        }
        names
    }
}

/// What to tell about names of the rule that nothing in the base bears, a sentence each.
///
/// # Errors
/// When the database is away.
pub async fn unknown(db: &Db, rule: &Rule) -> Result<Vec<String>, DbErr> {
    let mut told = Vec::new();
    for name in rule.names() {
        if !store::is_known(db, &name).await? {
            told.push(note(&name));
        }
    }
    Ok(told)
}

/// What to tell about a name that nothing bears.
pub fn note(name: &Name) -> String {
    let (pattern, name) = pattern(name);
    // In plain quotes, as the language has them.
    let told = pattern.replace("“{name}”", &format!("{name:?}"));
    told.replace("{name}", name)
}

/// As [`note`], as a sentence in which `{name}` stands for the name.
pub fn pattern(name: &Name) -> (&'static str, &str) {
    match name {
        Name::Campaign(name) => ("there is no campaign “{name}”", name),
        Name::Tag(name) => ("nobody is tagged “{name}”", name),
        Name::Interest(name) => ("nobody has shown interest in “{name}”", name),
        Name::Topic(name) => ("nobody was ever asked about the topic “{name}”", name),
        Name::Attribute(name) => ("nobody has attribute.{name}", name),
    }
}
