//! `[email.relay]` and `[email.relays.NAME]`

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;

use super::limits::at_least_one;
use super::{ConfigError, MailProvider, Secret};

/// The name of the relay in `[email.relay]`, and of the sandbox where there is none.
pub const DEFAULT_RELAY: &str = "default";

/// A server that takes our mail.
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
    /// Whose relay it is, where its provider repeats our reference in what it posts to us.
    #[serde(default)]
    pub provider: Option<MailProvider>,
    /// The sender domains that go this way.
    #[serde(default)]
    pub senders: BTreeSet<String>,
    /// Its own bounds; where they are left out, those of `[email]`.
    #[serde(default)]
    pub connections: Option<u32>,
    #[serde(default)]
    pub messages_per_connection: Option<u32>,
    #[serde(default)]
    pub timeout_seconds: Option<u64>,
    /// Messages per second over all campaigns and nodes.
    #[serde(default)]
    pub rate_per_second: Option<u32>,
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

impl RelaySettings {
    /// A relay without protection and log-in: one on this machine.
    pub fn plain(host: &str, port: u16) -> Self {
        Self {
            host: host.to_owned(),
            port,
            tls: RelayTls::None,
            ca_file: None,
            username: None,
            password: None,
            password_file: None,
            provider: None,
            senders: BTreeSet::new(),
            connections: None,
            messages_per_connection: None,
            timeout_seconds: None,
            rate_per_second: None,
        }
    }

    /// The log-in, if there is one; `key` is the relay's in the settings.
    ///
    /// # Errors
    /// When the password's file cannot be read, or a name stands without a password.
    pub fn credentials(&self, key: &str) -> Result<Option<(String, Secret)>, ConfigError> {
        let password = Secret::resolve(
            &format!("{key}.password"),
            self.password.as_ref(),
            self.password_file.as_deref(),
        )?;
        match (&self.username, password) {
            (Some(name), Some(password)) => Ok(Some((name.clone(), password))),
            (None, None) => Ok(None),
            (Some(_), None) => Err(ConfigError::key(
                &format!("{key}.password"),
                format!("is missing beside {key}.username"),
            )),
            (None, Some(_)) => Err(ConfigError::key(
                &format!("{key}.username"),
                format!("is missing beside {key}.password"),
            )),
        }
    }

    pub(super) fn validate(&self, key: &str) -> Result<(), ConfigError> {
        let has_login = self.credentials(key)?.is_some();
        let is_local = matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "::1");
        if self.tls == RelayTls::None && has_login && !is_local {
            return Err(ConfigError::key(
                &format!("{key}.tls"),
                "a log-in must not travel in clear; use \"starttls\" or \"implicit\"",
            ));
        }
        at_least_one(&[
            (
                &format!("{key}.connections"),
                u64::from(self.connections.unwrap_or(1)),
            ),
            (
                &format!("{key}.messages_per_connection"),
                u64::from(self.messages_per_connection.unwrap_or(1)),
            ),
            (
                &format!("{key}.timeout_seconds"),
                self.timeout_seconds.unwrap_or(1),
            ),
            (
                &format!("{key}.rate_per_second"),
                u64::from(self.rate_per_second.unwrap_or(1)),
            ),
        ])
    }
}
