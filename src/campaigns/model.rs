//! A campaign's words, without I/O.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a campaign stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    #[default]
    Click,
    Order,
    /// Writes back.
    Reply,
    /// Redeems a coupon.
    Coupon,
    /// Names the campaign's code in a shop or by telephone.
    Answer,
}

impl Goal {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Click => "click",
            Self::Order => "order",
            Self::Reply => "reply",
            Self::Coupon => "coupon",
            Self::Answer => "answer",
        }
    }
}

/// Days after the hand-over in which a response of a kind counts, where they are not those of the campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Windows {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub click: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coupon: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<u32>,
}

impl Windows {
    /// The days of a kind of response, where they are given.
    pub fn of(&self, goal: Goal) -> Option<u32> {
        match goal {
            Goal::Click => self.click,
            Goal::Order => self.order,
            Goal::Reply => self.reply,
            Goal::Coupon => self.coupon,
            Goal::Answer => self.answer,
        }
    }

    /// Whether no kind has days of its own.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// All that are given.
    pub fn days(&self) -> impl Iterator<Item = u32> {
        [self.click, self.order, self.reply, self.coupon, self.answer]
            .into_iter()
            .flatten()
    }
}
