//! `[[email.limits]]`

use std::collections::BTreeSet;

use serde::Deserialize;

use super::ConfigError;

/// How much of what goes out is bounded by a limit: whose mail, or whom it is for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    /// Domains of recipients who share it; `["*"]`: every domain that no other limit names, for itself.
    #[serde(default)]
    pub recipients: Vec<String>,
    /// Domains of senders who share it; `["*"]` as above.
    #[serde(default)]
    pub senders: Vec<String>,
    /// Messages per second, over all campaigns and nodes.
    pub rate_per_second: u32,
}

/// # Errors
/// When a limit is empty, bounds nothing, or names what another one names.
pub(super) fn validate(limits: &[LimitSettings]) -> Result<(), ConfigError> {
    let mut seen = BTreeSet::new();
    for (at, limit) in limits.iter().enumerate() {
        let key = format!("email.limits[{at}]");
        at_least_one(&[(
            &format!("{key}.rate_per_second"),
            u64::from(limit.rate_per_second),
        )])?;
        let domains = match (limit.recipients.as_slice(), limit.senders.as_slice()) {
            (domains, []) | ([], domains) if !domains.is_empty() => domains,
            _ => {
                return Err(ConfigError::key(
                    &key,
                    "names either recipients or senders: domains, or \"*\" for each other domain",
                ));
            }
        };
        for domain in domains {
            if domain != "*" {
                require_lower_domain(&key, domain)?;
            } else if domains.len() > 1 {
                return Err(ConfigError::key(
                    &key,
                    "\"*\" stands alone: it is every domain that no other limit names",
                ));
            }
            if !seen.insert((limit.senders.is_empty(), domain)) {
                return Err(ConfigError::key(
                    &key,
                    format!("{domain} has a limit already; list it once"),
                ));
            }
        }
    }
    Ok(())
}

pub(super) fn at_least_one(values: &[(&str, u64)]) -> Result<(), ConfigError> {
    match values.iter().find(|(_, value)| *value == 0) {
        Some((key, _)) => Err(ConfigError::key(key, "must be at least 1")),
        None => Ok(()),
    }
}

pub(super) fn require_domain(key: &str, domain: &str) -> Result<(), ConfigError> {
    let is_domain = !domain.is_empty()
        && domain.len() <= 190
        && domain
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-');
    if is_domain {
        return Ok(());
    }
    Err(ConfigError::key(key, format!("{domain:?} is not a domain")))
}

/// As [`require_domain`], for a list that domains are looked up in.
pub(super) fn require_lower_domain(key: &str, domain: &str) -> Result<(), ConfigError> {
    require_domain(key, domain)?;
    if domain.chars().any(|c| c.is_ascii_uppercase()) {
        return Err(ConfigError::key(
            key,
            format!("write {domain:?} in lower case"),
        ));
    }
    Ok(())
}

/// The domain of an address, in lower case.
pub fn domain_of(address: &str) -> String {
    let (_, domain) = address.rsplit_once('@').unwrap_or(("", address));
    domain.to_ascii_lowercase()
}
