//! A campaign's words, without I/O.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a campaign stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Applied, without a schedule: waits for `launch`.
    Ready,
    /// Waits for its due time.
    Scheduled,
    /// A wave is being delivered.
    Running,
    /// Stopped for a while, by a person or by a fault of the sender.
    Paused,
    /// Every wave is delivered and no due time is left.
    Finished,
    /// Stopped for good; what was sent stays on record.
    Cancelled,
}

impl Status {
    const ALL: [Self; 6] = [
        Self::Ready,
        Self::Scheduled,
        Self::Running,
        Self::Paused,
        Self::Finished,
        Self::Cancelled,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Finished => "finished",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the database's word.
    pub fn from_column(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether the definition may be replaced.
    pub fn is_editable(self) -> bool {
        matches!(self, Self::Ready | Self::Scheduled | Self::Finished)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a campaign wants its recipients to do: who does it is a responder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    #[default]
    Click,
    Order,
}

impl Goal {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Click => "click",
            Self::Order => "order",
        }
    }
}

/// Why someone selected is not contacted. The order is that of the waterfall: who is missing for two
/// reasons is counted under the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Withheld {
    /// The base holds no address for the channel.
    NoAddress,
    /// What the base holds is not an address.
    MalformedAddress,
    /// A receiving server said that there is no such recipient.
    RefusedAddress,
    /// The person opted out, or a suppression list names the address.
    Suppressed,
    /// No permission for this channel and topic.
    NoPermission,
    /// Another selected customer has the same address and gets the message.
    DuplicateAddress,
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
    pub const ALL: [Self; 10] = [
        Self::NoAddress,
        Self::MalformedAddress,
        Self::RefusedAddress,
        Self::Suppressed,
        Self::NoPermission,
        Self::DuplicateAddress,
        Self::Control,
        Self::Erased,
        Self::Cancelled,
        Self::Unrenderable,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoAddress => "no_address",
            Self::MalformedAddress => "malformed_address",
            Self::RefusedAddress => "refused_address",
            Self::Suppressed => "suppressed",
            Self::NoPermission => "no_permission",
            Self::DuplicateAddress => "duplicate_address",
            Self::Control => "control",
            Self::Erased => "erased",
            Self::Cancelled => "cancelled",
            Self::Unrenderable => "unrenderable",
        }
    }

    /// In words for a person.
    pub fn describe(self) -> &'static str {
        match self {
            Self::NoAddress => "no address for this channel",
            Self::MalformedAddress => "the address is malformed",
            Self::RefusedAddress => "the address was refused by its server before",
            Self::Suppressed => "suppressed (opted out)",
            Self::NoPermission => "no permission for this channel and topic",
            Self::DuplicateAddress => "same address as another recipient",
            Self::Control => "control group",
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
