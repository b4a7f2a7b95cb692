//! What a campaign asks of the gate, and why someone is not contacted, without I/O.

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::consent::ladder::Level;
use crate::consent::model::Channel;

/// What a campaign asks of the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub channel: Channel,
    /// Who carries the message, where its hours may differ: the name of an SMS provider.
    pub provider: Option<String>,
    /// Lower-case letters, digits, `-` and `_` only, since it stands in queries.
    pub topic: String,
    /// The rung a person must stand on.
    pub level: Level,
    /// Where the caps do not leave room for all, the higher goes first.
    pub priority: i64,
    /// The zone of those who have none.
    pub fallback_zone: Tz,
    /// One message a household.
    pub per_household: bool,
    /// Nothing is handed over from then on, in milliseconds since the epoch.
    pub ends_at: Option<i64>,
}

impl Request {
    /// The way its messages take, as far as hours go.
    pub fn route(&self) -> Route<'_> {
        Route {
            channel: self.channel,
            provider: self.provider.as_deref(),
        }
    }
}

/// The way a message takes, as far as hours go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route<'a> {
    pub channel: Channel,
    pub provider: Option<&'a str>,
}

impl From<Channel> for Route<'_> {
    fn from(channel: Channel) -> Self {
        Self {
            channel,
            provider: None,
        }
    }
}

/// A running wave of a higher priority, whose waiting messages count as if they had been sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rival {
    pub wave: i64,
    pub channel: Channel,
    pub topic: String,
}

/// Why someone selected is not contacted. The order is that of the waterfall: who is missing for two
/// reasons is counted under the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Withheld {
    /// The base holds no address for the channel.
    NoAddress,
    /// The number is not a mobile one, so that no text message arrives.
    NotMobile,
    /// What the base holds is not an address.
    MalformedAddress,
    /// A receiving server said that there is no such recipient, or receipts that nobody has the number.
    RefusedAddress,
    /// The person opted out, or a suppression list names the address.
    Suppressed,
    /// No permission for this channel and topic.
    NoPermission,
    /// The legal basis lacks what it rests on, or does not suffice for this topic.
    NoBasis,
    /// The legal basis ended, or nothing came from the person for too long.
    Expired,
    /// The permission is on a lower rung of the ladder than the campaign needs.
    Level,
    /// The person asked for a pause.
    Paused,
    /// The person has had as many messages as the caps, his level or his own wish allow.
    Pressure,
    /// Another selected customer has the same address and gets the message.
    DuplicateAddress,
    /// Another selected customer of the same household gets the message.
    Household,
    /// The hours were quiet until the campaign ended.
    QuietHours,
    /// The campaign ended before the hand-over.
    Ended,
    /// In the standing control group, which no campaign contacts.
    GlobalControl,
    /// Held back to measure what the campaign causes.
    Control,
    /// Erased between launch and hand-over.
    Erased,
    /// The campaign was cancelled first.
    Cancelled,
    /// The message could not be rendered for this person.
    Unrenderable,
}

impl Withheld {
    pub const ALL: [Self; 20] = [
        Self::NoAddress,
        Self::NotMobile,
        Self::MalformedAddress,
        Self::RefusedAddress,
        Self::Suppressed,
        Self::NoPermission,
        Self::NoBasis,
        Self::Expired,
        Self::Level,
        Self::Paused,
        Self::Pressure,
        Self::DuplicateAddress,
        Self::Household,
        Self::QuietHours,
        Self::Ended,
        Self::GlobalControl,
        Self::Control,
        Self::Erased,
        Self::Cancelled,
        Self::Unrenderable,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoAddress => "no_address",
            Self::NotMobile => "not_mobile",
            Self::MalformedAddress => "malformed_address",
            Self::RefusedAddress => "refused_address",
            Self::Suppressed => "suppressed",
            Self::NoPermission => "no_permission",
            Self::NoBasis => "no_basis",
            Self::Expired => "expired",
            Self::Level => "level",
            Self::Paused => "paused",
            Self::Pressure => "pressure",
            Self::DuplicateAddress => "duplicate_address",
            Self::Household => "household",
            Self::GlobalControl => "global_control",
            Self::Control => "control",
            Self::QuietHours => "quiet_hours",
            Self::Ended => "ended",
            Self::Erased => "erased",
            Self::Cancelled => "cancelled",
            Self::Unrenderable => "unrenderable",
        }
    }

    /// In words for a person.
    pub fn describe(self) -> &'static str {
        match self {
            Self::NoAddress => "no address for this channel",
            Self::NotMobile => "the number is not a mobile one",
            Self::MalformedAddress => "the address is malformed",
            Self::RefusedAddress => "the address was refused before",
            Self::Suppressed => "the address is suppressed (opt-out or list)",
            Self::NoPermission => "no permission for this channel and topic",
            Self::NoBasis => "the legal basis is not proved or does not suffice",
            Self::Expired => "the permission expired",
            Self::Level => "the permission level is too low",
            Self::Paused => "asked for a pause",
            Self::Pressure => "has had enough messages lately",
            Self::DuplicateAddress => "same address as another recipient",
            Self::Household => "same household as another recipient",
            Self::GlobalControl => "standing control group",
            Self::Control => "control group",
            Self::QuietHours => "quiet hours until the campaign's end",
            Self::Ended => "the campaign ended before the hand-over",
            Self::Erased => "erased since the launch",
            Self::Cancelled => "campaign cancelled before the hand-over",
            Self::Unrenderable => "the message could not be rendered",
        }
    }

    /// Reads the database's word.
    pub fn from_column(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}
