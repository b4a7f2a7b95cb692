//! All that a page tells about a segment, counted while somebody waits: bounded in time, two at a time, and
//! kept for a minute.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sea_orm::DbErr;
use serde::{Deserialize, Serialize};

use super::reach::{self, Reach};
use super::rules::Rules;
use crate::consent::model::Channel;
use crate::ids::CustomerId;
use crate::segments::Rule;
use crate::segments::analysis::{self, Analysis};
use crate::segments::library::{self, Counted};
use crate::segments::verdict::{self, Finding, Reached};
use crate::storage::chance::lot_of;
use crate::storage::{Db, Turns, Unanswered};

/// How long somebody waits for a count.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long a count is shown again instead of counting anew.
const FRESH: Duration = Duration::from_secs(60);
/// How long it is remembered for who saves the rule.
const KEPT: Duration = Duration::from_secs(15 * 60);
/// Counts at a time: each keeps a core busy, and the delivery needs some.
const AT_A_TIME: usize = 2;
/// Counts that are remembered.
const REMEMBERED: usize = 200;
/// People of a sample.
const SAMPLE: usize = 10;

/// What was found about a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Study {
    pub analysis: Analysis,
    /// By each channel.
    pub reach: Vec<Reach>,
    pub topic: String,
    /// Some of the people.
    pub sample: Vec<CustomerId>,
    pub counted_at: i64,
}

impl Study {
    /// The five tests of a useful segment.
    pub fn verdict(&self) -> Vec<Finding> {
        let reached: Vec<Reached> = self
            .reach
            .iter()
            .map(|reach| Reached {
                channel: reach.channel,
                people: reach.reachable,
            })
            .collect();
        match Rule::parse(&self.analysis.rule) {
            Ok(rule) => verdict::judge(&rule, &self.analysis, &reached, &self.topic),
            Err(_) => Vec::new(),
        }
    }

    /// How many may be reached by a channel.
    pub fn reachable(&self, channel: Channel) -> u64 {
        let of_channel = self.reach.iter().find(|reach| reach.channel == channel);
        of_channel.map_or(0, |reach| reach.reachable)
    }
}

type Kept = (Instant, Arc<Study>);

/// The studies of the last minute.
#[derive(Debug)]
pub struct Studies {
    turns: Turns,
    /// By rule and topic, with when it was counted.
    kept: Mutex<HashMap<(String, String), Kept>>,
    patience: Duration,
}

impl Default for Studies {
    fn default() -> Self {
        Self::patient(PATIENCE)
    }
}

impl Studies {
    /// Studies that are given up after `patience`.
    pub fn patient(patience: Duration) -> Self {
        Self {
            turns: Turns::new(AT_A_TIME),
            kept: Mutex::default(),
            patience,
        }
    }

    /// How long somebody waits for a count.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Turns at other counts that somebody waits for: all of them have the same few.
    pub fn turns(&self) -> &Turns {
        &self.turns
    }

    /// Studies a rule, or gives what was found within the last minute. What is found is noted on the segments
    /// that have the rule.
    ///
    /// # Errors
    /// When it took too long, the wait for others included, or the database is away.
    pub async fn of(
        &self,
        db: &Db,
        rules: &Rules,
        rule: &Rule,
        topic: &str,
        now: DateTime<Utc>,
    ) -> Result<Arc<Study>, Unanswered> {
        let key = (rule.to_string(), topic.to_owned());
        if let Some(study) = self.fresh(&key) {
            return Ok(study);
        }
        let study = self.make(db, rules, rule, topic, now, key).await;
        study.map_err(|error| match error {
            // Whatever of it took the rest.
            Unanswered::TooLong(_) => Unanswered::TooLong(self.patience),
            other => other,
        })
    }

    /// Notes what was found of a rule lately on the segments that have it now: one may have been counted before it
    /// was saved.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn note_kept(&self, db: &Db, rule: &Rule, topic: &str) -> Result<(), DbErr> {
        let key = (rule.to_string(), topic.to_owned());
        match self.kept_of(&key) {
            Some((_, study)) => note(db, rule, &study).await,
            None => Ok(()),
        }
    }

    async fn make(
        &self,
        db: &Db,
        rules: &Rules,
        rule: &Rule,
        topic: &str,
        now: DateTime<Utc>,
        key: (String, String),
    ) -> Result<Arc<Study>, Unanswered> {
        let begin = Instant::now();
        let late = || Unanswered::TooLong(self.patience);
        let _seat = self.turns.seat(self.patience).await?;
        // Somebody before us may have asked the same.
        if let Some(study) = self.fresh(&key) {
            return Ok(study);
        }
        let rest = || {
            let rest = self.patience.checked_sub(begin.elapsed());
            rest.ok_or_else(late)
        };
        let analysis = analysis::analyse(db, rule, now, rest()?).await?;
        let reach = reach::reach(db, rules, rule, topic, now, rest()?).await?;
        let sample = self.sample(db, rule, now, &analysis, rest()?).await?;
        let study = Arc::new(Study {
            analysis,
            reach,
            topic: topic.to_owned(),
            sample,
            counted_at: now.timestamp_millis(),
        });
        note(db, rule, &study).await?;
        self.keep(key, &study);
        Ok(study)
    }

    async fn sample(
        &self,
        db: &Db,
        rule: &Rule,
        now: DateTime<Utc>,
        analysis: &Analysis,
        patience: Duration,
    ) -> Result<Vec<CustomerId>, Unanswered> {
        if analysis.people == 0 {
            return Ok(Vec::new());
        }
        let last = analysis::last_customer(db).await?;
        let seconds = now.timestamp_millis() / 1_000;
        let from = CustomerId(1 + lot_of(seconds, 0, last.0.max(1)));
        analysis::sample(db, rule, now, from, SAMPLE, patience).await
    }

    fn fresh(&self, key: &(String, String)) -> Option<Arc<Study>> {
        let (at, study) = self.kept_of(key)?;
        (at.elapsed() < FRESH).then_some(study)
    }

    fn kept_of(&self, key: &(String, String)) -> Option<Kept> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(key).cloned()
    }

    fn keep(&self, key: (String, String), study: &Arc<Study>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (at, _)| at.elapsed() < KEPT);
        if kept.len() < REMEMBERED {
            kept.insert(key, (Instant::now(), Arc::clone(study)));
        }
    }
}

/// Notes the figures on the segments that have the rule, so that their page shows them at once.
async fn note(db: &Db, rule: &Rule, study: &Study) -> Result<(), DbErr> {
    let counted = Counted {
        at: study.counted_at,
        people: study.analysis.people,
        base: study.analysis.base,
        topic: study.topic.clone(),
        reach_email: study.reachable(Channel::Email),
        reach_sms: study.reachable(Channel::Sms),
    };
    let text = serde_json::to_string(study).map_err(|error| DbErr::Json(error.to_string()))?;
    library::note_count(db, rule, &counted, &text).await
}
