//! The words of a template, without I/O.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One of the four parts of a message (AIDA).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Attention,
    Interest,
    Desire,
    Action,
}

impl Part {
    pub const ALL: [Self; 4] = [Self::Attention, Self::Interest, Self::Desire, Self::Action];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attention => "attention",
            Self::Interest => "interest",
            Self::Desire => "desire",
            Self::Action => "action",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A tracked link of a template: where it leads and in which part it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its place in the template, counted from 0; what a click token carries.
    pub number: u16,
    pub part: Part,
    /// Absolute, http or https, without fields.
    pub url: String,
    /// What the reader sees.
    pub label: String,
}

/// The links of one recipient's message, ready to stand in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecipientLinks {
    /// The tracked URL of each link of the message's language, in the order of `CompiledEmail::links`.
    pub clicks: Vec<String>,
    pub unsubscribe: String,
    /// The preference centre.
    pub preferences: String,
    pub browser: String,
    /// The open pixel; none without the customer's tracking consent.
    pub open: Option<String>,
    /// The link that no person sees; none where it is turned off.
    pub trap: Option<String>,
    /// What is proposed to him; none where nothing is.
    pub offer: Option<Arc<OfferWords>>,
    /// His own.
    pub coupon: Option<String>,
}

/// What the texts may say of an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferWords {
    pub name: String,
    pub code: Option<String>,
    /// `2026-12-24`.
    pub deadline: Option<String>,
}

impl RecipientLinks {
    /// With an invented offer and coupon, for previews and measures.
    #[must_use]
    pub fn with_sample_offer(mut self) -> Self {
        self.offer = Some(Arc::new(OfferWords {
            name: "Two for one".to_owned(),
            code: Some("SPRING26".to_owned()),
            deadline: Some("2026-12-24".to_owned()),
        }));
        self.coupon = Some("7K3M-9QXD-2WTV".to_owned());
        self
    }
}

/// One recipient's message, ready for a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// One line, without line breaks.
    pub subject: String,
    pub html: String,
    pub text: String,
}
