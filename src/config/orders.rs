//! `[orders]` and `[tracking]`: what shops tell us of orders, and what they get to tell it with.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::{ConfigError, Secret};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderSettings {
    /// ISO 4217; amounts in another currency are counted apart.
    pub currency: String,
    /// Days for which an order of a person we do not know is kept, in case he comes.
    pub keep_unmatched_days: u32,
    /// Days for which a coupon is still taken after its deadline.
    pub coupon_grace_days: u32,
    /// Shops that post their orders, by name.
    #[serde(default)]
    pub hooks: BTreeMap<String, OrderHookSettings>,
}

/// `[tracking]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrackingSettings {
    /// Whether tracked links hand the shop a token (`?vv=…`) that it can give back with the order.
    pub pass_token: bool,
}

/// `[orders.hooks.NAME]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderHookSettings {
    /// The end of the address the shop posts to.
    #[serde(default)]
    pub path_secret: Option<Secret>,
    #[serde(default)]
    pub path_secret_file: Option<PathBuf>,
    /// How it signs the body: HMAC-SHA-256.
    #[serde(default)]
    pub signature: Option<SignatureSettings>,
    /// The currency of orders that name none; none: that of `[orders]`.
    #[serde(default)]
    pub currency: Option<String>,
    /// Words of `fields.status` that mean cancelled or refunded in full.
    #[serde(default)]
    pub cancelled: Vec<String>,
    /// Where what stands in the body: a JSON pointer (RFC 6901) each.
    pub fields: BTreeMap<OrderField, String>,
}

/// `[orders.hooks.NAME.signature]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureSettings {
    /// The header it stands in, such as `X-Shopify-Hmac-Sha256`.
    pub header: String,
    #[serde(default)]
    pub secret: Option<Secret>,
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    #[serde(default)]
    pub encoding: SignatureEncoding,
    /// What stands before it, such as `sha256=`.
    #[serde(default)]
    pub prefix: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureEncoding {
    #[default]
    Base64,
    Hex,
}

/// What an order's body may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderField {
    Id,
    CustomerExternalId,
    CustomerEmail,
    OrderedAt,
    Amount,
    AmountCents,
    Currency,
    Product,
    Category,
    Token,
    Coupon,
    CampaignCode,
    Status,
}

impl OrderHookSettings {
    /// The end of its address, where it is given.
    ///
    /// # Errors
    /// When its file cannot be read, or both ways are taken.
    pub fn path_secret(&self, name: &str) -> Result<Option<Secret>, ConfigError> {
        Secret::resolve(
            &format!("orders.hooks.{name}.path_secret"),
            self.path_secret.as_ref(),
            self.path_secret_file.as_deref(),
        )
    }

    fn validate(&self, name: &str) -> Result<(), ConfigError> {
        let key = |end: &str| format!("orders.hooks.{name}{end}");
        let path_secret = self.path_secret(name)?;
        if let Some(signature) = &self.signature {
            signature.secret(name)?;
        } else if path_secret.is_none() {
            return Err(ConfigError::key(
                &key(""),
                "anybody could post orders to it; give [signature], or path_secret",
            ));
        }
        if path_secret.is_some_and(|secret| secret.expose().len() < 16) {
            return Err(ConfigError::key(
                &key(".path_secret"),
                "is shorter than 16 characters",
            ));
        }
        let has = |field| self.fields.contains_key(&field);
        for (field, word) in [
            (OrderField::Id, "id"),
            (OrderField::OrderedAt, "ordered_at"),
        ] {
            if !has(field) {
                return Err(ConfigError::key(
                    &key(".fields"),
                    format!("lacks {word}: every order needs it"),
                ));
            }
        }
        if has(OrderField::Amount) == has(OrderField::AmountCents) {
            return Err(ConfigError::key(
                &key(".fields"),
                "names either amount (\"49.90\") or amount_cents (4990)",
            ));
        }
        if let Some(pointer) = self.fields.values().find(|text| !text.starts_with('/')) {
            return Err(ConfigError::key(
                &key(".fields"),
                format!("{pointer:?} is no JSON pointer; write it as \"/customer/email\""),
            ));
        }
        if let Some(currency) = &self.currency {
            require_currency(&key(".currency"), currency)?;
        }
        Ok(())
    }
}

impl SignatureSettings {
    /// What it is signed with.
    ///
    /// # Errors
    /// When it is missing, given twice, or its file cannot be read.
    pub fn secret(&self, name: &str) -> Result<Secret, ConfigError> {
        let key = format!("orders.hooks.{name}.signature.secret");
        Secret::resolve(&key, self.secret.as_ref(), self.secret_file.as_deref())?
            .filter(|secret| !secret.expose().is_empty())
            .ok_or_else(|| ConfigError::key(&key, "is missing; give it, or secret_file"))
    }
}

impl OrderSettings {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        require_currency("orders.currency", &self.currency)?;
        for (name, hook) in &self.hooks {
            hook.validate(name)?;
        }
        Ok(())
    }
}

fn require_currency(key: &str, currency: &str) -> Result<(), ConfigError> {
    if currency.len() == 3 && currency.bytes().all(|b| b.is_ascii_uppercase()) {
        return Ok(());
    }
    Err(ConfigError::key(
        key,
        format!("{currency:?} is not an ISO 4217 code such as \"EUR\""),
    ))
}
