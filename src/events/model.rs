//! The words of events, and when what failed is tried again; without I/O.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventKind {
    CampaignLaunched,
    CampaignPaused,
    CampaignFinished,
    CampaignCancelled,
    /// A person said no, whoever brought it.
    CustomerOptedOut,
    /// A permission was given, or ended by itself.
    CustomerPermissionChanged,
    ResponseRecorded,
    OrderAttributed,
    ImportFinished,
    /// Nothing: somebody tries an endpoint out.
    WebhookTest,
}

impl EventKind {
    /// What may be subscribed to.
    pub const ALL: [Self; 9] = [
        Self::CampaignLaunched,
        Self::CampaignPaused,
        Self::CampaignFinished,
        Self::CampaignCancelled,
        Self::CustomerOptedOut,
        Self::CustomerPermissionChanged,
        Self::ResponseRecorded,
        Self::OrderAttributed,
        Self::ImportFinished,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::CampaignLaunched => "campaign.launched",
            Self::CampaignPaused => "campaign.paused",
            Self::CampaignFinished => "campaign.finished",
            Self::CampaignCancelled => "campaign.cancelled",
            Self::CustomerOptedOut => "customer.opted_out",
            Self::CustomerPermissionChanged => "customer.permission_changed",
            Self::ResponseRecorded => "response.recorded",
            Self::OrderAttributed => "order.attributed",
            Self::ImportFinished => "import.finished",
            Self::WebhookTest => "webhook.test",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for EventKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl FromStr for EventKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| {
                let known: Vec<&str> = Self::ALL.into_iter().map(Self::as_str).collect();
                format!("there is no event {text:?}; there are {}", known.join(", "))
            })
    }
}

/// What became of an event at an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    Waiting,
    Delivered,
    /// Every try failed.
    Failed,
    /// Its endpoint was disabled before it was told.
    Stopped,
}

impl DeliveryState {
    const ALL: [Self; 4] = [Self::Waiting, Self::Delivered, Self::Failed, Self::Stopped];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }

    /// Reads the database's word.
    pub fn from_column(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// What an endpoint answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 2xx: it has it.
    Taken(u16),
    /// 410: it wants nothing any more.
    Gone,
    /// It wants to be left alone for a while, perhaps for so many seconds: 429, 502, 503, 504.
    Busy(u16, Option<u64>),
    /// Any other 4xx: this event is at fault, or the whole endpoint; the next ones will tell.
    Refused(u16),
    /// 5xx, and redirects, which are not followed.
    Failed(u16),
    /// There was no answer; why, in words.
    None(String),
}

impl Answer {
    /// What a status means (Standard Webhooks, "HTTP status codes").
    pub fn of(status: u16, retry_after: Option<u64>) -> Self {
        match status {
            200..=299 => Self::Taken(status),
            410 => Self::Gone,
            429 | 502 | 503 | 504 => Self::Busy(status, retry_after),
            408 | 425 => Self::Failed(status),
            400..=499 => Self::Refused(status),
            _ => Self::Failed(status),
        }
    }

    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Taken(status)
            | Self::Busy(status, _)
            | Self::Refused(status)
            | Self::Failed(status) => Some(*status),
            Self::Gone => Some(410),
            Self::None(_) => None,
        }
    }

    /// What went wrong, in words.
    pub fn fault(&self) -> Option<String> {
        match self {
            Self::Taken(_) => None,
            Self::Gone => Some("answered 410: it wants nothing any more".to_owned()),
            Self::Busy(status, _) | Self::Refused(status) | Self::Failed(status)
                if !(300..400).contains(status) =>
            {
                Some(format!("answered {status}"))
            }
            Self::Busy(status, _) | Self::Refused(status) | Self::Failed(status) => Some(format!(
                "answered {status}: redirects are not followed; change the address"
            )),
            Self::None(why) => Some(why.clone()),
        }
    }
}

const SECOND_MS: i64 = 1_000;
const HOUR_MS: i64 = 3_600_000;

/// How long after each failed try the next one comes, in milliseconds (Standard Webhooks, "Deliverability and
/// reliability": 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h).
const SCHEDULE: [i64; 9] = [
    5 * SECOND_MS,
    300 * SECOND_MS,
    1_800 * SECOND_MS,
    2 * HOUR_MS,
    5 * HOUR_MS,
    10 * HOUR_MS,
    14 * HOUR_MS,
    20 * HOUR_MS,
    24 * HOUR_MS,
];

/// After so many tries the events behind it go ahead: two and a half hours.
const HOLDS: i64 = 5;

/// An endpoint that has failed for so long, in milliseconds, is disabled.
pub const GIVEN_UP_MS: i64 = 5 * 24 * HOUR_MS;

/// When what failed is tried again, after `attempts` tries, the failed one counted; `None`: never by itself.
/// `chance`: from 0 to 1, so that those who failed together do not come back together.
pub fn next_try(attempts: i64, answer: &Answer, chance: f64, now_ms: i64) -> Option<i64> {
    let place = usize::try_from(attempts - 1).ok()?;
    let wait = *SCHEDULE.get(place)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a tenth of at most a day in milliseconds"
    )]
    let jitter = (wait as f64 * 0.1 * chance.clamp(0.0, 1.0)) as i64;
    let asked = match answer {
        Answer::Busy(_, Some(seconds)) => i64::try_from(*seconds)
            .unwrap_or(i64::MAX)
            .saturating_mul(SECOND_MS)
            .min(24 * HOUR_MS),
        _ => 0,
    };
    Some(now_ms + (wait + jitter).max(asked))
}

/// Whether what comes behind a failed event may go ahead of it: the endpoint is well and refuses this one, or it
/// has held the others up for long enough.
pub fn lets_pass(attempts: i64, answer: &Answer) -> bool {
    matches!(answer, Answer::Refused(_)) || attempts >= HOLDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_tries_follow_the_first_over_three_days() {
        let failed = Answer::Failed(500);
        let mut at = 0;
        let mut tries = 0;
        for attempts in 1.. {
            let Some(next) = next_try(attempts, &failed, 0.0, at) else {
                break;
            };
            assert!(next > at);
            at = next;
            tries += 1;
        }
        assert_eq!(tries, 9);
        assert_eq!(at, 75 * HOUR_MS + 35 * 60 * SECOND_MS + 5 * SECOND_MS);
    }

    #[test]
    fn chance_adds_a_tenth_at_most_and_an_endpoint_may_ask_for_more() {
        assert_eq!(next_try(1, &Answer::Failed(500), 1.0, 0), Some(5_500));
        assert_eq!(
            next_try(1, &Answer::Busy(429, Some(60)), 0.0, 0),
            Some(60_000)
        );
        assert_eq!(
            next_try(1, &Answer::Busy(503, Some(1)), 0.0, 0),
            Some(5_000)
        );
        let year = Answer::Busy(503, Some(31_536_000));
        assert_eq!(next_try(1, &year, 0.0, 0), Some(24 * HOUR_MS));
    }

    #[test]
    fn only_what_is_refused_or_has_failed_often_lets_others_pass() {
        assert!(lets_pass(1, &Answer::of(422, None)));
        assert!(!lets_pass(4, &Answer::of(500, None)));
        assert!(!lets_pass(1, &Answer::of(408, None)));
        assert!(lets_pass(5, &Answer::of(500, None)));
        assert_eq!(Answer::of(410, None), Answer::Gone);
        assert_eq!(Answer::of(204, None), Answer::Taken(204));
        assert!(
            Answer::of(302, None)
                .fault()
                .is_some_and(|told| told.contains("redirects"))
        );
    }
}
