//! `[accounts]`: the people who work with the console.

use chrono_tz::Tz;
use serde::Deserialize;

use super::ConfigError;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountSettings {
    /// After how many hours without a request a session ends.
    pub session_idle_hours: u32,
    /// After how many days a session ends in any case.
    pub session_days: u32,
    /// In whose time the console tells instants.
    pub zone: Tz,
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
        Ok(())
    }
}
