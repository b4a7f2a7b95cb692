//! A customer and an order, without I/O.

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::fading::Fading;
use super::number::PhoneKind;
use crate::consent::model::{Channel, Tracking};
use crate::ids::CustomerId;

/// How far a person has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    #[default]
    Suspect,
    Prospect,
    Customer,
    Lapsed,
}

impl Stage {
    pub const ALL: [Self; 4] = [Self::Suspect, Self::Prospect, Self::Customer, Self::Lapsed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Suspect => "suspect",
            Self::Prospect => "prospect",
            Self::Customer => "customer",
            Self::Lapsed => "lapsed",
        }
    }
}

/// Whether mail to the address can arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmailState {
    #[default]
    Ok,
    /// Not an address: it could never arrive.
    Malformed,
    /// A receiving server said that there is no such recipient.
    Refused,
}

impl EmailState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Malformed => "malformed",
            Self::Refused => "refused",
        }
    }
}

/// Whether a text message to the number can arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PhoneState {
    #[default]
    Ok,
    /// Receipts of two days said that nobody has the number.
    Refused,
}

impl PhoneState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
        }
    }
}

/// A person, or a person at a company, as the base knows him.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Customer {
    pub id: CustomerId,
    /// The key the firm's own systems use.
    pub external_id: Option<String>,
    /// As typed; matched by its normalised key.
    pub email: Option<String>,
    pub email_state: EmailState,
    /// E.164.
    pub phone: Option<String>,
    /// What the number tells; none where there is no number, or it was not read yet.
    pub phone_kind: Option<PhoneKind>,
    /// ISO 3166-1 alpha-2.
    pub phone_country: Option<String>,
    /// IANA name; counts where there is no `time_zone`.
    pub phone_zone: Option<String>,
    pub phone_state: PhoneState,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub company: Option<String>,
    pub gender: Option<String>,
    pub birth_date: Option<NaiveDate>,
    /// ISO 639-1, lower case.
    pub language: String,
    /// ISO 3166-1 alpha-2, upper case.
    pub country: String,
    pub region: Option<String>,
    pub postal_code: Option<String>,
    pub city: Option<String>,
    /// IANA name.
    pub time_zone: Option<String>,
    pub stage: Stage,
    /// What the firm knows beyond these fields: text, numbers and booleans by name.
    pub attributes: Map<String, Value>,
    pub tracking: Tracking,
    pub orders_count: i64,
    pub revenue_cents: i64,
    /// Instants in milliseconds since the epoch.
    pub first_order_at: Option<i64>,
    pub last_order_at: Option<i64>,
    pub last_contact_at: Option<i64>,
    pub last_response_at: Option<i64>,
    /// `click`, `order`, `reply` and so on; `None` also where it came before kinds were kept.
    pub last_response: Option<String>,
    /// Points won by responses, which fade: what is left of them depends on when it is asked.
    #[serde(skip)]
    pub engagement: Fading,
    /// On which he answers most, where that is known.
    pub preferred_channel: Option<Channel>,
    /// The hour of his own day (0 to 23) about which he is active most, where that is known.
    pub preferred_hour: Option<i64>,
    pub created_at: i64,
}

impl Customer {
    /// The zone he lives in: his own, else that of his number; `None` where neither is known.
    pub fn zone(&self) -> Option<Tz> {
        self.time_zone
            .as_deref()
            .or(self.phone_zone.as_deref())
            .and_then(|name| name.parse().ok())
    }
}

/// A purchase.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Order {
    pub customer: CustomerId,
    pub external_id: Option<String>,
    pub ordered_at: i64,
    pub amount_cents: i64,
    /// ISO 4217.
    pub currency: String,
    pub product: Option<String>,
    pub category: Option<String>,
}
