//! `[api]`: who may tell us what happened elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;

use super::{ConfigError, Secret};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiSettings {
    /// Programs by name, each with its token.
    #[serde(default)]
    pub tokens: BTreeMap<String, ApiTokenSettings>,
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
    #[serde(rename = "orders:write")]
    OrdersWrite,
    #[serde(rename = "coupons:redeem")]
    CouponsRedeem,
    #[serde(rename = "responses:write")]
    ResponsesWrite,
}

impl Scope {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OrdersWrite => "orders:write",
            Self::CouponsRedeem => "coupons:redeem",
            Self::ResponsesWrite => "responses:write",
        }
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
