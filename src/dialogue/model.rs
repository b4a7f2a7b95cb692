//! What a person is asked to confirm, without I/O.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::consent::model::{Channel, Details};
use crate::ids::{ConfirmationId, CustomerId};

/// What a confirmation sets off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The sign-up form: permission for the topics of the payload (double opt-in).
    OptIn,
    /// We asked whether an old permission still holds.
    RePermission,
    /// A copy of everything about the person.
    Download,
    /// Deletion.
    Erasure,
}

impl Purpose {
    pub const ALL: [Self; 4] = [
        Self::OptIn,
        Self::RePermission,
        Self::Download,
        Self::Erasure,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::OptIn => "opt_in",
            Self::RePermission => "re_permission",
            Self::Download => "download",
            Self::Erasure => "erasure",
        }
    }

    /// Whether it is about permission, and not about the person's own data. The form takes a sign-up from
    /// anybody, in anybody's name; data are asked for behind the person's own link.
    pub fn is_about_permission(self) -> bool {
        match self {
            Self::OptIn | Self::RePermission => true,
            Self::Download | Self::Erasure => false,
        }
    }

    /// Reads the database's word.
    pub fn from_column(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|purpose| purpose.as_str() == text)
    }
}

/// Something to be confirmed on the channel itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    pub purpose: Purpose,
    pub channel: Channel,
    /// Whom the base knows: then his address is read when the message is sent, and none is kept here.
    pub customer: Option<CustomerId>,
    /// Of one the base does not know, as it is written to.
    pub address: Option<String>,
    /// Of the address, from [`crate::keys::Keys::fingerprint`].
    pub fingerprint: String,
    /// Of the mailbox, as far as the address tells: what [`Limits::per_day`] counts by.
    pub limit_key: String,
    /// ISO 639-1.
    pub language: String,
    /// What confirming does: the room that asks reads it back.
    pub payload: serde_json::Value,
    /// Until when the link works, in milliseconds since the epoch.
    pub expires_at: i64,
}

/// How often one address may be asked, so that nobody can flood a mailbox through us. Only what was not
/// confirmed counts: who confirms reads his mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Milliseconds between two requests of the same purpose to the same address at least.
    pub resend_after_ms: i64,
    /// Requests to one mailbox in 24 hours at most; those about permission and those about the person's data
    /// each for themselves, so that a stranger's sign-ups do not keep him from his data.
    pub per_day: u32,
}

impl Limits {
    /// For what we ask of our own accord.
    pub const NONE: Self = Self {
        resend_after_ms: 0,
        per_day: u32::MAX,
    };
}

impl From<&crate::config::SignUpSettings> for Limits {
    fn from(settings: &crate::config::SignUpSettings) -> Self {
        Self {
            resend_after_ms: i64::from(settings.resend_minutes) * 60_000,
            per_day: settings.per_address_per_day,
        }
    }
}

/// What became of a request. The person is told the same in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The message goes out.
    Queued(ConfirmationId),
    /// The same was asked a moment ago.
    TooSoon,
    /// Enough was asked for one day.
    TooMany,
}

/// A confirmation on record.
#[derive(Debug, Clone, PartialEq)]
pub struct Confirmation {
    pub id: ConfirmationId,
    pub purpose: Purpose,
    pub channel: Channel,
    pub customer: Option<CustomerId>,
    pub address: Option<String>,
    pub fingerprint: String,
    /// ISO 639-1.
    pub language: String,
    pub payload: serde_json::Value,
    /// Instants in milliseconds since the epoch.
    pub requested_at: i64,
    pub expires_at: i64,
    pub sent_at: Option<i64>,
    pub used_at: Option<i64>,
}

/// What a link opens.
#[derive(Debug, Clone, PartialEq)]
pub enum Opened {
    /// It can be confirmed; from [`super::confirmation::take`]: it just was, by us.
    Fresh(Confirmation),
    /// It was confirmed before.
    Used(Confirmation),
    /// Its time is over.
    Expired(Confirmation),
    /// We wrote no such link, or deleted what it was about.
    Unknown,
}

/// The payload of [`Purpose::OptIn`] and [`Purpose::RePermission`]: what the person agrees to by
/// confirming.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Agreement {
    pub topics: Vec<AgreedTopic>,
    /// Where it was asked, as the evidence keeps it: `sign_up_form:1`.
    pub source: String,
    /// What he said about himself, by field.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
    /// From where the form was sent.
    #[serde(default)]
    pub asked_from: Details,
}

/// A topic, and the words that were agreed to, as they were shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgreedTopic {
    pub name: String,
    pub wording: String,
}

impl Agreement {
    /// Reads the payload of a confirmation.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(payload: &serde_json::Value) -> Result<Self, String> {
        Self::deserialize(payload).map_err(|error| format!("confirmations.payload: {error}"))
    }
}
