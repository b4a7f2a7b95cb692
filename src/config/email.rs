//! `[email]`

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::limits::{
    self, LimitSettings, at_least_one, domain_of, require_domain, require_lower_domain,
};
use super::relay::{DEFAULT_RELAY, RelaySettings};
use super::{ConfigError, Secret};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmailSettings {
    /// `None`: the sandbox; messages land in the outbox of the data folder and nothing leaves the machine.
    #[serde(default)]
    pub relay: Option<RelaySettings>,
    /// Further relays by their name.
    #[serde(default)]
    pub relays: BTreeMap<String, RelaySettings>,
    /// How much may go out a second, over all nodes.
    #[serde(default)]
    pub limits: Vec<LimitSettings>,
    /// Open connections at most, of each relay.
    pub connections: u32,
    /// Messages over one connection before it is closed.
    pub messages_per_connection: u32,
    /// Messages per second through each relay, over all campaigns and nodes; `None`: as fast as it takes
    /// them.
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
    /// Whom DNS is asked when the records of senders are looked up; `None`: whom this machine asks.
    #[serde(default)]
    pub name_server: Option<SocketAddr>,
    /// Whether an opt-out by mail to the bounce domain is read: `[inbound]` says so.
    #[serde(skip)]
    pub takes_opt_outs: bool,
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
    /// The relays by name, the default one first; it is `None` for the sandbox.
    pub fn routes(&self) -> impl Iterator<Item = (&str, Option<&RelaySettings>)> {
        let named = self
            .relays
            .iter()
            .map(|(name, relay)| (name.as_str(), Some(relay)));
        std::iter::once((DEFAULT_RELAY, self.relay.as_ref())).chain(named)
    }

    /// The relay of this name; `None` when the settings know none.
    pub fn relay_named(&self, name: &str) -> Option<Option<&RelaySettings>> {
        self.routes()
            .find(|(known, _)| *known == name)
            .map(|(_, relay)| relay)
    }

    /// The way a sender goes: the relay that is asked for, else the one that lists his domain, else the
    /// default one.
    ///
    /// # Errors
    /// When no relay has the name that is asked for; says which there are.
    pub fn route(&self, wanted: Option<&str>, sender: &str) -> Result<&str, String> {
        let domain = domain_of(sender);
        let route = self.routes().find(|(name, relay)| match wanted {
            Some(wanted) => *name == wanted,
            None => relay.is_some_and(|relay| relay.senders.contains(&domain)),
        });
        match (route, wanted) {
            (Some((name, _)), _) => Ok(name),
            (None, None) => Ok(DEFAULT_RELAY),
            (None, Some(wanted)) => {
                let names: Vec<&str> = self.routes().map(|(name, _)| name).collect();
                Err(format!(
                    "relay: {wanted:?} is not in the settings; there are: {}",
                    names.join(", ")
                ))
            }
        }
    }

    /// Messages a second through a relay, over all nodes.
    pub fn rate_of(&self, relay: &str) -> Option<u32> {
        let own = self
            .relay_named(relay)
            .flatten()
            .and_then(|relay| relay.rate_per_second);
        own.or(self.rate_per_second)
    }

    /// Open connections to a relay at most.
    pub fn connections_to(&self, relay: Option<&RelaySettings>) -> u32 {
        relay
            .and_then(|relay| relay.connections)
            .unwrap_or(self.connections)
    }

    /// The longest a command of a relay's dialogue may wait for its answer, in seconds.
    pub fn timeout_of(&self, relay: Option<&RelaySettings>) -> u64 {
        relay
            .and_then(|relay| relay.timeout_seconds)
            .unwrap_or(self.timeout_seconds)
    }

    /// Messages over one connection to a relay.
    pub fn messages_per_connection_of(&self, relay: Option<&RelaySettings>) -> u32 {
        relay
            .and_then(|relay| relay.messages_per_connection)
            .unwrap_or(self.messages_per_connection)
    }

    /// The longest of all timeouts, in seconds.
    pub(super) fn longest_timeout(&self) -> u64 {
        self.routes()
            .map(|(_, relay)| self.timeout_of(relay))
            .max()
            .unwrap_or(self.timeout_seconds)
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        at_least_one(&[
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
        ])?;
        for (key, domain) in [
            ("email.bounce_domain", &self.bounce_domain),
            ("email.message_domain", &self.message_domain),
        ] {
            require_domain(key, domain)?;
        }
        if !(5..=15).contains(&self.feedback_id.len())
            || !self.feedback_id.chars().all(|c| c.is_ascii_alphanumeric())
        {
            return Err(ConfigError::key(
                "email.feedback_id",
                "must be 5 to 15 letters or digits",
            ));
        }
        self.validate_relays()?;
        limits::validate(&self.limits)?;
        for dkim in &self.dkim {
            dkim.private_key()?;
        }
        Ok(())
    }

    fn validate_relays(&self) -> Result<(), ConfigError> {
        if let Some(relay) = &self.relay {
            relay.validate("email.relay")?;
            if !relay.senders.is_empty() {
                return Err(ConfigError::key(
                    "email.relay.senders",
                    "is not needed: this relay takes every sender whom no relay of [email.relays] lists",
                ));
            }
        } else if !self.relays.is_empty() {
            return Err(ConfigError::key(
                "email.relay",
                "is missing beside email.relays: it takes the senders that none of them lists",
            ));
        }
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, relay) in &self.relays {
            let key = format!("email.relays.{name}");
            if name == DEFAULT_RELAY {
                return Err(ConfigError::key(
                    &key,
                    "is the name of the relay in [email.relay]; take another",
                ));
            }
            let is_plain = (1..=40).contains(&name.len())
                && name
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
            if !is_plain {
                return Err(ConfigError::key(
                    &key,
                    "its name must be 1 to 40 lower-case letters, digits, - or _",
                ));
            }
            relay.validate(&key)?;
            for sender in &relay.senders {
                require_lower_domain(&format!("{key}.senders"), sender)?;
                if let Some(other) = seen.insert(sender, name) {
                    return Err(ConfigError::key(
                        &format!("{key}.senders"),
                        format!("{sender} goes through {other} already; list it once"),
                    ));
                }
            }
        }
        Ok(())
    }
}
