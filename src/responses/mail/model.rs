//! What a mail that came back is, without I/O.

use crate::channels::model::Class;

/// What the way in knows of a mail beside its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Envelope {
    /// RCPT TO, where the way in knows it: the most telling place for a tag.
    pub recipients: Vec<String>,
    /// MAIL FROM; `Some("")` for the null sender of bounces (RFC 5321 section 4.5.5).
    pub sender: Option<String>,
}

/// A mail, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadMail {
    pub kind: MailKind,
    /// What may name one of our messages, the most trusted place first: tags of return paths
    /// (`{wave}-{seq}-{mac}`, `n-{notice}-{mac}`) and local parts of Message-IDs (`{wave}.{seq}.{mac}`,
    /// `n.{notice}.{mac}`), in lower case. Nothing is proved here: whoever acts on one asks `tokens` first.
    pub refs: Vec<String>,
    /// The Message-ID of this mail, without its angle brackets.
    pub message_id: Option<String>,
    /// Decoded, one line, capped.
    pub subject: Option<String>,
    /// The address in From. It is anybody's claim and only for a person to see.
    pub from: Option<String>,
    /// The Date of the mail, in milliseconds since the epoch. Anybody's claim as well.
    pub at: Option<i64>,
    /// What a person wrote, without what is quoted, capped; of machines' mail its first words.
    pub text: String,
    /// Bytes of the raw mail.
    pub size: usize,
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailKind {
    /// The message was given up; the class says whose fault that is (RULES.md §1.8).
    Bounce(Bounce),
    /// The message is still tried, whatever the class: never a bounce (RFC 3464 section 2.3.3).
    Delayed(Bounce),
    /// A receipt: delivered, relayed, expanded or displayed. It counts for nothing, receipts are not asked for.
    Delivered,
    /// Somebody told his provider that he does not want the message (RFC 5965).
    Complaint(Feedback),
    /// Somebody told his provider that the message is no spam.
    NotSpam,
    /// A report on SPF, DKIM or DMARC (RFC 6591, RFC 7489): about our domain, not about a person.
    AuthFailure,
    /// Somebody asks for no more messages: mail to the unsubscribe address, a feedback report that says so, or
    /// a reply that says nothing else.
    OptOut,
    /// A machine answered for a person (RFC 3834): away, received, moved on.
    AutoReply,
    /// A machine asks the sender to prove that he is human.
    Challenge,
    /// A person answered.
    Reply,
    /// None of these can be told: for a person to read.
    Unknown,
}

impl MailKind {
    /// The word of metrics, the database and the console.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Bounce(_) => "bounce",
            Self::Delayed(_) => "delayed",
            Self::Delivered => "delivered",
            Self::Complaint(_) => "complaint",
            Self::NotSpam => "not_spam",
            Self::AuthFailure => "auth_failure",
            Self::OptOut => "opt_out",
            Self::AutoReply => "auto_reply",
            Self::Challenge => "challenge",
            Self::Reply => "reply",
            Self::Unknown => "unknown",
        }
    }
}

/// Why a message did not arrive. It names no address: whom it concerns is said by the mail's references alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounce {
    pub class: Class,
    /// The enhanced status (RFC 3463) that decided or stood by, such as 5.1.1.
    pub status: Option<(u8, u16, u16)>,
    /// The reply code of SMTP, such as 550.
    pub code: Option<u16>,
    /// The name of the rule in `rules.toml` that decided.
    pub rule: String,
}

/// A report that somebody does not want the message (RFC 5965).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feedback {
    pub kind: FeedbackKind,
    /// The program that wrote the report: the provider, for the console.
    pub user_agent: Option<String>,
    /// The domain that is reported.
    pub reported_domain: Option<String>,
}

/// The kinds of reports that count as a complaint: whoever reports a message, by whatever button, does not want
/// the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FeedbackKind {
    Abuse,
    Fraud,
    Virus,
    Other,
}

impl FeedbackKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Abuse => "abuse",
            Self::Fraud => "fraud",
            Self::Virus => "virus",
            Self::Other => "other",
        }
    }
}
