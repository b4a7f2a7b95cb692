//! The first page: what runs, what is next, what needs a person, and how it goes.
//!
//! Promise: it reads counters and the reports of the upkeep, so it takes as long for a million people as for ten.

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;

use super::ReportError;
use super::figures::{Denominator, Rate};
use super::store::dashboard::{self as store, Lately};
use crate::campaigns::calendar::{self, model::Entry, model::Span};
use crate::clock::DAY_MS;
use crate::config::Settings;
use crate::delivery::running::{Running, running};
use crate::dialogue::upkeep;
use crate::events;
use crate::gate::rules::Rules;
use crate::responses::{inbox::kept, orders, texts::replies};
use crate::storage::Db;

/// Campaigns under way that are shown at most.
const RUNNING: usize = 20;
/// What is next, at most.
const NEXT: usize = 6;
/// How far is looked ahead, in days.
const AHEAD_DAYS: i64 = 30;
/// Waves in the trend.
const WAVES: i64 = 24;
/// Days in the trend of the reachable.
const UPKEEPS: u32 = 60;
/// How long after its launch a wave's complaints are looked at, in milliseconds.
const COMPLAINTS_MS: i64 = 14 * DAY_MS;
/// One complaint in so many messages is what Gmail and Yahoo ask senders to stay below; at 0.3 % they refuse
/// (RULES.md).
const COMPLAINTS: i64 = 1_000;
/// How long imports with rejected rows are told of, in milliseconds.
const REJECTS_MS: i64 = 7 * DAY_MS;
/// Imports that are told of, at most.
const IMPORTS: i64 = 5;
/// Of fewer messages one complaint would already be too many.
const LEAST: i64 = 500;

/// Something that a person has to look at.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Attention {
    /// A campaign stands still.
    Paused { campaign: String, reason: String },
    /// More people call a campaign spam than mailbox providers bear.
    Complaints { campaign: String, rate: Rate },
    /// A relay or provider takes nothing now.
    Resting { relay: String, reason: String },
    /// Drafts that wait for a second person's word.
    Approvals { count: u64 },
    /// An import that could not take every row.
    Rejects { id: i64, file: String, count: u64 },
    /// Text messages nobody has answered.
    Replies { count: u64 },
    /// Mails nobody has read.
    Mails { count: u64 },
    /// Endpoints of webhooks that fail or were given up.
    Webhooks { count: u64 },
    /// Orders whose customer is not known.
    Orders { count: u64 },
    /// The daily upkeep did not run for two days.
    NoUpkeep { last: i64 },
}

/// How many could be reached on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Reach {
    /// Milliseconds since the epoch.
    pub at: i64,
    pub people: u64,
    /// All customers, reachable or not.
    pub of: u64,
}

/// How a wave was answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answered {
    pub campaign: String,
    pub launched_at: i64,
    pub is_simulated: bool,
    /// Whether responses to it still count.
    pub is_open: bool,
    pub rate: Rate,
}

/// The first page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Dashboard {
    pub running: Vec<Running>,
    /// In the order of time.
    pub next: Vec<Entry>,
    pub attention: Vec<Attention>,
    /// In the order of time.
    pub reach: Vec<Reach>,
    /// In the order of time.
    pub answered: Vec<Answered>,
}

/// Reads the first page.
///
/// # Errors
/// When the database is away.
pub async fn dashboard(
    db: &Db,
    rules: &Rules,
    settings: &Settings,
    now: DateTime<Utc>,
) -> Result<Dashboard, ReportError> {
    let now_ms = now.timestamp_millis();
    let under_way = running(db, settings, RUNNING, now_ms).await?;
    let lately = store::lately(db, WAVES).await?;
    let attention = attention(db, &under_way, now_ms).await?;
    let history = upkeep::history(db, UPKEEPS).await?;
    let mut reach: Vec<Reach> = history
        .iter()
        .filter_map(|report| {
            let rungs = report.standings.get("")?;
            let of = rungs.iter().sum::<u64>();
            // Strangers stand on the first rung.
            let people = of - rungs.first().copied().unwrap_or(0);
            // Of a base that was still empty nothing was counted.
            (of > 0).then_some(Reach {
                at: report.at,
                people,
                of,
            })
        })
        .collect();
    reach.reverse();
    Ok(Dashboard {
        running: under_way
            .into_iter()
            .filter(|one| one.launched_at.is_some())
            .collect(),
        next: next(db, rules, settings, now).await?,
        attention,
        reach,
        answered: lately
            .into_iter()
            .rev()
            .map(|wave| wave.answered(now_ms))
            .collect(),
    })
}

async fn next(
    db: &Db,
    rules: &Rules,
    settings: &Settings,
    now: DateTime<Utc>,
) -> Result<Vec<Entry>, ReportError> {
    let today = now.with_timezone(&settings.summary.zone).date_naive();
    let span = Span {
        from: today,
        until: today + Duration::days(AHEAD_DAYS),
        zone: settings.summary.zone,
    };
    let ahead = calendar::calendar(db, rules, settings, span, now).await?;
    let to_come = ahead
        .entries
        .into_iter()
        .filter(|entry| !entry.is_wave && entry.at < span.until_ms());
    // Of what comes again and again, the next time only.
    let mut found: Vec<Entry> = Vec::new();
    for entry in to_come {
        if found.len() < NEXT && !found.iter().any(|known| known.campaign == entry.campaign) {
            found.push(entry);
        }
    }
    Ok(found)
}

async fn attention(
    db: &Db,
    under_way: &[Running],
    now_ms: i64,
) -> Result<Vec<Attention>, ReportError> {
    let mut found = Vec::new();
    // Somebody waits for these.
    let asked = store::asked_approvals(db).await?;
    if asked > 0 {
        found.push(Attention::Approvals { count: asked });
    }
    for (campaign, reason) in store::paused(db).await? {
        found.push(Attention::Paused { campaign, reason });
    }
    for one in under_way {
        for rest in &one.resting {
            let resting = Attention::Resting {
                relay: rest.relay.clone(),
                reason: rest.reason.clone(),
            };
            if !found.contains(&resting) {
                found.push(resting);
            }
        }
    }
    for one in store::complained(db, now_ms - COMPLAINTS_MS, LEAST, COMPLAINTS).await? {
        found.push(Attention::Complaints {
            rate: Rate::new(one.complaints, one.delivered, Denominator::Delivered),
            campaign: one.campaign,
        });
    }
    for one in store::rejects(db, now_ms - REJECTS_MS, IMPORTS).await? {
        found.push(Attention::Rejects {
            id: one.id,
            file: one.file,
            count: one.rejected,
        });
    }
    type Say = fn(u64) -> Attention;
    let counted: [(u64, Say); 4] = [
        (replies::page(db, true, 0, 0).await?.open, |count| {
            Attention::Replies { count }
        }),
        (kept::page(db, true, None, 0).await?.open, |count| {
            Attention::Mails { count }
        }),
        (events::store::failing(&**db).await?, |count| {
            Attention::Webhooks { count }
        }),
        (orders::unmatched(db, 0).await?.0.unsigned_abs(), |count| {
            Attention::Orders { count }
        }),
    ];
    for (count, make) in counted {
        if count > 0 {
            found.push(make(count));
        }
    }
    if let Some(last) = upkeep::history(db, 1).await?.first()
        && now_ms - last.at > 2 * DAY_MS
    {
        found.push(Attention::NoUpkeep { last: last.at });
    }
    Ok(found)
}

impl Lately {
    fn answered(self, now_ms: i64) -> Answered {
        Answered {
            rate: Rate::new(self.responders, self.delivered, Denominator::Delivered),
            is_open: self.launched_at + i64::from(self.window_days) * DAY_MS > now_ms,
            campaign: self.campaign,
            launched_at: self.launched_at,
            is_simulated: self.is_simulated,
        }
    }
}
