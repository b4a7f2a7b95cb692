//! Words of permission, without I/O.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A way to reach a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    Email,
    Sms,
}

impl Channel {
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
            other => Err(format!("{other:?} is not a channel; there are email and sms")),
        }
    }
}

/// Why a contact is lawful (GDPR art. 6; CPCE L34-5 for the soft opt-in and B2B).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
}

impl Action {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Withdraw => "withdraw",
        }
    }
}

/// A topic (`"offers"`, `"news"` …), or every topic of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
}

/// How far a customer agreed to be followed (CNIL délibération 2026-042: apart from marketing consent).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
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
