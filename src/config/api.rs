//! `[api]`: which programs may ask and tell us things, and how often.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::PathBuf;

use serde::Deserialize;

use super::{ConfigError, Secret};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiSettings {
    /// Programs by name, each with its token.
    #[serde(default)]
    pub tokens: BTreeMap<String, ApiTokenSettings>,
    /// Requests of one token, at most so many a minute, here and at once.
    #[serde(default = "often")]
    pub requests_per_minute: NonZeroU32,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            tokens: BTreeMap::new(),
            requests_per_minute: often(),
        }
    }
}

/// Twenty a second: what one shop tells, and a program that pages through a base.
fn often() -> NonZeroU32 {
    NonZeroU32::new(1_200).unwrap_or(NonZeroU32::MIN)
}

/// `[api.tokens.NAME]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiTokenSettings {
    #[serde(default)]
    pub secret: Option<Secret>,
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// What its bearer may do.
    pub scopes: BTreeSet<Scope>,
}

/// One thing a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Scope {
    /// Looks people up, with all that is known of them.
    #[serde(rename = "customers:read")]
    CustomersRead,
    /// Creates, corrects, exports and erases customers.
    #[serde(rename = "customers:write")]
    CustomersWrite,
    /// Records what people allow and what they refuse.
    #[serde(rename = "permissions:write")]
    PermissionsWrite,
    /// Asks which addresses must not be contacted.
    #[serde(rename = "suppressions:read")]
    SuppressionsRead,
    /// Adds addresses that must not be contacted.
    #[serde(rename = "suppressions:write")]
    SuppressionsWrite,
    /// Sees the orders that wait for their customer.
    #[serde(rename = "orders:read")]
    OrdersRead,
    /// Tells orders.
    #[serde(rename = "orders:write")]
    OrdersWrite,
    /// Asks what a coupon is worth and what is left of a pool.
    #[serde(rename = "coupons:read")]
    CouponsRead,
    /// Puts codes into a pool.
    #[serde(rename = "coupons:write")]
    CouponsWrite,
    /// Redeems coupons.
    #[serde(rename = "coupons:redeem")]
    CouponsRedeem,
    /// Tells who answered in a shop or by telephone.
    #[serde(rename = "responses:write")]
    ResponsesWrite,
    /// Reads, counts and explains segments.
    #[serde(rename = "segments:read")]
    SegmentsRead,
    /// Saves segments, and puts them away.
    #[serde(rename = "segments:write")]
    SegmentsWrite,
    /// Reads, checks and previews templates.
    #[serde(rename = "templates:read")]
    TemplatesRead,
    /// Saves and restores templates, and puts them away.
    #[serde(rename = "templates:write")]
    TemplatesWrite,
    /// Reads campaigns, checks them, and follows their progress.
    #[serde(rename = "campaigns:read")]
    CampaignsRead,
    /// Plans campaigns, pauses and cancels them.
    #[serde(rename = "campaigns:write")]
    CampaignsWrite,
    /// Approves and launches campaigns, and lets them go on.
    #[serde(rename = "campaigns:launch")]
    CampaignsLaunch,
    /// Reads reports.
    #[serde(rename = "reports:read")]
    ReportsRead,
    /// Reads what people wrote back.
    #[serde(rename = "inbox:read")]
    InboxRead,
    /// Marks what people wrote back as dealt with.
    #[serde(rename = "inbox:write")]
    InboxWrite,
    /// Looks at uploaded files, at what became of them and at the rows that were refused.
    #[serde(rename = "imports:read")]
    ImportsRead,
    /// Uploads files of customers, permissions and orders, and imports them.
    #[serde(rename = "imports:write")]
    ImportsWrite,
    /// Sees where events are posted to, and what was told.
    #[serde(rename = "webhooks:read")]
    WebhooksRead,
    /// Sets up where events are posted to.
    #[serde(rename = "webhooks:write")]
    WebhooksWrite,
    /// Users and tokens, the audit log, the upkeep.
    #[serde(rename = "admin")]
    Admin,
}

impl Scope {
    pub const ALL: [Self; 26] = [
        Self::CustomersRead,
        Self::CustomersWrite,
        Self::PermissionsWrite,
        Self::SuppressionsRead,
        Self::SuppressionsWrite,
        Self::OrdersRead,
        Self::OrdersWrite,
        Self::CouponsRead,
        Self::CouponsWrite,
        Self::CouponsRedeem,
        Self::ResponsesWrite,
        Self::SegmentsRead,
        Self::SegmentsWrite,
        Self::TemplatesRead,
        Self::TemplatesWrite,
        Self::CampaignsRead,
        Self::CampaignsWrite,
        Self::CampaignsLaunch,
        Self::ReportsRead,
        Self::InboxRead,
        Self::InboxWrite,
        Self::ImportsRead,
        Self::ImportsWrite,
        Self::WebhooksRead,
        Self::WebhooksWrite,
        Self::Admin,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::CustomersRead => "customers:read",
            Self::CustomersWrite => "customers:write",
            Self::PermissionsWrite => "permissions:write",
            Self::SuppressionsRead => "suppressions:read",
            Self::SuppressionsWrite => "suppressions:write",
            Self::OrdersRead => "orders:read",
            Self::OrdersWrite => "orders:write",
            Self::CouponsRead => "coupons:read",
            Self::CouponsWrite => "coupons:write",
            Self::CouponsRedeem => "coupons:redeem",
            Self::ResponsesWrite => "responses:write",
            Self::SegmentsRead => "segments:read",
            Self::SegmentsWrite => "segments:write",
            Self::TemplatesRead => "templates:read",
            Self::TemplatesWrite => "templates:write",
            Self::CampaignsRead => "campaigns:read",
            Self::CampaignsWrite => "campaigns:write",
            Self::CampaignsLaunch => "campaigns:launch",
            Self::ReportsRead => "reports:read",
            Self::InboxRead => "inbox:read",
            Self::InboxWrite => "inbox:write",
            Self::ImportsRead => "imports:read",
            Self::ImportsWrite => "imports:write",
            Self::WebhooksRead => "webhooks:read",
            Self::WebhooksWrite => "webhooks:write",
            Self::Admin => "admin",
        }
    }

    /// What its bearer may do, as a sentence.
    pub fn describe(self) -> &'static str {
        match self {
            Self::CustomersRead => "Looks people up, with all that is known of them.",
            Self::CustomersWrite => "Creates, corrects, exports and erases customers.",
            Self::PermissionsWrite => "Records what people allow and what they refuse.",
            Self::SuppressionsRead => "Asks which addresses must not be contacted.",
            Self::SuppressionsWrite => "Adds addresses that must not be contacted.",
            Self::OrdersRead => "Sees the orders that wait for their customer.",
            Self::OrdersWrite => "Tells orders.",
            Self::CouponsRead => "Asks what a coupon is worth and what is left of a pool.",
            Self::CouponsWrite => "Puts codes into a pool.",
            Self::CouponsRedeem => "Redeems coupons.",
            Self::ResponsesWrite => "Tells who answered in a shop or by telephone.",
            Self::SegmentsRead => "Reads, counts and explains segments.",
            Self::SegmentsWrite => "Saves segments, and puts them away.",
            Self::TemplatesRead => "Reads, checks and previews templates.",
            Self::TemplatesWrite => "Saves and restores templates, and puts them away.",
            Self::CampaignsRead => "Reads campaigns, checks them, and follows their progress.",
            Self::CampaignsWrite => "Plans campaigns, pauses and cancels them.",
            Self::CampaignsLaunch => "Approves and launches campaigns, and lets them go on.",
            Self::ReportsRead => "Reads reports.",
            Self::InboxRead => "Reads what people wrote back.",
            Self::InboxWrite => "Marks what people wrote back as dealt with.",
            Self::ImportsRead => {
                "Looks at uploaded files, at what became of them and at the rows that were refused."
            }
            Self::ImportsWrite => {
                "Uploads files of customers, permissions and orders, and imports them."
            }
            Self::WebhooksRead => "Sees where events are posted to, and what was told.",
            Self::WebhooksWrite => "Sets up where events are posted to.",
            Self::Admin => "Users and tokens, the audit log, the upkeep.",
        }
    }

    /// Reads the word of a token.
    pub fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }
}

/// Characters of a token: 24 random letters and digits are more than anybody can try.
const SHORTEST: usize = 24;

impl ApiTokenSettings {
    /// The token.
    ///
    /// # Errors
    /// When it is missing, given twice, too short, or its file cannot be read.
    pub fn secret(&self, name: &str) -> Result<Secret, ConfigError> {
        let key = format!("api.tokens.{name}.secret");
        let secret = Secret::resolve(&key, self.secret.as_ref(), self.secret_file.as_deref())?
            .ok_or_else(|| ConfigError::key(&key, "is missing; give the token, or secret_file"))?;
        if secret.expose().len() < SHORTEST {
            return Err(ConfigError::key(
                &key,
                format!(
                    "is shorter than {SHORTEST} characters; make one with `openssl rand -hex 24`"
                ),
            ));
        }
        Ok(secret)
    }
}

impl ApiSettings {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        for (name, token) in &self.tokens {
            if token.scopes.is_empty() {
                return Err(ConfigError::key(
                    &format!("api.tokens.{name}.scopes"),
                    "is empty: it may do nothing; name what it may do, such as \"orders:write\"",
                ));
            }
            token.secret(name)?;
        }
        Ok(())
    }
}
