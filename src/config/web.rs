//! `[web]`

use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;

use super::ConfigError;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebSettings {
    /// Where the links in messages are answered.
    pub listen: SocketAddr,
    /// Where reports, outbox and metrics are shown; the same as `listen` puts both on one port.
    pub console_listen: SocketAddr,
    /// What stands before the path in links: scheme and host, without a slash at the end.
    pub public_url: String,
    /// The proxies in front, whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<IpAddr>,
}

impl WebSettings {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let key = "web.public_url";
        let url = reqwest::Url::parse(&self.public_url)
            .map_err(|cause| ConfigError::key(key, format!("is not a URL: {cause}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(ConfigError::key(key, "must begin with https://"));
        }
        if self.public_url.ends_with('/') {
            return Err(ConfigError::key(key, "must not end with a slash"));
        }
        if self.public_url.len() > 120 {
            return Err(ConfigError::key(
                key,
                "must not be longer than 120 characters",
            ));
        }
        Ok(())
    }
}
