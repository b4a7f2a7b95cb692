//! `[accounts.oidc]`: signing in where the firm's people sign in already.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::{ConfigError, Secret};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcSettings {
    /// The provider, as it names itself: `https://login.example.com/realms/firm`.
    pub issuer: String,
    pub client_id: String,
    #[serde(default)]
    pub client_secret: Option<Secret>,
    #[serde(default)]
    pub client_secret_file: Option<PathBuf>,
    /// Where the console is reached: `https://console.example.com`. The provider is to lead back to
    /// `/sign-in/oidc/back` there.
    pub console_url: String,
    /// What the button says behind "Sign in with".
    #[serde(default = "default_title")]
    pub title: String,
    /// The role of those whose claim names none; without it they must have been invited.
    #[serde(default)]
    pub default_role: Option<String>,
    /// The claim of the ID token that says what somebody is: a text or a list of texts.
    #[serde(default)]
    pub role_claim: Option<String>,
    /// What the claim says, and the role it means.
    #[serde(default)]
    pub roles: BTreeMap<String, String>,
}

fn default_title() -> String {
    "OpenID Connect".to_owned()
}

/// The roles there are, for complaints; the room of accounts knows what each may do.
const ROLES: [&str; 5] = [
    "administrator",
    "marketer",
    "approver",
    "analyst",
    "support",
];

impl OidcSettings {
    /// What we prove ourselves with to the provider; `None`: a public client, which proves itself by PKCE.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn secret(&self) -> Result<Option<Secret>, ConfigError> {
        Secret::resolve(
            "accounts.oidc.client_secret",
            self.client_secret.as_ref(),
            self.client_secret_file.as_deref(),
        )
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        require_https("accounts.oidc.issuer", &self.issuer)?;
        require_https("accounts.oidc.console_url", &self.console_url)?;
        if self.console_url.ends_with('/') {
            return Err(ConfigError::key(
                "accounts.oidc.console_url",
                "must not end with a slash",
            ));
        }
        if self.client_id.is_empty() {
            return Err(ConfigError::key("accounts.oidc.client_id", "is empty"));
        }
        if self.role_claim.is_some() == self.roles.is_empty() {
            return Err(ConfigError::key(
                "accounts.oidc.roles",
                "and role_claim go together: the claim that is read, and what role each of its words means",
            ));
        }
        let named = self.roles.iter().map(|(word, role)| (word.as_str(), role));
        let named = named.chain(self.default_role.iter().map(|role| ("default_role", role)));
        for (word, role) in named {
            if !ROLES.contains(&role.as_str()) {
                return Err(ConfigError::key(
                    &format!("accounts.oidc.roles.{word}"),
                    format!("{role:?} is no role; there are: {}", ROLES.join(", ")),
                ));
            }
        }
        self.secret().map(drop)
    }
}

/// Whether what passes there is protected; on this machine it need not be.
fn require_https(key: &str, text: &str) -> Result<(), ConfigError> {
    let url = reqwest::Url::parse(text)
        .map_err(|cause| ConfigError::key(key, format!("is not a URL: {cause}")))?;
    let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if url.scheme() == "https" || (url.scheme() == "http" && is_local) {
        Ok(())
    } else {
        Err(ConfigError::key(key, "must begin with https://"))
    }
}
