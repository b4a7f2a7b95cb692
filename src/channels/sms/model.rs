//! What goes to a provider and what comes back from it, without I/O.

use std::time::Duration;

use crate::channels::model::{Class, Outcome, Reply};
use crate::templates::sms::Size;

/// One ready text message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmsMessage {
    /// Our own name for it, the same at every attempt: at most 60 letters, digits and hyphens.
    pub reference: String,
    /// E.164.
    pub to: String,
    /// A short code, a number (E.164) or a name.
    pub sender: String,
    pub text: String,
    /// Encoding and parts.
    pub size: Size,
    /// Whether it advertises; an answer to STOP or HELP does not.
    pub is_marketing: bool,
}

/// What became of a hand-over, and what the provider said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    pub outcome: Outcome,
    /// The provider's own name for the message: receipts name it.
    pub message_id: Option<String>,
    /// Parts the provider counted, where it says so.
    pub parts: Option<u16>,
}

/// Bytes; those of known providers have 40 at most.
const LONGEST_MESSAGE_ID: usize = 500;

impl Handed {
    /// Taken, under a name of the provider's own; one that no database could hold is none.
    pub fn accepted(message_id: Option<String>, parts: Option<u16>) -> Self {
        Self {
            outcome: Outcome::Accepted,
            message_id: message_id.filter(|id| is_message_id(id)),
            parts,
        }
    }

    /// Not now.
    pub fn deferred(class: Class, code: u16, retry_after: Option<Duration>) -> Self {
        Self::failed(Outcome::Deferred {
            class,
            reply: reply(code),
            retry_after,
        })
    }

    /// Never.
    pub fn rejected(class: Class, code: u16) -> Self {
        Self::failed(Outcome::Rejected {
            class,
            reply: reply(code),
        })
    }

    /// It may have been taken.
    pub fn unknown(why: &'static str) -> Self {
        Self::failed(Outcome::Unknown { why })
    }

    fn failed(outcome: Outcome) -> Self {
        Self {
            outcome,
            message_id: None,
            parts: None,
        }
    }
}

/// Whether a provider's name for a message can be kept: PostgreSQL takes no NUL in a text, and no more than 2,700
/// bytes in an index.
pub fn is_message_id(text: &str) -> bool {
    text.len() <= LONGEST_MESSAGE_ID && !text.contains('\0')
}

/// The HTTP status or the provider's own code.
fn reply(code: u16) -> Reply {
    Reply {
        code,
        enhanced: None,
    }
}

/// What a look at a provider showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    /// It is there and knows us.
    Known,
    /// It is there; whether it knows us, only a message will show.
    Reached,
}

/// What a provider tells us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SmsEvent {
    Receipt(Receipt),
    Inbound(Inbound),
}

/// What became of a message after it was taken. It names the message by our reference, by the provider's
/// name, or by both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub reference: Option<String>,
    pub message_id: Option<String>,
    pub state: ReceiptState,
    /// Why it was not delivered.
    pub failure: Option<Failure>,
    /// Milliseconds since the epoch, where the provider says when.
    pub at: Option<i64>,
}

/// Where a message stands after the hand-over. The order is that of progress: receipts come twice and out
/// of order, and the furthest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReceiptState {
    /// The provider passed it on.
    Sent,
    /// It did not arrive, and is not tried any more.
    Undelivered,
    /// The telephone has it.
    Delivered,
}

impl ReceiptState {
    pub const ALL: [Self; 3] = [Self::Sent, Self::Undelivered, Self::Delivered];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Undelivered => "undelivered",
            Self::Delivered => "delivered",
        }
    }

    /// Reads the database's word.
    pub fn from_column(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// Why a message did not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub class: Class,
    /// The provider's own code, letters and digits only.
    pub code: String,
}

/// A text message somebody sent to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    /// The provider's name for it; the same when it is posted again.
    pub message_id: Option<String>,
    /// The number of who sent it; with or without +, as the provider writes it.
    pub from: String,
    /// What it was sent to.
    pub to: Option<String>,
    pub text: String,
    /// The message it answers, where the provider says so: our reference.
    pub reference: Option<String>,
    pub at: Option<i64>,
}
