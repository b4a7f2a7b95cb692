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
    /// The same for the short links of text messages: a host that leads to this server too.
    #[serde(default)]
    pub short_url: Option<String>,
    /// The proxies in front, whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Whether every HTML mail holds a link that no person sees, so that scanners give themselves away.
    pub trap_link: bool,
    /// Links of how many recipients one visitor may follow within a minute before he is taken for a scanner;
    /// 0: any number.
    pub recipients_per_visitor: usize,
}

impl WebSettings {
    /// What stands before the codes of short links.
    pub fn short_url(&self) -> &str {
        self.short_url.as_deref().unwrap_or(&self.public_url)
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        validate_base("web.public_url", &self.public_url)?;
        self.short_url
            .as_ref()
            .map_or(Ok(()), |url| validate_base("web.short_url", url))
    }
}

/// Whether links may begin with `text`.
fn validate_base(key: &str, text: &str) -> Result<(), ConfigError> {
    let url = reqwest::Url::parse(text)
        .map_err(|cause| ConfigError::key(key, format!("is not a URL: {cause}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(ConfigError::key(key, "must begin with https://"));
    }
    if text.ends_with('/') {
        return Err(ConfigError::key(key, "must not end with a slash"));
    }
    if text.len() > 120 {
        return Err(ConfigError::key(
            key,
            "must not be longer than 120 characters",
        ));
    }
    Ok(())
}
