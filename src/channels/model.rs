//! What goes into a channel and what comes out, without I/O.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{ConfirmationId, DeliveryKey, SummaryId};

/// Who writes: the same for every message of a wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    pub name: String,
    /// The address in From.
    pub address: String,
    pub reply_to: Option<String>,
}

/// When the sender is asked whether a message may still go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before the first command to the server.
    Begin,
    /// Before the first byte of the message, once the server has agreed to its envelope.
    Message,
}

/// What every message of a wave has in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaveFrame {
    pub sender: Sender,
    /// The campaign's name: for List-Id and Feedback-ID.
    pub campaign: String,
    /// The topic the permission is about: for List-Id.
    pub topic: String,
}

/// One ready message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailMessage {
    pub delivery: DeliveryKey,
    pub to_name: Option<String>,
    pub to_address: String,
    /// One line.
    pub subject: String,
    pub html: String,
    pub text: String,
    /// For List-Unsubscribe; https, or http on loopback in the sandbox.
    pub unsubscribe_url: String,
    /// RFC 5322 date of the message: when this attempt was made, in milliseconds since the epoch.
    pub at: i64,
}

/// One ready notice: a message a person asked for himself. It carries no tracking and no advertising.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeMessage {
    pub notice: ConfirmationId,
    pub to_address: String,
    /// One line.
    pub subject: String,
    pub html: String,
    pub text: String,
    /// RFC 5322 date of the message, in milliseconds since the epoch.
    pub at: i64,
}

/// One ready summary for the people who run the campaigns, with its pictures inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummaryMessage {
    pub summary: SummaryId,
    pub to_address: String,
    /// One line.
    pub subject: String,
    /// Names its pictures as `cid:` and their id (RFC 2392).
    pub html: String,
    pub text: String,
    pub pictures: Vec<Picture>,
    /// RFC 5322 date of the message, in milliseconds since the epoch.
    pub at: i64,
}

/// A picture within a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Its Content-ID without the brackets: ASCII letters, digits, `.`, `-` and `@`.
    pub id: String,
    /// A PNG file.
    pub png: Vec<u8>,
}

/// What became of a hand-over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The next server took the responsibility.
    Accepted,
    /// Not now: try again, not before `retry_after` if the server named it.
    Deferred {
        class: Class,
        reply: Reply,
        retry_after: Option<Duration>,
    },
    /// Never: for this recipient, or because of the sender (see [`Class::is_sender_fault`]).
    Rejected { class: Class, reply: Reply },
    /// The answer was lost: it may have arrived. Never sent again by itself.
    Unknown { why: &'static str },
}

/// A server's answer as far as it may be kept: its codes. Its text may hold an address, so it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reply {
    /// The three digits; 0 when there was no answer.
    pub code: u16,
    /// The enhanced status (RFC 3463), such as 5.1.1.
    pub enhanced: Option<(u8, u16, u16)>,
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.enhanced {
            Some((class, subject, detail)) => {
                write!(f, "{} {class}.{subject}.{detail}", self.code)
            }
            None => write!(f, "{}", self.code),
        }
    }
}

/// What a refusal or delay is about (RULES.md §1.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// No such recipient or domain.
    InvalidRecipient,
    /// The mailbox is disabled.
    Inactive,
    /// The mailbox is full.
    Quota,
    /// The message is too big or its content refused.
    Content,
    /// Blocked for reputation or as spam.
    Blocked,
    /// Authentication or policy of the sender's domain.
    Policy,
    /// Connection, DNS or routing.
    Network,
    /// The server did not understand us.
    Protocol,
    /// Greylisting or a rate limit.
    Greylist,
    /// The relay refuses our log-in or our sender address.
    Relay,
    /// The channel cannot express the address (SMTPUTF8 not offered).
    Unsupported,
    /// Tried for too long.
    Expired,
    /// The recipient told the provider to stop.
    OptedOut,
}

impl Class {
    pub const ALL: [Self; 13] = [
        Self::InvalidRecipient,
        Self::Inactive,
        Self::Quota,
        Self::Content,
        Self::Blocked,
        Self::Policy,
        Self::Network,
        Self::Protocol,
        Self::Greylist,
        Self::Relay,
        Self::Unsupported,
        Self::Expired,
        Self::OptedOut,
    ];

    /// Reads the database's word.
    pub fn from_column(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRecipient => "invalid_recipient",
            Self::Inactive => "inactive",
            Self::Quota => "quota",
            Self::Content => "content",
            Self::Blocked => "blocked",
            Self::Policy => "policy",
            Self::Network => "network",
            Self::Protocol => "protocol",
            Self::Greylist => "greylist",
            Self::Relay => "relay",
            Self::Unsupported => "unsupported",
            Self::Expired => "expired",
            Self::OptedOut => "opted_out",
        }
    }

    /// Whether the sender, not the recipient, is to blame: the campaign pauses, nobody is suppressed.
    pub fn is_sender_fault(self) -> bool {
        matches!(self, Self::Blocked | Self::Policy | Self::Relay)
    }
}
