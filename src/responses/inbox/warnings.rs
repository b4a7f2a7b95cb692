//! Campaigns whose messages come back for a reason that is the sender's.

use sea_orm::DbErr;
use serde::Serialize;

use super::store::faults as store;
use crate::channels::model::Class;
use crate::clock::DAY_MS;
use crate::storage::Db;

/// Waves launched within so long are looked at.
const REACH_MS: i64 = 30 * DAY_MS;
/// From which share of what was accepted on, in per cent, and from how many bounces on a warning is given.
const SHARE_PERCENT: i64 = 2;
const AT_LEAST: i64 = 5;

/// That many messages of a wave came back for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    pub campaign: String,
    /// Milliseconds since the epoch.
    pub launched_at: i64,
    /// `content`, `blocked` or `policy`.
    pub class: String,
    pub bounces: i64,
    /// Messages that the relay took.
    pub accepted: i64,
}

impl Warning {
    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self.class.as_str() {
            "blocked" => {
                "The receiving servers take you for a spammer: look for your addresses on block lists, slow down, and write to those first who answer"
            }
            "policy" => {
                "The receiving servers miss what proves your domain: run `visavis check`, and look at SPF, DKIM and DMARC"
            }
            _ => {
                "The receiving servers dislike the text: look at its size, its links and its attachments"
            }
        }
    }
}

/// The warnings of the last 30 days, the newest wave first.
///
/// # Errors
/// When the database is away.
pub async fn warnings(db: &Db, now_ms: i64) -> Result<Vec<Warning>, DbErr> {
    let classes = [Class::Content, Class::Blocked, Class::Policy];
    let mut found = store::fault_counters(db, now_ms - REACH_MS, &classes).await?;
    found.retain(|one| one.bounces >= AT_LEAST && one.bounces * 100 > one.accepted * SHARE_PERCENT);
    Ok(found)
}
