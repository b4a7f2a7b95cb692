//! Which topics there are, so that a misspelt one is refused before it is recorded or counted.

use std::collections::BTreeSet;

use sea_orm::DbErr;

use super::store::topics;
use crate::config::Settings;
use crate::storage::Db;

/// Why a topic cannot be meant.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    #[error("there is no topic {topic:?}{nearest}; there is {known}. Nothing was done")]
    Unknown {
        topic: String,
        nearest: String,
        known: String,
    },
    #[error("the database failed: {0}")]
    Database(#[from] DbErr),
}

/// Refuses a topic that neither the settings nor any permission nor `others` (the campaigns) know.
///
/// # Errors
/// When nobody knows it, with those there are; or the database is away.
pub async fn ensure_known(
    db: &Db,
    settings: &Settings,
    others: impl IntoIterator<Item = String>,
    topic: &str,
) -> Result<(), TopicError> {
    let mut known: BTreeSet<String> = others.into_iter().collect();
    known.extend(
        settings
            .permission
            .topics
            .iter()
            .map(|topic| topic.name.clone()),
    );
    // Looking through every permission is for what the settings do not explain.
    if known.contains(topic) {
        return Ok(());
    }
    known.extend(topics::granted_or_refused(db).await?);
    if known.contains(topic) {
        return Ok(());
    }
    Err(TopicError::Unknown {
        topic: topic.to_owned(),
        nearest: nearest(topic, &known),
        known: known.into_iter().collect::<Vec<_>>().join(", "),
    })
}

/// `; did you mean "…"?` where one is near enough to be a slip of the pen.
fn nearest(wrong: &str, known: &BTreeSet<String>) -> String {
    if wrong.len() > 60 {
        return String::new();
    }
    let wrong = wrong.to_lowercase();
    known
        .iter()
        .map(|word| (strsim::damerau_levenshtein(&wrong, word), word))
        .filter(|(distance, word)| *distance <= 1.max(word.len().max(wrong.len()) / 3))
        .min_by_key(|(distance, _)| *distance)
        .map_or_else(String::new, |(_, word)| format!("; did you mean {word:?}?"))
}
