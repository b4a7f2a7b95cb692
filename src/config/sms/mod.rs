//! `[sms]`

mod providers;
mod sender;

pub use providers::{
    AnswerSettings, BrevoSettings, HttpSettings, InboundSettings, InfobipSettings, OvhSettings,
    ReceiptSettings, SmppMessageIds, SmppSettings, TwilioSettings, VonageSettings, VonageSignature,
};

pub use sender::{STOP_LINK, SenderId, is_french_mobile};

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::limits::at_least_one;
use super::{ConfigError, Secret, Texts};

/// What the route of a text message begins with; the name of its provider follows.
const ROUTE: &str = "sms/";

/// The route to a provider.
pub fn sms_route(provider: &str) -> String {
    format!("{ROUTE}{provider}")
}

/// The provider of a route; `None` for one of email.
pub fn provider_of(route: &str) -> Option<&str> {
    route.strip_prefix(ROUTE)
}

/// The name of the provider where none is configured: messages land in the outbox.
pub const SANDBOX: &str = "sandbox";

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmsSettings {
    /// The provider of campaigns that name none; `None`: the only one there is, or the sandbox.
    #[serde(default)]
    pub provider: Option<String>,
    /// The provider accounts by name; none: the sandbox.
    #[serde(default)]
    pub providers: BTreeMap<String, ProviderSettings>,
    /// Requests at once, to each provider.
    pub connections: u32,
    /// The longest a request may wait for its answer.
    pub timeout_seconds: u64,
    /// Of all prices (ISO 4217).
    pub currency: String,
    /// Whether what GSM-7 cannot say is replaced by what it can.
    pub transliterate: bool,
    /// How one reaches the firm: the answer to HELP and CONTACT.
    pub contact: String,
}

/// An account with a provider. Exactly one of the tables of the kinds is given.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderSettings {
    /// The sender of campaigns that name none: a short code, a number, or a name of at most 11 characters.
    #[serde(default)]
    pub sender: Option<String>,
    /// Messages per second over all campaigns and nodes.
    #[serde(default)]
    pub rate_per_second: Option<u32>,
    #[serde(default)]
    pub connections: Option<u32>,
    #[serde(default)]
    pub timeout_seconds: Option<u64>,
    #[serde(default)]
    pub transliterate: Option<bool>,
    /// How a recipient of advertising is told that he can stop it.
    #[serde(default)]
    pub stop: Option<StopSettings>,
    /// Whether the provider itself answers STOP and HELP, so that we must not.
    #[serde(default)]
    pub answers_keywords: bool,
    /// The end of the addresses it posts receipts and replies to, where it does not sign what it posts.
    #[serde(default)]
    pub hook_secret: Option<Secret>,
    #[serde(default)]
    pub hook_secret_file: Option<PathBuf>,
    /// Price of one part by the country of the number (ISO 3166-1 alpha-2), `"*"` for the others.
    #[serde(default)]
    pub prices: BTreeMap<String, f64>,
    #[serde(default)]
    pub twilio: Option<TwilioSettings>,
    #[serde(default)]
    pub vonage: Option<VonageSettings>,
    #[serde(default)]
    pub ovh: Option<OvhSettings>,
    #[serde(default)]
    pub brevo: Option<BrevoSettings>,
    #[serde(default)]
    pub infobip: Option<InfobipSettings>,
    #[serde(default)]
    pub http: Option<HttpSettings>,
    #[serde(default)]
    pub smpp: Option<SmppSettings>,
}

/// The STOP mention of an account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopSettings {
    /// By language; `{link}` in it is the recipient's short unsubscribe link.
    pub text: Texts,
    /// Who writes it at the end of the message. Never both: what the provider appends is only counted.
    #[serde(default)]
    pub by: StopBy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopBy {
    #[default]
    Us,
    Provider,
}

impl SmsSettings {
    /// The provider a campaign goes through: the one it asks for, else the default one, else the only one,
    /// else the sandbox.
    ///
    /// # Errors
    /// When there is none of this name, or several and none is the default; says which there are.
    pub fn route(&self, wanted: Option<&str>) -> Result<&str, String> {
        let names = || -> String {
            let names: Vec<&str> = self.providers.keys().map(String::as_str).collect();
            names.join(", ")
        };
        match wanted.or(self.provider.as_deref()) {
            Some(SANDBOX) if self.providers.is_empty() => Ok(SANDBOX),
            Some(name) => self
                .providers
                .get_key_value(name)
                .map(|(name, _)| name.as_str())
                .ok_or_else(|| {
                    if self.providers.is_empty() {
                        format!("sms provider {name:?} is not in the settings; there is none")
                    } else {
                        format!(
                            "sms provider {name:?} is not in the settings; there are: {}",
                            names()
                        )
                    }
                }),
            None => match self.providers.len() {
                0 => Ok(SANDBOX),
                1 => Ok(self.providers.keys().next().map_or(SANDBOX, String::as_str)),
                _ => Err(format!(
                    "sms.provider is missing, and there are several providers: {}",
                    names()
                )),
            },
        }
    }

    /// The provider of this name; `None` for the sandbox and for one that is not there.
    pub fn provider_named(&self, name: &str) -> Option<&ProviderSettings> {
        self.providers.get(name)
    }

    /// Requests at once to a provider.
    pub fn connections_to(&self, name: &str) -> u32 {
        self.provider_named(name)
            .and_then(|provider| provider.connections)
            .unwrap_or(self.connections)
    }

    /// Seconds a request to a provider may wait for its answer.
    pub fn timeout_of(&self, name: &str) -> u64 {
        self.provider_named(name)
            .and_then(|provider| provider.timeout_seconds)
            .unwrap_or(self.timeout_seconds)
    }

    /// Messages a second through a provider, over all nodes.
    pub fn rate_of(&self, name: &str) -> Option<u32> {
        self.provider_named(name)
            .and_then(|provider| provider.rate_per_second)
    }

    /// Whether what GSM-7 cannot say is replaced on the way through a provider.
    pub fn transliterates(&self, name: &str) -> bool {
        self.provider_named(name)
            .and_then(|provider| provider.transliterate)
            .unwrap_or(self.transliterate)
    }

    /// The longest of all timeouts, in seconds; none without a provider, since the sandbox answers at once.
    pub(super) fn longest_timeout(&self) -> u64 {
        let names = self.providers.keys();
        names.map(|name| self.timeout_of(name)).max().unwrap_or(0)
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        at_least_one(&[
            ("sms.connections", u64::from(self.connections)),
            ("sms.timeout_seconds", self.timeout_seconds),
        ])?;
        if self.currency.len() != 3 || !self.currency.chars().all(|c| c.is_ascii_uppercase()) {
            return Err(ConfigError::key(
                "sms.currency",
                "must be three capital letters, such as EUR",
            ));
        }
        if let Some(name) = &self.provider {
            self.route(Some(name))
                .map_err(|problem| ConfigError::key("sms.provider", problem))?;
        }
        for (name, provider) in &self.providers {
            let key = format!("sms.providers.{name}");
            let is_plain = (1..=40).contains(&name.len())
                && name
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
            if !is_plain || name == SANDBOX {
                return Err(ConfigError::key(
                    &key,
                    "its name must be 1 to 40 lower-case letters, digits, - or _, and not sandbox",
                ));
            }
            provider.validate(&key)?;
        }
        Ok(())
    }
}

impl ProviderSettings {
    /// The end of the addresses it posts to, where it is given.
    ///
    /// # Errors
    /// When its file cannot be read, or both ways are taken.
    pub fn hook_secret(&self, key: &str) -> Result<Option<Secret>, ConfigError> {
        Secret::resolve(
            &format!("{key}.hook_secret"),
            self.hook_secret.as_ref(),
            self.hook_secret_file.as_deref(),
        )
    }

    /// The price of one part to a country, in millionths of the currency; `None`: not known.
    pub fn price_micros(&self, country: &str) -> Option<i64> {
        let price = self.prices.get(country).or_else(|| self.prices.get("*"))?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "validated to lie between 0 and 100"
        )]
        let micros = (price * 1_000_000.0).round() as i64;
        Some(micros)
    }

    fn validate(&self, key: &str) -> Result<(), ConfigError> {
        let kinds = [
            self.twilio.is_some(),
            self.vonage.is_some(),
            self.ovh.is_some(),
            self.brevo.is_some(),
            self.infobip.is_some(),
            self.http.is_some(),
            self.smpp.is_some(),
        ];
        if kinds.into_iter().filter(|is_given| *is_given).count() != 1 {
            return Err(ConfigError::key(
                key,
                format!(
                    "needs exactly one table that says how to reach it: [{key}.twilio], .vonage, .ovh, .brevo, .infobip, .http or .smpp"
                ),
            ));
        }
        at_least_one(&[
            (
                &format!("{key}.rate_per_second"),
                u64::from(self.rate_per_second.unwrap_or(1)),
            ),
            (
                &format!("{key}.connections"),
                u64::from(self.connections.unwrap_or(1)),
            ),
            (
                &format!("{key}.timeout_seconds"),
                self.timeout_seconds.unwrap_or(1),
            ),
        ])?;
        self.validate_prices(key)?;
        if let Some(sender) = &self.sender {
            SenderId::read(sender)
                .map_err(|problem| ConfigError::key(&format!("{key}.sender"), problem))?;
            if is_french_mobile(sender) {
                return Err(ConfigError::key(
                    &format!("{key}.sender"),
                    "is a French mobile number, from which no machine may write (ARCEP décision 2018-0881); use a short code 36xxx or a name",
                ));
            }
        }
        if let Some(stop) = &self.stop {
            stop.validate(&format!("{key}.stop"))?;
        }
        let secret = self.hook_secret(key)?;
        if let Some(secret) = &secret {
            let is_long = secret.expose().len() >= 16;
            let is_plain = secret
                .expose()
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
            if !is_long || !is_plain {
                return Err(ConfigError::key(
                    &format!("{key}.hook_secret"),
                    "must be at least 16 letters, digits, - or _: whoever knows it may post opt-outs",
                ));
            }
        }
        self.validate_kind(key)
    }

    fn validate_prices(&self, key: &str) -> Result<(), ConfigError> {
        for (country, price) in &self.prices {
            let key = format!("{key}.prices.{country}");
            let is_country = country == "*"
                || (country.len() == 2 && country.chars().all(|c| c.is_ascii_uppercase()));
            if !is_country {
                return Err(ConfigError::key(
                    &key,
                    "is no country; use two capital letters such as FR, or \"*\"",
                ));
            }
            if !(0.0..=100.0).contains(price) {
                return Err(ConfigError::key(
                    &key,
                    "must be the price of one part, from 0 to 100",
                ));
            }
        }
        Ok(())
    }
}
