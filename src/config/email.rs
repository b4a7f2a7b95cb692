//! `[email]`

use std::path::PathBuf;

use serde::Deserialize;

use super::{ConfigError, Secret};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmailSettings {
    /// `None`: the sandbox; messages land in the outbox of the data folder and nothing leaves the machine.
    #[serde(default)]
    pub relay: Option<RelaySettings>,
    /// Open connections at most.
    pub connections: u32,
    /// Messages over one connection before it is closed.
    pub messages_per_connection: u32,
    /// Messages per second over all campaigns; `None`: as fast as the relay takes them.
    #[serde(default)]
    pub rate_per_second: Option<u32>,
    /// The longest a command or a message may wait for its answer.
    pub timeout_seconds: u64,
    /// The domain of return paths (VERP).
    pub bounce_domain: String,
    /// The domain of Message-ID and List-Id.
    pub message_domain: String,
    /// A stable name of 5 to 15 letters for Feedback-ID.
    pub feedback_id: String,
    #[serde(default)]
    pub dkim: Vec<DkimSettings>,
}

/// The server that takes our mail.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelaySettings {
    pub host: String,
    pub port: u16,
    pub tls: RelayTls,
    /// PEM certificates to trust besides the public ones: for a relay with a certificate of one's own.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub password: Option<Secret>,
    #[serde(default)]
    pub password_file: Option<PathBuf>,
}

/// How the connection to the relay is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelayTls {
    /// TLS from the first byte (port 465).
    Implicit,
    /// TLS after STARTTLS, or no mail (port 587).
    Starttls,
    /// No protection: for a relay on the same machine.
    None,
}

/// One signature on every message.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DkimSettings {
    pub domain: String,
    pub selector: String,
    pub kind: DkimKeyKind,
    /// PEM: PKCS#8 for Ed25519, PKCS#8 or PKCS#1 for RSA.
    #[serde(default)]
    pub key: Option<Secret>,
    #[serde(default)]
    pub key_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DkimKeyKind {
    Rsa,
    Ed25519,
}

impl RelaySettings {
    /// The log-in, if there is one.
    ///
    /// # Errors
    /// When the password's file cannot be read, or a name stands without a password.
    pub fn credentials(&self) -> Result<Option<(String, Secret)>, ConfigError> {
        let password = Secret::resolve(
            "email.relay.password",
            self.password.as_ref(),
            self.password_file.as_deref(),
        )?;
        match (&self.username, password) {
            (Some(name), Some(password)) => Ok(Some((name.clone(), password))),
            (None, None) => Ok(None),
            (Some(_), None) => Err(ConfigError::key(
                "email.relay.password",
                "is missing beside email.relay.username",
            )),
            (None, Some(_)) => Err(ConfigError::key(
                "email.relay.username",
                "is missing beside email.relay.password",
            )),
        }
    }
}

impl DkimSettings {
    /// The private key as PEM.
    ///
    /// # Errors
    /// When there is none or its file cannot be read.
    pub fn private_key(&self) -> Result<Secret, ConfigError> {
        Secret::resolve(
            "email.dkim.key",
            self.key.as_ref(),
            self.key_file.as_deref(),
        )?
        .ok_or_else(|| ConfigError::key("email.dkim.key", "is missing; give key or key_file"))
    }
}

impl EmailSettings {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        for (key, value) in [
            ("email.connections", u64::from(self.connections)),
            (
                "email.messages_per_connection",
                u64::from(self.messages_per_connection),
            ),
            ("email.timeout_seconds", self.timeout_seconds),
            (
                "email.rate_per_second",
                u64::from(self.rate_per_second.unwrap_or(1)),
            ),
        ] {
            if value == 0 {
                return Err(ConfigError::key(key, "must be at least 1"));
            }
        }
        for (key, domain) in [
            ("email.bounce_domain", &self.bounce_domain),
            ("email.message_domain", &self.message_domain),
        ] {
            let is_domain = !domain.is_empty()
                && domain.len() <= 190
                && domain
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-');
            if !is_domain {
                return Err(ConfigError::key(key, format!("{domain:?} is not a domain")));
            }
        }
        if !(5..=15).contains(&self.feedback_id.len())
            || !self.feedback_id.chars().all(|c| c.is_ascii_alphanumeric())
        {
            return Err(ConfigError::key(
                "email.feedback_id",
                "must be 5 to 15 letters or digits",
            ));
        }
        if let Some(relay) = &self.relay {
            let has_login = relay.credentials()?.is_some();
            let is_local = matches!(relay.host.as_str(), "localhost" | "127.0.0.1" | "::1");
            if relay.tls == RelayTls::None && has_login && !is_local {
                return Err(ConfigError::key(
                    "email.relay.tls",
                    "a log-in must not travel in clear; use \"starttls\" or \"implicit\"",
                ));
            }
        }
        for dkim in &self.dkim {
            dkim.private_key()?;
        }
        Ok(())
    }
}
