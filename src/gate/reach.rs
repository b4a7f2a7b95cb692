//! How many of a segment's people may be reached by a channel, and why the others may not: by what lasts, and
//! not by what passes in days, such as pressure or a pause.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::model::Withheld;
use super::rules::Rules;
use super::store;
use crate::consent::model::Channel;
use crate::segments::Rule;
use crate::storage::{Db, Unanswered};

/// Who may be reached by a channel about a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    pub channel: Channel,
    pub topic: String,
    /// Permission, no suppression, an address that can be used.
    pub reachable: u64,
    /// How many are not, each under the first of the reasons.
    pub withheld: BTreeMap<Withheld, u64>,
}

/// Counts who may be reached by each channel, and gives it up after `patience`.
///
/// # Errors
/// When it took too long or the database is away.
pub async fn reach(
    db: &Db,
    rules: &Rules,
    rule: &Rule,
    topic: &str,
    now: DateTime<Utc>,
    patience: Duration,
) -> Result<Vec<Reach>, Unanswered> {
    store::reach::count(db, rules, rule, topic, now, patience).await
}
