//! `[summary]`

use std::str::FromStr;

use chrono_tz::Tz;
use serde::Deserialize;

use super::ConfigError;

/// Who gets a summary of the campaigns by email, and when.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SummarySettings {
    /// The readers' addresses; none: no summary.
    pub to: Vec<String>,
    /// A cron expression of five fields, in `zone`.
    pub every: String,
    pub zone: Tz,
}

impl SummarySettings {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        for address in &self.to {
            if lettre::Address::from_str(address).is_err() {
                return Err(ConfigError::key(
                    "summary.to",
                    format!("{address:?} is not an email address"),
                ));
            }
        }
        let cron = croner::parser::CronParser::builder()
            .seconds(croner::parser::Seconds::Disallowed)
            .build()
            .parse(&self.every);
        cron.map(|_| ()).map_err(|error| {
            ConfigError::key(
                "summary.every",
                format!(
                    "{:?} is not a cron expression of five fields (minute hour day month weekday): {error}",
                    self.every
                ),
            )
        })
    }
}
