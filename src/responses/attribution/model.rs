//! The words of attribution, without I/O.

use serde::Serialize;
use utoipa::ToSchema;

use crate::ids::{CampaignId, DeliveryKey};

/// The rule by which an order was given to a message, the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MatchedBy {
    Token,
    Coupon,
    Campaign,
    Code,
    Click,
}

impl MatchedBy {
    pub const ALL: [Self; 5] = [
        Self::Token,
        Self::Coupon,
        Self::Campaign,
        Self::Code,
        Self::Click,
    ];

    /// As the database keeps it, and as counters are named: `orders.by.token`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Coupon => "coupon",
            Self::Campaign => "campaign",
            Self::Code => "code",
            Self::Click => "click",
        }
    }

    /// Reads the database's word.
    pub fn from_column(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.as_str() == text)
    }

    /// Whether an order counts by it only within the campaign's window for orders.
    pub fn has_window(self) -> bool {
        matches!(self, Self::Token | Self::Code | Self::Click)
    }

    /// Whether the order itself brings what proves it, so that the order of instants does not matter: clocks
    /// of shops go wrong.
    pub fn is_proof(self) -> bool {
        matches!(self, Self::Token | Self::Coupon)
    }
}

/// A message that may have earned an order, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    pub by: MatchedBy,
    pub key: DeliveryKey,
    pub campaign: CampaignId,
    /// When it was handed over, milliseconds since the epoch; `None` while it is being so.
    pub settled_at: Option<i64>,
    /// When the customer last had to do with it: his click, else the hand-over.
    pub touched_at: i64,
}
