//! One file for each kind of provider.

mod brevo;
mod fields;
mod infobip;
mod ovh;
#[cfg(test)]
mod samples;

use std::fmt;

use super::provider::{PathSecret, Provider};
use crate::config::{ConfigError, ProviderSettings, StopBy};

/// Where a provider posts to.
#[derive(Clone, PartialEq, Eq)]
pub struct Hooks {
    pub receipt: String,
    pub inbound: String,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Both end in the secret.
        f.write_str("Hooks(..)")
    }
}

impl Hooks {
    /// The addresses of a provider below our public one, with their secret end.
    pub fn new(public_url: &str, name: &str, secret: Option<&str>) -> Self {
        let end = secret.map_or_else(String::new, |secret| format!("/{secret}"));
        Self {
            receipt: format!("{public_url}/hooks/sms/{name}/receipt{end}"),
            inbound: format!("{public_url}/hooks/sms/{name}/inbound{end}"),
        }
    }
}

/// What every kind is told beside its own settings.
#[derive(Debug, Clone)]
pub struct Account {
    /// `sms.providers.NAME`, for errors.
    pub key: String,
    pub hooks: Hooks,
    pub secret: PathSecret,
    /// Who writes the STOP mention; `None` where there is none.
    pub stop_by: Option<StopBy>,
}

/// The provider of an account that posts over HTTP; `None` for one that does not (SMPP).
///
/// # Errors
/// Names the key of what is missing or wrong.
pub fn open(
    name: &str,
    settings: &ProviderSettings,
    public_url: &str,
) -> Result<Option<Box<dyn Provider>>, ConfigError> {
    let key = format!("sms.providers.{name}");
    let secret = settings.hook_secret(&key)?;
    let secret = secret.as_ref().map(crate::config::Secret::expose);
    let account = Account {
        hooks: Hooks::new(public_url, name, secret),
        secret: PathSecret::new(secret),
        stop_by: settings.stop.as_ref().map(|stop| stop.by),
        key,
    };
    if let Some(settings) = &settings.ovh {
        return Ok(Some(Box::new(ovh::Ovh::open(account, settings)?)));
    }
    if let Some(settings) = &settings.brevo {
        return Ok(Some(Box::new(brevo::Brevo::open(account, settings)?)));
    }
    if let Some(settings) = &settings.infobip {
        return Ok(Some(Box::new(infobip::Infobip::open(account, settings)?)));
    }
    Ok(None)
}

/// An address of a provider below the one of the settings.
fn address(key: &str, base: &str, path: &str) -> Result<reqwest::Url, ConfigError> {
    reqwest::Url::parse(&format!("{}{path}", base.trim_end_matches('/')))
        .map_err(|cause| ConfigError::key(&format!("{key}.url"), format!("is not a URL: {cause}")))
}
