//! How fast messages may leave under the limits that nodes share, without I/O.
//!
//! A limit is a line of slots, evenly spaced (GCRA, the generic cell rate algorithm of ITU-T I.371): what
//! is kept of it is the instant of its next free slot. A batch takes as many slots as are free when it
//! passes the gate. What concerns a whole wave (its relay, its sender's domain, its own rate) bounds the
//! batch, and the wave rests until there are slots again. What concerns a recipient's domain puts off only
//! who exceeds it: he queues up behind those of his wave, at the limit's own spacing, so that each comes
//! back once when it can be his turn, however long the queue is.

use std::collections::{BTreeMap, HashMap};

use crate::config::{LimitSettings, Settings, domain_of, provider_of};
use crate::ids::{CampaignId, WaveId};

/// Why a row waits for a time of its own whose recipient's domain has no slot: `deliveries.reason`.
pub const DOMAIN_LIMIT: &str = "domain_limit";

/// Microseconds of a second.
const SECOND: i64 = 1_000_000;

/// Slots that passed unused are caught up for so long: what a claim, a gate and a settlement take.
const CREDIT: i64 = SECOND;

/// A line that was not used for so long begins anew, without slots to catch up.
const IDLE: i64 = 5 * SECOND;

/// A wave without slots rests a little longer than to its next one, so that it comes back for a batch.
const GATHER: i64 = SECOND / 4;

/// Who exceeds the limit of a domain waits for so long at least.
const PUT_OFF: i64 = SECOND;

/// A limit by the name that nodes share it under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    pub name: String,
    pub per_second: u32,
}

/// The next free slot of lines by name, in microseconds by one clock.
pub type Lines = BTreeMap<String, i64>;

/// What bounds a wave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    wave: WaveId,
    /// What its lines are told apart by from those of the wave's other channel.
    end: &'static str,
    /// What all of its messages share.
    pub shared: Vec<Limit>,
    /// By the recipient's domain.
    recipients: HashMap<String, Limit>,
    /// For each domain that is not named.
    others: Option<u32>,
}

/// What a wave is, as far as limits ask.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub wave: WaveId,
    pub campaign: CampaignId,
    pub route: &'a str,
    pub sender_address: &'a str,
    pub rate_per_second: Option<u32>,
}

/// What a candidate of a batch may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    Go,
    /// Comes back after so many microseconds.
    PutOff(i64),
    /// Stays where it is, for the next batch of the wave.
    Wait,
}

/// How a batch goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turns {
    /// In the order of the candidates.
    pub each: Vec<Turn>,
    /// For so many microseconds the wave has no slot.
    pub rest: Option<i64>,
}

impl Limits {
    /// The limits of a wave under the settings.
    pub fn new(settings: &Settings, subject: Subject<'_>) -> Self {
        let email = &settings.email;
        let provider = provider_of(subject.route);
        let rate = match provider {
            Some(provider) => settings.sms.rate_of(provider),
            None => email.rate_of(subject.route),
        };
        let relay = rate.map(|per_second| Limit {
            name: format!("relay/{}", subject.route),
            per_second,
        });
        let campaign = subject.rate_per_second.map(|per_second| Limit {
            name: format!("campaign/{}", subject.campaign),
            per_second,
        });
        if provider.is_some() {
            return Self {
                wave: subject.wave,
                end: rest_end(subject.route),
                shared: [relay, campaign].into_iter().flatten().collect(),
                recipients: HashMap::new(),
                others: None,
            };
        }
        let sender = sender_limit(&email.limits, &domain_of(subject.sender_address));
        let mut recipients = HashMap::new();
        let mut others = None;
        for limit in &email.limits {
            let Some(first) = limit.recipients.first() else {
                continue;
            };
            if first == "*" {
                others = Some(limit.rate_per_second);
                continue;
            }
            for domain in &limit.recipients {
                let shared = Limit {
                    name: format!("to/{first}"),
                    per_second: limit.rate_per_second,
                };
                recipients.insert(domain.clone(), shared);
            }
        }
        Self {
            wave: subject.wave,
            end: rest_end(subject.route),
            shared: [relay, campaign, sender].into_iter().flatten().collect(),
            recipients,
            others,
        }
    }

    /// Whether nothing bounds the wave.
    pub fn is_empty(&self) -> bool {
        self.shared.is_empty() && self.recipients.is_empty() && self.others.is_none()
    }

    /// The line in which the wave rests while one of its limits has no slot.
    pub fn rest_line(&self) -> String {
        format!("{REST}{}{}", self.wave, self.end)
    }

    /// The limit of a recipient's domain.
    pub fn of_recipient(&self, address: &str) -> Option<Limit> {
        if self.recipients.is_empty() && self.others.is_none() {
            return None;
        }
        let domain = domain_of(address);
        self.recipients.get(&domain).cloned().or_else(|| {
            self.others.map(|per_second| Limit {
                name: format!("to/{domain}"),
                per_second,
            })
        })
    }

    /// The line in which those of this wave queue up who exceed a limit.
    pub fn queue_line(&self, limit: &Limit) -> String {
        format!("{QUEUE}{}/{}", self.wave, limit.name)
    }

    /// How many messages of the wave may leave now at most; `None`: without limit.
    pub fn free(&self, lines: &Lines, now: i64) -> Option<i64> {
        self.shared.iter().map(|limit| limit.free(lines, now)).min()
    }

    /// For how long the wave has no slot, where that is so.
    pub fn rest(&self, lines: &Lines, now: i64) -> Option<i64> {
        let next = self
            .shared
            .iter()
            .filter(|limit| limit.free(lines, now) == 0)
            .map(|limit| limit.start(lines, now))
            .max()?;
        Some(next - now + GATHER)
    }

    /// Gives slots to as many of a batch as there are, in order. `recipients` are their domains' limits;
    /// `lines` hold the next slots of all that are named, and afterwards what is left.
    pub fn allot(&self, recipients: &[Option<Limit>], lines: &mut Lines, now: i64) -> Turns {
        let mut free = self.free(lines, now).unwrap_or(i64::MAX);
        let mut gone = 0;
        let each = recipients
            .iter()
            .map(|limit| {
                if free == 0 {
                    return Turn::Wait;
                }
                if let Some(limit) = limit {
                    if limit.free(lines, now) == 0 {
                        return Turn::PutOff(self.queue_up(limit, lines, now));
                    }
                    limit.take(1, lines, now);
                }
                free -= 1;
                gone += 1;
                Turn::Go
            })
            .collect();
        if gone > 0 {
            for limit in &self.shared {
                limit.take(gone, lines, now);
            }
        }
        let rest = self.rest(lines, now).filter(|_| free == 0);
        Turns { each, rest }
    }

    /// The next place in the queue of those who exceed a limit, from now.
    fn queue_up(&self, limit: &Limit, lines: &mut Lines, now: i64) -> i64 {
        let queue = lines.entry(self.queue_line(limit)).or_default();
        let slot = (*queue).max(now + PUT_OFF);
        *queue = slot + limit.cost(1);
        slot - now
    }
}

/// What the name of the line begins with in which a wave rests; its number follows, and [`rest_end`].
pub const REST: &str = "rest/";

/// How the name of that line ends: a wave that goes by two channels rests on each for itself.
pub fn rest_end(route: &str) -> &'static str {
    match provider_of(route) {
        Some(_) => "/sms",
        None => "",
    }
}

/// The same for the lines in which those of a wave queue up who exceed a limit.
pub const QUEUE: &str = "queue/";

fn sender_limit(limits: &[LimitSettings], domain: &str) -> Option<Limit> {
    let named = limits
        .iter()
        .find(|limit| limit.senders.iter().any(|sender| sender == domain));
    let others = || {
        limits
            .iter()
            .find(|limit| limit.senders.iter().any(|sender| sender == "*"))
    };
    let (limit, name) = match (named, others()) {
        (Some(limit), _) => (limit, limit.senders.first().map_or(domain, String::as_str)),
        (None, Some(limit)) => (limit, domain),
        (None, None) => return None,
    };
    Some(Limit {
        name: format!("from/{name}"),
        per_second: limit.rate_per_second,
    })
}

impl Limit {
    /// What `n` slots take, in microseconds.
    fn cost(&self, n: i64) -> i64 {
        n.saturating_mul(SECOND) / i64::from(self.per_second.max(1))
    }

    /// The first slot that may still be taken.
    fn start(&self, lines: &Lines, now: i64) -> i64 {
        match lines.get(&self.name) {
            Some(next) if *next >= now - IDLE => (*next).max(now - CREDIT),
            _ => now,
        }
    }

    /// Slots that may be taken now.
    fn free(&self, lines: &Lines, now: i64) -> i64 {
        let since = now - self.start(lines, now);
        if since < 0 {
            return 0;
        }
        since.saturating_mul(i64::from(self.per_second.max(1))) / SECOND + 1
    }

    fn take(&self, n: i64, lines: &mut Lines, now: i64) {
        let next = self.start(lines, now) + self.cost(n);
        lines.insert(self.name.clone(), next);
    }
}

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;
