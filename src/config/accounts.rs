//! `[accounts]`: the people who work with the console.

use chrono_tz::Tz;
use serde::Deserialize;

use super::{ConfigError, OidcSettings};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountSettings {
    /// After how many hours without a request a session ends.
    pub session_idle_hours: u32,
    /// After how many days a session ends in any case.
    pub session_days: u32,
    /// In whose time the console tells instants.
    pub zone: Tz,
    /// Whether everybody who has a password needs a second factor beside it.
    pub require_two_factors: bool,
    /// Where the firm's people sign in already.
    #[serde(default)]
    pub oidc: Option<OidcSettings>,
}

impl AccountSettings {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        for (key, value, most) in [
            ("accounts.session_idle_hours", self.session_idle_hours, 720),
            ("accounts.session_days", self.session_days, 90),
        ] {
            if value == 0 || value > most {
                return Err(ConfigError::key(key, format!("must be 1 to {most}")));
            }
        }
        self.oidc.as_ref().map_or(Ok(()), OidcSettings::validate)
    }
}
