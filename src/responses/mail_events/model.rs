//! What providers of email post to us, without I/O.

use crate::channels::model::Class;

/// A request of the provider to us.
#[derive(Debug, Clone, Copy)]
pub struct Post<'a> {
    /// The last piece of the path, where there is one; to be compared in constant time.
    pub secret: Option<&'a str>,
    /// By lower-case name.
    pub headers: &'a [(String, String)],
    pub body: &'a [u8],
    /// When it came, in milliseconds since the epoch: a signature may be too old.
    pub now_ms: i64,
}

impl Post<'_> {
    /// The first header of this lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Why what was posted is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// Nothing proves that the provider posted it.
    #[error("it is not signed as it should be, or the address is not the secret one")]
    Forged,
    /// As forged, but the settings at the provider may be the cause.
    #[error("it is not signed: {0}")]
    Unsigned(&'static str),
    #[error("it cannot be understood: {0}")]
    Unreadable(&'static str),
}

/// What became of a message, as its provider tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailEvent {
    pub kind: MailEventKind,
    /// The address that the provider names. Nothing acts on it: it can only spare the address of one who has
    /// another since.
    pub recipient: Option<String>,
    /// What may name the message, the most telling place first: tags of return paths and local parts of
    /// Message-IDs, in lower case. Nothing is proved here.
    pub refs: Vec<String>,
    /// When it happened, in milliseconds since the epoch, where the provider says so.
    pub at: Option<i64>,
    /// SHA-256 of the provider's own name for the event: the same each time it is posted.
    pub digest: [u8; 32],
}

/// The kinds of events from which something follows. Opens and clicks are counted by our own links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailEventKind {
    /// The provider gave the message up.
    Bounce(Verdict),
    /// Its recipient told his own provider that he does not want it.
    Complaint,
    /// He used the provider's own way to unsubscribe.
    OptOut,
}

/// The class of a bounce, and the rule that found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub class: Class,
    pub rule: &'static str,
}

impl Verdict {
    /// By the provider's own type.
    pub(super) fn by_type(class: Class) -> Self {
        Self {
            class,
            rule: "provider",
        }
    }
}

impl MailEventKind {
    /// As the database and the metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bounce(_) => "bounce",
            Self::Complaint => "complaint",
            Self::OptOut => "opt_out",
        }
    }
}

/// All that one request brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Brought {
    pub events: Vec<MailEvent>,
    /// Still tried by the provider: nothing follows.
    pub delayed: u64,
    /// Of a kind that tells us nothing: sent, delivered, opened, clicked.
    pub passed_over: u64,
    /// Of a kind that should tell something, but does not.
    pub unreadable: u64,
}

impl Brought {
    /// Adds one event as a provider's reader understood it.
    pub(super) fn add(&mut self, read: Read) {
        match read {
            Read::Event(event) => self.events.push(event),
            Read::Delayed => self.delayed += 1,
            Read::PassedOver => self.passed_over += 1,
            Read::Unreadable => self.unreadable += 1,
        }
    }

    /// What a single event brings.
    pub(super) fn one(read: Read) -> Self {
        let mut brought = Self::default();
        brought.add(read);
        brought
    }
}

/// One event, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Read {
    Event(MailEvent),
    Delayed,
    PassedOver,
    Unreadable,
}

/// A token that proves one request only (Mailgun): with another body it is a forgery, with the same body it is
/// a request that is posted again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OneTime {
    /// SHA-256 of the token.
    pub token: [u8; 32],
    /// SHA-256 of the body.
    pub body: [u8; 32],
}
