//! `[inbound]`

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::limits::{at_least_one, require_lower_domain};
use super::relay::RelayTls;
use super::{ConfigError, Secret};

/// Mail that comes back to us.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboundMailSettings {
    /// Domains whose mail is taken beside that of `email.bounce_domain`: those of addresses that people answer to.
    pub domains: Vec<String>,
    /// How long mails are remembered, and the text of those kept for a person.
    pub keep_days: u32,
    /// The longest mail that is taken; of a longer one in a mailbox or a file only the beginning is read.
    pub max_bytes: usize,
    /// Whether messages offer opting out by mail beside the link; `None`: where a listener or a mailbox is set.
    #[serde(default)]
    pub unsubscribe_by_mail: Option<bool>,
    #[serde(default)]
    pub lmtp: Option<LmtpSettings>,
    /// Mailboxes by a name of one's own.
    #[serde(default)]
    pub imap: BTreeMap<String, ImapSettings>,
}

/// Where a mail server hands mail over to us.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LmtpSettings {
    pub listen: SocketAddr,
    /// Open at once at most.
    #[serde(default = "default_connections")]
    pub connections: usize,
    /// How long a command or a mail may take.
    #[serde(default = "default_timeout")]
    pub timeout_seconds: u64,
}

/// A mailbox that is collected from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImapSettings {
    pub host: String,
    #[serde(default = "default_port")]
    pub port: u16,
    #[serde(default = "default_tls")]
    pub tls: RelayTls,
    /// PEM certificates to trust besides the public ones.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    pub username: String,
    #[serde(default)]
    pub password: Option<Secret>,
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    #[serde(default = "default_folder")]
    pub folder: String,
    /// What becomes of a mail in the mailbox once it was taken in.
    #[serde(default = "default_then")]
    pub then: Then,
    /// How often is looked for new mail.
    #[serde(default = "default_poll")]
    pub poll_seconds: u64,
    #[serde(default = "default_imap_timeout")]
    pub timeout_seconds: u64,
}

/// What becomes of a mail that was taken in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Then {
    Delete,
    /// It is put into this folder.
    Move(String),
    /// It stays, and is marked as seen.
    Seen,
}

impl TryFrom<String> for Then {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "delete" => Ok(Self::Delete),
            "seen" => Ok(Self::Seen),
            other => match other.strip_prefix("move:") {
                Some(folder) if !folder.is_empty() => Ok(Self::Move(folder.to_owned())),
                _ => Err(format!(
                    "{text:?} is not \"seen\", \"delete\" or \"move:FOLDER\""
                )),
            },
        }
    }
}

fn default_connections() -> usize {
    20
}

fn default_timeout() -> u64 {
    300
}

fn default_port() -> u16 {
    993
}

fn default_tls() -> RelayTls {
    RelayTls::Implicit
}

fn default_folder() -> String {
    "INBOX".to_owned()
}

fn default_then() -> Then {
    Then::Seen
}

fn default_poll() -> u64 {
    60
}

fn default_imap_timeout() -> u64 {
    60
}

impl ImapSettings {
    /// The password; `key` is that of the mailbox in the settings.
    ///
    /// # Errors
    /// When there is none or its file cannot be read.
    pub fn password(&self, key: &str) -> Result<Secret, ConfigError> {
        let key = format!("{key}.password");
        Secret::resolve(&key, self.password.as_ref(), self.password_file.as_deref())?
            .ok_or_else(|| ConfigError::key(&key, "is missing; password_file names a file with it"))
    }
}

impl InboundMailSettings {
    /// Whether somebody reads what comes to the bounce domain, so that an opt-out by mail is not lost.
    pub fn takes_opt_outs(&self) -> bool {
        self.unsubscribe_by_mail
            .unwrap_or(self.lmtp.is_some() || !self.imap.is_empty())
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        at_least_one(&[("inbound.keep_days", u64::from(self.keep_days))])?;
        if !(10_000..=100_000_000).contains(&self.max_bytes) {
            return Err(ConfigError::key(
                "inbound.max_bytes",
                "must be between 10000 and 100000000",
            ));
        }
        for domain in &self.domains {
            require_lower_domain("inbound.domains", domain)?;
        }
        if let Some(lmtp) = &self.lmtp {
            at_least_one(&[
                ("inbound.lmtp.connections", lmtp.connections as u64),
                ("inbound.lmtp.timeout_seconds", lmtp.timeout_seconds),
            ])?;
        }
        for (name, mailbox) in &self.imap {
            let key = format!("inbound.imap.{name}");
            mailbox.password(&key)?;
            at_least_one(&[
                (&format!("{key}.poll_seconds"), mailbox.poll_seconds),
                (&format!("{key}.timeout_seconds"), mailbox.timeout_seconds),
            ])?;
            let is_local = matches!(mailbox.host.as_str(), "localhost" | "127.0.0.1" | "::1");
            if mailbox.tls == RelayTls::None && !is_local {
                return Err(ConfigError::key(
                    &format!("{key}.tls"),
                    "a log-in must not travel in clear; use \"starttls\" or \"implicit\"",
                ));
            }
        }
        Ok(())
    }
}
