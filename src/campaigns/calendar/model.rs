//! What stands on the calendar, and what gets in each other's way; without I/O.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;
use serde::Serialize;

use crate::campaigns::model::Status;
use crate::clock::{DAY_MS, from_ms, local_instant};
use crate::config::WindowKind;
use crate::consent::model::Channel;
use crate::gate::rules::Cap;
use crate::ids::CampaignId;
use crate::statistics::Sentence;

/// The rule that selects every customer.
const EVERYONE: &str = "everyone";

/// Days in a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub from: NaiveDate,
    /// The first day that is not of it.
    pub until: NaiveDate,
    pub zone: Tz,
}

impl Span {
    pub fn from_ms(self) -> i64 {
        self.midnight(self.from)
    }

    pub fn until_ms(self) -> i64 {
        self.midnight(self.until)
    }

    /// The day of an instant.
    pub fn day_of(self, ms: i64) -> NaiveDate {
        from_ms(ms).with_timezone(&self.zone).date_naive()
    }

    pub fn days(self) -> impl Iterator<Item = NaiveDate> {
        let last = self.until;
        std::iter::successors(Some(self.from), |day| day.checked_add_days(Days::new(1)))
            .take_while(move |day| *day < last)
    }

    fn midnight(self, day: NaiveDate) -> i64 {
        let at: DateTime<Utc> = local_instant(day.and_time(NaiveTime::MIN), self.zone);
        at.timestamp_millis()
    }
}

/// A campaign at one time: what went out, or will.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    pub campaign: CampaignId,
    pub name: String,
    pub status: Status,
    pub channels: Vec<Channel>,
    pub topic: String,
    /// The rule of its segment.
    pub segment: String,
    #[serde(skip)]
    pub relay: Option<String>,
    /// The address it is sent from.
    #[serde(skip)]
    pub sender: String,
    /// Whether each recipient gets it at that time of his own.
    pub zone_is_recipients: bool,
    pub is_recurring: bool,
    pub day: NaiveDate,
    /// When it is launched, or was, in milliseconds since the epoch.
    pub at: i64,
    /// When the last message was handed over.
    pub ended_at: Option<i64>,
    /// Until when responses count.
    pub window_until: Option<i64>,
    /// Messages accepted; of what is to come, those of its last wave.
    pub people: Option<i64>,
    pub responders: Option<i64>,
    /// Whether it went out.
    pub is_wave: bool,
    /// Whether a person may give it another day.
    pub may_move: bool,
}

impl Entry {
    /// The channel whose lane it stands in.
    pub fn channel(&self) -> Channel {
        self.channels.first().copied().unwrap_or(Channel::Email)
    }

    /// Whether both reach the same people for certain: the rules are the same, or one is of everyone.
    fn reaches_those_of(&self, other: &Self) -> bool {
        self.segment == other.segment || self.segment == EVERYONE || other.segment == EVERYONE
    }
}

/// What gets in each other's way.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Conflict {
    /// More messages than a cap allows: the gate will withhold what is too much.
    Pressure {
        /// In words: "2 messages by email in 7 days".
        cap: Sentence,
        /// Whether they reach the same people; otherwise they may.
        is_certain: bool,
        campaigns: Vec<String>,
        /// The first and the last of them, in milliseconds since the epoch.
        from: i64,
        until: i64,
    },
    /// A relay is still busy with the one when the other begins.
    Capacity {
        relay: String,
        first: String,
        second: String,
        at: i64,
        /// When the first will be through by itself.
        busy_until: i64,
    },
}

/// How much one group of people is to get, against the tightest cap.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pressure {
    pub segment: String,
    /// Messages in the span, by any channel.
    pub planned: usize,
    /// The most in any stretch of the cap's days.
    pub peak: usize,
    pub max: u32,
    pub cap: Sentence,
}

/// What happens in a span of days.
#[derive(Debug, Clone, PartialEq)]
pub struct Calendar {
    pub span: Span,
    /// In the order of time; also some before and after the span.
    pub entries: Vec<Entry>,
    /// Days on which offices are closed, and in which countries.
    pub holidays: BTreeMap<NaiveDate, Vec<String>>,
    pub conflicts: Vec<Conflict>,
    pub pressure: Vec<Pressure>,
}

/// Those that a cap counts together, in the order of time.
fn counted<'a>(entries: &'a [Entry], cap: &Cap) -> Vec<&'a Entry> {
    entries
        .iter()
        .filter(|entry| entry.status != Status::Cancelled || entry.is_wave)
        .filter(|entry| cap.concerns(entry.channel(), &entry.topic))
        .collect()
}

/// Whether an entry falls into the days of a cap that begin with another.
fn is_within(cap: &Cap, first: &Entry, entry: &Entry) -> bool {
    match cap.window {
        WindowKind::Sliding => {
            (first.at..first.at + i64::from(cap.days) * DAY_MS).contains(&entry.at)
        }
        WindowKind::Calendar => {
            (0..i64::from(cap.days)).contains(&(entry.day - first.day).num_days())
        }
    }
}

/// What exceeds a cap; only where something of it is to come. What may exceed it because nobody has counted how far
/// the segments overlap is told where nothing is certain.
pub fn pressure_conflicts(entries: &[Entry], caps: &[Cap], now_ms: i64) -> Vec<Conflict> {
    let mut found = Vec::new();
    let mut told: BTreeSet<Vec<(i64, i64)>> = BTreeSet::new();
    for cap in caps {
        let counted = counted(entries, cap);
        for (n, first) in counted.iter().enumerate() {
            let behind: Vec<&Entry> = counted
                .get(n..)
                .unwrap_or_default()
                .iter()
                .copied()
                .filter(|entry| is_within(cap, first, entry))
                .collect();
            let same: Vec<&Entry> = behind
                .iter()
                .copied()
                .filter(|entry| entry.reaches_those_of(first))
                .collect();
            let max = usize::try_from(cap.max).unwrap_or(usize::MAX);
            let (group, is_certain) = match (same.len() > max, behind.len() > max) {
                (true, _) => (same, true),
                (false, true) => (behind, false),
                (false, false) => continue,
            };
            let (Some(from), Some(until)) = (group.first(), group.last()) else {
                continue;
            };
            let names: BTreeSet<&str> = group.iter().map(|entry| entry.name.as_str()).collect();
            // One that only repeats itself says the same each day.
            let key: Vec<(i64, i64)> = group
                .iter()
                .map(|entry| {
                    (
                        entry.campaign.0,
                        if names.len() == 1 { 0 } else { entry.at },
                    )
                })
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect();
            if group.iter().all(|entry| entry.at < now_ms)
                || is_part(&told, &key)
                || !told.insert(key)
            {
                continue;
            }
            found.push(Conflict::Pressure {
                cap: cap.sentence(),
                is_certain,
                campaigns: names.into_iter().map(str::to_owned).collect(),
                from: from.at,
                until: until.at,
            });
        }
    }
    found.sort_by_key(|conflict| match conflict {
        Conflict::Pressure {
            is_certain, from, ..
        } => (!is_certain, *from),
        Conflict::Capacity { at, .. } => (false, *at),
    });
    found
}

/// Whether all of a group was told with others already.
fn is_part(told: &BTreeSet<Vec<(i64, i64)>>, group: &[(i64, i64)]) -> bool {
    told.iter()
        .any(|known| group.iter().all(|one| known.contains(one)))
}

/// Two by one relay, of which the second begins before the first is through. `rate_of`: the relay of an entry and
/// how many messages a second it takes at most, where that is bounded.
pub fn capacity_conflicts(
    entries: &[Entry],
    rate_of: impl Fn(&Entry) -> Option<(String, u32)>,
    now_ms: i64,
) -> Vec<Conflict> {
    let mut found = Vec::new();
    let to_come: Vec<&Entry> = entries
        .iter()
        .filter(|entry| !entry.is_wave && entry.at >= now_ms && entry.channel() == Channel::Email)
        .collect();
    for (n, first) in to_come.iter().enumerate() {
        let (Some(people), Some((relay, rate))) = (first.people, rate_of(first)) else {
            continue;
        };
        let busy_until = first.at + people.saturating_mul(1_000) / i64::from(rate.max(1));
        for second in to_come.get(n + 1..).unwrap_or_default() {
            if second.at >= busy_until {
                break;
            }
            if second.campaign != first.campaign
                && rate_of(second).is_some_and(|(other, _)| other == relay)
            {
                found.push(Conflict::Capacity {
                    relay: relay.clone(),
                    first: first.name.clone(),
                    second: second.name.clone(),
                    at: second.at,
                    busy_until,
                });
            }
        }
    }
    found
}

/// How much each group of people gets in the span, the most pressed first; a group is a segment.
pub fn pressure(entries: &[Entry], caps: &[Cap], span: Span, now_ms: i64) -> Vec<Pressure> {
    let in_span = span.from_ms()..span.until_ms();
    let segments: BTreeSet<&str> = entries.iter().map(|entry| entry.segment.as_str()).collect();
    let mut found: Vec<Pressure> = segments
        .into_iter()
        .filter_map(|segment| {
            let group: Vec<&Entry> = entries
                .iter()
                .filter(|entry| entry.status != Status::Cancelled || entry.is_wave)
                .filter(|entry| entry.segment == segment || entry.segment == EVERYONE)
                .collect();
            let here = || group.iter().filter(|entry| in_span.contains(&entry.at));
            if !here().any(|entry| entry.at >= now_ms) {
                return None;
            }
            let tightest = caps
                .iter()
                .filter_map(|cap| Some((cap, peak(&group, cap, span)?)))
                .max_by_key(|(cap, peak)| filled(*peak, cap.max));
            let (cap, peak) = tightest?;
            Some(Pressure {
                segment: segment.to_owned(),
                planned: here().count(),
                peak,
                max: cap.max,
                cap: cap.sentence(),
            })
        })
        .collect();
    found.sort_by_key(|one| std::cmp::Reverse((filled(one.peak, one.max), one.planned)));
    found
}

/// The most messages in any stretch of a cap's days that reaches into the span; none of its business: `None`.
fn peak(group: &[&Entry], cap: &Cap, span: Span) -> Option<usize> {
    let counted: Vec<&&Entry> = group
        .iter()
        .filter(|entry| cap.concerns(entry.channel(), &entry.topic))
        .collect();
    counted
        .iter()
        .map(|first| {
            let stretch = counted.iter().filter(|entry| is_within(cap, first, entry));
            let reaches = stretch.clone().any(|entry| entry.at >= span.from_ms());
            if reaches && first.at < span.until_ms() {
                stretch.count()
            } else {
                0
            }
        })
        .max()
}

/// How far a cap is filled, in millionths.
fn filled(peak: usize, max: u32) -> usize {
    peak * 1_000_000 / usize::try_from(max).unwrap_or(1).max(1)
}

#[cfg(test)]
#[path = "model_tests.rs"]
pub(super) mod tests;
