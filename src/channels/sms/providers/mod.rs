//! One file for each kind of provider.

use super::provider::{PathSecret, Provider};
use crate::config::{ConfigError, ProviderSettings};

/// Where a provider posts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hooks {
    pub receipt: String,
    pub inbound: String,
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
    let _account = Account {
        hooks: Hooks::new(public_url, name, secret),
        secret: PathSecret::new(secret),
        key,
    };
    Ok(None)
}
