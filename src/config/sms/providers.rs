//! What each kind of provider wants to know.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::ProviderSettings;
use crate::config::{ConfigError, Secret};

/// `[sms.providers.NAME.twilio]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TwilioSettings {
    /// `AC…`
    pub account: String,
    #[serde(default)]
    pub token: Option<Secret>,
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// `MG…`: messages go through this messaging service, and the sender is its affair.
    #[serde(default)]
    pub service: Option<String>,
    /// Another address than the public one.
    #[serde(default)]
    pub url: Option<String>,
}

/// `[sms.providers.NAME.vonage]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VonageSettings {
    /// The API key.
    pub account: String,
    #[serde(default)]
    pub secret: Option<Secret>,
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// The signature secret: what it posts is verified with it. Without it a `hook_secret` is needed.
    #[serde(default)]
    pub signature_secret: Option<Secret>,
    #[serde(default)]
    pub signature_secret_file: Option<PathBuf>,
    #[serde(default)]
    pub signature: VonageSignature,
    #[serde(default)]
    pub url: Option<String>,
}

/// How Vonage signs what it posts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VonageSignature {
    Md5hash,
    Md5,
    Sha1,
    #[default]
    Sha256,
    Sha512,
}

/// `[sms.providers.NAME.ovh]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OvhSettings {
    /// The service, `sms-ab12345-1`.
    pub service: String,
    pub application_key: String,
    #[serde(default)]
    pub application_secret: Option<Secret>,
    #[serde(default)]
    pub application_secret_file: Option<PathBuf>,
    #[serde(default)]
    pub consumer_key: Option<Secret>,
    #[serde(default)]
    pub consumer_key_file: Option<PathBuf>,
    #[serde(default)]
    pub url: Option<String>,
}

/// `[sms.providers.NAME.brevo]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrevoSettings {
    #[serde(default)]
    pub api_key: Option<Secret>,
    #[serde(default)]
    pub api_key_file: Option<PathBuf>,
    /// Stands before every text, as some countries want.
    #[serde(default)]
    pub organisation: Option<String>,
    #[serde(default)]
    pub url: Option<String>,
}

/// `[sms.providers.NAME.infobip]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InfobipSettings {
    /// The account's own address, `https://xxxxx.api.infobip.com`.
    pub url: String,
    #[serde(default)]
    pub api_key: Option<Secret>,
    #[serde(default)]
    pub api_key_file: Option<PathBuf>,
}

/// `[sms.providers.NAME.http]`: any provider that takes one message a request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    pub url: String,
    /// POST unless said otherwise.
    #[serde(default)]
    pub method: Option<String>,
    /// Sent with every request; values are templates too.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// `application/json` unless said otherwise.
    #[serde(default)]
    pub content_type: Option<String>,
    /// Handlebars: `{{to}}`, `{{sender}}`, `{{text}}`, `{{reference}}`, `{{parts}}`, `{{encoding}}`,
    /// `{{receipt_url}}`. Values are escaped for JSON in a JSON body and percent-encoded in a form.
    pub body: String,
    /// The provider takes a message with the same `{{reference}}` only once, so that it may be sent again
    /// when an answer was lost.
    #[serde(default)]
    pub is_idempotent: bool,
    #[serde(default)]
    pub answer: AnswerSettings,
    #[serde(default)]
    pub receipts: Option<ReceiptSettings>,
    #[serde(default)]
    pub inbound: Option<InboundSettings>,
}

/// How its answer is read. All places are JSON pointers (RFC 6901).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerSettings {
    /// Where its own name for the message stands.
    #[serde(default)]
    pub message_id: Option<String>,
    /// Where the word stands that tells what became of it; without it the HTTP status tells.
    #[serde(default)]
    pub status: Option<String>,
    /// The words that mean it was taken.
    #[serde(default)]
    pub accepted: Vec<String>,
    /// The words that mean it should be tried again.
    #[serde(default)]
    pub deferred: Vec<String>,
    /// The words that mean it never will be taken. Of any other word nobody knows what it means: the message
    /// may have been taken.
    #[serde(default)]
    pub rejected: Vec<String>,
}

/// How the receipts it posts are read. All places are JSON pointers; of a form or a query they are `/name`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptSettings {
    /// Where the list of receipts stands, when one post holds several.
    #[serde(default)]
    pub list: Option<String>,
    #[serde(default)]
    pub reference: Option<String>,
    #[serde(default)]
    pub message_id: Option<String>,
    pub status: String,
    pub delivered: Vec<String>,
    #[serde(default)]
    pub sent: Vec<String>,
    pub undelivered: Vec<String>,
    /// Of the undelivered, the words that mean that the number does not exist.
    #[serde(default)]
    pub unknown_subscriber: Vec<String>,
}

/// How the messages of people that it posts are read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboundSettings {
    #[serde(default)]
    pub list: Option<String>,
    pub from: String,
    pub text: String,
    #[serde(default)]
    pub to: Option<String>,
    #[serde(default)]
    pub message_id: Option<String>,
}

/// `[sms.providers.NAME.smpp]`: SMPP 3.4, bound as a transceiver.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmppSettings {
    pub host: String,
    pub port: u16,
    pub system_id: String,
    #[serde(default)]
    pub password: Option<Secret>,
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    #[serde(default)]
    pub system_type: String,
    /// Whether the connection is TLS from the first byte.
    #[serde(default)]
    pub tls: bool,
    /// Messages without an answer at once.
    #[serde(default = "ten")]
    pub window: u32,
    /// How the names of messages are written.
    #[serde(default)]
    pub message_ids: SmppMessageIds,
}

/// How an SMSC writes the name of a message in its answer and in the text of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmppMessageIds {
    #[default]
    Same,
    /// Hexadecimal in the answer, decimal in the receipt.
    HexThenDecimal,
}

fn ten() -> u32 {
    10
}

/// A secret of a kind, given in place or by file.
///
/// # Errors
/// When there is none, both ways are taken, or the file cannot be read.
pub fn required(
    key: &str,
    inline: Option<&Secret>,
    file: Option<&std::path::Path>,
) -> Result<Secret, ConfigError> {
    Secret::resolve(key, inline, file)?
        .ok_or_else(|| ConfigError::key(key, format!("is missing; give {key} or {key}_file")))
}

impl ProviderSettings {
    pub(super) fn validate_kind(&self, key: &str) -> Result<(), ConfigError> {
        let has_path = self.hook_secret(key)?.is_some();
        if let Some(twilio) = &self.twilio {
            let key = format!("{key}.twilio");
            url(&key, twilio.url.as_deref())?;
            twilio.token(&key)?;
        }
        if let Some(vonage) = &self.vonage {
            let key = format!("{key}.vonage");
            url(&key, vonage.url.as_deref())?;
            vonage.secret(&key)?;
            if vonage.signature_secret(&key)?.is_none() && !has_path {
                return Err(ConfigError::key(
                    &format!("{key}.signature_secret"),
                    "is missing: without it, or a hook_secret, anybody could post opt-outs",
                ));
            }
        }
        if let Some(ovh) = &self.ovh {
            let key = format!("{key}.ovh");
            url(&key, ovh.url.as_deref())?;
            ovh.application_secret(&key)?;
            ovh.consumer_key(&key)?;
        }
        if let Some(brevo) = &self.brevo {
            let key = format!("{key}.brevo");
            url(&key, brevo.url.as_deref())?;
            brevo.api_key(&key)?;
        }
        if let Some(infobip) = &self.infobip {
            let key = format!("{key}.infobip");
            url(&key, Some(&infobip.url))?;
            infobip.api_key(&key)?;
        }
        if let Some(http) = &self.http {
            url(&format!("{key}.http"), Some(&http.url))?;
        }
        if let Some(smpp) = &self.smpp {
            smpp.password(&format!("{key}.smpp"))?;
        }
        let posts_unsigned = self.ovh.is_some()
            || self.brevo.is_some()
            || self.infobip.is_some()
            || self
                .http
                .as_ref()
                .is_some_and(|http| http.receipts.is_some() || http.inbound.is_some());
        if posts_unsigned && !has_path {
            return Err(ConfigError::key(
                &format!("{key}.hook_secret"),
                "is missing: this provider does not sign what it posts, so the address must be a secret",
            ));
        }
        Ok(())
    }
}

fn url(key: &str, url: Option<&str>) -> Result<(), ConfigError> {
    let Some(url) = url else {
        return Ok(());
    };
    let key = format!("{key}.url");
    let parsed = reqwest::Url::parse(url)
        .map_err(|cause| ConfigError::key(&key, format!("is not a URL: {cause}")))?;
    let is_local = matches!(parsed.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if parsed.scheme() == "https" || (parsed.scheme() == "http" && is_local) {
        Ok(())
    } else {
        Err(ConfigError::key(
            &key,
            "must begin with https://: it carries keys and telephone numbers",
        ))
    }
}

impl TwilioSettings {
    /// The auth token.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn token(&self, key: &str) -> Result<Secret, ConfigError> {
        required(
            &format!("{key}.token"),
            self.token.as_ref(),
            self.token_file.as_deref(),
        )
    }
}

impl VonageSettings {
    /// The API secret.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn secret(&self, key: &str) -> Result<Secret, ConfigError> {
        required(
            &format!("{key}.secret"),
            self.secret.as_ref(),
            self.secret_file.as_deref(),
        )
    }

    /// The signature secret, if there is one.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn signature_secret(&self, key: &str) -> Result<Option<Secret>, ConfigError> {
        Secret::resolve(
            &format!("{key}.signature_secret"),
            self.signature_secret.as_ref(),
            self.signature_secret_file.as_deref(),
        )
    }
}

impl OvhSettings {
    /// The application secret.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn application_secret(&self, key: &str) -> Result<Secret, ConfigError> {
        required(
            &format!("{key}.application_secret"),
            self.application_secret.as_ref(),
            self.application_secret_file.as_deref(),
        )
    }

    /// The consumer key.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn consumer_key(&self, key: &str) -> Result<Secret, ConfigError> {
        required(
            &format!("{key}.consumer_key"),
            self.consumer_key.as_ref(),
            self.consumer_key_file.as_deref(),
        )
    }
}

impl BrevoSettings {
    /// The API key.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn api_key(&self, key: &str) -> Result<Secret, ConfigError> {
        required(
            &format!("{key}.api_key"),
            self.api_key.as_ref(),
            self.api_key_file.as_deref(),
        )
    }
}

impl InfobipSettings {
    /// The API key.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn api_key(&self, key: &str) -> Result<Secret, ConfigError> {
        required(
            &format!("{key}.api_key"),
            self.api_key.as_ref(),
            self.api_key_file.as_deref(),
        )
    }
}

impl SmppSettings {
    /// The password.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn password(&self, key: &str) -> Result<Secret, ConfigError> {
        required(
            &format!("{key}.password"),
            self.password.as_ref(),
            self.password_file.as_deref(),
        )
    }
}
