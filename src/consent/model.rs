//! Words of permission, without I/O.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ladder::Level;
use crate::ids::CustomerId;

/// A way to reach a customer.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    Email,
    Sms,
}

impl Channel {
    pub const ALL: [Self; 2] = [Self::Email, Self::Sms];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Channel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "email" => Ok(Self::Email),
            "sms" => Ok(Self::Sms),
            other => Err(format!(
                "{other:?} is not a channel; there are email and sms"
            )),
        }
    }
}

/// Why a contact is lawful (GDPR art. 6; CPCE L34-5 for the soft opt-in and B2B).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Prior, free, specific, informed consent.
    Consent,
    /// Own customer, similar products, with a free refusal at collection and in every message.
    SoftOptIn,
    /// A person at a company, about his profession, informed and able to object.
    B2bLegitimateInterest,
    /// Needed to perform a contract.
    Contract,
}

impl Basis {
    pub const ALL: [Self; 4] = [
        Self::Consent,
        Self::SoftOptIn,
        Self::B2bLegitimateInterest,
        Self::Contract,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Consent => "consent",
            Self::SoftOptIn => "soft_opt_in",
            Self::B2bLegitimateInterest => "b2b_legitimate_interest",
            Self::Contract => "contract",
        }
    }
}

/// What a piece of evidence says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Grant,
    Withdraw,
    /// The permission ended by itself; a later grant renews it, and nothing is suppressed.
    Expire,
}

impl Action {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Withdraw => "withdraw",
            Self::Expire => "expire",
        }
    }
}

/// A topic (`"offers"`, `"news"` …), or every topic of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    Topic(String),
    All,
}

impl Scope {
    /// As the database keeps it: the topic, or `*`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Topic(topic) => topic,
            Self::All => "*",
        }
    }

    /// Reads what [`Scope::as_str`] wrote.
    pub fn from_column(text: String) -> Self {
        if text == "*" {
            Self::All
        } else {
            Self::Topic(text)
        }
    }
}

/// One thing a customer said about being contacted, and where that is on record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Evidence {
    pub customer: CustomerId,
    pub channel: Channel,
    /// A grant names its topic; a withdrawal may concern the whole channel.
    pub scope: Scope,
    pub action: Action,
    /// Required of a grant.
    pub basis: Option<Basis>,
    /// Where it was said: a form and its version, an import and its file, a link in a message.
    pub source: String,
    /// The words that were agreed to.
    pub wording: Option<String>,
    /// When it was said, in milliseconds since the epoch; not when it was recorded.
    pub occurred_at: i64,
    /// The rung of the ladder a grant gives; `None`: what its basis gives ([`Level::of_basis`]).
    pub level: Option<Level>,
    /// When a grant ends by itself, in milliseconds since the epoch.
    pub expires_at: Option<i64>,
    /// ISO 639-1 code of the language of the wording.
    pub locale: Option<String>,
    /// Who recorded it: `person`, `operator`, `import`, `system`.
    pub actor: Option<String>,
    /// The double opt-in that proves it.
    pub confirmation: Option<i64>,
    /// What shows that it was he; erased with him, while its digest stays in the chain.
    pub details: Option<Details>,
}

/// From where something was said.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Details {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_url: Option<String>,
}

impl Evidence {
    /// A yes to a topic, with what proves it besides the basis still to be added.
    pub fn grant(
        customer: CustomerId,
        channel: Channel,
        topic: &str,
        basis: Basis,
        source: &str,
        at: i64,
    ) -> Self {
        Self {
            customer,
            channel,
            scope: Scope::Topic(topic.to_owned()),
            action: Action::Grant,
            basis: Some(basis),
            source: source.to_owned(),
            wording: None,
            occurred_at: at,
            level: None,
            expires_at: None,
            locale: None,
            actor: None,
            confirmation: None,
            details: None,
        }
    }

    /// A no to a topic or to a whole channel.
    pub fn withdrawal(
        customer: CustomerId,
        channel: Channel,
        scope: Scope,
        source: &str,
        at: i64,
    ) -> Self {
        Self {
            customer,
            channel,
            scope,
            action: Action::Withdraw,
            basis: None,
            source: source.to_owned(),
            wording: None,
            occurred_at: at,
            level: None,
            expires_at: None,
            locale: None,
            actor: None,
            confirmation: None,
            details: None,
        }
    }
}

/// What follows from the evidence for one channel and scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    pub channel: Channel,
    /// [`Scope::All`] only ever says no.
    pub scope: Scope,
    pub is_granted: bool,
    /// Of a grant.
    pub basis: Option<Basis>,
    /// When what decides was said, in milliseconds since the epoch.
    pub since_at: i64,
    /// The evidence that decides.
    pub evidence_id: i64,
    /// The highest rung granted since the last no, before time takes it down
    /// ([`super::ladder::Ladder::standing`]); a stranger without grant.
    pub level: Level,
    /// When that rung was granted, in milliseconds since the epoch.
    pub level_since_at: i64,
    /// When the grant ends by itself.
    pub expires_at: Option<i64>,
}

/// How far a customer agreed to be followed (CNIL délibération 2026-042: apart from marketing consent), the
/// strictest first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Tracking {
    /// No individual open pixel.
    #[default]
    None,
    /// The day of the last open only, to find dead addresses.
    Hygiene,
    /// Opens are recorded.
    Full,
}

impl Tracking {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Hygiene => "hygiene",
            Self::Full => "full",
        }
    }

    /// Reads the database's word; one it does not know counts as no consent.
    pub fn from_column(text: &str) -> Self {
        match text {
            "full" => Self::Full,
            "hygiene" => Self::Hygiene,
            _ => Self::None,
        }
    }
}
